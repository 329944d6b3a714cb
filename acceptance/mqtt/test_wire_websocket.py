"""MQTT over WebSocket (6): frames, and how they hold packets."""

import pytest

from clauses import clause
from mqtt_raw import CLOSED, CONNACK, PING, PINGRESP, SUBACK, V5, connect, parse, subscribe
from websocket_raw import BINARY, CLOSE, TEXT, Web
from wire import Peer


@pytest.fixture
def web(wire):
    """A WebSocket without TLS, on which nothing has been sent."""
    if isinstance(wire.server, Peer):
        pytest.skip("another broker asks for no signature")
    web = Web(wire.server, secure=False)
    yield web
    web.socket.close()


def kinds(web, count):
    """The kinds of the next packets, whatever frames they come in."""
    found, received = [], b""
    while len(found) < count:
        opcode, payload = web.read()
        assert opcode == BINARY
        received += payload
        while len(received) >= 2 and len(received) >= 2 + received[1]:
            found.append(received[0] >> 4)
            received = received[2 + received[1] :]
    assert not received
    return found


@clause("3.1.1:MQTT-6.0.0-1", "5:MQTT-6.0.0-1")
def test_text_instead_of_binary_ends_it(wire, web):
    assert web.upgrade()[0] == 101
    web.send(connect(wire.new_name(), version=wire.version), TEXT)
    answer = web.read()
    assert answer is CLOSED or answer[0] == CLOSE


@clause("3.1.1:MQTT-6.0.0-1", "5:MQTT-6.0.0-1")
def test_text_ends_it_later_too(wire, web):
    assert web.upgrade()[0] == 101
    web.send(connect(wire.new_name(), version=wire.version))
    opcode, payload = web.read()
    assert (opcode, payload[0] >> 4) == (BINARY, CONNACK)
    web.send(PING, TEXT)
    answer = web.read()
    if answer is not CLOSED and answer[0] == BINARY:
        assert wire.version == V5 and answer[1][0] == 0xE0, "a DISCONNECT at most"
        answer = web.read()
    assert answer is CLOSED or answer[0] == CLOSE


@clause("3.1.1:MQTT-6.0.0-2", "5:MQTT-6.0.0-2")
def test_a_packet_may_span_frames(wire, web):
    assert web.upgrade()[0] == 101
    sent = connect(wire.new_name(), version=wire.version)
    sent += subscribe(wire.topic, version=wire.version)
    for byte in sent:
        web.send(bytes([byte]))
    assert kinds(web, 2) == [CONNACK, SUBACK]


@clause("3.1.1:MQTT-6.0.0-2", "5:MQTT-6.0.0-2")
def test_a_frame_may_hold_several_packets(wire, web):
    assert web.upgrade()[0] == 101
    sent = connect(wire.new_name(), version=wire.version)
    sent += subscribe(wire.topic, version=wire.version)
    web.send(sent + PING[:1])
    web.send(PING[1:])
    assert kinds(web, 3) == [CONNACK, SUBACK, PINGRESP]


@clause("3.1.1:MQTT-6.0.0-3", "3.1.1:MQTT-6.0.0-4", "5:MQTT-6.0.0-3", "5:MQTT-6.0.0-4")
@pytest.mark.parametrize("offered", ["mqtt", "chat, mqtt", "mqtt, mqttv3.1"])
def test_the_protocol_that_is_chosen_is_mqtt(wire, web, offered):
    status, headers = web.upgrade(offered)
    assert (status, headers["sec-websocket-protocol"]) == (101, "mqtt")
    web.send(connect(wire.new_name(), version=wire.version))
    opcode, payload = web.read()
    assert opcode == BINARY
    assert parse(CONNACK, 0, payload[2:], wire.version).code == 0


@clause("3.1.1:MQTT-6.0.0-3", "5:MQTT-6.0.0-3", "5:MQTT-6.0.0-4")
def test_another_protocol_is_not_chosen(wire, web):
    status, headers = web.upgrade("chat")
    assert status == 400 or "sec-websocket-protocol" not in headers

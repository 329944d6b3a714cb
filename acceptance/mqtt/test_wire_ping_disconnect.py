"""PINGREQ, DISCONNECT and packets that a server must not take (2.1, 3.12, 3.14, 4.13)."""

import pytest

from clauses import clause
from mqtt_raw import (
    CLOSED,
    CONNACK,
    PINGREQ,
    PINGRESP,
    SUBACK,
    UNSUBACK,
    disconnect,
    packet,
    publish,
)

PING_OF_EVERY_FORM = {
    "with flags": bytes([PINGREQ << 4 | 1, 0]),
    "with a body": packet(PINGREQ, b"\x00"),
}


@clause("3.1.1:MQTT-3.12.4-1", "5:MQTT-3.12.4-1")
def test_each_ping_is_answered(wire):
    client = wire.join().send(packet(PINGREQ) * 5)
    for _ in range(5):
        client.expect(PINGRESP)


@clause("3.1.1:MQTT-2.2.2-1", "3.1.1:MQTT-2.2.2-2", "5:MQTT-2.1.3-1", "5:MQTT-4.13.1-1")
@pytest.mark.parametrize("form", PING_OF_EVERY_FORM)
def test_a_ping_of_another_form_ends_the_connection(wire, form):
    client = wire.join().send(PING_OF_EVERY_FORM[form])
    assert client.is_closed(0x81)


NOT_FOR_CLIENTS = {
    "type 0": (packet(0), 0x81),
    "CONNACK": (packet(CONNACK, b"\x00\x00"), 0x82),
    "SUBACK": (packet(SUBACK, b"\x00\x01\x00"), 0x82),
    "UNSUBACK": (packet(UNSUBACK, b"\x00\x01"), 0x82),
    "PINGRESP": (packet(PINGRESP), 0x82),
}


@clause("3.1.1:MQTT-4.8.0-1", "5:MQTT-4.13.1-1", "5:MQTT-4.13.2-1")
@pytest.mark.parametrize("what", NOT_FOR_CLIENTS)
def test_what_is_not_for_clients_to_send_ends_the_connection(wire, what):
    sent, code = NOT_FOR_CLIENTS[what]
    client = wire.join().send(sent)
    assert client.is_closed(code)


@clause("3.1.1:MQTT-2.2.2-2", "5:MQTT-1.5.5-1", "5:MQTT-4.13.1-1")
@pytest.mark.parametrize("length", [b"\xff\xff\xff\xff", b"\x80\x80\x80\x80\x01"])
def test_a_length_of_five_bytes_ends_the_connection(wire, length):
    client = wire.join().send(bytes([PINGREQ << 4]) + length)
    assert client.is_closed(0x81)


@clause("3.1.1:MQTT-3.14.1-1", "5:MQTT-3.14.1-1", "3.1.1:MQTT-2.2.2-2", "5:MQTT-2.1.3-1")
@pytest.mark.parametrize("flags", [1, 2, 8])
def test_disconnect_has_no_flags(wire, flags):
    observer = wire.join()
    observer.subscribe(wire.topic)
    client = wire.join(will={"topic": wire.topic, "payload": b"gone"})
    client.send(packet(14, b"", flags))
    assert client.is_closed(0x81)
    assert observer.message() == (wire.topic, b"gone"), "it was no goodbye"


@clause("3.1.1:MQTT-3.14.4-1", "5:MQTT-3.14.4-2", "3.1.1:MQTT-3.14.4-2", "5:MQTT-3.14.4-1")
def test_nothing_counts_after_disconnect(wire):
    observer = wire.join()
    observer.subscribe(wire.topic)
    late = publish(wire.topic, b"late", version=wire.version)
    client = wire.join().send(disconnect(wire.version) + late)
    assert client.read() is CLOSED
    observer.ping()


CODES_OF_CLIENTS = [0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98]


@clause("5:MQTT-3.14.2-1", "5:MQTT-3.14.4-2")
@pytest.mark.parametrize("code", [*CODES_OF_CLIENTS, 0x99])
def test_a_goodbye_with_any_code_of_a_client_is_taken(wire, code):
    client = wire.join()
    assert client.ask(disconnect, code=code, props={"reason_string": "so long"}) is CLOSED


@clause("5:MQTT-3.14.2-1")
@pytest.mark.parametrize("code", [0x01, 0x03, 0x11, 0xFF])
def test_a_goodbye_has_a_code_of_its_own(wire, code):
    client = wire.join()
    client.say(disconnect, code=code)
    assert client.is_closed(0x82)


@clause("5:MQTT-3.14.2-2", "5:MQTT-3.14.2-1")
def test_the_server_s_goodbye_has_no_session_expiry(wire):
    client = wire.join(name := wire.new_name(), props={"session_expiry": 60})
    wire.join(name)
    goodbye = client.expect(14, code=0x8E)
    assert "session_expiry" not in goodbye.properties
    assert client.read() is CLOSED


@clause("5:MQTT-4.13.1-1")
def test_a_session_without_expiry_gets_none_at_the_end(wire):
    client = wire.join()
    client.say(disconnect, props={"session_expiry": 60})
    assert client.is_closed(0x82)


@clause("5:MQTT-3.14.2-3", "5:MQTT-3.14.2-4")
def test_a_goodbye_fits_what_the_client_takes(wire):
    client = wire.join(props={"maximum_packet_size": 512})
    client.say(publish, "a/" * 200 + "#")
    goodbye = client.expect(14, code=0x81)
    told = sum(len(a) + len(b) for a, b in goodbye.properties.get("user", []))
    assert told + len(goodbye.properties.get("reason_string", "")) < 512

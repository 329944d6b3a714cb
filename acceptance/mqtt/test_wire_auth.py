"""Enhanced authentication (4.12), which is not offered."""

import pytest

from clauses import clause
from mqtt_raw import AUTH, CLOSED, CONNACK, auth, connect, packet, publish

METHOD = {"authentication_method": "SCRAM-SHA-1"}


@clause("5:MQTT-4.12.0-1", "5:MQTT-4.12.0-4", "5:MQTT-4.13.2-1")
@pytest.mark.parametrize("more", [{}, {"authentication_data": b"client-first"}])
def test_every_method_is_refused_by_name(wire, more):
    answer = wire.turned_away(wire.new_name(), props=METHOD | more)
    assert (answer.kind, answer.code) == (CONNACK, 0x8C)


@clause("5:MQTT-3.1.4-6", "5:MQTT-3.1.2-30")
def test_nothing_counts_after_a_method_was_refused(wire):
    observer = wire.join()
    observer.subscribe(wire.topic)
    client = wire.dial()
    client.say(connect, wire.new_name(), props=METHOD).say(publish, wire.topic, b"late")
    client.expect(CONNACK, code=0x8C)
    assert client.read() is CLOSED
    observer.ping()


@clause("5:MQTT-4.12.0-6")
def test_a_client_without_a_method_is_asked_nothing(wire):
    client = wire.join(user_name="name", password=b"secret")
    assert client.connack.kind == CONNACK
    client.ping()


@clause("5:MQTT-4.12.0-7", "5:MQTT-3.15.2-1", "5:MQTT-4.12.1-2")
@pytest.mark.parametrize("code", [None, 0x00, 0x18, 0x19])
def test_auth_without_a_method_ends_the_connection(wire, code):
    props = None if code is None else METHOD
    client = wire.join().send(auth(code, props=props))
    assert client.is_closed(0x82)


@clause("5:MQTT-3.1.0-1", "5:MQTT-3.14.0-1")
def test_auth_is_not_how_a_connection_begins(wire):
    assert wire.refused(auth(0x18, props=METHOD)) is CLOSED


@clause("5:MQTT-3.15.1-1", "5:MQTT-2.1.3-1")
@pytest.mark.parametrize("flags", [1, 2, 15])
def test_auth_has_no_flags(wire, flags):
    client = wire.join().send(packet(AUTH, b"", flags))
    assert client.is_closed(0x81)


@clause("5:MQTT-3.15.2-1")
@pytest.mark.parametrize("code", [0x01, 0x17, 0x80, 0xFF])
def test_auth_has_a_code_of_its_own(wire, code):
    client = wire.join().send(auth(code, props=METHOD))
    assert client.is_closed(0x82)


@clause("3.1.1:MQTT-2.2.2-2", "3.1.1:MQTT-4.8.0-1")
def test_mqtt_3_has_no_such_packet(wire):
    client = wire.join().send(packet(AUTH))
    assert client.is_closed()

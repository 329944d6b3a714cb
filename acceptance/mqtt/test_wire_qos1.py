"""QoS 1 (4.3.2): identifiers and acknowledgements in both directions."""

import pytest

from clauses import clause
from mqtt_raw import PUBACK, PUBLISH, ack, publish, subscribe, unsubscribe
from wire import deliver, hear


@clause("3.1.1:MQTT-4.3.2-2", "3.1.1:MQTT-2.3.1-6", "5:MQTT-4.3.2-4", "5:MQTT-2.2.1-5")
@pytest.mark.parametrize("packet_id", [1, 255, 256, 65535])
def test_puback_has_the_identifier_of_its_publish(wire, packet_id):
    deliver(wire.join(), wire.topic, b"x", 1, packet_id=packet_id)


@clause("5:MQTT-4.3.2-5", "3.1.1:MQTT-2.3.1-3", "3.1.1:MQTT-2.3.1-2")
def test_an_identifier_that_is_free_again_is_a_new_message(wire):
    subscriber, publisher = wire.join(), wire.join()
    subscriber.subscribe(wire.topic, qos=1)
    for dup in (False, True, False):
        deliver(publisher, wire.topic, b"x", 1, packet_id=9, dup=dup)
    assert hear(subscriber, 3) == [(wire.topic, b"x")] * 3


WITH_IDENTIFIER = {
    "PUBLISH": lambda wire: publish(wire.topic, b"", 1, packet_id=0, version=wire.version),
    "SUBSCRIBE": lambda wire: subscribe(wire.topic, packet_id=0, version=wire.version),
    "UNSUBSCRIBE": lambda wire: unsubscribe(wire.topic, packet_id=0, version=wire.version),
}


@clause("3.1.1:MQTT-2.3.1-1", "5:MQTT-2.2.1-3")
@pytest.mark.parametrize("what", WITH_IDENTIFIER)
def test_an_identifier_is_never_zero(wire, what):
    client = wire.join().send(WITH_IDENTIFIER[what](wire))
    assert client.is_closed(0x82)


@clause(
    "3.1.1:MQTT-2.3.1-4",
    "3.1.1:MQTT-4.3.2-1",
    "5:MQTT-2.2.1-4",
    "5:MQTT-4.3.2-1",
    "5:MQTT-4.3.2-2",
)
def test_the_server_gives_each_message_an_identifier_of_its_own(wire):
    subscriber, publisher = wire.join(), wire.join()
    subscriber.subscribe(wire.topic, qos=1)
    for number in range(20):
        deliver(publisher, wire.topic, str(number).encode(), 1)
    messages = [subscriber.expect(PUBLISH, qos=1, dup=False) for _ in range(20)]
    identifiers = {message.packet_id for message in messages}
    assert len(identifiers) == 20 and 0 not in identifiers


@clause("5:MQTT-4.4.0-1", "5:MQTT-4.3.2-3", "3.1.1:MQTT-4.3.2-1")
def test_what_is_not_acknowledged_keeps_its_identifier_and_is_not_sent_again(wire):
    subscriber, publisher = wire.join(), wire.join()
    subscriber.subscribe(wire.topic, qos=1)
    deliver(publisher, wire.topic, b"kept", 1)
    kept = subscriber.expect(PUBLISH, payload=b"kept")
    for _ in range(5):
        deliver(publisher, wire.topic, b"next", 1)
        message = subscriber.expect(PUBLISH, payload=b"next")
        assert message.packet_id != kept.packet_id
        subscriber.send(ack(PUBACK, message.packet_id))
    subscriber.ping()


@clause("3.1.1:MQTT-4.3.2-1", "5:MQTT-4.3.2-3")
def test_an_acknowledgement_of_nothing_is_ignored(wire):
    client = wire.join().send(ack(PUBACK, 4321))
    client.ping()


@clause("5:MQTT-4.4.0-2", "5:MQTT-3.4.2-1")
def test_a_message_that_is_refused_is_done_with(wire):
    subscriber = wire.attend(name := wire.new_name())
    subscriber.subscribe(wire.topic, qos=1)
    deliver(wire.join(), wire.topic, b"x", 1)
    message = subscriber.expect(PUBLISH, payload=b"x")
    subscriber.send(ack(PUBACK, message.packet_id, 0x83))
    subscriber.ping()
    wire.leave(subscriber)
    again = wire.attend(name)
    assert again.connack.session_present
    again.ping()


@clause("5:MQTT-3.4.2-1")
@pytest.mark.parametrize("code", [0x01, 0x92, 0xFF])
def test_a_puback_has_a_code_of_its_own(wire, code):
    client = wire.join().send(ack(PUBACK, 1, code))
    assert client.is_closed(0x82)

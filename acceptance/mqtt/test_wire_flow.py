"""Flow control (4.9) and the sizes that each side takes, in MQTT 5."""

import pytest

from clauses import clause, in_dialect
from mqtt_raw import (
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBACK,
    ack,
    data,
    publish,
    subscribe,
    varint,
)
from wire import AWS, STANDARD, deliver, hear

AT_ONCE = 500


def narrow(wire, qos=1, receive_maximum=1):
    """A subscriber that takes few messages at once."""
    subscriber = wire.join(props={"receive_maximum": receive_maximum})
    subscriber.subscribe(wire.topic, qos=qos)
    return subscriber


@clause("5:MQTT-3.3.4-9", "5:MQTT-4.9.0-1", "5:MQTT-4.9.0-2")
@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_no_more_is_under_way_than_the_client_takes(wire, at_once):
    subscriber, publisher = narrow(wire, receive_maximum=at_once), wire.join()
    for number in range(7):
        deliver(publisher, wire.topic, b"%d" % number, 1)
    waiting = [one.packet_id for one in subscriber.inbox()]
    assert len(waiting) == at_once
    for number in range(at_once, 7):
        subscriber.send(ack(PUBACK, waiting.pop()))
        waiting.append(subscriber.expect(PUBLISH, payload=b"%d" % number).packet_id)
        subscriber.ping()


@clause("5:MQTT-3.3.4-10", "5:MQTT-4.9.0-3")
def test_all_else_is_answered_meanwhile(wire):
    subscriber, publisher = narrow(wire), wire.join()
    for payload in (b"1", b"2"):
        deliver(publisher, wire.topic, payload, 1)
    message = subscriber.expect(PUBLISH, payload=b"1")
    subscriber.say(subscribe, f"{wire.topic}/other", packet_id=3).expect(SUBACK, packet_id=3)
    subscriber.say(publish, f"{wire.topic}/third", b"x", 1, packet_id=4)
    subscriber.expect(PUBACK, packet_id=4)
    subscriber.ping()
    subscriber.send(ack(PUBACK, message.packet_id)).expect(PUBLISH, payload=b"2")


@clause("5:MQTT-4.9.0-2", "5:MQTT-3.3.4-9")
def test_qos_0_is_not_held_up(wire):
    subscriber, publisher = narrow(wire), wire.join()
    deliver(publisher, wire.topic, b"1", 1)
    subscriber.expect(PUBLISH, payload=b"1")
    deliver(publisher, wire.topic, b"0", 0)
    assert hear(subscriber, 1) == [(wire.topic, b"0")]


@clause("5:MQTT-4.4.0-2", "5:MQTT-3.3.4-9")
def test_a_message_that_is_refused_makes_room(wire):
    subscriber, publisher = narrow(wire), wire.join()
    for payload in (b"1", b"2"):
        deliver(publisher, wire.topic, payload, 1)
    message = subscriber.expect(PUBLISH, payload=b"1")
    subscriber.send(ack(PUBACK, message.packet_id, 0x97)).expect(PUBLISH, payload=b"2")


@clause("5:MQTT-3.3.4-9", "5:MQTT-4.9.0-2")
@in_dialect(STANDARD)
def test_a_message_of_qos_2_makes_room_when_it_is_complete(wire):
    subscriber, publisher = narrow(wire, qos=2), wire.join()
    for payload in (b"1", b"2", b"3"):
        deliver(publisher, wire.topic, payload, 2)
    first = subscriber.expect(PUBLISH, payload=b"1").packet_id
    subscriber.send(ack(PUBREC, first)).expect(PUBREL, packet_id=first)
    subscriber.ping()
    second = subscriber.send(ack(PUBCOMP, first)).expect(PUBLISH, payload=b"2").packet_id
    subscriber.send(ack(PUBREC, second, 0x80)).expect(PUBLISH, payload=b"3")


@clause("5:MQTT-3.3.4-7", "5:MQTT-4.13.2-1")
@in_dialect(STANDARD)
def test_a_client_that_sends_more_than_the_server_takes_is_closed(wire):
    client = wire.join()
    left = client.connack.properties["receive_maximum"]
    sent = 0
    while left:
        batch = min(left, AT_ONCE)
        for _ in range(batch):
            sent += 1
            client.say(publish, wire.topic, b"", 2, packet_id=sent)
        for _ in range(batch):
            client.expect(PUBREC)
        left -= batch
    client.say(publish, wire.topic, b"", 2, packet_id=sent + 1)
    assert client.is_closed(0x93)


@clause("5:MQTT-3.3.4-8", "5:MQTT-4.9.0-3")
@in_dialect(STANDARD)
def test_the_server_goes_on_answering_when_it_takes_no_more(wire):
    client = wire.join()
    at_once = client.connack.properties.get("receive_maximum", 65535)
    for packet_id in range(1, min(at_once, AT_ONCE) + 1):
        client.say(publish, wire.topic, b"", 2, packet_id=packet_id)
        client.expect(PUBREC, packet_id=packet_id)
    client.ping()
    client.send(ack(PUBREL, 1)).expect(PUBCOMP, packet_id=1)
    client.say(publish, wire.topic, b"", 2, packet_id=1).expect(PUBREC, packet_id=1)


@clause("5:MQTT-3.1.2-24", "5:MQTT-3.1.2-25")
def test_what_is_too_large_is_left_out_as_if_it_were_delivered(wire):
    props = {"maximum_packet_size": 512, "receive_maximum": 1}
    subscriber, publisher = wire.join(props=props), wire.join()
    subscriber.subscribe(wire.topic, qos=1)
    for payload in (b"x" * 512, b"y" * 512, b"small"):
        deliver(publisher, wire.topic, payload, 1)
    assert hear(subscriber, 1) == [(wire.topic, b"small")]


@clause("5:MQTT-3.1.2-24")
def test_a_packet_as_large_as_the_client_takes_arrives(wire):
    subscriber, publisher = wire.join(props={"maximum_packet_size": 512}), wire.join()
    subscriber.subscribe(wire.topic)
    # A fixed header of three bytes, the topic behind its length, no properties.
    room = 512 - 3 - 2 - len(wire.topic) - 1
    deliver(publisher, wire.topic, bytes(room))
    deliver(publisher, wire.topic, bytes(room + 1))
    assert [one.bytes for one in subscriber.inbox()] == [512]


@clause("5:MQTT-3.2.2-15", "5:MQTT-3.14.2-1")
@in_dialect(AWS)
def test_a_client_that_sends_a_larger_packet_than_the_server_takes_is_closed(wire):
    client = wire.join()
    most = client.connack.properties["maximum_packet_size"]
    client.send(b"\x30" + varint(most) + data(wire.topic))
    assert client.is_closed(0x95)

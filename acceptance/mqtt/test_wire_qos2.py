"""QoS 2 (4.3.3): exactly once in both directions, and how AWS's dialect refuses it."""

import pytest

from clauses import clause, in_dialect
from mqtt_raw import (
    CLOSED,
    CONNACK,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    V5,
    ack,
    connect,
    packet,
    publish,
    subscribe,
)
from wire import AWS, STANDARD, brief, deliver, hear, receive

NOT_FOUND = 0x92


@clause("3.1.1:MQTT-4.3.3-2", "5:MQTT-4.3.3-8", "5:MQTT-4.3.3-11", "3.1.1:MQTT-2.3.1-6")
@in_dialect(STANDARD)
@pytest.mark.parametrize("packet_id", [1, 256, 65535])
def test_a_message_is_taken_in_two_steps(wire, packet_id):
    deliver(wire.join(), wire.topic, b"x", 2, packet_id=packet_id)


@clause("5:MQTT-3.5.2-1", "5:MQTT-3.7.2-1", "5:MQTT-2.2.1-5")
@in_dialect(STANDARD)
def test_both_steps_have_codes_of_success(wire):
    client = wire.join()
    answer = client.ask(publish, wire.topic, b"x", 2, packet_id=7)
    assert (answer.kind, answer.packet_id) == (PUBREC, 7)
    assert answer.code in (0x00, 0x10)
    client.send(ack(PUBREL, 7)).expect(PUBCOMP, packet_id=7, code=0)


@clause("3.1.1:MQTT-4.3.3-2", "5:MQTT-4.3.3-10")
@in_dialect(STANDARD)
def test_a_message_that_comes_again_is_delivered_once(wire):
    subscriber, publisher = wire.join(), wire.join()
    subscriber.subscribe(wire.topic, qos=2)
    for dup in (False, True, True):
        publisher.say(publish, wire.topic, b"once", 2, packet_id=5, dup=dup)
        publisher.expect(PUBREC, packet_id=5)
    publisher.send(ack(PUBREL, 5)).expect(PUBCOMP, packet_id=5)
    assert hear(subscriber, 1) == [(wire.topic, b"once")]


@clause("3.1.1:MQTT-4.3.3-2", "5:MQTT-4.3.3-12")
@in_dialect(STANDARD)
def test_an_identifier_is_free_again_after_pubcomp(wire):
    subscriber, publisher = wire.join(), wire.join()
    subscriber.subscribe(wire.topic, qos=2)
    deliver(publisher, wire.topic, b"1", 2, packet_id=5)
    deliver(publisher, wire.topic, b"2", 2, packet_id=5, dup=True)
    assert hear(subscriber, 2) == [(wire.topic, b"1"), (wire.topic, b"2")]


@clause("3.1.1:MQTT-4.3.3-2", "5:MQTT-4.3.3-11", "5:MQTT-3.7.2-1")
@in_dialect(STANDARD)
def test_a_pubrel_that_comes_again_is_answered_again(wire):
    publisher = wire.join()
    deliver(publisher, wire.topic, b"x", 2, packet_id=5)
    answer = publisher.exchange(ack(PUBREL, 5))
    assert (answer.kind, answer.packet_id) == (PUBCOMP, 5)
    assert answer.code == (NOT_FOUND if wire.version == V5 else 0)


@clause(
    "3.1.1:MQTT-4.3.3-1",
    "3.1.1:MQTT-2.3.1-4",
    "5:MQTT-4.3.3-1",
    "5:MQTT-4.3.3-2",
    "5:MQTT-4.3.3-4",
)
@in_dialect(STANDARD)
def test_the_server_delivers_in_two_steps(wire):
    subscriber = wire.join()
    subscriber.subscribe(wire.topic, qos=2)
    deliver(wire.join(), wire.topic, b"x", 2)
    message = subscriber.expect(PUBLISH, payload=b"x", qos=2, dup=False)
    assert message.packet_id
    subscriber.send(ack(PUBREC, message.packet_id))
    released = subscriber.expect(PUBREL, packet_id=message.packet_id, code=0)
    subscriber.send(ack(PUBCOMP, released.packet_id))
    subscriber.ping()


@clause("3.1.1:MQTT-4.3.3-1", "5:MQTT-4.3.3-3", "5:MQTT-4.3.3-1")
@in_dialect(STANDARD)
def test_identifiers_under_way_are_not_given_twice(wire):
    subscriber, publisher = wire.join(), wire.join()
    subscriber.subscribe(wire.topic, qos=2)
    for _ in range(3):
        deliver(publisher, wire.topic, b"x", 2)
    recorded, released, done = (subscriber.expect(PUBLISH, qos=2) for _ in range(3))
    assert len({one.packet_id for one in (recorded, released, done)}) == 3
    for message in (released, done):
        subscriber.send(ack(PUBREC, message.packet_id))
        subscriber.expect(PUBREL, packet_id=message.packet_id)
    subscriber.send(ack(PUBCOMP, done.packet_id))
    deliver(publisher, wire.topic, b"y", 2)
    assert subscriber.expect(PUBLISH).packet_id not in (recorded.packet_id, released.packet_id)


@clause("3.1.1:MQTT-4.4.0-1", "5:MQTT-4.4.0-1", "5:MQTT-4.3.3-5", "5:MQTT-4.3.3-6")
@in_dialect(STANDARD)
def test_a_session_goes_on_where_each_message_stood(wire):
    subscriber, publisher = wire.attend(name := wire.new_name()), wire.join()
    subscriber.subscribe(wire.topic, qos=2)
    for payload in (b"sent", b"recorded"):
        deliver(publisher, wire.topic, payload, 2)
    sent, recorded = subscriber.expect(PUBLISH), subscriber.expect(PUBLISH)
    subscriber.send(ack(PUBREC, recorded.packet_id)).expect(PUBREL)
    subscriber.drop()
    again = wire.attend(name)
    assert again.connack.session_present
    resent = {(one.kind, one.packet_id, one.dup) for one in (again.read(), again.read())}
    assert resent == {(PUBLISH, sent.packet_id, True), (PUBREL, recorded.packet_id, False)}
    again.send(ack(PUBREC, sent.packet_id)).expect(PUBREL, packet_id=sent.packet_id)
    again.send(ack(PUBCOMP, sent.packet_id), ack(PUBCOMP, recorded.packet_id))
    again.ping()


@clause("3.1.1:MQTT-4.3.3-2", "5:MQTT-4.3.3-10", "3.1.1:MQTT-4.4.0-1", "5:MQTT-4.4.0-1")
@in_dialect(STANDARD)
def test_a_publisher_goes_on_where_it_stood(wire):
    subscriber = wire.join()
    subscriber.subscribe(wire.topic, qos=2)
    publisher = wire.attend(name := wire.new_name())
    publisher.say(publish, wire.topic, b"once", 2, packet_id=5).expect(PUBREC, packet_id=5)
    publisher.drop()
    again = wire.attend(name)
    assert again.connack.session_present
    again.say(publish, wire.topic, b"once", 2, packet_id=5, dup=True).expect(PUBREC, packet_id=5)
    again.send(ack(PUBREL, 5)).expect(PUBCOMP, packet_id=5, code=0)
    assert hear(subscriber, 1) == [(wire.topic, b"once")]


@clause("3.1.1:MQTT-4.4.0-1", "5:MQTT-4.4.0-1", "5:MQTT-4.3.3-3")
@in_dialect(STANDARD)
def test_what_a_client_published_to_itself_comes_again(wire):
    client = wire.attend(name := wire.new_name())
    client.subscribe(wire.topic, qos=2)
    publish_to_itself(wire, client)
    client.drop()
    wire.attend(name).expect(PUBLISH, payload=b"echo", dup=True)


def publish_to_itself(wire, client):
    """The message that a client hears of itself, which may be before or after it releases it."""
    client.say(publish, wire.topic, b"echo", 2, packet_id=9).send(ack(PUBREL, 9))
    heard = {one.kind: one for one in (client.read(), client.read(), client.read())}
    assert heard[PUBREC].packet_id == heard[PUBCOMP].packet_id == 9
    return heard[PUBLISH]


@clause("5:MQTT-4.4.0-2", "5:MQTT-3.5.2-1", "5:MQTT-4.3.3-4")
@in_dialect(STANDARD)
def test_a_message_that_is_refused_is_done_with(wire):
    subscriber = wire.attend(name := wire.new_name())
    subscriber.subscribe(wire.topic, qos=2)
    deliver(wire.join(), wire.topic, b"x", 2)
    message = subscriber.expect(PUBLISH, payload=b"x")
    subscriber.send(ack(PUBREC, message.packet_id, 0x83))
    subscriber.ping()
    wire.leave(subscriber)
    wire.attend(name).ping()


@clause("5:MQTT-3.6.2-1", "5:MQTT-3.5.2-1")
@in_dialect(STANDARD)
def test_a_pubrec_of_nothing_is_told_so(wire):
    client = wire.join()
    client.send(ack(PUBREC, 4321)).expect(PUBREL, packet_id=4321, code=NOT_FOUND)


@clause("3.1.1:MQTT-3.6.1-1", "5:MQTT-3.6.1-1")
@pytest.mark.parametrize("flags", [0, 1, 3, 6, 15])
def test_pubrel_has_its_own_flags(wire, flags):
    client = wire.join().send(packet(PUBREL, b"\x00\x01", flags))
    assert client.is_closed(0x81)


@clause("5:MQTT-3.5.2-1", "5:MQTT-3.6.2-1", "5:MQTT-3.7.2-1")
@in_dialect(STANDARD)
@pytest.mark.parametrize("kind, code", [(PUBREC, 0x92), (PUBREL, 0x80), (PUBCOMP, 0x10)])
def test_each_step_has_codes_of_its_own(wire, kind, code):
    client = wire.join().send(ack(kind, 1, code))
    assert client.is_closed(0x82)


@clause("3.1.1:MQTT-4.5.0-1", "5:MQTT-4.5.0-1")
@in_dialect(STANDARD)
def test_a_publisher_hears_itself(wire):
    client = wire.join()
    client.subscribe(wire.topic, qos=2)
    echo = publish_to_itself(wire, client)
    assert brief([echo]) == [(wire.topic, b"echo", 2, False)]


LOWER = [(2, 0), (2, 1), (1, 2), (0, 2), (2, 2)]


@clause("3.1.1:MQTT-3.8.4-6", "5:MQTT-3.8.4-8")
@in_dialect(STANDARD)
@pytest.mark.parametrize("published, subscribed", LOWER)
def test_a_message_comes_with_the_lower_qos(wire, published, subscribed):
    subscriber = wire.join()
    subscriber.subscribe(wire.topic, qos=subscribed)
    deliver(wire.join(), wire.topic, b"x", published)
    assert receive(subscriber).qos == min(published, subscribed)


@clause("3.1.1:MQTT-4.6.0-6", "5:MQTT-4.6.0-5")
@in_dialect(STANDARD)
def test_messages_come_in_their_order(wire):
    subscriber, publisher = wire.join(), wire.join()
    subscriber.subscribe(wire.topic, qos=2)
    for number in range(20):
        deliver(publisher, wire.topic, str(number).encode(), 2)
    messages = [subscriber.expect(PUBLISH, qos=2) for _ in range(20)]
    assert [message.payload for message in messages] == [b"%d" % n for n in range(20)]
    for message in messages:
        subscriber.send(ack(PUBREC, message.packet_id))
    released = [subscriber.expect(PUBREL).packet_id for _ in messages]
    assert released == [message.packet_id for message in messages]


@clause("3.1.1:MQTT-3.3.1-5", "5:MQTT-3.3.1-5", "3.1.1:MQTT-3.1.2-14", "5:MQTT-3.1.2-12")
@in_dialect(STANDARD)
def test_retained_messages_and_wills_have_qos_2(wire):
    deliver(wire.join(), f"{wire.topic}/kept", b"kept", 2, retain=True)
    subscriber = wire.join()
    subscriber.subscribe(f"{wire.topic}/kept", f"{wire.topic}/will", qos=2)
    assert brief([receive(subscriber)]) == [(f"{wire.topic}/kept", b"kept", 2, True)]
    wire.join(will={"topic": f"{wire.topic}/will", "payload": b"gone", "qos": 2}).drop()
    assert brief([receive(subscriber)]) == [(f"{wire.topic}/will", b"gone", 2, False)]


@clause("3.1.1:MQTT-3.3.1-11", "5:MQTT-3.3.1-7", "5:MQTT-3.3.1-6")
@in_dialect(STANDARD)
def test_an_empty_message_of_qos_2_clears_what_is_retained(wire):
    publisher = wire.join()
    for payload, kept in ((b"kept", 1), (b"", 0)):
        deliver(publisher, wire.topic, payload, 2, retain=True)
        subscriber = wire.join()
        subscriber.subscribe(wire.topic, qos=2)
        assert len(hear(subscriber, kept)) == kept


@clause("5:MQTT-3.2.2-11", "3.1.1:MQTT-3.3.4-1")
@in_dialect(AWS)
def test_aws_takes_no_qos_2(wire):
    observer, client = wire.join(), wire.join()
    observer.subscribe(wire.topic)
    client.say(publish, wire.topic, b"x", 2)
    assert client.is_closed(0x9B)
    client = wire.join()
    client.say(subscribe, wire.topic, qos=2)
    assert client.is_closed(0x9B)
    observer.ping()


@clause("5:MQTT-3.2.2-12", "3.1.1:MQTT-3.2.2-6")
@in_dialect(AWS)
def test_aws_takes_no_will_of_qos_2(wire):
    client = wire.dial()
    answer = client.ask(connect, wire.new_name(), will={"topic": "w", "qos": 2})
    if wire.version == V5:
        assert (answer.kind, answer.code) == (CONNACK, 0x9B)
        answer = client.read()
    assert answer is CLOSED


@clause("5:MQTT-4.13.1-1", "3.1.1:MQTT-4.8.0-1")
@in_dialect(AWS)
@pytest.mark.parametrize("kind", [PUBREC, PUBREL, PUBCOMP])
def test_packets_of_qos_2_are_an_error_on_aws(wire, kind):
    client = wire.join().send(ack(kind, 1))
    assert client.is_closed(0x82)


@clause("5:MQTT-3.3.4-1", "3.1.1:MQTT-3.3.4-1")
@in_dialect(AWS)
def test_a_message_of_qos_1_is_what_aws_takes_instead(wire):
    subscriber = wire.join()
    subscriber.subscribe(wire.topic, qos=1)
    client = wire.join()
    client.say(publish, wire.topic, b"x", 1, packet_id=2).expect(PUBACK, packet_id=2)
    assert hear(subscriber, 1) == [(wire.topic, b"x")]

"""Retained messages (3.3.1.3): what is kept, and who gets it when."""

import pytest

from clauses import clause, in_dialect
from mqtt_raw import PUBLISH, SUBACK, subscribe
from wire import AWS, STANDARD, brief, deliver, receive

AS_PUBLISHED = 0x08
NEW_ONLY, NEVER = 0x10, 0x20


def keep(wire, payload=b"kept", qos=1, rest="", **more):
    """Publishes a message to be kept, and waits until it is.

    Nothing acknowledges QoS 0; but what its publisher has kept afterwards is kept after it.
    """
    publisher = wire.join()
    deliver(publisher, wire.topic + rest, payload, qos, retain=True, **more)
    if qos == 0:
        deliver(publisher, wire.new_name(), b"later", 1, retain=True)


def found(wire, *filters, qos=1, **more):
    """What a new subscriber finds."""
    subscriber = wire.join()
    subscriber.subscribe(*(filters or [wire.topic]), qos=qos, **more)
    return brief(subscriber.inbox())


@clause("3.1.1:MQTT-3.3.1-5", "3.1.1:MQTT-3.3.1-6", "5:MQTT-3.3.1-5", "5:MQTT-3.3.1-9")
@pytest.mark.parametrize("qos", [0, 1])
def test_a_new_subscriber_gets_the_last_message_and_its_qos(wire, qos):
    keep(wire, b"first", 1)
    keep(wire, b"last", qos)
    assert found(wire) == [(wire.topic, b"last", qos, True)]


@clause("3.1.1:MQTT-3.3.1-8", "5:MQTT-3.3.1-9", "3.1.1:MQTT-3.8.4-6", "5:MQTT-3.8.4-8")
def test_it_comes_with_the_lower_qos_and_retain(wire):
    keep(wire, qos=1)
    assert found(wire, qos=0) == [(wire.topic, b"kept", 0, True)]


@clause("3.1.1:MQTT-3.3.1-7", "5:MQTT-3.3.1-5")
def test_a_message_of_qos_0_takes_the_place_of_one_of_qos_1(wire):
    keep(wire, b"old", 1)
    keep(wire, b"new", 0)
    assert found(wire) == [(wire.topic, b"new", 0, True)]


@clause("3.1.1:MQTT-3.3.1-9", "5:MQTT-3.3.1-12")
def test_who_subscribes_already_sees_no_retain(wire):
    subscriber = wire.join()
    subscriber.subscribe(wire.topic, qos=1)
    keep(wire)
    assert brief(subscriber.inbox()) == [(wire.topic, b"kept", 1, False)]


@clause("5:MQTT-3.3.1-13", "5:MQTT-3.3.1-12")
def test_who_asks_for_it_sees_retain_as_it_was_published(wire):
    subscriber = wire.join()
    subscriber.subscribe(wire.topic, qos=1, options=AS_PUBLISHED)
    deliver(wire.join(), wire.topic, b"not kept", 1)
    keep(wire)
    expected = [(wire.topic, b"not kept", 1, False), (wire.topic, b"kept", 1, True)]
    assert brief(subscriber.inbox()) == expected


@clause(
    "3.1.1:MQTT-3.3.1-10", "3.1.1:MQTT-3.3.1-11", "5:MQTT-3.3.1-6", "5:MQTT-3.3.1-7"
)
@pytest.mark.parametrize("qos", [0, 1])
def test_an_empty_one_clears_the_topic_and_is_delivered(wire, qos):
    keep(wire)
    subscriber = wire.join()
    subscriber.subscribe(wire.topic, qos=1)
    assert receive(subscriber).retain
    keep(wire, b"", qos)
    assert brief(subscriber.inbox()) == [(wire.topic, b"", qos, False)]
    assert found(wire) == []


@clause("3.1.1:MQTT-3.3.1-12", "5:MQTT-3.3.1-8")
@pytest.mark.parametrize("payload", [b"passing", b""])
def test_a_message_without_retain_leaves_what_is_kept(wire, payload):
    keep(wire)
    deliver(wire.join(), wire.topic, payload, 1)
    assert found(wire) == [(wire.topic, b"kept", 1, True)]


@clause("3.1.1:MQTT-3.3.1-12", "5:MQTT-3.3.1-8")
def test_a_message_without_retain_is_not_kept(wire):
    deliver(wire.join(), wire.topic, b"passing", 1)
    assert found(wire) == []


@clause("3.1.1:MQTT-3.1.2-7", "5:MQTT-3.3.1-9")
def test_it_outlasts_the_session_of_who_published_it(wire):
    publisher = wire.join()
    deliver(publisher, wire.topic, b"kept", 1, retain=True)
    wire.leave(publisher)
    assert found(wire) == [(wire.topic, b"kept", 1, True)]


@clause("3.1.1:MQTT-3.8.4-3", "5:MQTT-3.8.4-4", "5:MQTT-3.3.1-9")
def test_subscribing_again_brings_it_again(wire):
    keep(wire)
    subscriber = wire.join()
    for _ in range(2):
        subscriber.subscribe(wire.topic, qos=1)
        assert brief([receive(subscriber)]) == [(wire.topic, b"kept", 1, True)]
    subscriber.ping()


@clause("5:MQTT-3.3.1-10")
def test_it_comes_to_new_subscriptions_only_if_asked(wire):
    keep(wire)
    subscriber = wire.join()
    subscriber.subscribe(wire.topic, qos=1, options=NEW_ONLY)
    assert brief([receive(subscriber)]) == [(wire.topic, b"kept", 1, True)]
    subscriber.subscribe(wire.topic, qos=0, options=NEW_ONLY)
    subscriber.ping()


@clause("5:MQTT-3.3.1-10", "5:MQTT-3.2.2-3")
def test_a_subscription_of_a_session_is_not_new(wire):
    keep(wire)
    subscriber = wire.attend(name := wire.new_name())
    subscriber.say(subscribe, wire.topic, options=NEW_ONLY)
    assert {subscriber.read().kind, subscriber.read().kind} == {SUBACK, PUBLISH}
    wire.leave(subscriber)
    again = wire.attend(name)
    again.subscribe(wire.topic, options=NEW_ONLY)
    again.ping()


@clause("5:MQTT-3.3.1-11")
def test_it_does_not_come_to_who_does_not_want_it(wire):
    keep(wire)
    assert len(found(wire)) == 1
    subscriber = wire.join()
    for _ in range(2):
        subscriber.subscribe(wire.topic, qos=1, options=NEVER)
        subscriber.ping()


@clause("5:MQTT-3.3.2-17", "5:MQTT-3.3.2-18", "5:MQTT-3.3.2-20")
def test_it_keeps_its_properties(wire):
    props = {"content_type": "text/plain", "user": [("c", "3"), ("a", "2")]}
    keep(wire, props=props)
    subscriber = wire.join()
    subscriber.subscribe(wire.topic)
    assert receive(subscriber).properties == props


@clause("3.1.1:MQTT-3.3.1-6", "5:MQTT-3.3.1-9")
@in_dialect(STANDARD)
def test_a_wildcard_brings_all_that_it_matches(wire):
    keep(wire, b"0", 0, "/a")
    keep(wire, b"1", 1, "/b")
    keep(wire, rest="/a/deep")
    expected = [(f"{wire.topic}/a", b"0", 0, True), (f"{wire.topic}/b", b"1", 1, True)]
    assert sorted(found(wire, f"{wire.topic}/+")) == expected
    assert len(found(wire, f"{wire.topic}/#")) == 3
    assert len(found(wire, f"+/{wire.topic}", f"{wire.topic}/a/+")) == 1


@clause("3.1.1:MQTT-3.3.1-6", "5:MQTT-3.3.1-9")
@in_dialect(AWS)
def test_aws_brings_nothing_to_a_wildcard(wire):
    keep(wire, rest="/a")
    assert found(wire, f"{wire.topic}/+", f"{wire.topic}/#", "#") == []
    assert len(found(wire, f"{wire.topic}/a")) == 1


@clause("5:MQTT-3.3.1-10", "5:MQTT-3.3.1-11", "5:MQTT-3.3.1-9")
@in_dialect(STANDARD)
@pytest.mark.parametrize("options, first, second", [(0, 3, 3), (NEW_ONLY, 3, 0), (NEVER, 0, 0)])
def test_options_hold_for_a_wildcard_too(wire, options, first, second):
    for number in range(3):
        keep(wire, rest=f"/{number}")
    subscriber = wire.join()
    for count in (first, second):
        subscriber.subscribe(f"{wire.topic}/+", qos=1, options=options)
        assert len(subscriber.inbox()) == count


@clause("5:MQTT-4.8.2-1")
def test_it_does_not_come_to_a_shared_subscription(wire):
    keep(wire)
    assert len(found(wire)) == 1
    assert found(wire, f"$share/{wire.topic}/{wire.topic}") == []

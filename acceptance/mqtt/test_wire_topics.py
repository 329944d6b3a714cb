"""Topic names and filters (4.7): their form, and what matches what."""

import pytest

from clauses import clause, in_dialect
from mqtt_raw import CLOSED, PUBACK, SUBACK, V5, publish, subscribe
from wire import AWS, STANDARD, deliver, hear

NO_FILTERS = ["a/#/b", "a#", "#a", "a/#a", "a/b#", "##", "a+", "+a", "a/+b/c", "a/b+", "++"]


@clause(
    "3.1.1:MQTT-4.7.1-2", "3.1.1:MQTT-4.7.1-3", "5:MQTT-4.7.1-1", "5:MQTT-4.7.1-2"
)
@pytest.mark.parametrize("wanted", NO_FILTERS)
def test_a_wildcard_is_a_level_of_its_own(wire, wanted):
    client = wire.join()
    client.say(subscribe, wanted)
    if wire.version == V5:
        client.expect(SUBACK, codes=[0x8F])
    else:
        answer = client.read()
        assert answer is CLOSED or answer.codes == [0x80]


@clause(
    "3.1.1:MQTT-4.7.1-2", "3.1.1:MQTT-4.7.1-3", "5:MQTT-4.7.1-1", "5:MQTT-4.7.1-2"
)
def test_a_wildcard_may_be_any_level(wire):
    wire.join().subscribe("#", "+", "+/a/#", "a/+/b", "a/+", "+/+", "/+", "+/")


TOPICS = ["a", "a/", "a/b", "a/b/c", "b", "/b", "b/", "/", "a//c", "A"]
MATCHES = {
    "#": TOPICS,
    "+": ["a", "b", "A"],
    "a": ["a"],
    "a/": ["a/"],
    "a/#": ["a", "a/", "a/b", "a/b/c", "a//c"],
    "a/+": ["a/", "a/b"],
    "+/b": ["a/b", "/b"],
    "/+": ["/b", "/"],
    "/#": ["/b", "/"],
    "+/+": ["a/", "a/b", "/b", "b/", "/"],
    "a/+/c": ["a/b/c", "a//c"],
    "+/+/#": ["a/", "a/b", "a/b/c", "/b", "b/", "/", "a//c"],
}
# AWS's wildcard stands for one level or more, the standards' for none too.
MATCHES_ON_AWS = MATCHES | {
    "a/#": ["a/", "a/b", "a/b/c", "a//c"],
    "+/+/#": ["a/b/c", "a//c"],
}


@clause("3.1.1:MQTT-3.3.2-3", "5:MQTT-3.3.2-3", "3.1.1:MQTT-4.7.1-2", "5:MQTT-4.7.1-1")
@pytest.mark.parametrize("wanted", MATCHES)
def test_a_filter_matches(wire, wanted):
    publisher, subscriber = wire.join(), wire.join()
    subscriber.subscribe(f"{wire.topic}/{wanted}")
    for topic in TOPICS:
        publisher.say(publish, f"{wire.topic}/{topic}")
    publisher.ping()
    heard = [one.topic.removeprefix(f"{wire.topic}/") for one in subscriber.inbox()]
    assert heard == (MATCHES_ON_AWS if wire.is_aws else MATCHES)[wanted]


@clause("3.1.1:MQTT-4.7.1-2", "5:MQTT-4.7.1-1")
@pytest.mark.parametrize("wanted", ["{}/#", "{}/a/#"])
def test_many_levels_may_be_none(wire, wanted):
    subscriber, wanted = wire.join(), wanted.format(wire.topic)
    subscriber.subscribe(wanted)
    topic = wanted.removesuffix("/#")
    deliver(wire.join(), topic, b"x")
    assert [one.topic for one in subscriber.inbox()] == ([] if wire.is_aws else [topic])


@clause("3.1.1:MQTT-4.7.2-1", "5:MQTT-4.7.2-1")
@in_dialect(STANDARD)
def test_a_wildcard_at_the_beginning_matches_no_dollar(wire):
    subscriber, publisher = wire.join(), wire.join()
    subscriber.subscribe("#", f"+/{wire.topic}", "+/#")
    publisher.say(publish, f"$w/{wire.topic}", b"x", 1).expect(PUBACK)
    deliver(publisher, wire.topic, b"marker", 1)
    heard = {one.topic for one in subscriber.inbox() if not one.retain}
    assert heard == {wire.topic}


@clause("3.1.1:MQTT-4.7.3-1", "5:MQTT-4.7.3-1", "3.1.1:MQTT-4.8.0-1")
def test_a_topic_is_not_empty(wire):
    client = wire.join()
    client.say(publish, "")
    assert client.is_closed(0x82)


@clause("3.1.1:MQTT-4.7.3-1", "5:MQTT-4.7.3-1")
def test_a_filter_is_not_empty(wire):
    client = wire.join()
    client.say(subscribe, "")
    if wire.version == V5:
        client.expect(SUBACK, codes=[0x8F])
    else:
        answer = client.read()
        assert answer is CLOSED or answer.codes == [0x80]


@clause("3.1.1:MQTT-4.7.3-2", "5:MQTT-4.7.3-2", "3.1.1:MQTT-1.5.3-2", "5:MQTT-1.5.4-2")
@pytest.mark.parametrize("build", [publish, subscribe])
@pytest.mark.parametrize("topic", ["\x00", "a/\x00", "a\x00b"])
def test_there_is_no_null_in_it(wire, build, topic):
    client = wire.join()
    client.say(build, topic)
    assert client.is_closed(0x81)


@clause("3.1.1:MQTT-4.7.3-3", "5:MQTT-4.7.3-3")
@in_dialect(STANDARD)
@pytest.mark.parametrize("unit", ["x", "ü", "x/" * 50 + "y"])
def test_it_has_up_to_65535_bytes(wire, unit):
    topic = wire.topic + unit * (65535 // len(unit.encode()))
    while len(topic.encode()) > 65535:
        topic = topic[:-1]
    client = wire.join()
    client.subscribe(topic)
    deliver(wire.join(), topic, b"x", 1)
    assert hear(client, 1) == [(topic, b"x")]


@clause("3.1.1:MQTT-4.8.0-1", "5:MQTT-3.14.2-1", "5:MQTT-3.9.3-2")
@in_dialect(AWS)
@pytest.mark.parametrize("topic", ["x" * 257, "/".join("abcdefghi")])
def test_aws_takes_256_bytes_and_seven_slashes(wire, topic):
    client = wire.join()
    client.say(publish, topic)
    assert client.is_closed(0x90)
    client = wire.join()
    client.say(subscribe, topic)
    if wire.version == V5:
        client.expect(SUBACK, codes=[0x8F])
    else:
        assert client.is_closed()


ALIKE = ["a", "A", "/a", "a/", " a", "a ", "ä", "a\u0308", "\ufeffa", "A/", "a//", "\U0001f702"]


@clause("3.1.1:MQTT-4.7.3-4", "5:MQTT-4.7.3-4", "3.1.1:MQTT-1.5.3-3", "5:MQTT-1.5.4-3")
@pytest.mark.parametrize("wanted", ALIKE)
def test_it_is_compared_as_it_is(wire, wanted):
    subscriber, publisher = wire.join(), wire.join()
    subscriber.subscribe(f"{wire.topic}{wanted}")
    for topic in ALIKE:
        publisher.say(publish, f"{wire.topic}{topic}")
    publisher.ping()
    assert [one.topic for one in subscriber.inbox()] == [f"{wire.topic}{wanted}"]

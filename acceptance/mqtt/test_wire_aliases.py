"""Topic aliases (3.3.2.3.4): numbers for topics, in both directions."""

import pytest

from clauses import clause, in_dialect
from mqtt_raw import PUBLISH, publish
from wire import STANDARD, brief, deliver, hear


def aliased(client, topic, payload, alias):
    client.say(publish, topic, payload, props={"topic_alias": alias})


@clause("5:MQTT-3.3.2-12", "5:MQTT-3.2.2-17")
def test_every_alias_up_to_the_maximum_stands_for_its_topic(wire):
    subscriber, publisher = wire.join(), wire.join()
    subscriber.subscribe(f"{wire.topic}/+")
    aliases = range(1, publisher.connack.properties["topic_alias_maximum"] + 1)
    for alias in aliases:
        aliased(publisher, f"{wire.topic}/{alias}", b"name", alias)
    for alias in aliases:
        aliased(publisher, "", b"number", alias)
    publisher.ping()
    heard = [(one.topic, one.payload, one.properties) for one in subscriber.inbox()]
    expected = [(f"{wire.topic}/{alias}", b"name", {}) for alias in aliases]
    assert heard == expected + [(topic, b"number", {}) for topic, _, _ in expected]


@clause("5:MQTT-3.3.2-12")
def test_an_alias_may_stand_for_another_topic(wire):
    subscriber, publisher = wire.join(), wire.join()
    subscriber.subscribe(f"{wire.topic}/+")
    for topic in (f"{wire.topic}/a", "", f"{wire.topic}/b", ""):
        aliased(publisher, topic, b"x", 1)
    publisher.ping()
    heard = [one.topic.removeprefix(f"{wire.topic}/") for one in subscriber.inbox()]
    assert heard == ["a", "a", "b", "b"]


@clause("5:MQTT-3.3.2-12", "5:MQTT-4.3.2-4")
def test_an_alias_works_with_qos_1(wire):
    subscriber, publisher = wire.join(), wire.join()
    subscriber.subscribe(wire.topic, qos=1)
    deliver(publisher, wire.topic, b"1", 1, props={"topic_alias": 1})
    deliver(publisher, "", b"2", 1, props={"topic_alias": 1})
    assert hear(subscriber, 2) == [(wire.topic, b"1"), (wire.topic, b"2")]


@clause("5:MQTT-3.3.2-8", "5:MQTT-3.3.2-9", "5:MQTT-3.2.2-17", "5:MQTT-4.13.1-1")
@pytest.mark.parametrize("beyond", [None, 1, 65535])
def test_an_alias_out_of_bounds_ends_the_connection(wire, beyond):
    client = wire.join()
    most = client.connack.properties["topic_alias_maximum"]
    aliased(client, wire.topic, b"x", 0 if beyond is None else min(most + beyond, 65535))
    assert client.is_closed(0x94)


@clause("5:MQTT-3.3.2-7", "5:MQTT-4.13.1-1")
def test_an_alias_that_was_never_set_ends_the_connection(wire):
    for props in ({"topic_alias": 1}, {}):
        client = wire.join()
        client.say(publish, "", b"x", props=props)
        assert client.is_closed(0x82)


@clause("5:MQTT-3.3.2-7")
def test_an_alias_ends_with_its_connection_whatever_the_session(wire):
    client = wire.attend(name := wire.new_name())
    aliased(client, wire.topic, b"x", 1)
    wire.leave(client)
    again = wire.attend(name)
    aliased(again, "", b"x", 1)
    assert again.is_closed(0x82)


@clause("5:MQTT-3.1.2-27", "5:MQTT-3.3.2-11")
@pytest.mark.parametrize("props", [{}, {"topic_alias_maximum": 0}])
def test_a_client_that_wants_no_aliases_gets_none(wire, props):
    subscriber, publisher = wire.join(props=props), wire.join()
    subscriber.subscribe(wire.topic)
    for _ in range(5):
        deliver(publisher, wire.topic, b"x", props={"topic_alias": 1})
    heard = subscriber.inbox()
    assert brief(heard) == [(wire.topic, b"x", 0, False)] * 5
    assert all("topic_alias" not in one.properties for one in heard)


def resolved(messages, most):
    """The topics of messages, and how often an alias stood for one."""
    known, topics, short = {}, [], 0
    for message in messages:
        alias = message.properties.get("topic_alias")
        assert alias is None or 1 <= alias <= most
        if message.topic:
            known[alias] = message.topic
        short += not message.topic
        topics.append(message.topic or known[alias])
    return topics, short


@clause("5:MQTT-3.1.2-26", "5:MQTT-3.3.2-10", "5:MQTT-3.3.2-11")
@pytest.mark.parametrize("most", [1, 2, 65535])
def test_aliases_of_the_server_are_within_what_the_client_takes(wire, most):
    subscriber, publisher = wire.join(props={"topic_alias_maximum": most}), wire.join()
    subscriber.subscribe(f"{wire.topic}/+")
    sent = [f"{wire.topic}/{number % 3}" for number in range(30)]
    for topic in sent:
        publisher.say(publish, topic, b"x")
    publisher.ping()
    topics, _ = resolved(subscriber.inbox(), most)
    assert topics == sent


@clause("5:MQTT-3.1.2-26", "5:MQTT-3.3.2-10")
@in_dialect(STANDARD)
def test_the_server_uses_the_aliases_that_it_may(wire):
    subscriber, publisher = wire.join(props={"topic_alias_maximum": 1}), wire.join()
    subscriber.subscribe(wire.topic, qos=2)
    for qos in range(3):
        deliver(publisher, wire.topic, b"x", qos)
    messages = [one for one in subscriber.inbox() if one.kind == PUBLISH]
    assert resolved(messages, 1) == ([wire.topic] * 3, 2)


@clause("5:MQTT-3.3.2-7", "5:MQTT-4.4.0-1")
def test_what_comes_again_names_its_topic(wire):
    client = wire.attend(name := wire.new_name(), props={"topic_alias_maximum": 5})
    client.subscribe(wire.topic, qos=1)
    publisher = wire.join()
    for _ in range(3):
        deliver(publisher, wire.topic, b"x", 1)
        client.expect(PUBLISH)
    client.drop()
    assert hear(wire.attend(name), 3) == [(wire.topic, b"x")] * 3

"""Shared subscriptions (4.8.2), which AWS also has in MQTT 3.1.1."""

import pytest

from clauses import clause, in_dialect
from mqtt_raw import (
    CLOSED,
    PUBACK,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBACK,
    UNSUBACK,
    V5,
    V311,
    ack,
    subscribe,
    unsubscribe,
)
from wire import STANDARD, deliver, hear, receive


def shared(wire, group="", rest=""):
    return f"$share/{group or 'group'}/{wire.topic}{rest}"


def member(wire, qos=1, **more):
    client = wire.join(**more)
    client.subscribe(shared(wire), qos=qos)
    return client


def payloads(client):
    """What has come to a client, acknowledged."""
    heard = client.inbox()
    client.send(*(ack(PUBACK, one.packet_id) for one in heard if one.qos == 1))
    return [one.payload for one in heard]


@clause("5:MQTT-4.8.2-1", "3.1.1:MQTT-3.3.2-3")
@pytest.mark.parametrize("qos", [0, 1])
def test_each_message_goes_to_one_of_a_group(wire, qos):
    members = [member(wire, qos) for _ in range(3)]
    publisher = wire.join()
    sent = [b"%d" % number for number in range(30)]
    for payload in sent:
        deliver(publisher, wire.topic, payload, qos)
    heard = [payload for client in members for payload in payloads(client)]
    assert sorted(heard) == sorted(sent)


@clause("5:MQTT-4.8.2-1", "3.1.1:MQTT-3.3.2-3")
def test_every_group_and_everybody_else_has_a_copy(wire):
    clients = [wire.join() for _ in range(4)]
    groups = [shared(wire, "one"), shared(wire, "two"), wire.topic, shared(wire, "one", "/#")]
    for client, wanted in zip(clients, groups):
        client.subscribe(wanted)
    deliver(wire.join(), wire.topic, b"x")
    heard = [payloads(client) for client in clients]
    assert heard[:3] == [[b"x"]] * 3
    assert heard[3] == ([] if wire.is_aws else [b"x"]), "the same name with another filter"


@clause("5:MQTT-4.8.2-1", "3.1.1:MQTT-4.7.1-3")
def test_the_filter_of_a_group_may_have_wildcards(wire):
    client = wire.join()
    client.subscribe(shared(wire, rest="/+/b"), qos=1)
    publisher = wire.join()
    for rest in ("/a/b", "/a/c"):
        deliver(publisher, wire.topic + rest, rest.encode(), 1)
    assert hear(client, 1) == [(f"{wire.topic}/a/b", b"/a/b")]


@clause("5:MQTT-4.8.2-1", "3.1.1:MQTT-4.5.0-1")
def test_clients_of_both_versions_share(wire):
    members = [member(wire, version=version) for version in (V311, V5)]
    publisher = wire.join()
    for number in range(10):
        deliver(publisher, wire.topic, b"%d" % number, 1)
    assert sum(len(payloads(client)) for client in members) == 10


NO_GROUPS = ["$share/a", "$share//a", "$share/a+/b", "$share/+/b", "$share/#/b", "$share/a#/b"]


@clause("5:MQTT-4.8.2-1", "5:MQTT-4.8.2-2", "3.1.1:MQTT-4.8.0-1")
@pytest.mark.parametrize("wanted", [*NO_GROUPS, "$share/a/", "$share/a/b/#/c"])
def test_a_group_has_a_name_and_a_filter(wire, wanted):
    client = wire.join()
    client.say(subscribe, wanted)
    if wire.version == V5:
        client.expect(SUBACK, codes=[0x8F])
    else:
        answer = client.read()
        assert answer is CLOSED or answer.codes == [0x80]


@clause("5:MQTT-4.8.2-3")
@pytest.mark.parametrize("granted", [0, 1])
def test_each_member_has_the_qos_that_it_was_granted(wire, granted):
    client = member(wire, granted)
    deliver(wire.join(), wire.topic, b"x", 1)
    assert receive(client).qos == granted


@clause("5:MQTT-3.10.4-1", "3.1.1:MQTT-3.10.4-1", "5:MQTT-3.10.4-2")
def test_who_unsubscribes_is_no_longer_of_the_group(wire):
    staying, leaving = member(wire), member(wire)
    leaving.say(unsubscribe, wire.topic).expect(UNSUBACK)
    leaving.say(unsubscribe, shared(wire)).expect(UNSUBACK)
    publisher = wire.join()
    for number in range(5):
        deliver(publisher, wire.topic, b"%d" % number, 1)
    assert len(hear(staying, 5)) == 5
    leaving.ping()


@clause("5:MQTT-4.8.2-1", "3.1.1:MQTT-3.1.2-6")
def test_who_leaves_for_good_is_no_longer_of_the_group(wire):
    staying, leaving = member(wire), member(wire)
    wire.leave(leaving)
    publisher = wire.join()
    for number in range(5):
        deliver(publisher, wire.topic, b"%d" % number, 1)
    assert len(hear(staying, 5)) == 5


@clause("5:MQTT-4.8.2-6", "5:MQTT-4.4.0-2")
def test_a_message_that_a_member_refuses_goes_to_nobody_else(wire):
    members = [member(wire), member(wire)]
    deliver(wire.join(), wire.topic, b"x", 1)
    heard = [(client, one) for client in members for one in client.inbox()]
    ((client, message),) = heard
    client.send(ack(PUBACK, message.packet_id, 0x83))
    for client in members:
        client.ping()


@clause("5:MQTT-4.5.0-1", "3.1.1:MQTT-3.1.2-5")
def test_a_message_waits_for_a_group_whose_members_are_away(wire):
    away = wire.attend(name := wire.new_name())
    away.subscribe(shared(wire), qos=1)
    wire.leave(away)
    deliver(wire.join(), wire.topic, b"waits", 1)
    assert hear(wire.attend(name), 1) == [(wire.topic, b"waits")]


@clause("5:MQTT-4.5.0-1", "3.1.1:MQTT-4.5.0-1")
def test_a_member_that_is_there_gets_what_one_that_is_away_would(wire):
    away = wire.attend(wire.new_name())
    away.subscribe(shared(wire), qos=1)
    wire.leave(away)
    here = member(wire)
    publisher = wire.join()
    for number in range(6):
        deliver(publisher, wire.topic, b"%d" % number, 1)
    assert len(hear(here, 6)) == 6


@clause("5:MQTT-4.8.2-4", "5:MQTT-4.3.3-3")
@in_dialect(STANDARD)
def test_a_delivery_of_qos_2_that_has_begun_is_completed(wire):
    first = wire.attend(name := wire.new_name())
    first.subscribe(shared(wire), qos=2)
    deliver(wire.join(), wire.topic, b"x", 2)
    message = first.expect(PUBLISH, payload=b"x")
    other = member(wire, 2)
    first.drop()
    again = wire.attend(name)
    again.expect(PUBLISH, payload=b"x", packet_id=message.packet_id)
    again.send(ack(PUBREC, message.packet_id)).expect(PUBREL)
    other.ping()


@clause("5:MQTT-4.8.2-5")
@in_dialect(STANDARD)
def test_a_delivery_of_qos_2_ends_with_the_session_that_it_began_in(wire):
    first = wire.attend(name := wire.new_name())
    first.subscribe(shared(wire), qos=2)
    deliver(wire.join(), wire.topic, b"x", 2)
    first.expect(PUBLISH, payload=b"x")
    other = member(wire, 2)
    first.drop()
    wire.join(name).ping()
    other.ping()

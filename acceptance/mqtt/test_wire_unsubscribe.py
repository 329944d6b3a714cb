"""UNSUBSCRIBE and UNSUBACK (3.10, 3.11)."""

import pytest

from clauses import clause
from mqtt_raw import PUBACK, PUBLISH, UNSUBACK, UNSUBSCRIBE, V5, ack, unsubscribe
from wire import deliver, hear

NO_SUBSCRIPTION = 0x11


def codes(wire, *wanted):
    """The codes of UNSUBACK, which MQTT 3.1.1 does not have."""
    return list(wanted) if wire.version == V5 else []


@clause("3.1.1:MQTT-3.10.1-1", "5:MQTT-3.10.1-1", "3.1.1:MQTT-2.2.2-1", "5:MQTT-2.1.3-1")
@pytest.mark.parametrize("flags", [0, 1, 3, 10])
def test_unsubscribe_has_its_own_flags(wire, flags):
    client = wire.join()
    client.send(bytes([UNSUBSCRIBE << 4 | flags]) + unsubscribe("a", version=wire.version)[1:])
    assert client.is_closed(0x81)


@clause("3.1.1:MQTT-3.10.3-1", "5:MQTT-3.10.3-1")
@pytest.mark.parametrize("wanted", [b"\xff", b"a/\x00", b"\xed\xa0\x80"])
def test_a_filter_is_text(wire, wanted):
    client = wire.join()
    client.say(unsubscribe, wanted)
    assert client.is_closed(0x81)


@clause("3.1.1:MQTT-3.10.3-2", "5:MQTT-3.10.3-2")
def test_there_is_a_filter(wire):
    client = wire.join()
    client.say(unsubscribe)
    assert client.is_closed(0x82)


@clause(
    "3.1.1:MQTT-3.10.4-1",
    "3.1.1:MQTT-3.10.4-2",
    "5:MQTT-3.10.4-1",
    "5:MQTT-3.10.4-2",
)
def test_a_filter_is_compared_letter_by_letter(wire):
    client = wire.join()
    filters = [f"{wire.topic}/{rest}" for rest in ("a", "+", "A")]
    client.subscribe(*filters)
    client.say(unsubscribe, f"{wire.topic}/#", f"{wire.topic}/+").expect(UNSUBACK)
    publisher = wire.join()
    for rest in "abA":
        deliver(publisher, f"{wire.topic}/{rest}", b"x")
    assert hear(client, 2) == [(f"{wire.topic}/a", b"x"), (f"{wire.topic}/A", b"x")]


@clause("3.1.1:MQTT-3.10.4-2", "5:MQTT-3.10.4-2")
def test_the_other_subscriptions_stay(wire):
    client = wire.join()
    for rest in "abc":
        client.subscribe(f"{wire.topic}/{rest}", qos=1)
    client.say(unsubscribe, f"{wire.topic}/a").expect(UNSUBACK)
    publisher = wire.join()
    for rest in "abc":
        deliver(publisher, f"{wire.topic}/{rest}", b"x", 1)
    assert hear(client, 2) == [(f"{wire.topic}/b", b"x"), (f"{wire.topic}/c", b"x")]


@clause("3.1.1:MQTT-3.10.4-3", "5:MQTT-3.10.4-3")
def test_what_is_under_way_is_still_acknowledged(wire):
    client = wire.join()
    client.subscribe(wire.topic, qos=1)
    deliver(wire.join(), wire.topic, b"x", 1)
    message = client.expect(PUBLISH, payload=b"x")
    client.say(unsubscribe, wire.topic, packet_id=2).expect(UNSUBACK, packet_id=2)
    client.send(ack(PUBACK, message.packet_id))
    client.ping()


@clause("3.1.1:MQTT-3.10.4-3", "5:MQTT-3.10.4-3", "3.1.1:MQTT-4.4.0-1", "5:MQTT-4.4.0-1")
def test_what_is_under_way_comes_again_after_unsubscribing(wire):
    client = wire.attend(name := wire.new_name())
    client.subscribe(wire.topic, qos=1)
    deliver(wire.join(), wire.topic, b"x", 1)
    client.expect(PUBLISH, payload=b"x")
    client.say(unsubscribe, wire.topic).expect(UNSUBACK)
    client.drop()
    assert hear(wire.attend(name), 1) == [(wire.topic, b"x")]


@clause(
    "3.1.1:MQTT-3.10.4-4",
    "3.1.1:MQTT-2.3.1-7",
    "5:MQTT-3.10.4-4",
    "5:MQTT-3.10.4-5",
    "5:MQTT-2.2.1-6",
)
@pytest.mark.parametrize("packet_id", [1, 255, 256, 65535])
def test_unsuback_has_the_identifier_of_its_unsubscribe(wire, packet_id):
    client = wire.join()
    client.subscribe(wire.topic)
    client.say(unsubscribe, wire.topic, packet_id=packet_id)
    client.expect(UNSUBACK, packet_id=packet_id, codes=codes(wire, 0))


@clause("3.1.1:MQTT-3.10.4-5", "5:MQTT-3.10.4-5", "5:MQTT-3.11.3-2")
def test_unsubscribing_from_nothing_is_answered(wire):
    client = wire.join()
    answer = client.say(unsubscribe, wire.topic, packet_id=6).expect(UNSUBACK, packet_id=6)
    allowed = (0,) if wire.is_aws else (0, NO_SUBSCRIPTION)
    assert answer.codes == [] if wire.version < V5 else answer.codes[0] in allowed


@clause("3.1.1:MQTT-3.10.4-6", "5:MQTT-3.10.4-6", "5:MQTT-3.11.3-1")
def test_several_filters_are_answered_at_once(wire):
    client = wire.join()
    filters = [f"{wire.topic}/{number}" for number in range(4)]
    client.subscribe(*filters)
    client.say(unsubscribe, *filters[:3], packet_id=8)
    client.expect(UNSUBACK, packet_id=8, codes=codes(wire, 0, 0, 0))
    publisher = wire.join()
    for topic in filters:
        deliver(publisher, topic, b"x")
    assert hear(client, 1) == [(filters[3], b"x")]


@clause("5:MQTT-3.11.3-1", "5:MQTT-3.11.3-2")
def test_a_filter_that_is_none_is_refused_in_its_place(wire):
    client = wire.join()
    client.subscribe(wire.topic)
    client.say(unsubscribe, "a/#/b", wire.topic).expect(UNSUBACK, codes=[0x8F, 0])
    deliver(wire.join(), wire.topic, b"x")
    client.ping()


@clause("3.1.1:MQTT-4.7.3-1", "3.1.1:MQTT-4.7.1-2", "3.1.1:MQTT-4.8.0-1")
@pytest.mark.parametrize("wanted", ["", "a/#/b", "#a"])
def test_a_filter_that_is_none_ends_a_connection_of_mqtt_3(wire, wanted):
    client = wire.join()
    client.say(unsubscribe, wanted)
    assert client.is_closed()

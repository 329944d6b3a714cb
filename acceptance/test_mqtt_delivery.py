"""Messages on their way from publisher to subscriber: what arrives, in which order, what does not.

Clauses in brackets are those of the standards; what has none is AWS's own.
"""

import pytest

from device import logged
from mqtt_raw import (
    CLOSED,
    DISCONNECT,
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    SUBACK,
    UNSUBACK,
    V5,
    V311,
    connect,
    packet,
    puback,
    publish,
    subscribe,
    unsubscribe,
)

PAYLOAD_BYTES_MAX = 128 * 1024
FILTERS_MAX = 8
TOPIC_BYTES_MAX = 256
both_versions = pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])


def is_ended(client, code):
    """Whether a connection ends: MQTT 5 with `code`, MQTT 3.1.1 without a word."""
    return client.is_closed(code if client.version == V5 else None)


# PUBLISH and its way to subscribers


@both_versions
@pytest.mark.parametrize("published, subscribed", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_message_comes_with_the_lower_qos(join, name, version, published, subscribed):
    """[MQTT-3.8.4-6] (3.1.1), [MQTT-3.8.4-8] (5)"""
    publisher, subscriber = join(version), join(version)
    subscriber.subscribe(name, qos=subscribed)
    answer = publisher.publish(name, b"hello", published, packet_id=7)
    assert published == 0 or (answer.kind, answer.packet_id, answer.code) == (PUBACK, 7, 0)
    message = subscriber.read()
    assert (message.topic, message.payload) == (name, b"hello")
    assert message.flags == min(published, subscribed) << 1, "neither DUP nor RETAIN is set"
    assert (message.packet_id != 0) == (message.qos == 1)


@both_versions
def test_dup_is_ignored(join, name, version):
    client = join(version)
    client.subscribe(name, qos=1)
    for _ in range(2):
        client.send(publish(name, b"x", 1, packet_id=5, dup=True, version=version))
        answers = {client.read().kind: None for _ in range(2)}
        assert PUBACK in answers
    client.send(puback(1), puback(2))


@both_versions
def test_qos_2_is_not_supported(server, join, name, version):
    """[MQTT-3.2.2-11]"""
    client = join(version, name)
    client.send(publish(name, b"x", 2, version=version))
    assert is_ended(client, 0x9B)
    event = logged(server, eventType="Disconnect", status="Failure", clientId=name)
    assert event["reason"] == "QOS_NOT_SUPPORTED" and "QoS 2" in event["details"], event


@both_versions
def test_a_subscription_with_qos_2_is_not_lowered(join, name, version):
    client = join(version)
    client.send(subscribe(name, qos=2, version=version))
    assert is_ended(client, 0x9B)


@both_versions
def test_a_will_with_qos_2_is_refused(dial, name, version):
    """[MQTT-3.2.2-12]"""
    client = dial(version)
    answer = client.exchange(connect(name, version=version, will={"topic": "w", "qos": 2}))
    if version == V311:
        assert answer is CLOSED
    else:
        assert answer is not CLOSED and answer.code == 0x9B


@both_versions
@pytest.mark.parametrize("kind, flags", [(PUBREC, 0), (PUBREL, 2), (PUBCOMP, 0)])
def test_packets_of_qos_2_end_the_connection(join, version, kind, flags):
    client = join(version)
    client.send(packet(kind, b"\x00\x01", flags))
    assert is_ended(client, 0x82)


def test_enhanced_authentication_is_not_supported(dial, join, name):
    client = join(V5)
    client.send(packet(15, b"\x00\x00"))
    assert client.is_closed(0x82)
    props = {"authentication_method": "SCRAM-SHA-1"}
    answer = dial(V5).exchange(connect(name, version=V5, props=props))
    assert answer is CLOSED or answer.code >= 0x80


@both_versions
def test_the_largest_payload_arrives_and_no_larger_one(server, join, name, version):
    observer, client = join(version), join(version, name)
    observer.subscribe(name)
    largest = bytes(range(256)) * (PAYLOAD_BYTES_MAX // 256)
    client.publish(name, largest)
    assert observer.message() == (name, largest)
    client.send(publish(name, largest + b"x", version=version))
    answer = client.read()
    if version == V5:
        assert answer is not CLOSED and answer.kind == DISCONNECT and answer.code in (0x95, 0x97)
    else:
        assert answer is CLOSED
    observer.ping()
    event = logged(server, eventType="Disconnect", status="Failure", clientId=name)
    assert event["reason"] == "PAYLOAD_TOO_LARGE", event


@both_versions
def test_a_topic_has_at_most_seven_slashes_and_256_bytes(join, version):
    slashes, longest = "/".join("abcdefgh"), "ü" * (TOPIC_BYTES_MAX // 2)
    for topic in [slashes, longest, "/", "/a", "a//b", " ", "a b", "ä/ö"]:
        client = join(version)
        client.subscribe(topic)
        client.publish(topic, b"x")
        assert client.message() == (topic, b"x")
    for topic in [slashes + "/", longest + "a"]:
        client = join(version)
        client.send(publish(topic, b"x", version=version))
        assert is_ended(client, 0x90), topic


@both_versions
@pytest.mark.parametrize("topic", ["a/+", "a/#", "+", "#", "a+", "a#b"])
def test_a_topic_has_no_wildcards(join, version, topic):
    """[MQTT-3.3.2-2]"""
    client = join(version)
    client.send(publish(topic, b"x", version=version))
    answer = client.read()
    if version == V5:
        assert answer is not CLOSED and answer.code in (0x81, 0x82, 0x90), answer
    else:
        assert answer is CLOSED


@both_versions
def test_what_is_sent_first_arrives_first(join, name, version):
    publisher, subscriber = join(version), join(version)
    subscriber.subscribe(name)
    publisher.send(*(publish(name, str(n).encode(), version=version) for n in range(90)))
    assert [subscriber.message()[1] for _ in range(90)] == [str(n).encode() for n in range(90)]


@both_versions
def test_a_publisher_may_hear_itself(join, name, version):
    client = join(version)
    client.subscribe(name)
    client.publish(name, b"echo")
    assert client.message() == (name, b"echo")


def test_a_publisher_of_mqtt_5_may_ask_not_to_hear_itself(join, name):
    """[MQTT-3.8.3-3]"""
    client, other = join(V5), join(V5)
    client.subscribe(name, options=0x04)
    client.publish(name, b"own")
    client.ping()
    other.publish(name, b"another's")
    assert client.message() == (name, b"another's")


# Properties of MQTT 5, and between the versions


PROPERTIES = {
    "payload_format": 1,
    "content_type": "text/plain",
    "response_topic": "answers/here",
    "correlation_data": b"\x00\x01\xff",
    "user": [("b", "1"), ("a", "2"), ("b", "3")],
}


@pytest.mark.parametrize("qos", [0, 1])
def test_properties_arrive_as_they_were_sent(join, name, qos):
    """[MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18]"""
    publisher, subscriber = join(V5), join(V5)
    subscriber.subscribe(name, qos=1)
    publisher.publish(name, b"x", qos, props=PROPERTIES | {"message_expiry": 100})
    received = dict(subscriber.read().properties)
    assert 98 <= received.pop("message_expiry") <= 100
    assert received == PROPERTIES


def test_versions_talk_to_one_another(join, name):
    old, new = join(V311), join(V5)
    old.subscribe(name, qos=1)
    new.subscribe(name, qos=1)
    new.send(publish(name, b"from 5", 1, version=V5, props=PROPERTIES))
    message = old.read()
    assert (message.topic, message.payload, message.properties) == (name, b"from 5", {})
    old.send(puback(message.packet_id))
    heard = [new.read(), new.read()]
    assert sorted(packet.kind for packet in heard) == [3, 4]
    old.send(publish(name, b"from 3", 0, version=V311))
    message = new.read()
    assert (message.payload, message.properties) == (b"from 3", {})


@pytest.mark.parametrize("asked, expected", [(0, 1), (604_800, 604_800), (0xFFFF_FFFF, 604_800)])
def test_the_expiry_of_a_message_is_kept_within_bounds(join, name, asked, expected):
    publisher, subscriber = join(V5), join(V5)
    subscriber.subscribe(name)
    publisher.publish(name, b"x", props={"message_expiry": asked})
    received = subscriber.read().properties["message_expiry"]
    assert expected - 2 <= received <= expected


def test_a_topic_alias_stands_for_its_topic(join, name):
    """[MQTT-3.3.2-7] [MQTT-3.3.2-12]"""
    publisher, subscriber = join(V5), join(V5)
    subscriber.subscribe(f"{name}/+")
    publisher.publish(f"{name}/a", b"1", props={"topic_alias": 8})
    publisher.publish("", b"2", props={"topic_alias": 8})
    publisher.publish(f"{name}/b", b"3", props={"topic_alias": 8})
    publisher.publish("", b"4", props={"topic_alias": 8})
    expected = [(f"{name}/a", b"1"), (f"{name}/a", b"2"), (f"{name}/b", b"3"), (f"{name}/b", b"4")]
    received = [subscriber.read() for _ in expected]
    assert [(message.topic, message.payload) for message in received] == expected
    assert all("topic_alias" not in message.properties for message in received)


@pytest.mark.parametrize("alias", [0, 9, 65535])
def test_a_topic_alias_out_of_bounds_ends_the_connection(join, name, alias):
    """[MQTT-3.3.2-8] [MQTT-3.3.2-9]"""
    client = join(V5)
    client.send(publish(name, version=V5, props={"topic_alias": alias}))
    assert client.is_closed(0x94)


def test_a_topic_alias_that_was_never_set_ends_the_connection(join):
    client = join(V5)
    client.send(publish("", version=V5, props={"topic_alias": 1}))
    assert client.is_closed(0x82)
    client = join(V5)
    client.send(publish("", version=V5))
    assert client.is_closed(0x82)


def test_no_more_is_in_flight_than_the_client_takes(join, name):
    """[MQTT-3.3.4-9]"""
    publisher, subscriber = join(V5), join(V5, props={"receive_maximum": 2})
    subscriber.subscribe(name, qos=1)
    for number in range(4):
        publisher.publish(name, str(number).encode(), 1)
    first, second = subscriber.read(), subscriber.read()
    subscriber.ping()
    subscriber.send(puback(second.packet_id))
    third = subscriber.read()
    subscriber.ping()
    subscriber.send(puback(first.packet_id), puback(third.packet_id))
    payloads = [message.payload for message in (first, second, third, subscriber.read())]
    assert payloads == [b"0", b"1", b"2", b"3"]


@both_versions
def test_a_hundred_messages_may_be_unacknowledged_and_no_more(join, name, version):
    publisher, subscriber = join(V5), join(version)
    subscriber.subscribe(name, qos=1)
    for number in range(101):
        publisher.publish(name, str(number).encode(), 1, packet_id=number + 1)
    received = [subscriber.read() for _ in range(100)]
    assert len({message.packet_id for message in received}) == 100
    subscriber.ping()
    subscriber.send(puback(received[0].packet_id))
    assert subscriber.read().payload == b"100"


def test_a_message_too_large_for_a_client_is_not_sent_to_it(join, name):
    """[MQTT-3.1.2-24] [MQTT-3.1.2-25]"""
    publisher, subscriber = join(V5), join(V5, props={"maximum_packet_size": 512})
    subscriber.subscribe(name, qos=1)
    publisher.publish(name, b"x" * 600, 1)
    publisher.publish(name, b"small", 1)
    assert subscriber.message() == (name, b"small")


def test_a_client_may_do_without_reasons(join, name):
    """[MQTT-3.1.2-29]"""
    client = join(V5, props={"request_problem_information": 0})
    answer = client.exchange(subscribe("a/" * 8 + "a", version=V5))
    assert "reason_string" not in answer.properties and "user" not in answer.properties


# SUBSCRIBE and what filters match


TOPICS = ["a", "a/", "a/b", "a/b/c", "b", "/b", "b/", "/", "a//c"]
MATCHES = {
    "#": TOPICS,
    "+": ["a", "b"],
    "a": ["a"],
    "a/#": ["a/", "a/b", "a/b/c", "a//c"],
    "a/+": ["a/", "a/b"],
    "+/b": ["a/b", "/b"],
    "/+": ["/b", "/"],
    "+/+": ["a/", "a/b", "/b", "b/", "/"],
    "a/+/c": ["a/b/c", "a//c"],
    "+/+/#": ["a/b/c", "a//c"],
}


@both_versions
@pytest.mark.parametrize("wanted", MATCHES)
def test_a_filter_matches(join, name, version, wanted):
    """[MQTT-4.7.1-2] [MQTT-4.7.1-3], but unlike there, `a/#` does not match `a`."""
    publisher, subscriber = join(version), join(version)
    subscriber.subscribe(f"{name}/{wanted}", f"{name}-end")
    publisher.send(*(publish(f"{name}/{topic}", version=version) for topic in TOPICS))
    publisher.send(publish(f"{name}-end", version=version))
    received = []
    while (topic := subscriber.message()[0]) != f"{name}-end":
        received.append(topic.removeprefix(f"{name}/"))
    assert received == MATCHES[wanted]


@both_versions
def test_a_wildcard_does_not_match_a_reserved_topic(join, name, version):
    """[MQTT-4.7.2-1]"""
    subscriber = join(version)
    subscriber.subscribe("#", "+/presence/#", f"+/{name}")
    for topic in [f"$test/{name}", "$aws/presence/x", "$SYS/broker"]:
        join(version).publish(topic, b"no")
    join(version).publish(name, b"yes")
    received = subscriber.message()
    while received[0] != name:
        assert not received[0].startswith("$"), received
        received = subscriber.message()


def test_filters_that_are_none_are_refused_alone(join, name):
    wrong = ["a/#/b", "a#", "a+", "/".join("abcdefghi"), "x" * (TOPIC_BYTES_MAX + 1)]
    client = join(V5)
    answer = client.exchange(subscribe(*wrong, name, version=V5))
    assert (answer.kind, answer.codes) == (SUBACK, [0x8F] * len(wrong) + [0])
    client.publish(name, b"x")
    assert client.message() == (name, b"x")


@pytest.mark.parametrize("wrong", ["a/#/b", "a#", "/".join("abcdefghi"), "x" * 257])
def test_a_filter_that_is_none_is_refused_in_mqtt_3(join, wrong):
    answer = join(V311).exchange(subscribe(wrong))
    assert answer is CLOSED or answer.codes == [0x80]


@both_versions
def test_eight_filters_at_once_and_no_more(join, name, version):
    filters = [f"{name}/{number}" for number in range(FILTERS_MAX)]
    client = join(version)
    client.subscribe(*filters)
    client.send(subscribe(*filters, f"{name}/8", version=version))
    answer = client.read()
    if version == V311:
        assert answer is CLOSED
    elif answer.kind == SUBACK:
        assert answer.codes == [0x97] * (FILTERS_MAX + 1)
    else:
        assert (answer.kind, answer.code) == (DISCONNECT, 0x97)


def test_a_subscription_identifier_ends_the_connection(join, name):
    client = join(V5)
    client.send(subscribe(name, version=V5, props={"subscription_id": 1}))
    assert client.is_closed(0xA1)


@both_versions
def test_subscribing_again_replaces_the_subscription(join, name, version):
    """[MQTT-3.8.4-3]"""
    client = join(version)
    client.subscribe(name, qos=0)
    client.subscribe(name, qos=1)
    client.send(publish(name, b"x", 1, version=version))
    kinds = sorted([client.read().flags, client.read().flags])
    assert kinds == [0, 2], "one PUBACK, and one message with QoS 1"
    client.ping()


@both_versions
def test_nothing_comes_after_unsubscribing(join, name, version):
    """[MQTT-3.10.4-4] (3.1.1), [MQTT-3.11.3-1] (5)"""
    client = join(version)
    client.subscribe(f"{name}/a", f"{name}/b")
    answer = client.exchange(unsubscribe(f"{name}/a", f"{name}/c", packet_id=9, version=version))
    assert (answer.kind, answer.packet_id) == (UNSUBACK, 9)
    assert answer.codes == ([0, 0] if version == V5 else [])
    client.publish(f"{name}/a", b"no")
    client.publish(f"{name}/b", b"yes")
    assert client.message() == (f"{name}/b", b"yes")

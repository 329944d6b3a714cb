"""PUBLISH (3.3): what may be published, and what reaches whom."""

import pytest

from clauses import clause, in_dialect
from device import allow, deny, document
from mqtt_raw import PUBACK, PUBLISH, V5, V311, connect, packet, publish, subscribe
from wire import AWS, STANDARD, brief, deliver, hear


@clause(
    "3.1.1:MQTT-3.3.1-2",
    "3.1.1:MQTT-2.3.1-5",
    "3.1.1:MQTT-4.3.1-1",
    "5:MQTT-3.3.1-2",
    "5:MQTT-2.2.1-2",
    "5:MQTT-4.3.1-1",
)
def test_qos_0_comes_without_an_identifier_and_without_dup(wire):
    subscriber = wire.join()
    subscriber.subscribe(wire.topic, qos=1)
    deliver(wire.join(), wire.topic, b"hello")
    message = subscriber.read()
    assert (message.kind, message.flags, message.payload) == (PUBLISH, 0, b"hello")


@clause("3.1.1:MQTT-3.3.1-2", "5:MQTT-3.3.1-2")
def test_qos_0_is_never_a_duplicate(wire):
    client = wire.join()
    client.say(publish, wire.topic, dup=True)
    assert client.is_closed(0x81)


@clause("3.1.1:MQTT-3.3.1-3", "5:MQTT-3.3.1-3")
def test_dup_is_not_passed_on(wire):
    subscriber = wire.join()
    subscriber.subscribe(wire.topic, qos=1)
    deliver(wire.join(), wire.topic, b"again", 1, dup=True)
    assert not subscriber.expect(PUBLISH, payload=b"again", qos=1).dup


@clause("3.1.1:MQTT-3.3.1-4", "5:MQTT-3.3.1-4", "5:MQTT-4.13.1-1", "3.1.1:MQTT-4.8.0-1")
def test_there_is_no_qos_3(wire):
    client = wire.join()
    client.say(publish, wire.topic, b"x", 3)
    assert client.is_closed(0x81)


@clause("3.1.1:MQTT-3.3.2-1", "5:MQTT-3.3.2-1", "3.1.1:MQTT-1.5.3-1", "5:MQTT-1.5.4-1")
@pytest.mark.parametrize("topic", [b"\xff", b"a/\xc3", b"\xed\xa0\x80", b"\xc0\x80"])
def test_a_topic_is_text(wire, topic):
    client = wire.join()
    client.say(publish, topic)
    assert client.is_closed(0x81)


@clause("3.1.1:MQTT-3.3.2-1", "5:MQTT-3.3.2-1")
@pytest.mark.parametrize("body", [b"", b"\x00", b"\x00\x05abc"])
def test_a_publish_without_a_whole_topic_ends_the_connection(wire, body):
    client = wire.join().send(packet(PUBLISH, body))
    assert client.is_closed(0x81)


@clause(
    "3.1.1:MQTT-3.3.2-2", "3.1.1:MQTT-4.7.1-1", "5:MQTT-3.3.2-2", "5:MQTT-4.7.0-1"
)
@pytest.mark.parametrize("topic", ["#", "+", "a/#", "a/+/b", "a+", "a#b"])
def test_a_topic_has_no_wildcards(wire, topic):
    client = wire.join()
    client.say(publish, topic)
    assert client.is_closed(0x81)


@clause("3.1.1:MQTT-3.3.2-3", "5:MQTT-3.3.2-3", "3.1.1:MQTT-4.5.0-1", "5:MQTT-4.5.0-1")
def test_a_message_reaches_whom_it_matches_and_nobody_else(wire):
    filters = ["{}/a/b", "{}/+/b", "{}/#", "+/a/b", "{}/a", "{}/a/b/c", "{}/b/+"]
    clients = [wire.join() for _ in filters]
    for client, wanted in zip(clients, filters):
        client.subscribe(wanted.format(wire.topic))
    deliver(wire.join(), f"{wire.topic}/a/b", b"x")
    heard = [[one.topic for one in client.inbox()] for client in clients]
    assert heard == [[f"{wire.topic}/a/b"]] * 4 + [[]] * 3


@clause("3.1.1:MQTT-3.3.4-1", "5:MQTT-3.3.4-1", "5:MQTT-3.4.2-1", "5:MQTT-4.3.2-4")
def test_the_answer_depends_on_the_qos(wire):
    client = wire.join()
    client.say(publish, wire.topic, b"0", 0)
    client.ping()
    answer = client.ask(publish, wire.topic, b"1", 1, packet_id=513)
    assert (answer.kind, answer.packet_id) == (PUBACK, 513)
    assert answer.code in (0x00, 0x10), "0x10 says that nobody subscribes"


@clause("3.1.1:MQTT-4.5.0-1", "5:MQTT-4.5.0-1")
@pytest.mark.parametrize("qos", [0, 1])
def test_a_publisher_hears_itself(wire, qos):
    client = wire.join()
    client.subscribe(wire.topic, qos=qos)
    client.say(publish, wire.topic, b"echo", qos, packet_id=77)
    heard = [one for one in client.inbox() if one.kind == PUBLISH]
    assert brief(heard) == [(wire.topic, b"echo", qos, False)]


@clause(
    "3.1.1:MQTT-3.3.5-1", "5:MQTT-3.3.4-2", "3.1.1:MQTT-3.8.4-6", "5:MQTT-3.8.4-8"
)
@pytest.mark.parametrize("qos", [0, 1])
def test_overlapping_filters_bring_the_highest_qos_of_them(wire, qos):
    subscriber = wire.join()
    subscriber.subscribe((f"{wire.topic}/#", 0), (f"{wire.topic}/+", 1), (f"{wire.topic}/a", 0))
    deliver(wire.join(), f"{wire.topic}/a", b"x", qos)
    assert brief(subscriber.inbox()) == [(f"{wire.topic}/a", b"x", qos, False)]


@clause("3.1.1:MQTT-3.3.5-1", "5:MQTT-3.3.4-2")
@in_dialect(STANDARD)
def test_overlapping_filters_bring_qos_2(wire):
    subscriber = wire.join()
    subscriber.subscribe((f"{wire.topic}/#", 2), (f"{wire.topic}/a", 1))
    deliver(wire.join(), f"{wire.topic}/a", b"x", 2)
    assert hear(subscriber, 1) == [(f"{wire.topic}/a", b"x")]


@clause("3.1.1:MQTT-4.6.0-5", "3.1.1:MQTT-4.6.0-6", "5:MQTT-4.6.0-5", "5:MQTT-4.6.0-6")
@pytest.mark.parametrize("qos", [0, 1])
def test_messages_come_in_their_order(wire, qos):
    subscriber, publisher = wire.join(), wire.join()
    subscriber.subscribe(wire.topic, qos=qos)
    sent = [(wire.topic, str(number).encode()) for number in range(90)]
    for number, (topic, payload) in enumerate(sent):
        publisher.say(publish, topic, payload, qos, packet_id=number + 1)
    assert hear(subscriber, 90) == sent


@clause("3.1.1:MQTT-3.3.5-2", "5:MQTT-3.4.2-1", "5:MQTT-3.14.2-1")
def test_what_may_not_be_published_reaches_nobody(wire):
    if not hasattr(wire.server, "iot"):
        pytest.skip("another broker has no policies")
    statements = [allow("iot:*"), deny("iot:Publish", f"topic/{wire.topic}")]
    wire.server.iot.create_policy(policyName=wire.topic, policyDocument=document(*statements))
    observer = wire.join()
    observer.subscribe(wire.topic)
    for qos in (0, 1):
        client = wire.join(user_name=f"policy/{wire.topic}")
        client.say(publish, wire.topic, b"x", qos, packet_id=3)
        if qos == 1 and wire.version == V5:
            client.expect(PUBACK, packet_id=3, code=0x87)
            client.ping()
        else:
            assert client.is_closed(0x87)
    observer.ping()


@clause("3.1.1:MQTT-4.5.0-1", "5:MQTT-4.5.0-1")
def test_versions_talk_to_one_another(wire):
    ours, theirs = wire.join(), wire.join(version=V311 if wire.version == V5 else V5)
    ours.subscribe(f"{wire.topic}/ours", qos=1)
    theirs.subscribe(f"{wire.topic}/theirs", qos=1)
    deliver(ours, f"{wire.topic}/theirs", b"1", 1)
    assert hear(theirs, 1) == [(f"{wire.topic}/theirs", b"1")]
    deliver(theirs, f"{wire.topic}/ours", b"2", 1)
    assert hear(ours, 1) == [(f"{wire.topic}/ours", b"2")]


@clause("3.1.1:MQTT-7.1.1-1", "5:MQTT-4.2-1")
def test_packets_may_come_in_pieces_or_together(wire):
    client = wire.dial()
    client.say(connect, wire.new_name()).expect(2, code=0)
    for byte in subscribe(wire.topic, version=wire.version):
        client.send(bytes([byte]))
    client.expect(9)
    sent = publish(wire.topic, b"x", version=wire.version) * 3
    client.send(sent[:5]).send(sent[5:])
    assert hear(client, 3) == [(wire.topic, b"x")] * 3


@clause("3.1.1:MQTT-3.3.5-2", "5:MQTT-3.14.2-1")
@in_dialect(AWS)
def test_aws_keeps_topics_with_a_dollar_to_itself(wire):
    client = wire.join()
    client.say(publish, f"${wire.topic}", b"x", 1)
    assert client.is_closed(0x90)

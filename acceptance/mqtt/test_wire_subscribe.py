"""SUBSCRIBE and SUBACK (3.8, 3.9): filters, options, and what they are granted."""

import pytest

from clauses import clause, in_dialect
from device import allow, deny, document
from mqtt_raw import CLOSED, PUBLISH, SUBACK, SUBSCRIBE, V5, packet, subscribe
from wire import AWS, STANDARD, brief, deliver, hear, receive

NO_LOCAL = 0x04


@clause("3.1.1:MQTT-3.8.1-1", "5:MQTT-3.8.1-1", "3.1.1:MQTT-2.2.2-1", "5:MQTT-2.1.3-1")
@pytest.mark.parametrize("flags", [0, 1, 3, 10])
def test_subscribe_has_its_own_flags(wire, flags):
    client = wire.join()
    client.send(bytes([SUBSCRIBE << 4 | flags]) + subscribe("a", version=wire.version)[1:])
    assert client.is_closed(0x81)


@clause("3.1.1:MQTT-3.8.3-1", "5:MQTT-3.8.3-1", "3.1.1:MQTT-1.5.3-2", "5:MQTT-1.5.4-2")
@pytest.mark.parametrize("wanted", [b"\xff", b"a/\x00", b"\xed\xbf\xbf"])
def test_a_filter_is_text(wire, wanted):
    client = wire.join()
    client.say(subscribe, wanted)
    assert client.is_closed(0x81)


@clause("3.1.1:MQTT-3.8.3-3", "5:MQTT-3.8.3-2")
def test_there_is_a_filter(wire):
    client = wire.join()
    client.say(subscribe)
    assert client.is_closed(0x82)


@clause("3.1.1:MQTT-2.2.2-2", "5:MQTT-3.8.3-5")
@pytest.mark.parametrize("options", [0x40, 0x80, 0xC0])
def test_reserved_bits_of_the_options_are_0(wire, options):
    client = wire.join()
    client.say(subscribe, wire.topic, options=options)
    assert client.is_closed(0x81)


@clause("3.1.1:MQTT-4.8.0-1", "5:MQTT-4.13.1-1")
@pytest.mark.parametrize("options", [0x03, 0x30])
def test_options_out_of_bounds_end_the_connection(wire, options):
    client = wire.join()
    client.say(subscribe, wire.topic, options=options)
    assert client.is_closed(0x82)


@clause("5:MQTT-3.8.3-3")
def test_no_local_leaves_out_what_is_one_s_own(wire):
    client, other = wire.join(), wire.join()
    client.subscribe(wire.topic, options=NO_LOCAL)
    deliver(client, wire.topic, b"own", 1)
    deliver(other, wire.topic, b"another's", 1)
    assert hear(client, 1) == [(wire.topic, b"another's")]


@clause("5:MQTT-3.8.3-3")
def test_no_local_goes_by_the_client_id(wire):
    client = wire.attend(name := wire.new_name())
    client.subscribe(wire.topic, qos=1, options=NO_LOCAL)
    wire.leave(client)
    again = wire.attend(name)
    deliver(again, wire.topic, b"own", 1)
    deliver(wire.join(), wire.topic, b"another's", 1)
    assert hear(again, 1) == [(wire.topic, b"another's")]


@clause("5:MQTT-3.8.3-4")
def test_no_local_of_a_shared_subscription_is_an_error(wire):
    client = wire.join()
    client.say(subscribe, f"$share/group/{wire.topic}", options=NO_LOCAL)
    assert client.is_closed(0x82)


@clause("5:MQTT-3.8.3-3", "5:MQTT-3.3.2-15", "5:MQTT-3.3.2-16")
def test_a_request_is_answered_between_two_that_do_not_hear_themselves(wire):
    asker, answerer = wire.join(), wire.join()
    for client in (asker, answerer):
        client.subscribe(wire.topic, qos=1, options=NO_LOCAL)
    asked = {"response_topic": wire.topic, "correlation_data": b"334"}
    deliver(asker, wire.topic, b"question", 1, props=asked)
    question = receive(answerer)
    assert (question.payload, question.properties) == (b"question", asked)
    deliver(answerer, question.properties["response_topic"], b"answer", 1, props=asked)
    assert hear(asker, 1) == [(wire.topic, b"answer")]
    answerer.ping()


@clause(
    "3.1.1:MQTT-3.8.4-1",
    "3.1.1:MQTT-3.8.4-2",
    "3.1.1:MQTT-2.3.1-7",
    "5:MQTT-3.8.4-1",
    "5:MQTT-3.8.4-2",
    "5:MQTT-2.2.1-6",
)
@pytest.mark.parametrize("packet_id", [1, 255, 256, 65535])
def test_suback_has_the_identifier_of_its_subscribe(wire, packet_id):
    client = wire.join()
    client.say(subscribe, wire.topic, packet_id=packet_id)
    client.expect(SUBACK, packet_id=packet_id, codes=[0])


@clause("3.1.1:MQTT-3.8.4-3", "5:MQTT-3.8.4-3")
@pytest.mark.parametrize("before, after", [(0, 1), (1, 0)])
def test_subscribing_again_replaces_the_subscription(wire, before, after):
    client = wire.join()
    client.subscribe(wire.topic, qos=before)
    client.subscribe(wire.topic, qos=after)
    deliver(wire.join(), wire.topic, b"x", 1)
    assert brief(client.inbox()) == [(wire.topic, b"x", after, False)]


@clause("5:MQTT-3.8.4-3")
def test_options_are_replaced_too(wire):
    client = wire.join()
    client.subscribe(wire.topic, options=NO_LOCAL)
    client.subscribe(wire.topic)
    deliver(wire.join(), wire.topic, b"x")
    assert hear(client, 1) == [(wire.topic, b"x")]


@clause(
    "3.1.1:MQTT-3.8.4-4",
    "3.1.1:MQTT-3.8.4-5",
    "3.1.1:MQTT-3.9.3-1",
    "3.1.1:MQTT-3.9.3-2",
    "5:MQTT-3.8.4-5",
    "5:MQTT-3.8.4-6",
    "5:MQTT-3.8.4-7",
    "5:MQTT-3.9.3-1",
    "5:MQTT-3.9.3-2",
)
def test_each_filter_is_answered_in_its_place(wire):
    client = wire.join()
    wanted = [(f"{wire.topic}/{number}", number % 2) for number in range(7)]
    client.say(subscribe, *wanted).expect(SUBACK, codes=[0, 1, 0, 1, 0, 1, 0])
    publisher = wire.join()
    for topic, qos in wanted:
        deliver(publisher, topic, b"x", 1)
        assert receive(client).qos == qos


@clause("5:MQTT-3.8.4-7", "5:MQTT-3.9.3-1", "5:MQTT-3.9.3-2")
def test_a_filter_that_is_none_is_refused_alone(wire):
    client = wire.join()
    client.say(subscribe, "a/#/b", (wire.topic, 1), "a+").expect(SUBACK, codes=[0x8F, 1, 0x8F])
    deliver(wire.join(), wire.topic, b"x")
    assert hear(client, 1) == [(wire.topic, b"x")]


@clause("3.1.1:MQTT-3.8.3-2", "5:MQTT-3.8.4-7")
def test_filters_with_wildcards_are_granted(wire):
    client = wire.join()
    client.subscribe(f"{wire.topic}/#", f"+/{wire.topic}", f"{wire.topic}/+/a", qos=1)


@clause("3.1.1:MQTT-3.8.4-6", "5:MQTT-3.8.4-8")
@pytest.mark.parametrize("published, subscribed", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_message_comes_with_the_lower_qos(wire, published, subscribed):
    client = wire.join()
    client.subscribe(wire.topic, qos=subscribed)
    deliver(wire.join(), wire.topic, b"x", published)
    assert client.expect(PUBLISH).qos == min(published, subscribed)


@clause("3.1.1:MQTT-3.8.4-5", "3.1.1:MQTT-3.9.3-2", "5:MQTT-3.8.4-7", "5:MQTT-3.9.3-2")
def test_a_filter_that_is_not_allowed_is_refused(wire):
    if not hasattr(wire.server, "iot"):
        pytest.skip("another broker has no policies")
    statements = [allow("iot:*"), deny("iot:Subscribe", f"topicfilter/{wire.topic}/no")]
    wire.server.iot.create_policy(policyName=wire.topic, policyDocument=document(*statements))
    client = wire.join(user_name=f"policy/{wire.topic}")
    client.say(subscribe, f"{wire.topic}/yes", f"{wire.topic}/no", f"{wire.topic}/yes/2")
    if wire.is_aws and wire.version < V5:
        assert client.is_closed()
    else:
        client.expect(SUBACK, codes=[0, 0x87 if wire.version == V5 else 0x80, 0])


@clause("5:MQTT-3.2.2-10", "3.1.1:MQTT-3.8.4-5")
@in_dialect(STANDARD)
def test_a_subscription_of_qos_2_is_granted(wire):
    wire.join().subscribe((wire.topic, 2), (f"{wire.topic}/a", 1))


@clause("5:MQTT-3.3.4-3", "5:MQTT-3.3.4-4")
@in_dialect(STANDARD)
def test_subscription_identifiers_come_with_each_message(wire):
    client, other = wire.join(), wire.join()
    for number, wanted in [(2, wire.topic), (268_435_455, f"{wire.topic}/#")]:
        client.subscribe(wanted, qos=1, props={"subscription_id": number})
    other.subscribe(wire.topic, props={"subscription_id": 456_789})
    deliver(wire.join(), wire.topic, b"x", 1)
    told = [sorted(one.properties["subscription_id"]) for one in client.inbox()]
    assert told in ([[2, 268_435_455]], [[2], [268_435_455]], [[268_435_455], [2]])
    assert receive(other).properties["subscription_id"] == [456_789]


@clause("5:MQTT-3.8.4-3", "5:MQTT-3.3.4-3")
@in_dialect(STANDARD)
def test_a_subscription_identifier_is_replaced_and_removed(wire):
    client, publisher = wire.join(), wire.join()
    told = []
    for props in ({"subscription_id": 7}, {"subscription_id": 8}, {}):
        client.subscribe(wire.topic, props=props)
        deliver(publisher, wire.topic, b"x")
        told.append(receive(client).properties)
    assert told == [{"subscription_id": [7]}, {"subscription_id": [8]}, {}]


@clause("5:MQTT-4.13.1-1")
@in_dialect(STANDARD)
def test_a_subscription_identifier_is_never_zero(wire):
    client = wire.join()
    client.say(subscribe, wire.topic, props={"subscription_id": 0})
    assert client.is_closed(0x82)


@clause("5:MQTT-4.13.2-1")
@in_dialect(AWS)
def test_aws_takes_no_subscription_identifier(wire):
    client = wire.join()
    client.say(subscribe, wire.topic, props={"subscription_id": 1})
    assert client.is_closed(0xA1)


@clause("3.1.1:MQTT-4.8.0-1", "5:MQTT-3.14.2-1")
@in_dialect(AWS)
def test_aws_takes_eight_filters_at_once(wire):
    filters = [f"{wire.topic}/{number}" for number in range(9)]
    client = wire.join()
    client.subscribe(*filters[:8])
    client.say(subscribe, *filters)
    assert client.is_closed(0x97)


@clause("5:MQTT-3.14.2-1", "3.1.1:MQTT-4.8.0-1")
@pytest.mark.parametrize("body", [b"", b"\x00", b"\x00\x01", b"\x00\x01\x00", b"\x00\x01\x00\x05a"])
def test_a_subscribe_that_ends_too_early_ends_the_connection(wire, body):
    client = wire.join().send(packet(SUBSCRIBE, body, 2))
    answer = client.read()
    if wire.version == V5 and answer is not CLOSED:
        assert answer.code in (0x81, 0x82), answer
        answer = client.read()
    assert answer is CLOSED

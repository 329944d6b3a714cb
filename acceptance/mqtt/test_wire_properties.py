"""Properties of MQTT 5 (2.2.2): what is passed on, what is refused, what is left out."""

import pytest

from clauses import clause, in_dialect
from device import allow, deny, document
from mqtt_raw import (
    CLOSED,
    CONNACK,
    PUBACK,
    PUBLISH,
    SUBACK,
    UNSUBACK,
    data,
    disconnect,
    packet,
    publish,
    subscribe,
    unsubscribe,
)
from wire import STANDARD, deliver, receive

OF_A_MESSAGE = {
    "payload_format": 1,
    "content_type": "text/plain; charset=utf-8",
    "response_topic": "answers/here",
    "correlation_data": b"\x00\x01\xff",
    "user": [("b", "1"), ("a", "2"), ("b", "3"), ("", "")],
}


@clause(
    "5:MQTT-3.3.2-4",
    "5:MQTT-3.3.2-15",
    "5:MQTT-3.3.2-16",
    "5:MQTT-3.3.2-17",
    "5:MQTT-3.3.2-18",
    "5:MQTT-3.3.2-20",
)
@pytest.mark.parametrize("qos", [0, 1])
def test_those_of_a_message_arrive_as_they_were_sent(wire, qos):
    subscriber = wire.join()
    subscriber.subscribe(wire.topic, qos=1)
    deliver(wire.join(), wire.topic, b"x", qos, props=OF_A_MESSAGE)
    assert receive(subscriber).properties == OF_A_MESSAGE


@clause("5:MQTT-3.3.2-4", "5:MQTT-3.3.2-17", "5:MQTT-3.3.2-20")
@in_dialect(STANDARD)
def test_those_of_qos_2_arrive_too(wire):
    subscriber = wire.join()
    subscriber.subscribe(wire.topic, qos=2)
    deliver(wire.join(), wire.topic, b"x", 2, props=OF_A_MESSAGE)
    assert receive(subscriber).properties == OF_A_MESSAGE


@clause("5:MQTT-2.2.2-1", "5:MQTT-3.3.2-4")
def test_none_arrive_where_none_were_sent(wire):
    subscriber = wire.join()
    subscriber.subscribe(wire.topic)
    deliver(wire.join(), wire.topic, b"x")
    assert receive(subscriber).properties == {}


@clause("5:MQTT-3.3.2-4")
@pytest.mark.parametrize("indicator", [0, 1])
def test_a_payload_format_is_not_taken_for_granted(wire, indicator):
    subscriber = wire.join()
    subscriber.subscribe(wire.topic)
    deliver(wire.join(), wire.topic, b"\xff", props={"payload_format": indicator})
    assert receive(subscriber).properties.get("payload_format", 0) == indicator


# What is wrong with a PUBLISH, and the code that says so.
WRONG_IN_PUBLISH = {
    "payload format 2": ({"payload_format": 2}, 0x82),
    "payload format twice": ({"payload_format": [0, 0]}, 0x82),
    "message expiry twice": ({"message_expiry": [9, 9]}, 0x82),
    "content type twice": ({"content_type": ["a", "b"]}, 0x82),
    "response topic twice": ({"response_topic": ["a", "b"]}, 0x82),
    "correlation data twice": ({"correlation_data": [b"a", b"b"]}, 0x82),
    "topic alias twice": ({"topic_alias": [1, 1]}, 0x82),
    "a response topic with #": ({"response_topic": "a/#"}, 0x82),
    "a response topic with +": ({"response_topic": "+"}, 0x82),
    "a subscription identifier": ({"subscription_id": 1}, 0x82),
    "a response topic that is no text": ({"response_topic": b"\xff"}, 0x81),
    "a content type that is no text": ({"content_type": b"\xed\xa0\x80"}, 0x81),
    "a content type with a null": ({"content_type": "a\x00"}, 0x81),
    "a user property's name that is no text": ({"user": (b"\xff", "a")}, 0x81),
    "a user property's value that is no text": ({"user": ("a", b"\xc0\x80")}, 0x81),
    "a property of CONNECT": ({"session_expiry": 5}, 0x81),
    "a property of CONNACK": ({"maximum_qos": 1}, 0x81),
    "a property of DISCONNECT": ({"reason_string": "why"}, 0x81),
}


@clause(
    "5:MQTT-3.3.2-13",
    "5:MQTT-3.3.2-14",
    "5:MQTT-3.3.2-19",
    "5:MQTT-3.3.4-6",
    "5:MQTT-1.5.7-1",
    "5:MQTT-1.5.4-1",
    "5:MQTT-1.5.4-2",
    "5:MQTT-4.13.1-1",
)
@pytest.mark.parametrize("what", WRONG_IN_PUBLISH)
def test_a_wrong_one_of_publish_ends_the_connection(wire, what):
    observer, client = wire.join(), wire.join()
    observer.subscribe(wire.topic)
    props, code = WRONG_IN_PUBLISH[what]
    client.say(publish, wire.topic, b"x", props=props)
    assert client.is_closed(code)
    observer.ping()


WRONG_IN_CONNECT = {
    "session expiry twice": {"session_expiry": [1, 1]},
    "receive maximum twice": {"receive_maximum": [1, 1]},
    "receive maximum 0": {"receive_maximum": 0},
    "maximum packet size 0": {"maximum_packet_size": 0},
    "maximum packet size twice": {"maximum_packet_size": [600, 600]},
    "topic alias maximum twice": {"topic_alias_maximum": [1, 1]},
    "request response information 2": {"request_response_information": 2},
    "request problem information 2": {"request_problem_information": 2},
    "authentication data without a method": {"authentication_data": b"x"},
    "a user property that is no text": {"user": (b"\xff", "a")},
    "a property of PUBLISH": {"topic_alias": 1},
    "a property of the Will": {"will_delay": 1},
    "a property of CONNACK": {"server_keep_alive": 1},
}


@clause("5:MQTT-3.1.4-1", "5:MQTT-1.5.7-1", "5:MQTT-3.14.0-1")
@pytest.mark.parametrize("what", WRONG_IN_CONNECT)
def test_a_wrong_one_of_connect_turns_a_client_away(wire, what):
    assert wire.turned_away(wire.new_name(), props=WRONG_IN_CONNECT[what]) is CLOSED


WRONG_IN_WILL = {
    "will delay twice": {"will_delay": [1, 1]},
    "payload format 2": {"payload_format": 2},
    "a response topic with +": {"response_topic": "a/+"},
    "a user property that is no text": {"user": ("a", b"\xff")},
    "a property of PUBLISH": {"topic_alias": 1},
    "a property of CONNECT": {"session_expiry": 1},
}


@clause("5:MQTT-3.1.4-1", "5:MQTT-3.3.2-14", "5:MQTT-1.5.7-1")
@pytest.mark.parametrize("what", WRONG_IN_WILL)
def test_a_wrong_one_of_a_will_turns_a_client_away(wire, what):
    will = {"topic": wire.topic, "props": WRONG_IN_WILL[what]}
    assert wire.turned_away(wire.new_name(), will=will) is CLOSED


WRONG_ELSEWHERE = {
    "SUBSCRIBE with one of PUBLISH": (subscribe, {"content_type": "a"}, 0x81),
    "SUBSCRIBE with a text that is none": (subscribe, {"user": (b"\xff", "a")}, 0x81),
    "UNSUBSCRIBE with one of SUBSCRIBE": (unsubscribe, {"subscription_id": 1}, 0x81),
    "UNSUBSCRIBE with a text that is none": (unsubscribe, {"user": ("a", b"\xff")}, 0x81),
}


@clause("5:MQTT-1.5.7-1", "5:MQTT-4.13.1-1")
@pytest.mark.parametrize("what", WRONG_ELSEWHERE)
def test_a_wrong_one_elsewhere_ends_the_connection(wire, what):
    build, props, code = WRONG_ELSEWHERE[what]
    client = wire.join()
    client.say(build, wire.topic, props=props)
    assert client.is_closed(code)


@clause("5:MQTT-1.5.7-1", "5:MQTT-4.13.1-1")
def test_a_goodbye_with_a_wrong_one_is_none(wire):
    client = wire.join()
    client.say(disconnect, code=4, props={"reason_string": b"\xff"})
    assert client.is_closed(0x81)


@clause("5:MQTT-1.5.5-1")
@pytest.mark.parametrize("length", [b"\x80\x00", b"\x80\x80\x00", b"\x80\x80\x80\x00"])
def test_their_length_has_as_few_bytes_as_can_be(wire, length):
    client = wire.join()
    client.send(packet(PUBLISH, data(wire.topic) + length))
    assert client.is_closed(0x81)


@clause("5:MQTT-4.13.1-1")
@pytest.mark.parametrize("block", [b"\x05\x01", b"\x01\x7f", b"\xff\xff\xff\xff"])
def test_a_block_that_is_none_ends_the_connection(wire, block):
    client = wire.join()
    client.send(packet(PUBLISH, data(wire.topic) + block))
    assert client.is_closed(0x81)


@clause("5:MQTT-3.3.2-17", "5:MQTT-3.8.4-1", "5:MQTT-3.10.4-4")
def test_user_properties_are_taken_everywhere(wire):
    user = {"user": [("a", "1"), ("a", "1")]}
    client = wire.join(props=user, will={"topic": wire.topic, "props": user})
    client.say(subscribe, wire.topic, props=user).expect(SUBACK)
    client.say(unsubscribe, wire.topic, props=user).expect(UNSUBACK)
    wire.leave(client, props=user)


@clause("5:MQTT-3.1.2-29")
def test_a_client_may_do_without_reasons(wire):
    client = wire.join(props={"request_problem_information": 0})
    answer = client.ask(subscribe, "a/#/b")
    assert (answer.kind, answer.properties) == (SUBACK, {})
    answer = client.ask(unsubscribe, "a/#/b")
    assert (answer.kind, answer.properties) == (UNSUBACK, {})


@clause(
    "5:MQTT-3.9.2-1",
    "5:MQTT-3.9.2-2",
    "5:MQTT-3.11.2-1",
    "5:MQTT-3.11.2-2",
    "5:MQTT-3.1.2-24",
)
def test_a_reason_that_does_not_fit_is_left_out(wire):
    client = wire.join(props={"maximum_packet_size": 512})
    wanted = "#" + "x" * 600
    for build, kind in ((subscribe, SUBACK), (unsubscribe, UNSUBACK)):
        answer = client.say(build, wanted).expect(kind, codes=[0x8F])
        assert answer.bytes <= 512


@clause("5:MQTT-3.2.2-19", "5:MQTT-3.2.2-20")
def test_a_connack_fits_what_the_client_takes(wire):
    props = {"maximum_packet_size": 20, "authentication_method": "x"}
    answer = wire.turned_away(wire.new_name(), props=props)
    assert answer.kind == CONNACK and answer.code >= 0x80
    assert answer.bytes <= 20


@clause("5:MQTT-3.4.2-2", "5:MQTT-3.4.2-3", "5:MQTT-3.1.2-29")
def test_a_puback_fits_what_the_client_takes(wire):
    if not hasattr(wire.server, "iot"):
        pytest.skip("another broker has no policies")
    topic = (wire.topic + "x" * 256)[:256]
    statements = [allow("iot:*"), deny("iot:Publish", f"topic/{topic}")]
    wire.server.iot.create_policy(policyName=wire.topic, policyDocument=document(*statements))
    answers = []
    for props in ({}, {"maximum_packet_size": 512}, {"request_problem_information": 0}):
        client = wire.join(user_name=f"policy/{wire.topic}", props=props)
        client.say(publish, topic, b"x", 1)
        answers.append(client.expect(PUBACK, code=0x87))
    told, short, none = answers
    assert topic in told.properties["reason_string"]
    assert short.bytes <= 512
    assert none.properties == {}

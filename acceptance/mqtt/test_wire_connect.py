"""CONNECT (3.1): who is let in, and what ends a connection before it has begun."""

import pytest

from clauses import clause
from mqtt_raw import CLOSED, CONNACK, PING, V311, connect, packet, publish, subscribe

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
WILL = {"topic": "w", "payload": b"w"}


@clause("3.1.1:MQTT-3.1.0-1", "5:MQTT-3.1.0-1")
@pytest.mark.parametrize("first", [PING, publish("a"), subscribe("a"), packet(14)])
def test_the_first_packet_is_connect(wire, first):
    assert wire.refused(first) is CLOSED


@clause("3.1.1:MQTT-3.1.0-2", "5:MQTT-3.1.0-2", "5:MQTT-3.2.0-2")
def test_a_second_connect_ends_the_connection(wire):
    client = wire.join(name := wire.new_name())
    client.say(connect, name)
    assert client.is_closed(0x82)


@clause("3.1.1:MQTT-3.1.2-1", "5:MQTT-3.1.2-1")
@pytest.mark.parametrize("protocol", ["MQTX", "mqtt", "MQT", "", "MQTTMQTT"])
def test_another_protocol_is_turned_away(wire, protocol):
    answer = wire.turned_away(wire.new_name(), protocol=protocol)
    assert answer is CLOSED or (answer.kind == CONNACK and answer.code in (0x01, 0x84))


@clause("3.1.1:MQTT-3.1.2-2")
@pytest.mark.parametrize("level", [0, 2])
def test_an_older_level_is_told_so(wire, level):
    answer = wire.turned_away(wire.new_name(), level=level)
    assert (answer.kind, answer.code) == (CONNACK, 0x01)


@clause("5:MQTT-3.1.2-2")
@pytest.mark.parametrize("level", [6, 255])
def test_a_newer_level_is_turned_away(wire, level):
    answer = wire.turned_away(wire.new_name(), level=level)
    assert answer is CLOSED or (answer.kind == CONNACK and answer.code in (0x01, 0x84))


MALFORMED = {
    "the reserved flag": {"flipped": 0x01},
    "a Will of QoS 3": {"will": WILL | {"qos": 3}},
    "the QoS of a Will that is not there": {"flipped": 0x08},
    "RETAIN of a Will that is not there": {"flipped": 0x20},
    "the flag of a Will that is not there": {"flipped": 0x04},
    "a Will without its flag": {"will": WILL, "flipped": 0x04},
    "the flag of a user name that is not there": {"flipped": 0x80},
    "a user name without its flag": {"user_name": "u", "flipped": 0x80},
    "the flag of a password that is not there": {"user_name": "u", "flipped": 0x40},
    "a password without its flag": {"user_name": "u", "password": "p", "flipped": 0x40},
}


@clause(
    "3.1.1:MQTT-3.1.2-3",
    "3.1.1:MQTT-3.1.2-9",
    "3.1.1:MQTT-3.1.2-11",
    "3.1.1:MQTT-3.1.2-13",
    "3.1.1:MQTT-3.1.2-14",
    "3.1.1:MQTT-3.1.2-15",
    "3.1.1:MQTT-3.1.2-18",
    "3.1.1:MQTT-3.1.2-19",
    "3.1.1:MQTT-3.1.2-20",
    "3.1.1:MQTT-3.1.2-21",
    "3.1.1:MQTT-3.1.4-1",
    "5:MQTT-3.1.2-3",
    "5:MQTT-3.1.2-9",
    "5:MQTT-3.1.2-11",
    "5:MQTT-3.1.2-12",
    "5:MQTT-3.1.2-13",
    "5:MQTT-3.1.2-16",
    "5:MQTT-3.1.2-17",
    "5:MQTT-3.1.2-18",
    "5:MQTT-3.1.2-19",
    "5:MQTT-3.1.4-1",
    "5:MQTT-3.14.0-1",
)
@pytest.mark.parametrize("what", MALFORMED)
def test_flags_say_what_is_there(wire, what):
    assert wire.turned_away(wire.new_name(), **MALFORMED[what]) is CLOSED


@clause("3.1.1:MQTT-3.1.2-22", "5:MQTT-3.1.2-19")
def test_a_password_needs_a_user_name_in_mqtt_3(wire):
    if wire.version == V311:
        assert wire.turned_away(wire.new_name(), password="p") is CLOSED
    else:
        wire.join(password="p")


@clause("3.1.1:MQTT-3.1.3-1", "5:MQTT-3.1.3-1")
def test_all_fields_may_be_there_in_their_order(wire):
    observer = wire.join()
    observer.subscribe(wire.topic)
    wire.join(will=WILL | {"topic": wire.topic}, user_name="name", password=b"\x00\xff").drop()
    assert observer.message() == (wire.topic, b"w")


@clause("3.1.1:MQTT-3.1.3-3", "5:MQTT-3.1.3-3")
def test_there_is_a_client_id(wire):
    whole = connect("", version=wire.version)
    assert wire.refused(packet(1, whole[2:-2])) is CLOSED


@clause("3.1.1:MQTT-3.1.3-4", "5:MQTT-3.1.3-4")
@pytest.mark.parametrize("client_id", [b"\xff", b"a\x00", b"a\xed\xa0\x80"])
def test_a_client_id_is_text(wire, client_id):
    assert wire.turned_away(client_id) is CLOSED


@clause("3.1.1:MQTT-3.1.3-5", "5:MQTT-3.1.3-5")
@pytest.mark.parametrize("client_id", [ALPHABET[:23], ALPHABET[23:46], ALPHABET[-23:], "a"])
def test_a_client_id_of_letters_and_digits_is_taken(wire, client_id):
    wire.join(client_id)


@clause("3.1.1:MQTT-3.1.3-6", "5:MQTT-3.1.3-6")
def test_clients_without_an_id_get_ids_of_their_own(wire):
    clients = [wire.dial(), wire.dial()]
    for client in clients:
        client.connect("")
    for client in clients:
        client.ping()


@clause("5:MQTT-3.1.3-7", "5:MQTT-3.2.2-16")
@pytest.mark.parametrize("clean", [True, False])
def test_the_id_that_is_given_out_is_told(wire, clean):
    told = [wire.dial().connect("", clean=clean).properties for _ in range(2)]
    first, second = (properties["assigned_client_id"] for properties in told)
    assert first and second and first != second


@clause("5:MQTT-3.1.3-7", "5:MQTT-3.1.4-3")
def test_the_id_that_is_given_out_is_the_client_s(wire):
    first = wire.dial()
    wire.join(first.connect("").properties["assigned_client_id"])
    assert first.is_closed(0x8E)


@clause("3.1.1:MQTT-3.1.3-7", "3.1.1:MQTT-3.1.3-8", "3.1.1:MQTT-3.1.3-9")
def test_a_session_needs_an_id_in_mqtt_3(wire):
    answer = wire.turned_away("", clean=False)
    assert (answer.kind, answer.code, answer.session_present) == (CONNACK, 0x02, False)


@clause("3.1.1:MQTT-3.1.3-10", "5:MQTT-3.1.3-11", "3.1.1:MQTT-3.1.3-11", "5:MQTT-3.1.3-12")
@pytest.mark.parametrize("text", [b"\xff", b"a\x00", b"\xed\xa0\x80"])
def test_will_topic_and_user_name_are_text(wire, text):
    assert wire.turned_away(wire.new_name(), will={"topic": text}) is CLOSED
    assert wire.turned_away(wire.new_name(), user_name=text) is CLOSED


@clause("3.1.1:MQTT-3.1.4-2", "5:MQTT-3.1.4-3", "5:MQTT-4.13.2-1")
def test_the_last_client_with_an_id_stays(wire):
    old = wire.join(name := wire.new_name())
    new = wire.join(name)
    assert old.is_closed(0x8E)
    new.ping()


@clause("3.1.1:MQTT-3.1.4-4", "5:MQTT-3.1.4-5")
def test_connect_is_acknowledged(wire):
    answer = wire.join().connack
    assert (answer.kind, answer.code, answer.session_present) == (CONNACK, 0, False)


@clause("3.1.1:MQTT-3.1.4-5", "5:MQTT-3.1.4-6")
def test_nothing_counts_after_a_connect_that_is_refused(wire):
    observer = wire.join()
    observer.subscribe(wire.topic)
    late = publish(wire.topic, b"late", version=wire.version)
    for wrong in ({"flipped": 0x01}, {"level": 0 if wire.version == V311 else 6}):
        wire.refused(connect(wire.new_name(), version=wire.version, **wrong) + late)
    observer.ping()


@clause("3.1.1:MQTT-3.1.4-1", "5:MQTT-3.1.4-1")
@pytest.mark.parametrize("cut", [1, 3, 7, 9, 11])
def test_a_connect_that_ends_too_early_is_turned_away(wire, cut):
    whole = connect("abc", version=wire.version)
    assert wire.refused(packet(1, whole[2 : 2 + cut])) is CLOSED


@clause("3.1.1:MQTT-3.1.4-1", "5:MQTT-3.1.4-1", "3.1.1:MQTT-2.2.2-2", "5:MQTT-2.1.3-1")
def test_a_connect_has_no_flags_and_no_more_than_it_says(wire):
    whole = connect("abc", version=wire.version)
    assert wire.refused(b"\x11" + whole[1:]) is CLOSED
    assert wire.refused(packet(1, whole[2:] + b"x")) is CLOSED

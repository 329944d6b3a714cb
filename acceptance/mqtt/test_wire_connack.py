"""CONNACK (3.2): what the server says of itself and of the session."""

from clauses import clause, in_dialect
from mqtt_raw import CLOSED, CONNACK, PINGRESP, SUBACK, V5, connect, subscribe
from wire import AWS, STANDARD, deliver, receive

RECEIVE_MAXIMUM, PACKET_BYTES_MAX, ALIASES_MAX = 100, 149_504, 8


@clause("3.1.1:MQTT-3.2.0-1", "5:MQTT-3.2.0-1")
def test_connack_comes_before_all_else(wire):
    name = wire.new_name()
    wire.attend(name).subscribe(wire.topic, qos=1)
    wire.leave(wire.clients[-1])
    deliver(wire.join(), wire.topic, b"waits", 1)
    client = wire.attend(name)
    assert receive(client).payload == b"waits"


@clause("3.1.1:MQTT-3.2.0-1", "5:MQTT-3.2.0-1")
def test_what_follows_connect_at_once_is_answered_after_it(wire):
    client = wire.dial()
    client.say(connect, wire.new_name()).say(subscribe, wire.topic)
    client.expect(CONNACK, code=0)
    client.expect(SUBACK, codes=[0])


@clause("3.1.1:MQTT-3.2.2-1", "5:MQTT-3.2.2-2", "3.1.1:MQTT-3.1.2-6", "5:MQTT-3.1.2-4")
def test_a_clean_start_has_no_session(wire):
    name = wire.new_name()
    wire.leave(wire.attend(name))
    assert not wire.join(name).connack.session_present


@clause("3.1.1:MQTT-3.2.2-2", "3.1.1:MQTT-3.2.2-3", "5:MQTT-3.2.2-3", "5:MQTT-3.1.2-6")
def test_a_session_is_present_from_the_second_time_on(wire):
    name = wire.new_name()
    present = []
    for _ in range(3):
        client = wire.attend(name)
        present.append(client.connack.session_present)
        wire.leave(client)
    assert present == [False, True, True]


@clause("5:MQTT-3.2.2-1")
def test_the_other_flags_of_connack_are_0(wire):
    name = wire.new_name()
    wire.leave(wire.attend(name))
    client = wire.dial().say(connect, name, clean=False, props={"session_expiry": 9})
    kind, _, flags, code = client._exactly(4)
    assert (kind, flags, code) == (CONNACK << 4, 1, 0)


@clause("3.1.1:MQTT-3.2.2-4", "3.1.1:MQTT-3.2.2-5", "5:MQTT-3.2.2-6", "5:MQTT-3.2.2-7")
def test_a_refusal_has_no_session_and_ends_the_connection(wire):
    name = wire.new_name()
    wire.leave(wire.attend(name))
    if wire.version == V5:
        wrong = {"clean": False, "props": {"authentication_method": "SCRAM-SHA-1"}}
        answer = wire.turned_away(name, **wrong)
        assert (answer.kind, answer.code, answer.session_present) == (CONNACK, 0x8C, False)
    else:
        answer = wire.turned_away(name, clean=False, level=2)
        assert (answer.kind, answer.code, answer.session_present) == (CONNACK, 0x01, False)


@clause("3.1.1:MQTT-3.2.2-6")
def test_what_no_code_fits_is_closed_without_connack(wire):
    assert wire.turned_away(wire.new_name(), will={"topic": "a/#"}) is CLOSED


@clause("5:MQTT-3.2.2-8")
def test_codes_of_connack_are_those_of_the_standard(wire):
    assert wire.join().connack.code == 0
    answer = wire.turned_away(wire.new_name(), props={"authentication_method": "x"})
    assert answer.code == 0x8C


@clause("5:MQTT-3.2.2-9", "5:MQTT-4.9.0-1")
@in_dialect(AWS)
def test_connack_tells_what_aws_offers(wire):
    told = wire.join(keep_alive=60).connack.properties
    assert told["maximum_qos"] == 1
    assert told["receive_maximum"] == RECEIVE_MAXIMUM
    assert told["maximum_packet_size"] == PACKET_BYTES_MAX
    assert told["topic_alias_maximum"] == ALIASES_MAX
    assert told["subscription_ids_available"] == 0
    assert told.get("shared_available", 1) == 1
    assert told.get("wildcards_available", 1) == 1
    assert told.get("retain_available", 1) == 1
    assert told.get("server_keep_alive", 60) == 60


@clause("5:MQTT-3.2.2-9", "5:MQTT-4.9.0-1")
@in_dialect(STANDARD)
def test_connack_tells_that_all_is_offered(wire):
    told = wire.join(keep_alive=60).connack.properties
    assert "maximum_qos" not in told, "absent is how QoS 2 is offered"
    assert told.get("receive_maximum", 65535) > 0
    assert told.get("maximum_packet_size", 1) > 0
    for offer in ("subscription_ids", "shared", "wildcards"):
        assert told.get(f"{offer}_available", 1) == 1
    assert told.get("retain_available", 1) == 1


@clause("5:MQTT-3.2.2-12")
@in_dialect(AWS)
def test_a_will_of_qos_2_is_refused_by_aws(wire):
    answer = wire.turned_away(wire.new_name(), will={"topic": "w", "qos": 2})
    assert (answer.kind, answer.code) == (CONNACK, 0x9B)


@clause("5:MQTT-3.1.2-28", "5:MQTT-4.12.0-6")
def test_nothing_is_told_that_was_not_asked_for(wire):
    for asked in ({}, {"request_response_information": 0}):
        told = wire.join(props=asked).connack.properties
        assert "response_information" not in told
        assert "authentication_method" not in told
        assert "authentication_data" not in told
        assert "assigned_client_id" not in told


@clause("5:MQTT-3.2.2-22")
@in_dialect(STANDARD)
def test_the_keep_alive_is_the_client_s(wire):
    told = wire.join(keep_alive=1199).connack.properties
    assert told.get("server_keep_alive", 1199) == 1199


@clause("5:MQTT-3.2.2-21")
@in_dialect(AWS)
def test_a_keep_alive_out_of_bounds_is_told(wire):
    for asked, told in [(0, 1200), (1, 30), (29, 30), (1201, 1200), (65535, 1200)]:
        connack = wire.join(keep_alive=asked).connack
        assert connack.properties["server_keep_alive"] == told


@clause("5:MQTT-2.2.2-1")
def test_no_properties_are_told_by_their_length(wire):
    client = wire.join()
    client.say(subscribe, wire.topic)
    assert client._exactly(6) == b"\x90\x04\x00\x01\x00\x00"


@clause("3.1.1:MQTT-3.12.4-1", "5:MQTT-3.12.4-1")
def test_a_client_that_is_let_in_is_answered(wire):
    client = wire.join()
    client.send(b"\xc0\x00" * 3)
    for _ in range(3):
        client.expect(PINGRESP)

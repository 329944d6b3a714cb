"""Session state (4.1, 4.4): what outlasts a connection, and how it goes on."""

import pytest

from clauses import clause, in_dialect
from mqtt_raw import PUBACK, PUBLISH, UNSUBACK, V5, V311, ack, unsubscribe
from wire import AWS, STANDARD, deliver, hear, receive


def subscriber_away(wire, qos=1, **more):
    """The id of a client that has subscribed and left."""
    client = wire.attend(name := wire.new_name(), **more)
    client.subscribe(wire.topic, qos=qos)
    wire.leave(client)
    return name


@clause(
    "3.1.1:MQTT-3.1.2-4",
    "3.1.1:MQTT-4.1.0-1",
    "3.1.1:MQTT-3.1.4-3",
    "5:MQTT-3.1.2-5",
    "5:MQTT-3.1.2-23",
    "5:MQTT-3.1.4-4",
)
def test_subscriptions_stay(wire):
    again = wire.attend(subscriber_away(wire))
    assert again.connack.session_present
    deliver(wire.join(), wire.topic, b"x", 1)
    assert hear(again, 1) == [(wire.topic, b"x")]


@clause("3.1.1:MQTT-3.1.2-5", "3.1.1:MQTT-4.5.0-1", "5:MQTT-4.5.0-1", "5:MQTT-3.1.2-23")
def test_messages_wait_in_their_order(wire):
    name, publisher = subscriber_away(wire), wire.join()
    for number in range(30):
        deliver(publisher, wire.topic, b"%d" % number, 1)
    expected = [(wire.topic, b"%d" % number) for number in range(30)]
    assert hear(wire.attend(name), 30) == expected
    wire.attend(name).ping()


@clause("3.1.1:MQTT-3.1.2-5", "5:MQTT-4.5.0-1")
@in_dialect(AWS)
@pytest.mark.parametrize("published, subscribed, kept", [(0, 1, 0), (1, 0, 0), (1, 1, 1)])
def test_qos_0_does_not_wait_on_aws(wire, published, subscribed, kept):
    name = subscriber_away(wire, subscribed)
    deliver(wire.join(), wire.topic, b"x", published)
    assert len(hear(wire.attend(name), kept)) == kept


@clause("3.1.1:MQTT-3.1.2-5", "5:MQTT-4.5.0-1")
@in_dialect(STANDARD)
def test_messages_of_qos_2_wait_too(wire):
    name, publisher = subscriber_away(wire, 2), wire.join()
    for number, qos in enumerate((1, 2, 2, 1)):
        deliver(publisher, wire.topic, b"%d" % number, qos)
    assert sorted(hear(wire.attend(name), 4)) == [(wire.topic, b"%d" % n) for n in range(4)]


@clause("3.1.1:MQTT-3.1.2-6", "5:MQTT-3.1.2-4", "3.1.1:MQTT-3.1.4-3", "5:MQTT-3.1.4-4")
def test_a_clean_start_drops_the_session_for_good(wire):
    name, publisher = subscriber_away(wire), wire.join()
    deliver(publisher, wire.topic, b"old", 1)
    present = wire.attend(name).connack.session_present
    clean = wire.join(name)
    assert (present, clean.connack.session_present) == (True, False)
    deliver(publisher, wire.topic, b"new", 1)
    clean.ping()
    wire.leave(clean)
    again = wire.attend(name)
    assert not again.connack.session_present
    again.ping()


@clause("3.1.1:MQTT-3.1.2-6", "5:MQTT-4.1.0-2", "3.1.1:MQTT-3.2.2-3", "5:MQTT-3.2.2-3")
@pytest.mark.parametrize("politely", [True, False])
def test_a_session_that_is_not_kept_ends_with_its_connection(wire, politely):
    client = wire.join(name := wire.new_name())
    client.subscribe(wire.topic, qos=1)
    wire.leave(client) if politely else client.drop()
    again = wire.attend(name)
    assert not again.connack.session_present
    deliver(wire.join(), wire.topic, b"x", 1)
    again.ping()


@clause("5:MQTT-3.1.2-23", "5:MQTT-3.1.2-4")
def test_a_clean_start_may_begin_a_session_that_is_kept(wire):
    name = subscriber_away(wire, clean=True)
    assert wire.attend(name).connack.session_present


@clause("5:MQTT-3.1.2-5", "5:MQTT-4.1.0-2")
def test_a_session_may_be_taken_up_for_the_last_time(wire):
    name = subscriber_away(wire)
    last = wire.attend(name, expiry_s=0)
    assert last.connack.session_present
    wire.leave(last)
    assert not wire.attend(name).connack.session_present


@clause("5:MQTT-4.1.0-2", "5:MQTT-3.2.2-3")
def test_a_goodbye_may_end_the_session(wire):
    client = wire.attend(name := wire.new_name())
    wire.leave(client, props={"session_expiry": 0})
    assert not wire.attend(name).connack.session_present


@clause("5:MQTT-3.1.2-23")
def test_a_session_without_an_end_is_told_when_it_ends(wire):
    told = wire.attend(wire.new_name(), expiry_s=0xFFFFFFFF).connack.properties
    if wire.is_aws:
        assert 0 < told["session_expiry"] <= 604_800
    assert told.get("session_expiry", 0xFFFFFFFF) > 0


@clause("3.1.1:MQTT-3.1.3-2", "5:MQTT-3.1.3-2")
def test_sessions_are_told_apart_by_client_id(wire):
    name = subscriber_away(wire)
    for other in (name + "x", name[:-1], name.upper() + "Z"):
        assert not wire.attend(other).connack.session_present
    assert wire.attend(name).connack.session_present


@clause(
    "3.1.1:MQTT-4.4.0-1",
    "3.1.1:MQTT-3.3.1-1",
    "3.1.1:MQTT-2.3.1-4",
    "5:MQTT-4.4.0-1",
    "5:MQTT-3.3.1-1",
    "5:MQTT-4.3.2-3",
)
def test_what_was_not_acknowledged_comes_again(wire):
    client, publisher = wire.attend(name := wire.new_name()), wire.join()
    client.subscribe(wire.topic, qos=1)
    for payload in (b"1", b"2", b"3"):
        deliver(publisher, wire.topic, payload, 1)
    sent = [client.expect(PUBLISH, dup=False) for _ in range(3)]
    client.send(ack(PUBACK, sent[1].packet_id))
    client.ping()
    client.drop()
    again = wire.attend(name)
    for payload, before in ((b"1", sent[0]), (b"3", sent[2])):
        message = again.expect(PUBLISH, payload=payload, qos=1)
        assert message.dup is not wire.is_aws, "AWS never says that a message comes again"
        assert wire.is_aws or message.packet_id == before.packet_id
    again.ping()


@clause("3.1.1:MQTT-4.6.0-6", "5:MQTT-4.6.0-5", "3.1.1:MQTT-4.4.0-1", "5:MQTT-4.4.0-1")
def test_what_comes_again_comes_before_what_waited(wire):
    client, publisher = wire.attend(name := wire.new_name()), wire.join()
    client.subscribe(wire.topic, qos=1)
    deliver(publisher, wire.topic, b"1", 1)
    client.expect(PUBLISH, payload=b"1")
    client.drop()
    wire.attend(name).drop()
    for payload in (b"2", b"3"):
        deliver(publisher, wire.topic, payload, 1)
    expected = [(wire.topic, b"1"), (wire.topic, b"2"), (wire.topic, b"3")]
    assert hear(wire.attend(name), 3) == expected


@clause("3.1.1:MQTT-4.3.2-1", "5:MQTT-4.3.2-3", "5:MQTT-4.4.0-1")
def test_what_was_acknowledged_does_not_come_again(wire):
    name = subscriber_away(wire)
    deliver(wire.join(), wire.topic, b"x", 1)
    client = wire.attend(name)
    assert hear(client, 1) == [(wire.topic, b"x")]
    client.drop()
    again = wire.attend(name)
    assert again.connack.session_present
    again.ping()


@clause("3.1.1:MQTT-3.1.4-2", "5:MQTT-3.1.4-3", "3.1.1:MQTT-4.1.0-2", "5:MQTT-4.1.0-1")
def test_a_session_goes_over_to_the_connection_that_takes_over(wire):
    old, publisher = wire.attend(name := wire.new_name()), wire.join()
    old.subscribe(wire.topic, qos=1)
    deliver(publisher, wire.topic, b"1", 1)
    old.expect(PUBLISH, payload=b"1")
    new = wire.attend(name)
    assert new.connack.session_present
    assert old.is_closed(0x8E)
    deliver(publisher, wire.topic, b"2", 1)
    assert hear(new, 2) == [(wire.topic, b"1"), (wire.topic, b"2")]


@clause("3.1.1:MQTT-3.1.2-4", "5:MQTT-3.1.2-5")
def test_unsubscribing_holds_for_the_session(wire):
    name = subscriber_away(wire)
    client = wire.attend(name)
    client.subscribe(f"{wire.topic}/b", qos=1)
    client.say(unsubscribe, wire.topic).expect(UNSUBACK)
    wire.leave(client)
    publisher = wire.join()
    deliver(publisher, wire.topic, b"a", 1)
    deliver(publisher, f"{wire.topic}/b", b"b", 1)
    assert hear(wire.attend(name), 1) == [(f"{wire.topic}/b", b"b")]


@clause("5:MQTT-3.1.2-5", "5:MQTT-3.8.3-3", "5:MQTT-3.3.1-13")
def test_options_hold_for_the_session(wire):
    client = wire.attend(name := wire.new_name())
    client.subscribe(wire.topic, qos=1, options=0x0C)
    wire.leave(client)
    again = wire.attend(name)
    deliver(again, wire.topic, b"own", 1)
    deliver(wire.join(), wire.topic, b"kept", 1, retain=True)
    message = receive(again)
    assert (message.payload, message.retain) == (b"kept", True)


@clause("3.1.1:MQTT-3.2.2-3", "5:MQTT-3.1.2-6")
@in_dialect(AWS)
def test_a_session_belongs_to_its_version_on_aws(wire):
    name = subscriber_away(wire)
    other = wire.attend(name, version=V311 if wire.version == V5 else V5)
    assert not other.connack.session_present
    deliver(wire.join(), wire.topic, b"x", 1)
    other.ping()


@clause("5:MQTT-3.1.2-24", "5:MQTT-3.1.2-25")
def test_what_waits_and_is_too_large_is_dropped(wire):
    name, publisher = subscriber_away(wire), wire.join()
    for payload in (b"x" * 600, b"small"):
        deliver(publisher, wire.topic, payload, 1)
    client = wire.attend(name, props={"maximum_packet_size": 512})
    assert hear(client, 1) == [(wire.topic, b"small")]


@clause("5:MQTT-3.14.2-2", "5:MQTT-3.1.2-23")
def test_a_goodbye_may_keep_the_session_as_it_is(wire):
    client = wire.attend(name := wire.new_name())
    wire.leave(client, props={"session_expiry": 60})
    assert wire.attend(name).connack.session_present

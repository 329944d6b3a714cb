"""What happens after a while: keep alive, expiry, delay. All scripts wait at the same time."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from clauses import clause, in_dialect
from mqtt_raw import CLOSED, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, ack, publish
from wire import STANDARD, Wire, deliver, hear, receive, spoken_by

# What a slow machine may add to the times below.
GRACE_S = 4
SCRIPTS = []


def meanwhile(script):
    """Marks a script that runs while the others do."""
    SCRIPTS.append(script)
    return script


def seconds_since(start):
    return time.monotonic() - start


def lost_with_will(wire, will_delay=None, **more):
    """A client that is lost, and whoever hears of its Will; and when it was lost."""
    observer = wire.join()
    observer.subscribe(wire.topic, qos=1)
    will = {"topic": wire.topic, "payload": b"gone"}
    if will_delay is not None:
        will["props"] = {"will_delay": will_delay}
    client = wire.join(will=will, **more)
    return client, observer


@meanwhile
@clause("3.1.1:MQTT-3.1.2-24", "5:MQTT-3.1.2-22", "5:MQTT-3.2.2-22")
@in_dialect(STANDARD)
def a_silent_client_is_closed_as_if_it_were_lost(wire):
    client, observer = lost_with_will(wire, keep_alive=2)
    start = time.monotonic()
    assert client.is_closed(0x8D)
    assert 2.5 < seconds_since(start) < 3 + GRACE_S
    assert receive(observer).payload == b"gone"


@meanwhile
@clause("3.1.1:MQTT-3.1.2-24", "5:MQTT-3.1.2-22")
@in_dialect(STANDARD)
def a_client_that_speaks_in_time_stays(wire):
    pinging, publishing = wire.join(keep_alive=2), wire.join(keep_alive=2)
    for _ in range(5):
        time.sleep(1)
        pinging.ping()
        deliver(publishing, wire.topic, b"x", 1)


@meanwhile
@clause("3.1.1:MQTT-3.1.2-24", "5:MQTT-3.1.2-22")
@in_dialect(STANDARD)
def a_client_that_only_listens_is_closed(wire):
    listener, publisher = wire.join(keep_alive=2), wire.join()
    listener.subscribe(wire.topic)
    start = time.monotonic()
    while (found := listener_hears(listener, publisher, wire)) is not CLOSED:
        if found.kind != PUBLISH:
            assert found.code == 0x8D
        assert seconds_since(start) < 3 + GRACE_S


def listener_hears(listener, publisher, wire):
    publisher.say(publish, wire.topic, b"x")
    time.sleep(0.25)
    return listener.read()


@meanwhile
@clause("3.1.1:MQTT-3.1.2-24", "5:MQTT-3.1.2-22")
@in_dialect(STANDARD)
def a_keep_alive_of_0_ends_nothing(wire):
    client = wire.join(keep_alive=0)
    time.sleep(4)
    client.ping()


@meanwhile
@clause("5:MQTT-4.1.0-2", "5:MQTT-3.1.2-23")
def a_session_lives_as_long_as_it_was_to(wire):
    name = wire.new_name()
    for expiry_s, away_s, is_there in [(5, 1, True), (1, 4, False)]:
        client = wire.attend(name, expiry_s=expiry_s, clean=True)
        client.subscribe(wire.topic, qos=1)
        wire.leave(client)
        time.sleep(away_s)
        again = wire.attend(name)
        assert again.connack.session_present == is_there
        wire.leave(again, props={"session_expiry": 0})


@meanwhile
@clause("5:MQTT-4.1.0-2", "5:MQTT-3.1.2-23")
def a_goodbye_may_make_the_session_live_longer(wire):
    client = wire.attend(name := wire.new_name(), expiry_s=1)
    wire.leave(client, props={"session_expiry": 60})
    time.sleep(4)
    assert wire.attend(name).connack.session_present


@meanwhile
@clause("5:MQTT-4.1.0-1")
def a_session_does_not_end_while_its_client_is_there(wire):
    client = wire.attend(wire.new_name(), expiry_s=1)
    client.subscribe(wire.topic, qos=1)
    time.sleep(4)
    deliver(wire.join(), wire.topic, b"x", 1)
    assert hear(client, 1) == [(wire.topic, b"x")]


@meanwhile
@clause("5:MQTT-3.1.2-8", "5:MQTT-3.1.2-10")
def a_delayed_will_comes_when_its_time_has_come(wire):
    client, observer = lost_with_will(wire, 2, props={"session_expiry": 60})
    client.drop()
    start = time.monotonic()
    assert receive(observer).payload == b"gone"
    assert 1.5 < seconds_since(start) < 2 + GRACE_S


@meanwhile
@clause("5:MQTT-3.1.2-8")
def a_delayed_will_comes_when_its_session_ends_before(wire):
    client, observer = lost_with_will(wire, 60, props={"session_expiry": 1})
    client.drop()
    start = time.monotonic()
    assert receive(observer).payload == b"gone"
    assert 0.5 < seconds_since(start) < 1 + GRACE_S


@meanwhile
@clause("5:MQTT-3.1.3-9")
def a_delayed_will_does_not_come_after_its_client_is_back(wire):
    name, session = wire.new_name(), {"session_expiry": 60}
    client, observer = lost_with_will(wire, 2, client_id=name, props=session)
    client.drop()
    time.sleep(0.5)
    wire.attend(name)
    time.sleep(3)
    observer.ping()


@meanwhile
@clause("5:MQTT-3.1.2-10")
def a_delayed_will_comes_once(wire):
    client, observer = lost_with_will(wire, 1, props={"session_expiry": 2})
    client.drop()
    assert receive(observer).payload == b"gone"
    time.sleep(3)
    observer.ping()


@meanwhile
@clause("5:MQTT-3.3.2-5", "5:MQTT-3.3.2-6")
def a_message_that_waits_grows_old(wire):
    qos = 1 if wire.is_aws else 2
    client = wire.attend(name := wire.new_name())
    client.subscribe(wire.topic, qos=qos)
    wire.leave(client)
    publisher = wire.join()
    for payload, expiry_s in [(b"short", 1), (b"long", 60), (b"for ever", None)]:
        props = {} if expiry_s is None else {"message_expiry": expiry_s}
        deliver(publisher, wire.topic, payload, 1, props=props)
        deliver(publisher, wire.topic, payload, qos, props=props)
    time.sleep(3)
    again = wire.attend(name)
    heard = [again.expect(PUBLISH) for _ in range(4)]
    again.ping()
    assert [one.payload for one in heard] == [b"long"] * 2 + [b"for ever"] * 2
    for aged in heard[:2]:
        assert 60 - 3 - GRACE_S <= aged.properties["message_expiry"] <= 57
    assert not any("message_expiry" in one.properties for one in heard[2:])


@meanwhile
@clause("5:MQTT-3.3.2-5", "5:MQTT-3.3.2-6", "5:MQTT-3.3.1-5")
def a_retained_message_grows_old(wire):
    publisher = wire.join()
    for rest, expiry_s in [("short", 1), ("long", 60)]:
        props = {"message_expiry": expiry_s}
        deliver(publisher, f"{wire.topic}/{rest}", b"x", 1, retain=True, props=props)
    time.sleep(3)
    client = wire.join()
    client.subscribe(f"{wire.topic}/short", f"{wire.topic}/long")
    (message,) = client.inbox()
    assert message.topic == f"{wire.topic}/long"
    assert 60 - 3 - GRACE_S <= message.properties["message_expiry"] <= 57


@meanwhile
@clause("5:MQTT-4.3.3-13")
@in_dialect(STANDARD)
def qos_2_is_completed_for_a_message_that_is_too_old(wire):
    publisher = wire.join()
    publisher.say(publish, wire.topic, b"x", 2, packet_id=3, props={"message_expiry": 1})
    publisher.expect(PUBREC, packet_id=3)
    time.sleep(2.5)
    publisher.send(ack(PUBREL, 3)).expect(PUBCOMP, packet_id=3, code=0)


@meanwhile
@clause("5:MQTT-4.3.3-7")
@in_dialect(STANDARD)
def qos_2_is_completed_for_a_message_that_grew_old_on_its_way(wire):
    client = wire.attend(name := wire.new_name())
    client.subscribe(wire.topic, qos=2)
    deliver(wire.join(), wire.topic, b"x", 2, props={"message_expiry": 1})
    message = client.expect(PUBLISH, payload=b"x")
    client.drop()
    time.sleep(2.5)
    again = wire.attend(name)
    again.expect(PUBLISH, packet_id=message.packet_id, dup=True)
    again.send(ack(PUBREC, message.packet_id)).expect(PUBREL)


@meanwhile
@clause("5:MQTT-4.4.0-1", "3.1.1:MQTT-4.3.2-1")
def what_is_not_acknowledged_is_not_sent_again_on_its_connection(wire):
    client = wire.join()
    client.subscribe(wire.topic, qos=1)
    deliver(wire.join(), wire.topic, b"x", 1)
    message = client.expect(PUBLISH)
    time.sleep(4)
    client.ping()
    client.send(ack(PUBACK, message.packet_id)).ping()


RUNS = [(script, spoken) for script in SCRIPTS for spoken in spoken_by(script)]
IDS = [f"{script.__name__}-{spoken}" for script, spoken in RUNS]


def run(script, wire):
    try:
        script(wire)
    finally:
        wire.end()


@pytest.fixture(scope="module")
def under_way(server_of):
    """Every script of this file, since each of them mostly waits."""
    wires = [Wire(server_of(spoken.dialect), *spoken) for _, spoken in RUNS]
    with ThreadPoolExecutor(len(RUNS)) as pool:
        yield [pool.submit(run, script, wire) for (script, _), wire in zip(RUNS, wires)]


@pytest.mark.parametrize("number", range(len(RUNS)), ids=IDS)
def test_in_time(under_way, number):
    under_way[number].result()

"""The Will (3.1.2.5, 3.1.3.2): when it is published, and as what."""

import pytest

from clauses import clause
from mqtt_raw import CLOSED, V5, connect, disconnect
from wire import brief, deliver, receive


def will(wire, payload=b"gone", **more):
    return {"topic": wire.topic, "payload": payload} | more


def observe(wire, **more):
    observer = wire.join()
    observer.subscribe(wire.topic, qos=1, **more)
    return observer


@clause("3.1.1:MQTT-3.1.2-8", "5:MQTT-3.1.2-7", "5:MQTT-3.1.2-8")
def test_it_is_published_when_the_connection_is_lost(wire):
    observer = observe(wire)
    wire.join(will=will(wire)).drop()
    assert brief([receive(observer)]) == [(wire.topic, b"gone", 0, False)]


@clause("3.1.1:MQTT-3.1.2-8", "5:MQTT-3.1.2-8")
def test_it_is_published_after_an_error_of_the_client(wire):
    observer = observe(wire)
    client = wire.join(will=will(wire)).send(b"\x00\x00")
    assert client.is_closed(0x81)
    assert receive(observer).payload == b"gone"


@clause("3.1.1:MQTT-3.1.2-8", "5:MQTT-3.1.2-8")
def test_it_is_published_when_another_takes_over(wire):
    observer = observe(wire)
    wire.join(name := wire.new_name(), will=will(wire))
    wire.join(name)
    assert receive(observer).payload == b"gone"


@clause(
    "3.1.1:MQTT-3.1.2-10", "3.1.1:MQTT-3.14.4-3", "5:MQTT-3.1.2-10", "5:MQTT-3.14.4-3"
)
def test_it_is_dropped_at_a_goodbye(wire):
    observer = observe(wire)
    wire.leave(wire.join(will=will(wire)))
    wire.join(will=will(wire, b"marker")).drop()
    assert receive(observer).payload == b"marker"


@clause("5:MQTT-3.1.2-8")
@pytest.mark.parametrize("code", [0x04, 0x80, 0x82, 0x97])
def test_it_is_published_at_a_goodbye_that_is_not_normal(wire, code):
    observer = observe(wire)
    wire.leave(wire.join(will=will(wire)), code=code)
    assert receive(observer).payload == b"gone"


@clause("3.1.1:MQTT-3.1.2-10", "5:MQTT-3.1.2-10")
def test_it_is_published_once(wire):
    observer = observe(wire)
    name = wire.new_name()
    wire.attend(name, will=will(wire)).drop()
    assert receive(observer).payload == b"gone"
    wire.attend(name).drop()
    wire.join(will=will(wire, b"marker")).drop()
    assert receive(observer).payload == b"marker"


@clause("3.1.1:MQTT-3.1.2-12", "5:MQTT-3.1.2-7")
def test_a_client_without_a_will_leaves_none(wire):
    observer = observe(wire)
    name = wire.new_name()
    wire.leave(wire.join(name, will=will(wire)))
    wire.join(name).drop()
    wire.join(will=will(wire, b"marker")).drop()
    assert receive(observer).payload == b"marker"


@clause("3.1.1:MQTT-3.1.2-8", "5:MQTT-3.1.2-7")
def test_a_client_that_is_refused_has_no_will(wire):
    observer = observe(wire)
    client = wire.dial()
    client.say(connect, wire.new_name(), level=2 if wire.version < V5 else 6, will=will(wire))
    while client.read() is not CLOSED:
        pass
    wire.join(will=will(wire, b"marker")).drop()
    assert receive(observer).payload == b"marker"


@clause(
    "3.1.1:MQTT-3.1.2-9", "3.1.1:MQTT-3.1.2-14", "5:MQTT-3.1.2-9", "5:MQTT-3.1.2-12"
)
@pytest.mark.parametrize("qos", [0, 1])
def test_it_has_the_qos_that_it_was_given(wire, qos):
    observer = observe(wire)
    wire.join(will=will(wire, qos=qos)).drop()
    assert brief([receive(observer)]) == [(wire.topic, b"gone", qos, False)]


@clause("3.1.1:MQTT-3.1.2-16", "5:MQTT-3.1.2-14")
def test_it_is_not_retained_unasked(wire):
    observer = observe(wire)
    wire.join(will=will(wire)).drop()
    receive(observer)
    observe(wire).ping()


@clause("3.1.1:MQTT-3.1.2-17", "5:MQTT-3.1.2-15")
def test_it_is_retained_if_asked(wire):
    observer = observe(wire)
    wire.join(will=will(wire, qos=1, retain=True)).drop()
    assert brief([receive(observer)]) == [(wire.topic, b"gone", 1, False)]
    deliver(wire.join(), f"{wire.topic}/later", b"", 1, retain=True)
    assert brief([receive(observe(wire))]) == [(wire.topic, b"gone", 1, True)]


@clause("3.1.1:MQTT-3.1.2-8", "5:MQTT-3.1.2-7")
def test_it_may_be_empty(wire):
    observer = observe(wire)
    wire.join(will=will(wire, b"")).drop()
    assert receive(observer).payload == b""


@clause("5:MQTT-3.1.3-10", "5:MQTT-3.3.2-18", "5:MQTT-3.3.2-20", "5:MQTT-3.3.2-4")
def test_its_properties_arrive_as_they_were_given(wire):
    observer = observe(wire)
    props = {
        "payload_format": 1,
        "content_type": "text/plain",
        "response_topic": "answers",
        "correlation_data": b"\x00\xff",
        "user": [("c", "3"), ("a", "2"), ("c", "1")],
    }
    wire.join(will=will(wire, props=props | {"will_delay": 0})).drop()
    assert receive(observer).properties == props


@clause("5:MQTT-3.1.3-9")
def test_a_delayed_will_is_dropped_when_the_client_is_back(wire):
    observer, name = observe(wire), wire.new_name()
    wire.attend(name, will=will(wire, props={"will_delay": 100})).drop()
    wire.leave(wire.attend(name))
    observer.ping()


@clause("5:MQTT-3.1.2-8", "5:MQTT-3.1.2-4")
def test_a_delayed_will_comes_at_once_when_its_session_ends(wire):
    observer, name = observe(wire), wire.new_name()
    wire.attend(name, will=will(wire, props={"will_delay": 100})).drop()
    wire.join(name)
    assert receive(observer).payload == b"gone"


@clause("5:MQTT-3.1.2-8")
def test_a_delayed_will_does_not_outlast_a_session_that_is_not_kept(wire):
    observer = observe(wire)
    wire.join(will=will(wire, props={"will_delay": 100})).drop()
    assert receive(observer).payload == b"gone"


@clause("5:MQTT-3.14.4-3")
def test_a_goodbye_with_a_will_says_so_in_its_code(wire):
    observer = observe(wire)
    client = wire.join(will=will(wire))
    client.say(disconnect, code=0x00, props={"reason_string": "bye"})
    assert client.read() is CLOSED
    wire.leave(wire.join(will=will(wire, b"marker")), code=0x04)
    assert receive(observer).payload == b"marker"

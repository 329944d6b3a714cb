"""Lifecycle events: what `$aws/events` tells of devices, to whom, and in which order."""

import json
import re
import time

import pytest

from device import allow, everything_on
from mqtt_raw import CLOSED, SUBACK, V5, V311, Client, connect, publish, subscribe, unsubscribe

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
both_versions = pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])


@pytest.fixture
def ear(make, session):
    """Listens to filters under `$aws/events/`, as a device of its own."""

    def ear(*filters):
        listener = session(make(*everything_on("*")))
        listener.subscribe(*(f"$aws/events/{filter}" for filter in filters), qos=1)
        return listener

    return ear


def heard(ear):
    """The next event: the end of its topic, and its members."""
    topic, payload = ear.message()
    return topic.removeprefix("$aws/events/"), json.loads(payload)


def is_now(timestamp):
    """Whether a time in milliseconds is now."""
    return abs(timestamp - time.time() * 1000) < 60_000


@both_versions
def test_a_connection_is_told_of(make, session, ear, version):
    device = make(*everything_on("*"))
    listener = ear(f"presence/+/{device.name}")
    for number in range(2):
        client = session(device, version)
        topic, begun = heard(listener)
        assert topic == f"presence/connected/{device.name}"
        session_id, began = begun.pop("sessionIdentifier"), begun.pop("timestamp")
        assert UUID.fullmatch(session_id) and is_now(began)
        assert begun == {
            "clientId": device.name,
            "eventType": "connected",
            "principalIdentifier": device.certificate_id,
            "ipAddress": "127.0.0.1",
            "versionNumber": number,
        }
        client.drop()
        topic, ended = heard(listener)
        assert topic == f"presence/disconnected/{device.name}"
        assert ended.pop("sessionIdentifier") == session_id
        assert began <= ended.pop("timestamp")
        assert ended == {
            "clientId": device.name,
            "eventType": "disconnected",
            "principalIdentifier": device.certificate_id,
            "clientInitiatedDisconnect": False,
            "disconnectReason": "CONNECTION_LOST",
            "versionNumber": number,
        }


def test_whoever_replaces_a_connection_is_told_of_after_it(make, session, ear):
    device = make(*everything_on("*"))
    listener = ear(f"presence/+/{device.name}")
    session(device)
    session(device)
    events = [heard(listener)[1] for _ in range(3)]
    assert [event["eventType"] for event in events] == ["connected", "disconnected", "connected"]
    assert [event["versionNumber"] for event in events] == [0, 0, 1]
    assert events[1]["disconnectReason"] == "DUPLICATE_CLIENTID"


def test_a_revoked_certificate_ends_its_connection_with_that_reason(make, session, ear):
    device = make(*everything_on("*"))
    listener = ear(f"presence/disconnected/{device.name}")
    client = session(device)
    device.set_status("REVOKED")
    assert client.is_closed(0x87)
    assert heard(listener)[1]["disconnectReason"] == "AUTH_ERROR"


@both_versions
@pytest.mark.parametrize("will", [None, {"topic": "elsewhere"}], ids=["connect", "will"])
def test_a_refusal_is_told_of(server, make, ear, version, will):
    allowed = everything_on("here") if will else [allow("iot:Connect", "client/another")]
    device = make(*allowed)
    listener = ear("presence/#")
    with Client(server.mqtts_port, device.tls(), version=version) as client:
        client.send(connect(device.name, version=version, will=will))
        answer = client.read()
        assert answer is CLOSED if version == V311 else answer.code == 0x87
    topic, failed = heard(listener)
    assert topic == f"presence/connect_failed/{device.name}"
    assert UUID.fullmatch(failed.pop("sessionIdentifier")) and is_now(failed.pop("timestamp"))
    assert failed == {
        "clientId": device.name,
        "eventType": "connect_failed",
        "connectFailureReason": "AUTHORIZATION_FAILED",
        "principalIdentifier": device.certificate_id,
        "ipAddress": "127.0.0.1",
    }


@both_versions
def test_subscriptions_are_told_of(make, session, ear, version):
    device = make(*everything_on("*"))
    listener = ear(f"subscriptions/subscribed/{device.name}", f"subscriptions/+/{device.name}")
    client = session(device, version)
    client.subscribe("a/+", "b")
    client.exchange(unsubscribe("b", "never", version=version))
    told = [heard(listener)[1] for _ in range(2)]
    assert [event["eventType"] for event in told] == ["subscribed", "unsubscribed"]
    assert [event["topics"] for event in told] == [["a/+", "b"], ["b"]]
    for event in told:
        assert event["clientId"] == device.name
        assert event["principalIdentifier"] == device.certificate_id
    client.drop()
    listener.ping()


def test_a_thing_is_named_to_which_the_certificate_belongs_alone(make, session, ear):
    for principal_type in ["EXCLUSIVE_THING", "NON_EXCLUSIVE_THING"]:
        device = make(*everything_on("*"), principal_type=principal_type)
        listener = ear(f"presence/connected/{device.name}")
        session(device)
        named = {"thingName": device.name} if principal_type == "EXCLUSIVE_THING" else {}
        event = heard(listener)[1]
        assert {k: v for k, v in event.items() if k == "thingName"} == named


def test_a_policy_decides_who_hears(make, session):
    device = make(*everything_on("*"))
    listener = session(
        make(
            allow(["iot:Connect", "iot:Subscribe"]),
            allow("iot:Receive", "topic/$aws/events/presence/connected/*"),
        )
    )
    listener.subscribe(f"$aws/events/presence/+/{device.name}")
    session(device).drop()
    session(device)
    events = [heard(listener) for _ in range(2)]
    assert [topic for topic, _ in events] == [f"presence/connected/{device.name}"] * 2
    assert [event["versionNumber"] for _, event in events] == [0, 1]


def test_what_no_event_can_match_is_refused(make, session):
    client = session(make(*everything_on("*")), V5)
    wrong = ["$aws/nothing/#", "$aws/events/nothing/#", "$aws/events/presence/+", "$SYS/#"]
    right = ["$aws/events/#", "$aws/#"]
    answer = client.exchange(subscribe(*wrong, *right, version=V5))
    assert (answer.kind, answer.codes) == (SUBACK, [0x8F] * len(wrong) + [0] * len(right))


def test_nobody_publishes_an_event(make, session):
    client = session(make(*everything_on("*")), V5)
    client.send(publish("$aws/events/presence/connected/me", b"{}", version=V5))
    assert client.is_closed(0x90)

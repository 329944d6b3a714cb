"""Events of the registry: what `$aws/events` tells of things and thing types, once switched on."""

import json
import time
import uuid

import pytest

from device import everything_on
from harness import ACCOUNT, refused
from mqtt_raw import SUBACK, V5, subscribe

KINDS = ["THING", "THING_TYPE", "THING_TYPE_ASSOCIATION"]


@pytest.fixture
def switched_on(iot):
    def switch(is_on):
        configurations = {kind: {"Enabled": is_on} for kind in KINDS}
        iot.update_event_configurations(eventConfigurations=configurations)

    switch(True)
    yield
    switch(False)


@pytest.fixture
def listener(make, session):
    return session(make(*everything_on("*")))


def heard(listener):
    """The next event: the end of its topic, and its members without those that differ."""
    topic, payload = listener.message()
    event = json.loads(payload)
    assert str(uuid.UUID(event["eventId"])) == event.pop("eventId")
    assert abs(event.pop("timestamp") - time.time() * 1000) < 60_000
    return topic.removeprefix("$aws/events/"), event


def test_a_thing_and_its_type_are_told_of(iot, listener, switched_on, name):
    thing, kind = f"{name}-thing", f"{name}-type"
    listener.subscribe(
        f"$aws/events/thing/{thing}/+",
        f"$aws/events/thingType/{kind}/#",
        f"$aws/events/thingTypeAssociation/thing/{thing}/thingType/+/+",
        qos=1,
    )
    of_type = iot.create_thing_type(
        thingTypeName=kind, thingTypeProperties={"thingTypeDescription": "light"}
    )
    assert heard(listener) == (
        f"thingType/{kind}/created",
        {
            "eventType": "THING_TYPE_EVENT",
            "operation": "CREATED",
            "accountId": ACCOUNT,
            "thingTypeId": of_type["thingTypeId"],
            "thingTypeName": kind,
            "isDeprecated": False,
            "deprecationDate": None,
            "searchableAttributes": [],
            "propagatingAttributes": [],
            "description": "light",
        },
    )
    attributes = {"a": "1"}
    created = iot.create_thing(
        thingName=thing, thingTypeName=kind, attributePayload={"attributes": attributes}
    )
    described = {
        "eventType": "THING_EVENT",
        "operation": "CREATED",
        "accountId": ACCOUNT,
        "thingId": created["thingId"],
        "thingName": thing,
        "versionNumber": 1,
        "thingTypeName": kind,
        "attributes": attributes,
    }
    tied = {
        "eventType": "THING_TYPE_ASSOCIATION_EVENT",
        "operation": "ADDED",
        "thingId": created["thingId"],
        "thingName": thing,
        "thingTypeName": kind,
    }
    association = f"thingTypeAssociation/thing/{thing}/thingType/{kind}"
    assert [heard(listener) for _ in range(2)] == [
        (f"thing/{thing}/created", described),
        (f"{association}/added", tied),
    ]
    iot.delete_thing(thingName=thing)
    assert [heard(listener) for _ in range(2)] == [
        (f"thing/{thing}/deleted", described | {"operation": "DELETED"}),
        (f"{association}/removed", tied | {"operation": "REMOVED"}),
    ]
    iot.deprecate_thing_type(thingTypeName=kind)
    topic, event = heard(listener)
    assert (topic, event["isDeprecated"]) == (f"thingType/{kind}/updated", True)


def test_nothing_is_told_that_is_not_switched_on(iot, listener, name):
    states = iot.describe_event_configurations()["eventConfigurations"]
    assert len(states) == 11 and not any(state["Enabled"] for state in states.values())
    listener.subscribe("$aws/events/thing/#")
    iot.create_thing(thingName=f"{name}-thing")
    listener.ping()


def test_only_what_there_are_events_of_is_switched_on(raw_iot):
    with refused("InvalidRequestException", saying="failed to satisfy constraint"):
        raw_iot.update_event_configurations(eventConfigurations={"LAMP": {"Enabled": True}})


def test_what_no_event_can_match_is_refused(listener):
    wrong = ["$aws/events/thing/+", "$aws/events/thing/lamp/added", "$aws/events/thingType"]
    right = ["$aws/events/thing/#", "$aws/events/thingGroup/+/created"]
    answer = listener.exchange(subscribe(*wrong, *right, version=V5))
    assert (answer.kind, answer.codes) == (SUBACK, [0x8F] * len(wrong) + [0] * len(right))

"""Events of the registry: what `$aws/events` tells of things, their types and their groups, once
switched on."""

import json
import random
import threading
import time
import uuid

import pytest

from device import everything_on, quick_device
from harness import ACCOUNT, refused
from mqtt_raw import SUBACK, V5, Client, subscribe

KINDS = [
    "THING",
    "THING_TYPE",
    "THING_TYPE_ASSOCIATION",
    "THING_GROUP",
    "THING_GROUP_MEMBERSHIP",
    "THING_GROUP_HIERARCHY",
]
# How often the server is killed, and how many write meanwhile.
KILLS = 3
WRITERS = 8


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


def of_group(operation, group, **more):
    """What is told of a group with nothing above it, without description and attributes."""
    return {
        "eventType": "THING_GROUP_EVENT",
        "operation": operation,
        "accountId": ACCOUNT,
        "thingGroupId": group["thingGroupId"],
        "thingGroupName": group["thingGroupName"],
        "versionNumber": 1,
        "parentGroupName": None,
        "parentGroupId": None,
        "description": None,
        "rootToParentThingGroups": [],
        "attributes": {},
        "dynamicGroupMappingId": None,
    } | more


def test_thing_groups_are_told_of(iot, listener, switched_on, name):
    house, floor = f"{name}-house", f"{name}-floor"
    listener.subscribe(
        "$aws/events/thingGroup/#",
        f"$aws/events/thingGroupHierarchy/thingGroup/{house}/#",
        qos=1,
    )
    above = iot.create_thing_group(thingGroupName=house)
    assert heard(listener) == (f"thingGroup/{house}/created", of_group("CREATED", above))
    below = iot.create_thing_group(
        thingGroupName=floor,
        parentGroupName=house,
        thingGroupProperties={
            "thingGroupDescription": "third",
            "attributePayload": {"attributes": {"a": "1"}},
        },
    )
    place = {
        "parentGroupName": house,
        "parentGroupId": above["thingGroupId"],
        "description": "third",
        "rootToParentThingGroups": [
            {"groupArn": above["thingGroupArn"], "groupId": above["thingGroupId"]}
        ],
        "attributes": {"a": "1"},
    }
    tie = {
        "eventType": "THING_GROUP_HIERARCHY_EVENT",
        "operation": "ADDED",
        "accountId": ACCOUNT,
        "thingGroupId": above["thingGroupId"],
        "thingGroupName": house,
        "childGroupId": below["thingGroupId"],
        "childGroupName": floor,
    }
    hierarchy = f"thingGroupHierarchy/thingGroup/{house}/childThingGroup/{floor}"
    assert [heard(listener) for _ in range(2)] == [
        (f"thingGroup/{floor}/created", of_group("CREATED", below, **place)),
        (f"{hierarchy}/added", tie),
    ]
    iot.update_thing_group(
        thingGroupName=floor, thingGroupProperties={"thingGroupDescription": "top"}
    )
    place |= {"description": "top", "versionNumber": 2}
    expected = of_group("UPDATED", below, **place)
    assert heard(listener) == (f"thingGroup/{floor}/updated", expected)
    iot.delete_thing_group(thingGroupName=floor)
    assert [heard(listener) for _ in range(2)] == [
        (f"thingGroup/{floor}/deleted", of_group("DELETED", below, **place)),
        (f"{hierarchy}/removed", tie | {"operation": "REMOVED"}),
    ]


def test_things_that_join_groups_and_leave_them_are_told_of(iot, listener, switched_on, name):
    things = [f"{name}-{number}" for number in range(3)]
    group = iot.create_thing_group(thingGroupName=name)
    made = [iot.create_thing(thingName=thing) for thing in things]
    listener.subscribe(f"$aws/events/thingGroupMembership/thingGroup/{name}/thing/+/+", qos=1)
    expected = [
        {
            "eventType": "THING_GROUP_MEMBERSHIP_EVENT",
            "operation": "ADDED",
            "accountId": ACCOUNT,
            "groupArn": group["thingGroupArn"],
            "groupId": group["thingGroupId"],
            "thingArn": thing["thingArn"],
            "thingId": thing["thingId"],
        }
        for thing in made
    ]
    for thing, event in zip(things, expected, strict=True):
        iot.add_thing_to_thing_group(thingGroupName=name, thingName=thing)
        topic, told = heard(listener)
        event["membershipId"] = told.get("membershipId")
        assert topic == f"thingGroupMembership/thingGroup/{name}/thing/{thing}/added"
        assert told == event and event["membershipId"]
    leave = [
        lambda: iot.remove_thing_from_thing_group(thingGroupName=name, thingName=things[0]),
        lambda: iot.delete_thing(thingName=things[1]),
        lambda: iot.delete_thing_group(thingGroupName=name),
    ]
    for act, thing, event in zip(leave, things, expected, strict=True):
        act()
        topic = f"thingGroupMembership/thingGroup/{name}/thing/{thing}/removed"
        assert heard(listener) == (topic, event | {"operation": "REMOVED"})


def create_until_killed(server, prefix):
    """Creates things until the server is gone."""
    keys = server.keys()
    try:
        for number in range(100_000):
            server.call("POST", f"/things/{prefix}-{number}", b"{}", keys=keys)
    except OSError:
        return


def test_each_thing_that_is_there_was_told_of_although_the_server_was_killed(fresh, tmp_path, name):
    device = quick_device(fresh, tmp_path, name, *everything_on("*"))

    def waiting():
        client = Client(fresh.mqtts_port, device.tls(), version=V5)
        client.connect(name, clean=False, props={"session_expiry": 3600})
        return client

    listener = waiting()
    listener.subscribe("$aws/events/thing/+/created", qos=1)
    listener.drop()
    fresh.iot.update_event_configurations(eventConfigurations={"THING": {"Enabled": True}})
    for round_number in range(KILLS):
        arguments = [(fresh, f"r{round_number}-w{number}") for number in range(WRITERS)]
        writers = [threading.Thread(target=create_until_killed, args=each) for each in arguments]
        for writer in writers:
            writer.start()
        time.sleep(random.uniform(0.1, 0.4))
        fresh.kill()
        for writer in writers:
            writer.join(30)
        fresh.start()
    pages = fresh.iot.get_paginator("list_things").paginate(maxResults=250)
    there = {thing["thingName"] for page in pages for thing in page["things"]} - {name}
    assert len(there) > KILLS
    listener, told = waiting(), set()
    while not there <= told:
        topic, _ = listener.message()
        told.add(topic.split("/")[3])
    listener.drop()
    assert told == there, "nothing is told of what is not there"


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

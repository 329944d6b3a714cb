"""What a thing type adds to the messages of its things: attributes as user properties of MQTT 5."""

import pytest

from device import everything_on, soon
from harness import refused
from mqtt_raw import V5, V311

both_versions = pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])


def carrying(kind, *attributes):
    """A thing type whose things' messages carry these (key, source, name)."""
    carried = [{"userPropertyKey": key, source: name} for key, source, name in attributes]
    properties = {"mqtt5Configuration": {"propagatingAttributes": carried}}
    return {"thingTypeName": kind, "thingTypeProperties": properties}


@both_versions
def test_messages_carry_the_attributes_of_their_thing(iot, make, session, name, version):
    kind = f"{name}-type"
    iot.create_thing_type(
        **carrying(
            kind,
            ("where", "thingAttribute", "site"),
            ("floor", "thingAttribute", "floor"),
            ("client", "connectionAttribute", "iot:ClientId"),
            ("thing", "connectionAttribute", "iot:Thing.ThingName"),
        )
    )
    attributes = {"attributes": {"site": "north"}}
    device = make(*everything_on("*"), thingTypeName=kind, attributePayload=attributes)
    ear = session(make(*everything_on("*")))
    ear.subscribe(name)
    client = session(device, version)
    expected = [("where", "north"), ("client", device.name), ("thing", device.name)]
    for qos in [0, 1, 0]:
        client.publish(name, b"on", qos=qos)
        assert ear.read().properties["user"] == expected
    iot.update_thing_type(**carrying(kind, ("place", "thingAttribute", "site")))

    def carries_the_new():
        client.publish(name, b"on")
        return ear.read().properties["user"] == [("place", "north")]

    soon(carries_the_new)


def test_what_messages_cannot_carry_is_refused(iot, name):
    for attribute in [
        {"userPropertyKey": "k"},
        {"userPropertyKey": "k", "connectionAttribute": "iot:SourceIp"},
        {"userPropertyKey": "k", "thingAttribute": "a", "connectionAttribute": "iot:ClientId"},
    ]:
        properties = {"mqtt5Configuration": {"propagatingAttributes": [attribute]}}
        with refused("InvalidRequestException", saying="userPropertyKey"):
            iot.create_thing_type(thingTypeName=name, thingTypeProperties=properties)

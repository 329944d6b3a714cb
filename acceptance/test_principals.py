"""Things and their principals: attach, detach, list, exclusively or not."""

import pytest

from harness import ACCOUNT, REGION, refused

EXCLUSIVE = "EXCLUSIVE_THING"
SHARED = "NON_EXCLUSIVE_THING"
NOBODY = f"arn:aws:iot:{REGION}:{ACCOUNT}:cert/{'0' * 64}"


@pytest.fixture
def things(iot, name):
    """Two things."""
    both = [f"{name}-1", f"{name}-2"]
    for thing in both:
        iot.create_thing(thingName=thing)
    return both


@pytest.fixture
def principal(certificate):
    return certificate["certificateArn"]


def test_an_attachment_shows_on_both_sides_and_may_be_repeated(iot, things, principal):
    for thing in [things[1], things[0], things[0]]:
        iot.attach_thing_principal(thingName=thing, principal=principal)
    assert iot.list_principal_things(principal=principal)["things"] == things
    assert iot.list_thing_principals(thingName=things[0])["principals"] == [principal]
    iot.detach_thing_principal(thingName=things[0], principal=principal)
    assert iot.list_principal_things(principal=principal)["things"] == [things[1]]
    assert iot.list_thing_principals(thingName=things[0])["principals"] == []


def test_the_second_form_of_the_lists_tells_the_kind(iot, things, principal):
    iot.attach_thing_principal(thingName=things[0], principal=principal)
    attached = {"thingName": things[0], "thingPrincipalType": SHARED}
    held = {"principal": principal, "thingPrincipalType": SHARED}
    by_principal = iot.list_principal_things_v2(principal=principal)
    assert by_principal["principalThingObjects"] == [attached]
    by_thing = iot.list_thing_principals_v2(thingName=things[0])
    assert by_thing["thingPrincipalObjects"] == [held]
    filtered = iot.list_thing_principals_v2(thingName=things[0], thingPrincipalType=EXCLUSIVE)
    assert filtered["thingPrincipalObjects"] == []
    filtered = iot.list_principal_things_v2(principal=principal, thingPrincipalType=EXCLUSIVE)
    assert filtered["principalThingObjects"] == []


def test_an_exclusive_principal_belongs_to_one_thing(iot, things, principal):
    exclusively = {"principal": principal, "thingPrincipalType": EXCLUSIVE}
    iot.attach_thing_principal(thingName=things[0], **exclusively)
    with refused("InvalidRequestException"):
        iot.attach_thing_principal(thingName=things[1], principal=principal)
    with refused("InvalidRequestException"):
        iot.attach_thing_principal(thingName=things[1], **exclusively)
    listed = iot.list_principal_things_v2(principal=principal)["principalThingObjects"]
    assert listed == [{"thingName": things[0], "thingPrincipalType": EXCLUSIVE}]
    iot.detach_thing_principal(thingName=things[0], principal=principal)
    iot.attach_thing_principal(thingName=things[1], **exclusively)


def test_a_shared_principal_does_not_become_exclusive_elsewhere(iot, things, principal):
    iot.attach_thing_principal(thingName=things[0], principal=principal)
    with refused("InvalidRequestException"):
        iot.attach_thing_principal(
            thingName=things[1], principal=principal, thingPrincipalType=EXCLUSIVE
        )
    assert iot.list_principal_things(principal=principal)["things"] == [things[0]]


def test_what_is_unknown_is_not_attached(iot, name, things, principal):
    with refused("ResourceNotFoundException"):
        iot.attach_thing_principal(thingName="u" + name, principal=principal)
    with refused("ResourceNotFoundException"):
        iot.attach_thing_principal(thingName=things[0], principal=NOBODY)
    with refused("InvalidRequestException"):
        iot.attach_thing_principal(thingName=things[0], principal="hello")
    with refused("InvalidRequestException"):
        iot.attach_thing_principal(
            thingName=things[0], principal=principal, thingPrincipalType="MINE"
        )
    assert iot.list_thing_principals(thingName=things[0])["principals"] == []


def test_an_unknown_thing_has_no_list_of_principals(iot, name):
    with refused("ResourceNotFoundException"):
        iot.list_thing_principals(thingName=name)
    with refused("ResourceNotFoundException"):
        iot.detach_thing_principal(thingName=name, principal=NOBODY)


def test_a_principal_of_no_thing_lists_none(iot, principal):
    assert iot.list_principal_things(principal=principal)["things"] == []

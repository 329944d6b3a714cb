"""Things: create, describe, update, delete, list, with every refusal on the way."""

import uuid

import pytest

from harness import ACCOUNT, REGION, refused


def arn(name):
    return f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/{name}"


def attributes(iot, name):
    return iot.describe_thing(thingName=name).get("attributes", {})


def payload(merge=None, **attributes):
    return {"attributes": attributes} | ({} if merge is None else {"merge": merge})


def test_a_new_thing_has_a_name_an_arn_and_an_id(iot, name):
    thing = iot.create_thing(thingName=name)
    assert thing["thingName"] == name
    assert thing["thingArn"] == arn(name)
    assert str(uuid.UUID(thing["thingId"])) == thing["thingId"]


def test_a_bare_thing_is_described_without_invented_members(iot, name):
    created = iot.create_thing(thingName=name)
    described = iot.describe_thing(thingName=name)
    described.pop("ResponseMetadata")
    assert described.pop("attributes", {}) == {}
    assert described == {
        "defaultClientId": name,
        "thingName": name,
        "thingId": created["thingId"],
        "thingArn": arn(name),
        "version": 1,
    }


def test_creating_an_identical_thing_returns_the_first(iot, name):
    first = iot.create_thing(thingName=name, attributePayload=payload(a="1"))
    again = iot.create_thing(thingName=name, attributePayload=payload(a="1"))
    assert (again["thingId"], again["thingArn"]) == (first["thingId"], first["thingArn"])
    assert iot.describe_thing(thingName=name)["version"] == 1


def test_creating_a_different_thing_of_the_same_name_is_refused(iot, name):
    iot.create_thing(thingName=name, attributePayload=payload(a="1"))
    with refused("ResourceAlreadyExistsException", saying=name) as caught:
        iot.create_thing(thingName=name, attributePayload=payload(a="2"))
    assert caught.value.response["resourceArn"] == arn(name)
    assert caught.value.response["resourceId"]
    assert attributes(iot, name) == {"a": "1"}


@pytest.mark.parametrize("extra", [{"thingTypeName": "unknown"}, {"billingGroupName": "unknown"}])
def test_creating_a_thing_of_something_unknown_is_refused(iot, name, extra):
    with refused("ResourceNotFoundException"):
        iot.create_thing(thingName=name, **extra)
    with refused("ResourceNotFoundException"):
        iot.describe_thing(thingName=name)


def test_a_thing_without_a_type_has_three_attributes_at_most(iot, name):
    iot.create_thing(thingName=name, attributePayload=payload(a="1", b="2", c="3"))
    with refused("InvalidRequestException"):
        iot.create_thing(thingName=name + "x", attributePayload=payload(a="", b="", c="", d=""))
    with refused("InvalidRequestException"):
        iot.update_thing(thingName=name, attributePayload=payload(merge=True, d="4"))
    assert attributes(iot, name) == {"a": "1", "b": "2", "c": "3"}


@pytest.mark.parametrize(
    "thing, wording",
    [
        (
            "sp ace",
            "1 validation error detected: Value 'sp ace' at 'thingName' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9:_-]+",
        ),
        (
            "a" * 129,
            f"1 validation error detected: Value '{'a' * 129}' at 'thingName' failed to satisfy "
            "constraint: Member must have length less than or equal to 128",
        ),
        ("ä" * 129, "2 validation errors detected: "),
        ("a/b", "Member must satisfy regular expression pattern"),
    ],
)
def test_a_bad_name_is_refused_in_the_wording_of_aws(iot, thing, wording):
    with refused("InvalidRequestException", saying=wording):
        iot.create_thing(thingName=thing)


@pytest.mark.parametrize("attribute", [{"a b": "1"}, {"a": "b c"}, {"a" * 129: "1"}, {"a": "1" * 801}])
def test_bad_attributes_are_refused(iot, name, attribute):
    with refused("InvalidRequestException", saying="failed to satisfy constraint"):
        iot.create_thing(thingName=name, attributePayload={"attributes": attribute})


def test_describing_an_unknown_thing_is_refused(iot, name):
    with refused("ResourceNotFoundException", saying=name):
        iot.describe_thing(thingName=name)


def test_an_update_replaces_all_attributes_unless_it_merges(iot, name):
    iot.create_thing(thingName=name, attributePayload=payload(a="1", b="2"))
    iot.update_thing(thingName=name, attributePayload=payload(merge=True, b="3", c="4"))
    assert attributes(iot, name) == {"a": "1", "b": "3", "c": "4"}
    iot.update_thing(thingName=name, attributePayload=payload(merge=True, a=""))
    assert attributes(iot, name) == {"b": "3", "c": "4"}
    iot.update_thing(thingName=name, attributePayload=payload(d="5"))
    assert attributes(iot, name) == {"d": "5"}
    iot.update_thing(thingName=name, attributePayload=payload(merge=False))
    assert attributes(iot, name) == {}
    assert iot.describe_thing(thingName=name)["version"] == 5


def test_an_update_holds_only_for_the_version_it_expects(iot, name):
    iot.create_thing(thingName=name)
    iot.update_thing(thingName=name, expectedVersion=1, attributePayload=payload(a="1"))
    with refused("VersionConflictException"):
        iot.update_thing(thingName=name, expectedVersion=1, attributePayload=payload(a="2"))
    thing = iot.describe_thing(thingName=name)
    assert (thing["version"], thing["attributes"]) == (2, {"a": "1"})


def test_an_update_that_sets_and_removes_the_type_is_refused(iot, name):
    iot.create_thing(thingName=name)
    with refused("InvalidRequestException"):
        iot.update_thing(thingName=name, thingTypeName="t", removeThingType=True)


def test_updating_an_unknown_thing_is_refused(iot, name):
    with refused("ResourceNotFoundException", saying=name):
        iot.update_thing(thingName=name, attributePayload=payload(a="1"))


def test_a_deleted_thing_is_gone_and_its_name_is_free(iot, name):
    first = iot.create_thing(thingName=name)
    iot.delete_thing(thingName=name)
    with refused("ResourceNotFoundException"):
        iot.describe_thing(thingName=name)
    second = iot.create_thing(thingName=name)
    assert second["thingId"] != first["thingId"]


def test_deleting_an_unknown_thing_succeeds(iot, name):
    response = iot.delete_thing(thingName=name)
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_delete_holds_only_for_the_version_it_expects(iot, name):
    iot.create_thing(thingName=name)
    with refused("VersionConflictException"):
        iot.delete_thing(thingName=name, expectedVersion=7)
    iot.delete_thing(thingName=name, expectedVersion=1)


def test_a_thing_with_a_principal_is_not_deleted(iot, name, certificate):
    iot.create_thing(thingName=name)
    iot.attach_thing_principal(thingName=name, principal=certificate["certificateArn"])
    with refused("InvalidRequestException"):
        iot.delete_thing(thingName=name)
    iot.detach_thing_principal(thingName=name, principal=certificate["certificateArn"])
    iot.delete_thing(thingName=name)


def test_things_are_listed_as_they_were_written(iot, name):
    iot.create_thing(thingName=name, attributePayload=payload(own=name))
    (listed,) = iot.list_things(attributeName="own", attributeValue=name)["things"]
    assert listed == {
        "thingName": name,
        "thingArn": arn(name),
        "attributes": {"own": name},
        "version": 1,
    }
    iot.update_thing(thingName=name, attributePayload=payload(own="other" + name))
    assert iot.list_things(attributeName="own", attributeValue=name)["things"] == []


def test_things_are_listed_by_the_beginning_of_an_attribute(iot, name):
    for suffix in ["a", "b"]:
        iot.create_thing(thingName=name + suffix, attributePayload=payload(site=name + suffix))
    listed = iot.list_things(
        attributeName="site", attributeValue=name, usePrefixAttributeValue=True
    )["things"]
    assert [thing["thingName"] for thing in listed] == [name + "a", name + "b"]
    exact = iot.list_things(attributeName="site", attributeValue=name)["things"]
    assert exact == []


def test_things_of_an_unknown_type_are_none(iot, name):
    assert iot.list_things(thingTypeName=name)["things"] == []


@pytest.mark.parametrize(
    "query", [{"attributeValue": "x"}, {"attributeName": "x"}, {"maxResults": 0}, {"maxResults": 251}]
)
def test_a_bad_filter_is_refused(raw_iot, query):
    with refused("InvalidRequestException"):
        raw_iot.list_things(**query)

"""Billing groups: create, describe, update, delete, list, and the things in them."""

import pytest

from harness import ACCOUNT, REGION, refused


def arn(name):
    return f"arn:aws:iot:{REGION}:{ACCOUNT}:billinggroup/{name}"


@pytest.fixture
def group(iot, name):
    iot.create_billing_group(billingGroupName=name)
    return name


def test_a_group_is_created_once_and_described(iot, name):
    properties = {"billingGroupDescription": "all of it"}
    made = [
        iot.create_billing_group(billingGroupName=name, billingGroupProperties=properties)
        for _ in range(2)
    ]
    assert made[0]["billingGroupId"] == made[1]["billingGroupId"]
    described = iot.describe_billing_group(billingGroupName=name)
    assert described["billingGroupArn"] == made[0]["billingGroupArn"] == arn(name)
    assert (described["version"], described["billingGroupProperties"]) == (1, properties)
    assert described["billingGroupMetadata"]["creationDate"].year > 2000
    with refused("ResourceAlreadyExistsException", saying=name) as caught:
        iot.create_billing_group(billingGroupName=name)
    assert caught.value.response["resourceArn"] == arn(name)


def test_an_update_expects_a_version(iot, group):
    properties = {"billingGroupDescription": "new"}
    update = {"billingGroupName": group, "billingGroupProperties": properties}
    assert iot.update_billing_group(**update, expectedVersion=1)["version"] == 2
    with refused("VersionConflictException"):
        iot.update_billing_group(**update, expectedVersion=1)
    with refused("VersionConflictException"):
        iot.delete_billing_group(billingGroupName=group, expectedVersion=1)
    assert iot.describe_billing_group(billingGroupName=group)["billingGroupProperties"] == properties


def test_a_thing_is_in_a_group_by_name_or_arn(iot, group):
    thing = iot.create_thing(thingName=group)
    by_arn = {"billingGroupArn": arn(group), "thingArn": thing["thingArn"]}
    by_name = {"billingGroupName": group, "thingName": group}
    for add, remove in [(by_name, by_arn), (by_arn, by_name)]:
        iot.add_thing_to_billing_group(**add)
        assert iot.list_things_in_billing_group(billingGroupName=group)["things"] == [group]
        assert iot.describe_thing(thingName=group)["billingGroupName"] == group
        with refused("InvalidRequestException", saying=group):
            iot.delete_billing_group(billingGroupName=group)
        iot.remove_thing_from_billing_group(**remove)
        assert iot.list_things_in_billing_group(billingGroupName=group)["things"] == []
    assert "billingGroupName" not in iot.describe_thing(thingName=group)
    with refused("InvalidRequestException"):
        iot.add_thing_to_billing_group(billingGroupArn=arn("other"), **by_name)


def test_a_thing_is_created_in_a_group_and_leaves_it_at_its_end(iot, group):
    iot.create_thing(thingName=group, billingGroupName=group)
    assert iot.describe_thing(thingName=group)["billingGroupName"] == group
    with refused("ResourceAlreadyExistsException"):
        iot.create_thing(thingName=group)
    iot.delete_thing(thingName=group)
    iot.delete_billing_group(billingGroupName=group)
    iot.delete_billing_group(billingGroupName=group)
    with refused("ResourceNotFoundException", saying=group):
        iot.describe_billing_group(billingGroupName=group)


def test_groups_are_listed_in_pages_by_what_their_names_begin_with(iot, name):
    names = [f"{name}-{number}" for number in range(5)]
    for group in [*names, f"x{name}"]:
        iot.create_billing_group(billingGroupName=group)
    pages = iot.get_paginator("list_billing_groups").paginate(
        namePrefixFilter=f"{name}-", PaginationConfig={"PageSize": 2}
    )
    listed = [group for page in pages for group in page["billingGroups"]]
    assert [group["groupName"] for group in listed] == names
    assert [group["groupArn"] for group in listed] == [arn(one) for one in names]


def test_a_group_has_tags(iot, name):
    tags = [{"Key": "cost", "Value": "1"}]
    group = iot.create_billing_group(billingGroupName=name, tags=tags)["billingGroupArn"]
    assert iot.list_tags_for_resource(resourceArn=group)["tags"] == tags
    iot.untag_resource(resourceArn=group, tagKeys=["cost"])
    assert iot.list_tags_for_resource(resourceArn=group)["tags"] == []

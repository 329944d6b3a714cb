"""Thing groups: hierarchies, the things in them, and what devices may do by them."""

import pytest

from device import allow, document, soon
from harness import ACCOUNT, REGION, refused


def arn(group):
    return f"arn:aws:iot:{REGION}:{ACCOUNT}:thinggroup/{group}"


def names(groups):
    return [group["groupName"] for group in groups]


@pytest.fixture
def tree(iot, name):
    """A root, a child and a grandchild: their names."""
    made = [name, f"{name}-child", f"{name}-grandchild"]
    for parent, group in zip([None, *made], made, strict=False):
        iot.create_thing_group(
            thingGroupName=group, **({"parentGroupName": parent} if parent else {})
        )
    return made


def test_a_group_is_described_as_it_was_created(iot, tree):
    root, child, grandchild = tree
    described = iot.describe_thing_group(thingGroupName=grandchild)
    assert described["thingGroupArn"] == arn(grandchild)
    assert (described["version"], described["thingGroupProperties"]) == (1, {})
    metadata = described["thingGroupMetadata"]
    assert metadata["parentGroupName"] == child
    assert metadata["rootToParentThingGroups"] == [
        {"groupName": root, "groupArn": arn(root)},
        {"groupName": child, "groupArn": arn(child)},
    ]
    assert set(iot.describe_thing_group(thingGroupName=root)["thingGroupMetadata"]) == {
        "creationDate"
    }


def test_creating_another_group_of_the_same_name_is_refused(iot, name):
    first = iot.create_thing_group(thingGroupName=name, tags=[{"Key": "a", "Value": "1"}])
    assert iot.create_thing_group(thingGroupName=name)["thingGroupId"] == first["thingGroupId"]
    assert iot.list_tags_for_resource(resourceArn=arn(name))["tags"] == [
        {"Key": "a", "Value": "1"}
    ]
    with refused("ResourceAlreadyExistsException", saying=name) as caught:
        iot.create_thing_group(
            thingGroupName=name, thingGroupProperties={"thingGroupDescription": "other"}
        )
    assert caught.value.response["resourceArn"] == arn(name)
    assert caught.value.response["resourceId"] == first["thingGroupId"]


def test_an_update_holds_for_the_version_it_expects(iot, name):
    iot.create_thing_group(thingGroupName=name)
    properties = {
        "thingGroupDescription": "d",
        "attributePayload": {"attributes": {"a": "1"}, "merge": True},
    }
    update = {"thingGroupName": name, "thingGroupProperties": properties, "expectedVersion": 1}
    assert iot.update_thing_group(**update)["version"] == 2
    with refused("VersionConflictException"):
        iot.update_thing_group(**update)
    described = iot.describe_thing_group(thingGroupName=name)["thingGroupProperties"]
    assert described == {
        "thingGroupDescription": "d",
        "attributePayload": {"attributes": {"a": "1"}},
    }


def test_a_group_is_deleted_after_its_children(iot, tree):
    message = (
        f"Cannot delete thing group : {tree[0]} when there are still child groups attached to it."
    )
    with refused("InvalidRequestException", saying=message):
        iot.delete_thing_group(thingGroupName=tree[0])
    for group in [*reversed(tree), tree[0]]:
        iot.delete_thing_group(thingGroupName=group)
    with refused("ResourceNotFoundException"):
        iot.describe_thing_group(thingGroupName=tree[0])


def test_groups_are_listed_by_parent_and_prefix_in_pages(iot, tree):
    root, child, grandchild = tree
    for filters, expected in [
        ({"namePrefixFilter": root}, tree),
        ({"namePrefixFilter": root, "recursive": False}, [root]),
        ({"parentGroup": root}, [child, grandchild]),
        ({"parentGroup": root, "recursive": False}, [child]),
        ({"parentGroup": root, "namePrefixFilter": grandchild}, [grandchild]),
    ]:
        for size in [1, 2, 3]:
            paginator = iot.get_paginator("list_thing_groups")
            pages = paginator.paginate(**filters, PaginationConfig={"PageSize": size})
            found = [group for page in pages for group in names(page["thingGroups"])]
            assert found == expected, (filters, size)
    with refused("ResourceNotFoundException"):
        iot.list_thing_groups(parentGroup="unknown")


def test_things_are_added_and_removed_by_name_or_arn(iot, tree, name):
    thing = iot.create_thing(thingName=name)
    by_arn = {"thingArn": thing["thingArn"], "thingGroupArn": arn(tree[2])}
    iot.add_thing_to_thing_group(thingName=name, thingGroupName=tree[2])
    iot.add_thing_to_thing_group(**by_arn)
    assert names(iot.list_thing_groups_for_thing(thingName=name)["thingGroups"]) == tree
    assert iot.list_things_in_thing_group(thingGroupName=tree[0])["things"] == []
    recursive = iot.list_things_in_thing_group(thingGroupName=tree[0], recursive=True)
    assert recursive["things"] == [name]
    with refused("InvalidRequestException", saying=tree[2]):
        iot.add_thing_to_thing_group(thingName=name, thingGroupName=tree[0])
    with refused("InvalidRequestException"):
        iot.add_thing_to_thing_group(thingName="other", **by_arn)
    with refused("InvalidRequestException"):
        iot.add_thing_to_thing_group(thingName=name)
    with refused("ResourceNotFoundException"):
        iot.add_thing_to_thing_group(thingName=name, thingGroupName="unknown")
    iot.update_thing_groups_for_thing(
        thingName=name, thingGroupsToAdd=[tree[1]], thingGroupsToRemove=[tree[2]]
    )
    assert iot.list_things_in_thing_group(thingGroupName=tree[1])["things"] == [name]
    for _ in range(2):
        iot.remove_thing_from_thing_group(thingName=name, thingGroupArn=arn(tree[1]))
    assert iot.list_thing_groups_for_thing(thingName=name)["thingGroups"] == []


def test_a_dynamic_group_is_kept_and_takes_nothing(iot, name):
    iot.create_dynamic_thing_group(thingGroupName=name, queryString="thingName:a*")
    described = iot.describe_thing_group(thingGroupName=name)
    assert described["queryString"] == "thingName:a*"
    assert (described["indexName"], described["status"]) == ("AWS_Things", "ACTIVE")
    iot.create_thing(thingName=name)
    iot.create_policy(policyName=name, policyDocument=document(allow("iot:Connect", "*")))
    with refused("InvalidRequestException"):
        iot.add_thing_to_thing_group(thingName=name, thingGroupName=name)
    with refused("InvalidRequestException"):
        iot.attach_policy(policyName=name, target=arn(name))
    update = {"thingGroupName": name, "thingGroupProperties": {}, "queryString": "thingName:b*"}
    assert iot.update_dynamic_thing_group(**update)["version"] == 2
    iot.delete_dynamic_thing_group(thingGroupName=name)
    iot.delete_dynamic_thing_group(thingGroupName=name)


def test_a_connected_device_has_what_its_groups_have_and_those_above(iot, make, session, tree):
    root, child, _ = tree
    topic = f"{root}/news"
    device = make(allow("iot:Connect", "client/*"))
    iot.create_policy(
        policyName=root, policyDocument=document(allow("iot:Publish", f"topic/{topic}"))
    )
    iot.attach_policy(policyName=root, target=arn(root))
    assert iot.list_attached_policies(target=arn(child))["policies"] == []
    inherited = iot.list_attached_policies(target=arn(child), recursive=True)["policies"]
    assert [policy["policyName"] for policy in inherited] == [root]
    assert iot.list_targets_for_policy(policyName=root)["targets"] == [arn(root)]
    with refused("DeleteConflictException"):
        iot.delete_policy(policyName=root)

    client = session(device)

    def may_publish():
        return client.publish(topic, b"", qos=1).code == 0

    assert not may_publish()
    iot.add_thing_to_thing_group(thingName=device.name, thingGroupName=child)
    soon(may_publish)
    iot.detach_policy(policyName=root, target=arn(root))
    soon(lambda: not may_publish())

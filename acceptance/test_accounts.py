"""Accounts, access keys and what their policies allow."""

import json

import pytest

from documents import policy
from harness import ACCOUNT, REGION, refused

OTHER = "111122223333"


@pytest.fixture
def limited(server, tmp_path):
    """Makes a client whose access key has the policy of these statements."""

    def make(*statements, **more):
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        path = tmp_path / "policy.json"
        path.write_text(json.dumps(document))
        return server.client(keys=server.create_access_key(policy=path), **more)

    return make


@pytest.fixture(scope="module")
def other(server):
    """A client of another account on the same server."""
    server.command("account", "create", OTHER)
    return server.client(keys=server.create_access_key(account=OTHER))


def iot_arn(kind, name, account=ACCOUNT):
    return f"arn:aws:iot:{REGION}:{account}:{kind}/{name}"


def thing_arn(name, account=ACCOUNT):
    return iot_arn("thing", name, account)


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource} | more


def deny(action, resource="*", **more):
    return allow(action, resource) | {"Effect": "Deny"} | more


def denied(operation, resource):
    return refused(
        "AccessDeniedException",
        saying=f"is not authorized to perform: iot:{operation} on resource: {resource}",
    )


def test_accounts_are_listed(server, other):
    listed = server.command("account", "list").stdout
    assert ACCOUNT in listed and OTHER in listed


def test_an_account_that_exists_or_cannot_is_not_created(server, other):
    for account in [OTHER, "123", "x" * 12]:
        assert server.command("account", "create", account, check=False).returncode != 0


def test_accounts_do_not_see_one_another(server, iot, other, name):
    iot.create_thing(thingName=name)
    with refused("ResourceNotFoundException"):
        other.describe_thing(thingName=name)
    assert other.create_thing(thingName=name)["thingArn"] == thing_arn(name, OTHER)
    iot.delete_thing(thingName=name)
    assert other.describe_thing(thingName=name)["version"] == 1
    key_id, secret = server.create_access_key(account=OTHER)
    identity = server.client("sts", keys=(key_id, secret)).get_caller_identity()
    assert identity["Account"] == OTHER


def test_a_principal_of_another_account_is_not_attached(iot, other, certificate, name):
    other.create_policy(policyName=name, policyDocument=policy())
    with refused("ResourceNotFoundException", "InvalidRequestException"):
        other.attach_policy(policyName=name, target=certificate["certificateArn"])


def test_a_key_is_listed_and_deleted(server):
    key_id, secret = server.create_access_key()
    client = server.client(keys=(key_id, secret))
    client.list_things()
    listed = server.command("access-key", "list").stdout
    assert key_id in listed and secret not in listed
    server.command("access-key", "delete", key_id)
    with refused("UnrecognizedClientException"):
        client.list_things()
    assert key_id not in server.command("access-key", "list").stdout
    assert server.command("access-key", "delete", key_id, check=False).returncode != 0


def test_a_key_survives_a_restart_with_its_policy(fresh, tmp_path):
    path = tmp_path / "policy.json"
    path.write_text(policy("iot:ListThings"))
    client = fresh.client(keys=fresh.create_access_key(policy=path))
    assert fresh.stop() == 0
    fresh.start()
    client.list_things()
    with denied("ListPolicies", "*"):
        client.list_policies()


def test_no_secret_stands_in_the_store(fresh):
    _, secret = fresh.create_access_key()
    fresh.stop()
    files = [path for path in fresh.data_dir.rglob("*") if path.is_file()]
    holding = [path.name for path in files if secret.encode() in path.read_bytes()]
    assert holding == []


def test_a_malformed_policy_makes_no_key(server, tmp_path):
    path = tmp_path / "policy.json"
    for text in ["hello", "{}", '{"Version":"2012-10-17","Statement":[{"Effect":"Maybe"}]}']:
        path.write_text(text)
        result = server.command(
            "access-key", "create", "--policy", str(path), check=False
        )
        assert result.returncode != 0, result


def test_what_is_not_allowed_is_denied_by_name(limited, name):
    client = limited(allow("iot:DescribeThing"))
    with refused("ResourceNotFoundException"):
        client.describe_thing(thingName=name)
    with denied("CreateThing", thing_arn(name)) as caught:
        client.create_thing(thingName=name)
    message = caught.value.response["Error"]["Message"]
    assert message.startswith(f"User: arn:aws:iam::{ACCOUNT}:user/")
    with denied("ListThings", "*"):
        client.list_things()


def test_a_denial_comes_before_existence(limited, iot, name):
    iot.create_thing(thingName=name)
    client = limited(allow("iot:ListThings"))
    with denied("DescribeThing", thing_arn(name)):
        client.describe_thing(thingName=name)
    with denied("DescribeThing", thing_arn("u" + name)):
        client.describe_thing(thingName="u" + name)


def test_a_resource_limits_what_is_allowed(limited, name):
    client = limited(allow("iot:*Thing", thing_arn(name + "-*")))
    client.create_thing(thingName=name + "-1")
    client.describe_thing(thingName=name + "-1")
    with denied("CreateThing", thing_arn(name)):
        client.create_thing(thingName=name)


def test_a_policy_is_asked_about_the_thing_and_about_the_group(limited, iot, name):
    group, thing = f"{name}-group", f"{name}-thing"
    other = f"{name}-other"
    for made in (group, other):
        iot.create_thing_group(thingGroupName=made)
    iot.create_thing(thingName=thing)
    add = "iot:AddThingToThingGroup"
    both = {"thingName": thing, "thingGroupName": group}
    for missing, given in [(iot_arn("thinggroup", group), iot_arn("thing", thing)),
                           (iot_arn("thing", thing), iot_arn("thinggroup", group))]:
        with denied("AddThingToThingGroup", missing):
            limited(allow(add, given)).add_thing_to_thing_group(**both)
        with denied("AddThingToThingGroup", missing):
            limited(allow("*"), deny(add, missing)).add_thing_to_thing_group(**both)
        by_arn = {"thingArn": iot_arn("thing", thing), "thingGroupArn": iot_arn("thinggroup", group)}
        with denied("AddThingToThingGroup", missing):
            limited(allow("*"), deny(add, missing)).add_thing_to_thing_group(**by_arn)
    allowed = limited(allow(add, [iot_arn("thing", thing), iot_arn("thinggroup", group)]))
    allowed.add_thing_to_thing_group(**both)
    update = limited(allow("*"), deny("iot:UpdateThingGroupsForThing", iot_arn("thinggroup", other)))
    with denied("UpdateThingGroupsForThing", iot_arn("thinggroup", other)):
        update.update_thing_groups_for_thing(thingName=thing, thingGroupsToAdd=[other])
    with denied("UpdateThingGroupsForThing", iot_arn("thinggroup", other)):
        update.update_thing_groups_for_thing(
            thingName=thing, thingGroupsToAdd=[group], thingGroupsToRemove=[other]
        )


def test_a_group_below_another_needs_both(limited, iot, name):
    iot.create_thing_group(thingGroupName=name)
    child = f"{name}-child"
    client = limited(allow("iot:CreateThingGroup", iot_arn("thinggroup", child)))
    with denied("CreateThingGroup", iot_arn("thinggroup", name)):
        client.create_thing_group(thingGroupName=child, parentGroupName=name)
    client.create_thing_group(thingGroupName=child)


def test_a_thing_and_its_billing_group_need_both(limited, iot, name):
    iot.create_billing_group(billingGroupName=name)
    client = limited(allow("iot:CreateThing", thing_arn(name)))
    with denied("CreateThing", iot_arn("billinggroup", name)):
        client.create_thing(thingName=name, billingGroupName=name)
    client.create_thing(thingName=name)


def test_an_attachment_is_asked_for_its_target(limited, iot, certificate, name):
    iot.create_policy(policyName=name, policyDocument=policy())
    iot.create_thing(thingName=name)
    arn = certificate["certificateArn"]
    for operation, call in [
        ("AttachPolicy", lambda c: c.attach_policy(policyName=name, target=arn)),
        ("ListAttachedPolicies", lambda c: c.list_attached_policies(target=arn)),
        ("DetachPolicy", lambda c: c.detach_policy(policyName=name, target=arn)),
        ("AttachThingPrincipal", lambda c: c.attach_thing_principal(thingName=name, principal=arn)),
        ("ListPrincipalThings", lambda c: c.list_principal_things(principal=arn)),
        ("DetachThingPrincipal", lambda c: c.detach_thing_principal(thingName=name, principal=arn)),
    ]:
        with denied(operation, arn):
            call(limited(allow("*"), deny(f"iot:{operation}", arn)))
        call(limited(allow(f"iot:{operation}", arn)))


def test_an_attachment_may_be_bound_to_a_thing_by_a_condition(limited, iot, certificate, name):
    iot.create_thing(thingName=name)
    iot.create_thing(thingName=f"{name}-2")
    arn = certificate["certificateArn"]
    bound = {"ArnEquals": {"iot:thingArn": thing_arn(name)}}
    client = limited(allow("iot:AttachThingPrincipal", "*", Condition=bound))
    client.attach_thing_principal(thingName=name, principal=arn)
    with denied("AttachThingPrincipal", arn):
        client.attach_thing_principal(thingName=f"{name}-2", principal=arn)


def test_a_certificate_in_capitals_is_the_one_that_a_policy_denies(limited, iot, certificate, name):
    iot.create_policy(policyName=name, policyDocument=policy())
    arn, certificate_id = certificate["certificateArn"], certificate["certificateId"]
    capitals = certificate_id.upper()
    arn_in_capitals = iot_arn("cert", capitals)
    client = limited(allow("*"), deny("*", arn))
    with denied("DescribeCertificate", arn):
        client.describe_certificate(certificateId=capitals)
    with denied("UpdateCertificate", arn):
        client.update_certificate(certificateId=capitals, newStatus="INACTIVE")
    with denied("AttachPolicy", arn):
        client.attach_policy(policyName=name, target=arn_in_capitals)
    with denied("ListPrincipalThings", arn):
        client.list_principal_things(principal=arn_in_capitals)
    described = iot.describe_certificate(certificateId=capitals)["certificateDescription"]
    assert described["certificateId"] == certificate_id
    iot.attach_policy(policyName=name, target=arn_in_capitals)
    assert iot.list_targets_for_policy(policyName=name)["targets"] == [arn]


def test_a_deny_wins(limited, name):
    client = limited(allow("*"), deny("iot:DeleteThing", thing_arn(name)))
    client.create_thing(thingName=name)
    with denied("DeleteThing", thing_arn(name)):
        client.delete_thing(thingName=name)
    client.create_policy(policyName=name, policyDocument=policy())
    client.delete_thing(thingName=name + "x")


def test_everything_but_an_action(limited, name):
    client = limited(
        {"Effect": "Allow", "NotAction": ["iot:Delete*", "iot:CreatePolicy"], "Resource": "*"}
    )
    client.create_thing(thingName=name)
    with denied("DeleteThing", thing_arn(name)):
        client.delete_thing(thingName=name)
    with denied("CreatePolicy", f"arn:aws:iot:{REGION}:{ACCOUNT}:policy/{name}"):
        client.create_policy(policyName=name, policyDocument=policy())


@pytest.mark.parametrize(
    "condition, is_allowed",
    [
        ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, False),
        ({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, True),
        ({"Bool": {"aws:SecureTransport": "true"}}, False),
        ({"Bool": {"aws:SecureTransport": "false"}}, True),
        ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, True),
        ({"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, False),
    ],
)
def test_a_condition_decides(limited, condition, is_allowed):
    client = limited(allow("iot:ListThings", Condition=condition))
    if is_allowed:
        client.list_things()
    else:
        with denied("ListThings", "*"):
            client.list_things()


def test_a_condition_may_ask_for_tls(limited):
    condition = {"Bool": {"aws:SecureTransport": "true"}}
    limited(allow("iot:ListThings", Condition=condition), tls=True).list_things()


def test_a_condition_may_ask_for_the_tags_of_a_request(limited, iot, name):
    north = {"StringEquals": {"aws:RequestTag/Site": "north"}}
    known = {"ForAllValues:StringEquals": {"aws:TagKeys": ["Site", "Floor"]}}
    site, floor = {"Key": "Site", "Value": "north"}, {"Key": "Floor", "Value": "1"}
    client = limited(
        allow("iot:CreateThingType", Condition=north | known),
        allow("iot:UntagResource", Condition=known),
    )
    kind = f"arn:aws:iot:{REGION}:{ACCOUNT}:thingtype/{name}"
    for tags in [[], [floor], [site | {"Value": "south"}], [site, {"Key": "Cost", "Value": "1"}]]:
        with denied("CreateThingType", kind):
            client.create_thing_type(thingTypeName=name, tags=tags)
    client.create_thing_type(thingTypeName=name, tags=[site, floor])
    with denied("UntagResource", kind):
        client.untag_resource(resourceArn=kind, tagKeys=["Floor", "Cost"])
    client.untag_resource(resourceArn=kind, tagKeys=["Floor"])
    assert iot.list_tags_for_resource(resourceArn=kind)["tags"] == [site]

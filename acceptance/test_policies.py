"""Policies: documents, versions, attachments, tags."""

import json

import pytest

from documents import policy
from harness import ACCOUNT, REGION, refused

DOCUMENT = policy()


@pytest.fixture
def created(iot, name):
    """A policy called `name`."""
    return iot.create_policy(policyName=name, policyDocument=DOCUMENT)


def versions(iot, name):
    listed = iot.list_policy_versions(policyName=name)["policyVersions"]
    return {version["versionId"]: version["isDefaultVersion"] for version in listed}


def names(policies):
    return [policy["policyName"] for policy in policies]


def test_a_new_policy_has_one_version(iot, name, created):
    arn = f"arn:aws:iot:{REGION}:{ACCOUNT}:policy/{name}"
    created.pop("ResponseMetadata")
    expected = {"policyName": name, "policyArn": arn, "policyDocument": DOCUMENT}
    assert created == expected | {"policyVersionId": "1"}
    assert versions(iot, name) == {"1": True}
    fetched = iot.get_policy(policyName=name)
    assert fetched["defaultVersionId"] == "1"
    assert fetched["policyArn"] == arn
    assert fetched["creationDate"] and fetched["lastModifiedDate"]


@pytest.mark.parametrize(
    "document",
    [
        ' {"Statement": {"Resource":"*",\n "Action":["iot:Publish"], "Effect":"Allow"},\t"Version":"2012-10-17"} ',
        '{"Version":"2012-10-17","Statement":[{"Sid":"\\u00e4","Effect":"Deny","NotAction":"iot:*","NotResource":"arn:aws:iot:*:*:topic/a"}]}',
        '{"Version":"2008-10-17","Id":"x","Statement":[]}',
        json.dumps(json.loads(DOCUMENT), indent=4) + " " * 5000,
    ],
)
def test_a_document_is_read_back_byte_for_byte(iot, name, document):
    try:
        iot.create_policy(policyName=name, policyDocument=document)
    except iot.exceptions.MalformedPolicyException:
        assert '"Statement":[]' in document, "only an empty document may be refused"
        return
    assert iot.get_policy(policyName=name)["policyDocument"] == document
    version = iot.get_policy_version(policyName=name, policyVersionId="1")
    assert version["policyDocument"] == document


def test_an_existing_name_always_conflicts(iot, name, created):
    with refused("ResourceAlreadyExistsException", saying=name):
        iot.create_policy(policyName=name, policyDocument=DOCUMENT)


def statement(**changes):
    one = {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"} | changes
    one = {key: value for key, value in one.items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [one]})


MALFORMED = {
    "not JSON": "hello",
    "half of it": DOCUMENT[:-1],
    "something after it": DOCUMENT + "x",
    "a list": "[]",
    "empty": "{}",
    "no statement": '{"Version":"2012-10-17"}',
    "an unknown version": '{"Version":"2020-01-01","Statement":[]}',
    "an unknown member": '{"Version":"2012-10-17","Statement":[],"Extra":1}',
    "an unknown effect": statement(Effect="Maybe"),
    "no effect": statement(Effect=None),
    "no action": statement(Action=None),
    "action and its opposite": statement(NotAction="iot:Publish"),
    "no resource": statement(Resource=None),
    "a principal": statement(Principal="*"),
    "an action that is a number": statement(Action=1),
    "an unknown operator": statement(Condition={"StringSounds": {"iot:ClientId": "a"}}),
    "a condition that is a text": statement(Condition="x"),
    "too long": statement(Resource=["arn:aws:iot:*:*:topic/" + "a" * 2048]),
}


@pytest.mark.parametrize("document", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_document_is_refused(iot, name, document):
    with refused("MalformedPolicyException") as caught:
        iot.create_policy(policyName=name, policyDocument=document)
    assert caught.value.response["Error"]["Message"]
    with refused("ResourceNotFoundException"):
        iot.get_policy(policyName=name)


def test_a_malformed_document_is_no_version_either(iot, name, created):
    with refused("MalformedPolicyException"):
        iot.create_policy_version(policyName=name, policyDocument="{}")
    assert versions(iot, name) == {"1": True}


def test_a_refusal_names_the_place(iot, name):
    with refused("MalformedPolicyException", saying="Effect"):
        iot.create_policy(policyName=name, policyDocument=MALFORMED["an unknown effect"])


@pytest.mark.parametrize("bad", ["a b", "a/b", "a" * 129])
def test_a_bad_name_is_refused(iot, bad):
    with refused("InvalidRequestException", saying="at 'policyName' failed to satisfy"):
        iot.create_policy(policyName=bad, policyDocument=DOCUMENT)


def test_there_are_five_versions_at_most_and_one_default(iot, name, created):
    for number in range(2, 6):
        document = policy(action=f"iot:Action{number}")
        version = iot.create_policy_version(policyName=name, policyDocument=document)
        assert version["policyVersionId"] == str(number)
        assert version["isDefaultVersion"] is False
        assert version["policyDocument"] == document
    saying = f"The policy {name} already has the maximum number of versions (5)"
    with refused("VersionsLimitExceededException", saying=saying):
        iot.create_policy_version(policyName=name, policyDocument=DOCUMENT)
    assert versions(iot, name) == {"1": True, "2": False, "3": False, "4": False, "5": False}
    iot.delete_policy_version(policyName=name, policyVersionId="3")
    iot.create_policy_version(policyName=name, policyDocument=DOCUMENT)
    assert set(versions(iot, name)) == {"1", "2", "4", "5", "6"}


def test_the_default_version_is_what_get_policy_returns(iot, name, created):
    other = policy(action="iot:Publish")
    version = iot.create_policy_version(policyName=name, policyDocument=other, setAsDefault=True)
    assert version["isDefaultVersion"] is True
    assert iot.get_policy(policyName=name)["policyDocument"] == other
    assert versions(iot, name) == {"1": False, "2": True}
    iot.set_default_policy_version(policyName=name, policyVersionId="1")
    fetched = iot.get_policy(policyName=name)
    assert (fetched["policyDocument"], fetched["defaultVersionId"]) == (DOCUMENT, "1")
    version = iot.get_policy_version(policyName=name, policyVersionId="2")
    assert (version["policyDocument"], version["isDefaultVersion"]) == (other, False)


def test_version_ids_are_never_used_again(iot, name, created):
    for number in range(2, 9):
        version = iot.create_policy_version(policyName=name, policyDocument=DOCUMENT)
        assert version["policyVersionId"] == str(number)
        iot.delete_policy_version(policyName=name, policyVersionId=str(number))


def test_the_default_version_is_not_deleted(iot, name, created):
    with refused("DeleteConflictException", saying="Cannot delete the default version of a policy"):
        iot.delete_policy_version(policyName=name, policyVersionId="1")


def test_what_is_unknown_is_not_found(iot, name, created):
    unknown = "u" + name
    for call in [
        lambda: iot.get_policy(policyName=unknown),
        lambda: iot.delete_policy(policyName=unknown),
        lambda: iot.list_policy_versions(policyName=unknown),
        lambda: iot.create_policy_version(policyName=unknown, policyDocument=DOCUMENT),
        lambda: iot.list_targets_for_policy(policyName=unknown),
        lambda: iot.get_policy_version(policyName=name, policyVersionId="9"),
        lambda: iot.set_default_policy_version(policyName=name, policyVersionId="9"),
        lambda: iot.delete_policy_version(policyName=name, policyVersionId="9"),
    ]:
        with refused("ResourceNotFoundException"):
            call()


def test_a_policy_with_versions_is_not_deleted(iot, name, created):
    iot.create_policy_version(policyName=name, policyDocument=DOCUMENT)
    saying = "Cannot delete the policy because it has one or more policy versions attached to it"
    with refused("DeleteConflictException", saying=saying):
        iot.delete_policy(policyName=name)
    iot.delete_policy_version(policyName=name, policyVersionId="2")
    iot.delete_policy(policyName=name)
    with refused("ResourceNotFoundException"):
        iot.get_policy(policyName=name)


def test_an_attached_policy_is_not_deleted(iot, name, created, certificate):
    iot.attach_policy(policyName=name, target=certificate["certificateArn"])
    saying = (
        "The policy cannot be deleted as the policy is attached to one or more principals "
        f"(name={name})"
    )
    with refused("DeleteConflictException", saying=saying):
        iot.delete_policy(policyName=name)
    iot.detach_policy(policyName=name, target=certificate["certificateArn"])
    iot.delete_policy(policyName=name)


def test_an_attachment_shows_on_both_sides_and_may_be_repeated(iot, name, created, certificate):
    arn = certificate["certificateArn"]
    assert iot.list_attached_policies(target=arn)["policies"] == []
    for _ in range(2):
        iot.attach_policy(policyName=name, target=arn)
    expected = [{"policyName": name, "policyArn": created["policyArn"]}]
    assert iot.list_attached_policies(target=arn)["policies"] == expected
    assert iot.list_targets_for_policy(policyName=name)["targets"] == [arn]
    iot.detach_policy(policyName=name, target=arn)
    assert iot.list_attached_policies(target=arn)["policies"] == []
    assert iot.list_targets_for_policy(policyName=name)["targets"] == []


def test_the_old_forms_of_attaching_do_the_same(iot, name, created, certificate):
    arn = certificate["certificateArn"]
    iot.attach_principal_policy(policyName=name, principal=arn)
    assert names(iot.list_attached_policies(target=arn)["policies"]) == [name]
    assert names(iot.list_principal_policies(principal=arn)["policies"]) == [name]
    assert len(iot.list_policy_principals(policyName=name)["principals"]) == 1
    iot.detach_principal_policy(policyName=name, principal=arn)
    assert iot.list_principal_policies(principal=arn)["policies"] == []
    assert iot.list_policy_principals(policyName=name)["principals"] == []


def test_a_target_has_ten_policies_at_most(iot, name, certificate):
    arn = certificate["certificateArn"]
    for number in range(11):
        iot.create_policy(policyName=f"{name}-{number}", policyDocument=DOCUMENT)
    for number in range(10):
        iot.attach_policy(policyName=f"{name}-{number}", target=arn)
    with refused("LimitExceededException"):
        iot.attach_policy(policyName=f"{name}-10", target=arn)
    iot.attach_policy(policyName=f"{name}-0", target=arn)
    iot.detach_policy(policyName=f"{name}-0", target=arn)
    iot.attach_policy(policyName=f"{name}-10", target=arn)
    assert len(iot.list_attached_policies(target=arn)["policies"]) == 10


def test_attaching_something_unknown_is_refused(iot, name, created, certificate):
    nobody = f"arn:aws:iot:{REGION}:{ACCOUNT}:cert/{'0' * 64}"
    group = f"arn:aws:iot:{REGION}:{ACCOUNT}:thinggroup/unknown"
    with refused("ResourceNotFoundException"):
        iot.attach_policy(policyName="u" + name, target=certificate["certificateArn"])
    with refused("ResourceNotFoundException"):
        iot.attach_policy(policyName=name, target=nobody)
    with refused("ResourceNotFoundException", saying=group):
        iot.attach_policy(policyName=name, target=group)
    with refused("InvalidRequestException"):
        iot.attach_policy(policyName=name, target="hello")
    assert iot.list_targets_for_policy(policyName=name)["targets"] == []


def tried_out(iot, action, *resources, **more):
    """The only result of TestAuthorization."""
    resources = [f"arn:aws:iot:{REGION}:{ACCOUNT}:{resource}" for resource in resources]
    infos = [{"actionType": action, "resources": resources}]
    answer = iot.test_authorization(authInfos=infos, **more)
    [result] = answer["authResults"]
    assert result["authInfo"] == infos[0]
    return result


def test_an_authorization_is_tested_beforehand(iot, name, certificate):
    arn = certificate["certificateArn"]
    topics = f"arn:aws:iot:{REGION}:{ACCOUNT}:topic"
    allows = iot.create_policy(policyName=name, policyDocument=policy("iot:Publish", f"{topics}/*"))
    denies = iot.create_policy(
        policyName=name + "-no", policyDocument=policy("iot:Publish", f"{topics}/secret", "Deny")
    )
    listed = [
        {"policyName": one["policyName"], "policyArn": one["policyArn"]} for one in (allows, denies)
    ]
    for one in listed:
        iot.attach_policy(policyName=one["policyName"], target=arn)
    assert tried_out(iot, "PUBLISH", "topic/open", principal=arn) == {
        "authInfo": {"actionType": "PUBLISH", "resources": [f"{topics}/open"]},
        "allowed": {"policies": [listed[0]]},
        "denied": {"implicitDeny": {"policies": [listed[1]]}, "explicitDeny": {"policies": []}},
        "authDecision": "ALLOWED",
        "missingContextValues": [],
    }
    result = tried_out(iot, "PUBLISH", "topic/open", "topic/secret", principal=arn)
    assert result["authDecision"] == "EXPLICIT_DENY"
    assert result["denied"]["explicitDeny"]["policies"] == [listed[1]]
    assert tried_out(iot, "RECEIVE", "topic/a", principal=arn)["authDecision"] == "IMPLICIT_DENY"
    skipped = tried_out(
        iot, "PUBLISH", "topic/secret", principal=arn, policyNamesToSkip=[name + "-no"]
    )
    assert skipped["authDecision"] == "ALLOWED"


def test_an_authorization_says_which_values_it_misses(iot, name, certificate):
    own = f"arn:aws:iot:{REGION}:{ACCOUNT}:client/${{iot:Connection.Thing.ThingName}}"
    iot.create_policy(policyName=name, policyDocument=policy(resource=own))
    iot.create_thing(thingName=name)
    iot.attach_thing_principal(thingName=name, principal=certificate["certificateArn"])
    trial = {"principal": certificate["certificateArn"], "policyNamesToAdd": [name]}
    result = tried_out(iot, "CONNECT", f"client/{name}", **trial)
    assert result["authDecision"] == "IMPLICIT_DENY"
    assert result["missingContextValues"] == ["iot:Connection.Thing.ThingName"]
    result = tried_out(iot, "CONNECT", f"client/{name}", clientId=name, **trial)
    assert (result["authDecision"], result["missingContextValues"]) == ("ALLOWED", [])


def test_what_cannot_be_tested_is_refused(iot, name, certificate):
    arn = certificate["certificateArn"]
    nobody = f"arn:aws:iot:{REGION}:{ACCOUNT}:cert/{'0' * 64}"
    with refused("ResourceNotFoundException"):
        tried_out(iot, "PUBLISH", "topic/a", principal=nobody)
    with refused("ResourceNotFoundException", saying=name):
        tried_out(iot, "PUBLISH", "topic/a", principal=arn, policyNamesToAdd=[name])
    with refused("InvalidRequestException"):
        tried_out(iot, "PUBLISH", "topic/a")
    with refused("InvalidRequestException"):
        tried_out(iot, "FLY", "topic/a", principal=arn)
    with refused("InvalidRequestException", saying="authInfos"):
        info = {"actionType": "PUBLISH", "resources": [nobody]}
        iot.test_authorization(principal=arn, authInfos=[info] * 11)
    with refused("InvalidRequestException", saying="ARN"):
        infos = [{"actionType": "PUBLISH", "resources": ["topic/a"]}]
        iot.test_authorization(principal=arn, authInfos=infos)


def test_the_policies_that_count_are_listed(iot, name, created, certificate):
    arn = certificate["certificateArn"]
    assert iot.get_effective_policies(principal=arn)["effectivePolicies"] == []
    iot.attach_policy(policyName=name, target=arn)
    iot.create_thing(thingName=name)
    for more in [{}, {"thingName": name}]:
        effective = iot.get_effective_policies(principal=arn, **more)["effectivePolicies"]
        expected = {"policyName": name, "policyArn": created["policyArn"]}
        assert effective == [expected | {"policyDocument": DOCUMENT}]
    with refused("ResourceNotFoundException", saying="u" + name):
        iot.get_effective_policies(principal=arn, thingName="u" + name)
    with refused("InvalidRequestException"):
        iot.get_effective_policies()


def tags(iot, arn):
    return {tag["Key"]: tag["Value"] for tag in iot.list_tags_for_resource(resourceArn=arn)["tags"]}


def test_a_policy_carries_tags(iot, name):
    created = iot.create_policy(
        policyName=name, policyDocument=DOCUMENT, tags=[{"Key": "a", "Value": "1"}]
    )
    arn = created["policyArn"]
    assert tags(iot, arn) == {"a": "1"}
    iot.tag_resource(resourceArn=arn, tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": ""}])
    assert tags(iot, arn) == {"a": "2", "b": ""}
    iot.untag_resource(resourceArn=arn, tagKeys=["a", "unknown"])
    assert tags(iot, arn) == {"b": ""}


def test_tags_go_with_their_policy(iot, name):
    arn = iot.create_policy(
        policyName=name, policyDocument=DOCUMENT, tags=[{"Key": "a", "Value": "1"}]
    )["policyArn"]
    iot.delete_policy(policyName=name)
    with refused("ResourceNotFoundException"):
        iot.list_tags_for_resource(resourceArn=arn)
    iot.create_policy(policyName=name, policyDocument=DOCUMENT)
    assert tags(iot, arn) == {}


def test_what_carries_no_tags_is_refused(iot, name, certificate):
    thing = iot.create_thing(thingName=name)["thingArn"]
    tag = [{"Key": "a", "Value": "1"}]
    for arn in [thing, certificate["certificateArn"], "hello"]:
        with refused("InvalidRequestException"):
            iot.tag_resource(resourceArn=arn, tags=tag)
    with refused("ResourceNotFoundException"):
        iot.tag_resource(resourceArn=f"arn:aws:iot:{REGION}:{ACCOUNT}:policy/u{name}", tags=tag)

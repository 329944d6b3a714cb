"""The story of one device, told by boto3: from its thing to its deletion, refusals included."""

from documents import policy
from harness import ACCOUNT, REGION, refused


def test_a_device_is_provisioned_used_and_retired(fresh):
    iot = fresh.client()
    thing = iot.create_thing(
        thingName="pump", attributePayload={"attributes": {"site": "north"}}
    )
    keys = iot.create_keys_and_certificate(setAsActive=True)
    arn, certificate_id = keys["certificateArn"], keys["certificateId"]
    allowed = f"arn:aws:iot:{REGION}:{ACCOUNT}:client/pump"
    created = iot.create_policy(policyName="pumps", policyDocument=policy(resource=allowed))

    iot.attach_policy(policyName="pumps", target=arn)
    iot.attach_thing_principal(thingName="pump", principal=arn)
    attached = [{"policyName": "pumps", "policyArn": created["policyArn"]}]
    assert iot.list_attached_policies(target=arn)["policies"] == attached
    assert iot.list_policies()["policies"] == attached
    assert iot.list_principal_things(principal=arn)["things"] == ["pump"]
    assert iot.list_thing_principals(thingName="pump")["principals"] == [arn]
    (certificate,) = iot.list_certificates()["certificates"]
    assert (certificate["certificateId"], certificate["status"]) == (certificate_id, "ACTIVE")

    iot.update_thing(
        thingName="pump",
        attributePayload={"attributes": {"floor": "2"}, "merge": True},
        expectedVersion=1,
    )
    described = iot.describe_thing(thingName="pump")
    assert described["attributes"] == {"site": "north", "floor": "2"}
    assert (described["version"], described["thingId"]) == (2, thing["thingId"])
    (listed,) = iot.list_things(attributeName="floor", attributeValue="2")["things"]
    assert listed["thingArn"] == thing["thingArn"]

    refuse_everything_too_early(iot, arn, certificate_id)
    retire(iot, arn, certificate_id)

    assert iot.list_things()["things"] == []
    assert iot.list_certificates()["certificates"] == []
    assert iot.list_policies()["policies"] == []


def refuse_everything_too_early(iot, arn, certificate_id):
    with refused("InvalidRequestException"):
        iot.delete_thing(thingName="pump")
    with refused("CertificateStateException"):
        iot.delete_certificate(certificateId=certificate_id)
    with refused("DeleteConflictException"):
        iot.delete_policy(policyName="pumps")
    with refused("ResourceAlreadyExistsException"):
        iot.create_thing(thingName="pump")
    with refused("ResourceAlreadyExistsException"):
        iot.create_policy(policyName="pumps", policyDocument=policy())
    with refused("VersionConflictException"):
        iot.update_thing(thingName="pump", expectedVersion=1)
    with refused("ResourceNotFoundException"):
        iot.attach_policy(policyName="valves", target=arn)
    with refused("ResourceNotFoundException"):
        iot.attach_thing_principal(thingName="valve", principal=arn)


def retire(iot, arn, certificate_id):
    iot.detach_thing_principal(thingName="pump", principal=arn)
    iot.detach_policy(policyName="pumps", target=arn)
    iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
    iot.delete_certificate(certificateId=certificate_id)
    iot.delete_policy(policyName="pumps")
    iot.delete_thing(thingName="pump")


def test_the_story_survives_a_restart(fresh):
    iot = fresh.client()
    thing = iot.create_thing(thingName="pump")
    keys = iot.create_keys_and_certificate(setAsActive=True)
    iot.create_policy(policyName="pumps", policyDocument=policy())
    iot.attach_policy(policyName="pumps", target=keys["certificateArn"])
    token = iot.list_certificates(pageSize=1).get("nextMarker")
    assert token is None
    assert fresh.stop() == 0
    fresh.start()
    assert iot.describe_thing(thingName="pump")["thingId"] == thing["thingId"]
    assert len(iot.list_attached_policies(target=keys["certificateArn"])["policies"]) == 1

"""What infrastructure as code is made of: each resource, and the calls that tools make for it.

Terraform's provider and CloudFormation's handlers call in this order: create, read; read again and
compare; change, read; and delete from the last to the first. A later resource is one more entry.
"""

from dataclasses import dataclass
from functools import cache

import documents
from harness import ACCOUNT, REGION

GONE = "ResourceNotFoundException"
UNKNOWN_RULE = "UnauthorizedException"
TAKEN = "ResourceAlreadyExistsException"


@dataclass
class Resource:
    """A resource by its calls, each an operation and its request.

    What is callable in a request is called with what was made before: resource by resource, the
    answer to its creation.
    """

    name: str
    create: tuple
    # Each is followed by what its answer holds.
    read: list
    change: list
    # What the reads hold after the change.
    changed: list
    delete: list
    # What creating it once more is refused with, unless it is answered like the first time. A tool
    # that is given a new id each time never creates twice.
    taken: str | None = None
    is_created_once: bool = False
    # What each call of `delete` is refused with when it is made once more, unless it passes.
    deleted: tuple = ()
    # Whether it is there also when it was never created.
    stays: bool = False
    # Whether it is younger than the AWS CLI that Debian has.
    is_new: bool = False


def arn(name, member):
    """The member of what was answered when the resource of this name was created."""
    return lambda made: made[name][member]


def tags(**pairs):
    return {"tags": [{"Key": key, "Value": value} for key, value in pairs.items()]}


FIRST, SECOND = tags(site="north", stage="test"), tags(site="south", owner="mill")


def read_tags(name, member):
    """The read of a resource's tags, whose ARN is this member of its answer."""
    return ("ListTagsForResource", {"resourceArn": arn(name, member)}, FIRST)


def change_tags(name, member):
    resource = {"resourceArn": arn(name, member)}
    return [
        ("UntagResource", resource | {"tagKeys": ["stage"]}),
        ("TagResource", resource | SECOND),
    ]


def document(*actions):
    return documents.policy(list(actions))


# Certificates and requests of one's own are the same for every tool.


@cache
def ca(name):
    """The key, the subject and the text of a root."""
    key, subject = documents.ec_key(), documents.subject(f"Mill {name}")
    return key, subject, documents.issued(key, subject, ca=True)


@cache
def signed(ca_name, common_name):
    key, issuer, _ = ca(ca_name)
    return documents.issued(documents.ec_key(), documents.subject(common_name), issuer, key)


@cache
def signing_request():
    return documents.signing_request(documents.ec_key(), "as code")


@cache
def alone():
    return documents.self_signed("alone")


def own_files(code):
    """What is made outside, by the names of its files; `code` is the registration code."""
    return {
        "request.pem": signing_request(),
        "alone.pem": alone(),
        "ca.pem": ca("with a key")[2],
        "sni-ca.pem": ca("by SNI")[2],
        "signed.pem": signed("with a key", "lamp"),
        "verification.pem": signed("with a key", code),
    }


def own(file):
    return lambda made: own_files(made["registration code"]["registrationCode"])[file]


def certificate(name, create, request, **more):
    """A certificate by one of the ways to have one: active first, then inactive."""
    by_id = {"certificateId": arn(name, "certificateId")}
    described = {"certificateArn": arn(name, "certificateArn")}
    return Resource(
        name=name,
        create=(create, request),
        read=[
            (
                "DescribeCertificate",
                by_id,
                {"certificateDescription": described | {"status": "ACTIVE"}},
            )
        ],
        change=[("UpdateCertificate", by_id | {"newStatus": "INACTIVE"})],
        changed=[{"certificateDescription": described | {"status": "INACTIVE"}}],
        delete=[
            ("UpdateCertificate", by_id | {"newStatus": "INACTIVE"}),
            ("DeleteCertificate", by_id),
        ],
        deleted=(GONE, GONE),
        **more,
    )


def ca_certificate(name, request, described):
    """A certificate authority, by which devices may register themselves at first and not later."""
    by_id = {"certificateId": arn(name, "certificateId")}
    registration = {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/provision", "templateName": "lamps"}
    first = {"status": "ACTIVE", "autoRegistrationStatus": "ENABLE"}
    second = {"status": "ACTIVE", "autoRegistrationStatus": "DISABLE"}
    return Resource(
        name=name,
        create=(
            "RegisterCACertificate",
            request
            | {
                "setAsActive": True,
                "allowAutoRegistration": True,
                "registrationConfig": registration,
            }
            | FIRST,
        ),
        read=[
            (
                "DescribeCACertificate",
                by_id,
                {
                    "certificateDescription": described | first,
                    "registrationConfig": registration,
                },
            ),
            read_tags(name, "certificateArn"),
        ],
        change=[
            (
                "UpdateCACertificate",
                by_id | {"newStatus": "ACTIVE", "newAutoRegistrationStatus": "DISABLE"},
            ),
            *change_tags(name, "certificateArn"),
        ],
        changed=[{"certificateDescription": described | second}, SECOND],
        delete=[
            ("UpdateCACertificate", by_id | {"newStatus": "INACTIVE"}),
            ("DeleteCACertificate", by_id),
        ],
        taken=TAKEN,
        deleted=(GONE, GONE),
    )


def group(name, answer, create, read, update, delete, properties, **request):
    """A group of any kind: created with a description, then described anew."""
    name_member, arn_member = f"{answer}Name", f"{answer}Arn"
    by_name = {name_member: name}
    described = f"{answer}Description"

    def with_description(text):
        return {properties: {described: text}}

    return Resource(
        name=name,
        create=(create, by_name | with_description("first") | request | FIRST),
        read=[
            (read, by_name, with_description("first") | {"version": 1}),
            read_tags(name, arn_member),
        ],
        change=[
            (update, by_name | with_description("second") | {"expectedVersion": 1}),
            *change_tags(name, arn_member),
        ],
        changed=[with_description("second") | {"version": 2}, SECOND],
        delete=[(delete, by_name)],
    )


def thing_group(name, **request):
    calls = ("CreateThingGroup", "DescribeThingGroup", "UpdateThingGroup", "DeleteThingGroup")
    return group(name, "thingGroup", *calls, "thingGroupProperties", **request)


REGISTRATION_CODE = Resource(
    name="registration code",
    create=("GetRegistrationCode", {}),
    read=[("GetRegistrationCode", {}, {})],
    change=[],
    changed=[{}],
    delete=[("DeleteRegistrationCode", {})],
    deleted=(GONE,),
    # A new one is made for whoever asks.
    stays=True,
)

THING_TYPE = Resource(
    name="thing type",
    create=(
        "CreateThingType",
        {
            "thingTypeName": "lamp",
            "thingTypeProperties": {
                "thingTypeDescription": "Lamps",
                "searchableAttributes": ["room", "side"],
            },
        }
        | FIRST,
    ),
    read=[
        (
            "DescribeThingType",
            {"thingTypeName": "lamp"},
            {
                "thingTypeProperties": {
                    "thingTypeDescription": "Lamps",
                    "searchableAttributes": ["room", "side"],
                },
                "thingTypeMetadata": {"deprecated": False},
            },
        ),
        read_tags("thing type", "thingTypeArn"),
    ],
    change=[
        ("DeprecateThingType", {"thingTypeName": "lamp"}),
        ("DeprecateThingType", {"thingTypeName": "lamp", "undoDeprecate": True}),
        *change_tags("thing type", "thingTypeArn"),
    ],
    changed=[{"thingTypeMetadata": {"deprecated": False}}, SECOND],
    delete=[
        ("DeprecateThingType", {"thingTypeName": "lamp"}),
        ("DeleteThingType", {"thingTypeName": "lamp"}),
    ],
    deleted=(GONE, GONE),
)


def propagates(key):
    propagated = {"propagatingAttributes": [{"userPropertyKey": key, "thingAttribute": "room"}]}
    return {"thingTypeProperties": {"mqtt5Configuration": propagated}}


PROPAGATING_TYPE = Resource(
    name="thing type that propagates",
    create=("CreateThingType", {"thingTypeName": "wired"} | propagates("first")),
    read=[("DescribeThingType", {"thingTypeName": "wired"}, propagates("first"))],
    change=[("UpdateThingType", {"thingTypeName": "wired"} | propagates("second"))],
    changed=[propagates("second")],
    delete=[
        ("DeprecateThingType", {"thingTypeName": "wired"}),
        ("DeleteThingType", {"thingTypeName": "wired"}),
    ],
    deleted=(GONE, GONE),
    is_new=True,
)

PARENT_GROUP = thing_group("house")
CHILD_GROUP = thing_group("room", parentGroupName="house")

DYNAMIC_GROUP = group(
    "warm",
    "thingGroup",
    "CreateDynamicThingGroup",
    "DescribeThingGroup",
    "UpdateDynamicThingGroup",
    "DeleteDynamicThingGroup",
    "thingGroupProperties",
    queryString="attributes.side:south",
)

BILLING_GROUP = group(
    "costs",
    "billingGroup",
    "CreateBillingGroup",
    "DescribeBillingGroup",
    "UpdateBillingGroup",
    "DeleteBillingGroup",
    "billingGroupProperties",
)

THING = Resource(
    name="thing",
    create=(
        "CreateThing",
        {
            "thingName": "bulb",
            "thingTypeName": "lamp",
            "attributePayload": {"attributes": {"room": "1", "side": "south"}},
            "billingGroupName": "costs",
        },
    ),
    read=[
        (
            "DescribeThing",
            {"thingName": "bulb"},
            {
                "attributes": {"room": "1", "side": "south"},
                "thingTypeName": "lamp",
                "billingGroupName": "costs",
                "version": 1,
            },
        )
    ],
    change=[
        (
            "UpdateThing",
            {"thingName": "bulb", "attributePayload": {"attributes": {"room": "2"}}},
        )
    ],
    changed=[{"attributes": {"room": "2"}, "thingTypeName": "lamp", "version": 2}],
    delete=[("DeleteThing", {"thingName": "bulb"})],
)

BARE_THING = Resource(
    name="bare thing",
    create=("CreateThing", {"thingName": "bare"}),
    read=[("DescribeThing", {"thingName": "bare"}, {"thingName": "bare", "attributes": {}})],
    change=[("UpdateThing", {"thingName": "bare", "thingTypeName": "lamp"})],
    changed=[{"thingTypeName": "lamp"}],
    delete=[
        ("UpdateThing", {"thingName": "bare", "removeThingType": True}),
        ("DeleteThing", {"thingName": "bare"}),
    ],
    deleted=(GONE, None),
)

MEMBER = {"thingName": "bulb", "thingGroupName": "room"}
MEMBERSHIP = Resource(
    name="membership",
    create=("AddThingToThingGroup", MEMBER),
    read=[
        (
            "ListThingGroupsForThing",
            {"thingName": "bulb"},
            {"thingGroups": [{"groupName": "room"}, {"groupName": "house"}]},
        ),
        ("ListThingsInThingGroup", {"thingGroupName": "room"}, {"things": ["bulb"]}),
    ],
    change=[],
    changed=[{}, {}],
    delete=[("RemoveThingFromThingGroup", MEMBER)],
)

POLICY = Resource(
    name="policy",
    create=(
        "CreatePolicy",
        {"policyName": "lamps", "policyDocument": document("iot:Connect")} | FIRST,
    ),
    read=[
        (
            "GetPolicy",
            {"policyName": "lamps"},
            {"policyDocument": document("iot:Connect"), "defaultVersionId": "1"},
        ),
        ("ListPolicyVersions", {"policyName": "lamps"}, {"policyVersions": [{"versionId": "1"}]}),
        read_tags("policy", "policyArn"),
    ],
    change=[
        (
            "CreatePolicyVersion",
            {
                "policyName": "lamps",
                "policyDocument": document("iot:Connect", "iot:Publish"),
                "setAsDefault": True,
            },
        ),
        *change_tags("policy", "policyArn"),
    ],
    changed=[
        {"policyDocument": document("iot:Connect", "iot:Publish"), "defaultVersionId": "2"},
        {
            "policyVersions": [
                {"versionId": "1", "isDefaultVersion": False},
                {"versionId": "2", "isDefaultVersion": True},
            ]
        },
        SECOND,
    ],
    delete=[
        ("DeletePolicyVersion", {"policyName": "lamps", "policyVersionId": "1"}),
        ("DeletePolicy", {"policyName": "lamps"}),
    ],
    taken=TAKEN,
    deleted=(GONE, GONE),
)

PROVIDER_NAME = {"certificateProviderName": "mill"}


def function(name):
    return {"lambdaFunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"}


CERTIFICATE_PROVIDER = Resource(
    name="certificate provider",
    create=(
        "CreateCertificateProvider",
        PROVIDER_NAME
        | function("first")
        | {"accountDefaultForOperations": ["CreateCertificateFromCsr"]}
        | FIRST,
    ),
    read=[
        ("DescribeCertificateProvider", PROVIDER_NAME, function("first")),
        read_tags("certificate provider", "certificateProviderArn"),
    ],
    change=[
        ("UpdateCertificateProvider", PROVIDER_NAME | function("second")),
        *change_tags("certificate provider", "certificateProviderArn"),
    ],
    changed=[function("second"), SECOND],
    delete=[("DeleteCertificateProvider", PROVIDER_NAME)],
    taken=TAKEN,
    deleted=(GONE,),
    is_new=True,
)


def policy_attachment(name, target, deleted):
    attached = {"policyName": "lamps", "target": target}
    return Resource(
        name=name,
        create=("AttachPolicy", attached),
        read=[
            (
                "ListAttachedPolicies",
                {"target": target, "pageSize": 250},
                {"policies": [{"policyName": "lamps"}]},
            )
        ],
        change=[],
        changed=[{}],
        delete=[("DetachPolicy", attached)],
        deleted=deleted,
    )


def principal_attachment(name, thing, principal, is_new=False, **more):
    attached = {"thingName": thing, "principal": principal}
    v2 = [
        (
            "ListThingPrincipalsV2",
            {"thingName": thing},
            {"thingPrincipalObjects": [{"principal": principal} | more]},
        )
    ]
    reads = [
        ("ListThingPrincipals", {"thingName": thing}, {"principals": [principal]}),
        ("ListPrincipalThings", {"principal": principal}, {"things": [thing]}),
    ]
    reads = reads + v2 if is_new else reads
    return Resource(
        name=name,
        create=("AttachThingPrincipal", attached | more),
        read=reads,
        change=[],
        changed=[{}] * len(reads),
        delete=[("DetachThingPrincipal", attached)],
        is_new=is_new,
    )


def switched(*kinds, is_on=True):
    return {"eventConfigurations": {kind: {"Enabled": is_on} for kind in kinds}}


EVENTS = Resource(
    name="event configurations",
    create=("UpdateEventConfigurations", switched("THING")),
    read=[("DescribeEventConfigurations", {}, switched("THING"))],
    change=[("UpdateEventConfigurations", switched("THING", "CERTIFICATE"))],
    changed=[switched("THING", "CERTIFICATE")],
    # No tool takes them back.
    delete=[("UpdateEventConfigurations", switched("THING", "CERTIFICATE", is_on=False))],
    stays=True,
)


def rule_payload(degrees, **more):
    """What a rule does that republishes what is hotter."""
    role = f"arn:aws:iam::{ACCOUNT}:role/rules"
    return {
        "sql": f"SELECT *  FROM 'plant/+/heat'\nWHERE degrees > {degrees}",
        "actions": [{"republish": {"topic": "hot/${topic(2)}", "roleArn": role, "qos": 1}}],
        "errorAction": {"republish": {"topic": "failed", "roleArn": role}},
        "awsIotSqlVersion": "2016-03-23",
    } | more


TOPIC_RULE_ARN = f"arn:aws:iot:{REGION}:{ACCOUNT}:rule/hot"
TOPIC_RULE = Resource(
    name="topic rule",
    create=(
        "CreateTopicRule",
        {
            "ruleName": "hot",
            "topicRulePayload": rule_payload(50, description="first", ruleDisabled=False),
            "tags": "site=north&stage=test",
        },
    ),
    read=[
        (
            "GetTopicRule",
            {"ruleName": "hot"},
            {
                "ruleArn": TOPIC_RULE_ARN,
                "rule": rule_payload(50, description="first", ruleDisabled=False),
            },
        ),
        ("ListTopicRules", {}, {"rules": [{"ruleName": "hot", "ruleDisabled": False}]}),
        ("ListTagsForResource", {"resourceArn": TOPIC_RULE_ARN}, FIRST),
    ],
    change=[
        (
            "ReplaceTopicRule",
            {"ruleName": "hot", "topicRulePayload": rule_payload(60, ruleDisabled=True)},
        ),
        ("UntagResource", {"resourceArn": TOPIC_RULE_ARN, "tagKeys": ["stage"]}),
        ("TagResource", {"resourceArn": TOPIC_RULE_ARN} | SECOND),
    ],
    changed=[
        {"rule": rule_payload(60, ruleDisabled=True)},
        {"rules": [{"ruleName": "hot", "ruleDisabled": True}]},
        SECOND,
    ],
    delete=[("DeleteTopicRule", {"ruleName": "hot"})],
    taken=TAKEN,
)


# In the order in which they are created; later ones name earlier ones.
RESOURCES = [
    REGISTRATION_CODE,
    THING_TYPE,
    PROPAGATING_TYPE,
    PARENT_GROUP,
    CHILD_GROUP,
    DYNAMIC_GROUP,
    BILLING_GROUP,
    THING,
    BARE_THING,
    MEMBERSHIP,
    POLICY,
    ca_certificate(
        "CA by its key",
        {"caCertificate": own("ca.pem"), "verificationCertificate": own("verification.pem")},
        {"certificateMode": "DEFAULT"},
    ),
    ca_certificate(
        "CA by SNI",
        {"caCertificate": own("sni-ca.pem"), "certificateMode": "SNI_ONLY"},
        {"certificateMode": "SNI_ONLY"},
    ),
    certificate(
        "keys", "CreateKeysAndCertificate", {"setAsActive": True}, is_created_once=True
    ),
    certificate(
        "request",
        "CreateCertificateFromCsr",
        {"certificateSigningRequest": own("request.pem"), "setAsActive": True},
        is_created_once=True,
    ),
    certificate(
        "alone",
        "RegisterCertificateWithoutCA",
        {"certificatePem": own("alone.pem"), "status": "ACTIVE"},
        taken=TAKEN,
    ),
    certificate(
        "signed",
        "RegisterCertificate",
        {
            "certificatePem": own("signed.pem"),
            "caCertificatePem": own("ca.pem"),
            "status": "ACTIVE",
        },
        taken=TAKEN,
    ),
    CERTIFICATE_PROVIDER,
    TOPIC_RULE,
    policy_attachment("policy of a certificate", arn("keys", "certificateArn"), (GONE,)),
    policy_attachment("policy of a group", arn("house", "thingGroupArn"), (GONE,)),
    principal_attachment("principal", "bulb", arn("keys", "certificateArn")),
    principal_attachment(
        "exclusive principal",
        "bare",
        arn("alone", "certificateArn"),
        thingPrincipalType="EXCLUSIVE_THING",
        is_new=True,
    ),
    EVENTS,
]

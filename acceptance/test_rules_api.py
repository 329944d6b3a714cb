"""Rules and their destinations, as administrators keep them: what is stored, listed, refused."""

import json

import pytest

from harness import ACCOUNT, REGION, refused

ROLE = f"arn:aws:iam::{ACCOUNT}:role/rules"
SQL = "SELECT * FROM 'plant/+/heat' WHERE degrees > 50"
REPUBLISH = {"republish": {"topic": "hot/${topic(2)}", "roleArn": ROLE, "qos": 1}}


@pytest.fixture
def rule(name):
    """The name of a rule, which has no hyphens."""
    return name.replace("-", "_")


def arn(rule):
    return f"arn:aws:iot:{REGION}:{ACCOUNT}:rule/{rule}"


def payload(**more):
    return {"sql": SQL, "actions": [REPUBLISH]} | more


def test_a_rule_is_kept_to_the_letter(iot, rule):
    whole = payload(
        sql="SELECT *,\n  topic() AS t  FROM 'a/#'\n",
        description="it's hot",
        awsIotSqlVersion="2016-03-23",
        ruleDisabled=True,
        errorAction={"sqs": {"queueUrl": "https://example.com/q", "roleArn": ROLE}},
    )
    iot.create_topic_rule(ruleName=rule, topicRulePayload=whole)
    got = iot.get_topic_rule(ruleName=rule)
    assert got["ruleArn"] == arn(rule)
    created = got["rule"].pop("createdAt")
    assert created.year > 2000
    assert got["rule"] == whole | {"ruleName": rule}
    with refused("ResourceAlreadyExistsException", saying=rule) as caught:
        iot.create_topic_rule(ruleName=rule, topicRulePayload=whole)
    assert caught.value.response["resourceArn"] == arn(rule)
    iot.replace_topic_rule(ruleName=rule, topicRulePayload=payload())
    again = iot.get_topic_rule(ruleName=rule)["rule"]
    assert again.pop("createdAt") == created
    assert again == payload(ruleName=rule, ruleDisabled=False)


def test_a_rule_is_turned_off_listed_and_deleted(iot, rule):
    iot.create_topic_rule(ruleName=rule, topicRulePayload=payload(sql=f"SELECT * FROM '{rule}/+'"))
    iot.disable_topic_rule(ruleName=rule)
    (listed,) = iot.list_topic_rules(topic=f"{rule}/a", ruleDisabled=True)["rules"]
    assert listed.pop("createdAt").year > 2000
    assert listed == {
        "ruleName": rule,
        "ruleArn": arn(rule),
        "topicPattern": f"{rule}/+",
        "ruleDisabled": True,
    }
    iot.enable_topic_rule(ruleName=rule)
    assert iot.list_topic_rules(topic=f"{rule}/a", ruleDisabled=True)["rules"] == []
    for _ in range(2):
        iot.delete_topic_rule(ruleName=rule)
    assert iot.list_topic_rules(topic=f"{rule}/a")["rules"] == []


def test_access_to_an_unknown_rule_is_denied(iot, rule):
    denied = f"Access to topic rule '{rule}' was denied"
    for call in (
        lambda: iot.get_topic_rule(ruleName=rule),
        lambda: iot.enable_topic_rule(ruleName=rule),
        lambda: iot.disable_topic_rule(ruleName=rule),
        lambda: iot.replace_topic_rule(ruleName=rule, topicRulePayload=payload()),
    ):
        with refused("UnauthorizedException", saying=denied):
            call()


def test_a_rule_that_is_wrong_says_so(raw_iot, rule):
    def create(**more):
        raw_iot.create_topic_rule(ruleName=rule, topicRulePayload=payload(**more))

    with refused("SqlParseException"):
        create(sql="SELEC * FRM")
    with refused("SqlParseException", saying="s3.key"):
        create(actions=[{"s3": {"bucketName": "b", "key": "${", "roleArn": ROLE}}])
    with refused("InvalidRequestException", saying="awsIotSqlVersion"):
        create(awsIotSqlVersion="2017-01-01")
    with refused("InvalidRequestException", saying="Member must have length less than"):
        create(actions=[REPUBLISH] * 11)
    with refused("InvalidRequestException", saying="cannedAcl"):
        s3 = {"bucketName": "b", "key": "k", "roleArn": ROLE, "cannedAcl": "everybody"}
        create(actions=[{"s3": s3}])
    with refused("InvalidRequestException", saying="exactly one"):
        create(actions=[{}])
    with refused("InvalidRequestException", saying="roleArn"):
        create(actions=[{"kinesis": {"streamName": "s"}}])
    with refused("NotImplementedException", saying="kafka"):
        kafka = {"destinationArn": arn("x"), "topic": "t", "clientProperties": {}}
        create(actions=[{"kafka": kafka}])
    with refused("InvalidRequestException", saying="ruleName"):
        raw_iot.create_topic_rule(ruleName="with-hyphen", topicRulePayload=payload())
    with refused("UnauthorizedException"):
        raw_iot.get_topic_rule(ruleName=rule)


def test_rules_are_listed_in_pages(iot, rule):
    names = [f"{rule}_{number}" for number in range(5)]
    for one in names:
        of_one = payload(sql=f"SELECT * FROM '{rule}/#'")
        iot.create_topic_rule(ruleName=one, topicRulePayload=of_one)
    pages = list(
        iot.get_paginator("list_topic_rules").paginate(
            topic=f"{rule}/a", PaginationConfig={"PageSize": 2}
        )
    )
    assert [[item["ruleName"] for item in page["rules"]] for page in pages] == [
        names[:2],
        names[2:4],
        names[4:],
    ]


def test_a_rule_has_tags(iot, rule):
    iot.create_topic_rule(
        ruleName=rule, topicRulePayload=payload(), tags="site=north%20side&stage=test"
    )
    tags = {"Key": "site", "Value": "north side"}, {"Key": "stage", "Value": "test"}
    assert iot.list_tags_for_resource(resourceArn=arn(rule))["tags"] == list(tags)
    iot.untag_resource(resourceArn=arn(rule), tagKeys=["stage"])
    assert iot.list_tags_for_resource(resourceArn=arn(rule))["tags"] == [tags[0]]
    iot.delete_topic_rule(ruleName=rule)
    with refused("ResourceNotFoundException"):
        iot.list_tags_for_resource(resourceArn=arn(rule))


@pytest.fixture
def limited(server, tmp_path):
    """Makes a client whose access key has the policy of these statements."""

    def make(*statements):
        path = tmp_path / "policy.json"
        path.write_text(json.dumps({"Version": "2012-10-17", "Statement": statements}))
        return server.client(keys=server.create_access_key(policy=path))

    return make


def test_policies_decide_who_keeps_which_rules(iot, limited, rule):
    production = {"StringEquals": {"aws:RequestTag/stage": "production"}}
    client = limited(
        {"Effect": "Allow", "Action": "iot:*TopicRule*", "Resource": arn(f"{rule}*")},
        {
            "Effect": "Deny",
            "Action": "iot:CreateTopicRule",
            "Resource": "*",
            "Condition": production,
        },
    )
    client.create_topic_rule(ruleName=rule, topicRulePayload=payload(), tags="stage=test")
    client.disable_topic_rule(ruleName=rule)
    assert client.get_topic_rule(ruleName=rule)["rule"]["ruleDisabled"]
    with refused("AccessDeniedException"):
        client.create_topic_rule(
            ruleName=f"{rule}_2", topicRulePayload=payload(), tags="stage=production"
        )
    iot.create_topic_rule(ruleName=f"other_{rule}", topicRulePayload=payload())
    other = {"ruleName": f"other_{rule}"}
    for call in (
        lambda: client.get_topic_rule(**other),
        lambda: client.replace_topic_rule(**other, topicRulePayload=payload()),
        lambda: client.enable_topic_rule(**other),
        lambda: client.disable_topic_rule(**other),
        lambda: client.delete_topic_rule(**other),
        lambda: client.create_topic_rule(**other, topicRulePayload=payload()),
    ):
        with refused("AccessDeniedException", saying=f"rule/other_{rule}"):
            call()
    with refused("AccessDeniedException"):
        client.list_topic_rules()
    assert not iot.get_topic_rule(**other)["rule"]["ruleDisabled"]


def test_a_rule_outlives_the_server(fresh):
    fresh.iot.create_topic_rule(ruleName="kept", topicRulePayload=payload(), tags="a=1")
    fresh.kill()
    fresh.start()
    (listed,) = fresh.iot.list_topic_rules(topic="plant/1/heat")["rules"]
    assert listed["ruleName"] == "kept"
    assert fresh.iot.get_topic_rule(ruleName="kept")["rule"]["actions"] == [REPUBLISH]


def test_who_changes_rules_is_in_the_log(server, iot, rule):
    iot.create_topic_rule(ruleName=rule, topicRulePayload=payload())
    iot.delete_topic_rule(ruleName=rule)
    for operation in ("CreateTopicRule", "DeleteTopicRule"):
        (line,) = [
            line
            for line in server.log().splitlines()
            if f"operation={operation} " in line and arn(rule) in line
        ]
        assert "outcome=success" in line

"""Rules that send to AWS, which moto plays: what devices publish arrives there, byte for byte."""

import base64
import json
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import paho.mqtt.client as mqtt
import pytest
from moto.core.authorization import enable_iam_authentication
from paho.mqtt.enums import CallbackAPIVersion

from device import everything_on, quick_device, soon
from harness import REGION, Server
from moto_aws import ACCOUNT, Aws, queue_url

ROLE = f"arn:aws:iam::{ACCOUNT}:role/rules"
WITHIN_S = 20
TEXT = '{"a": 1.50, "ü": "a&b=c+d <é>\\n\\u0000", "big": 12345678901234567890}'.encode()
BYTES = bytes(range(256))


@pytest.fixture(scope="module")
def aws():
    aws = Aws()
    yield aws
    aws.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory, aws):
    server = Server(tmp_path_factory.mktemp("ferrite") / "data", *aws.settings()).start()
    yield server
    assert server.stop() == 0, "the server ends cleanly"


@pytest.fixture(scope="module")
def publish(device):
    with publisher(device) as publish:
        yield publish


@contextmanager
def publisher(device):
    """A device that publishes by paho-mqtt, and is told that it was taken."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="mouth", protocol=mqtt.MQTTv5)
    client.tls_set_context(device.tls())
    client.connect("localhost", device.server.mqtts_port)
    client.loop_start()

    def publish(topic, payload):
        client.publish(topic, payload, qos=1).wait_for_publish(WITHIN_S)

    yield publish
    client.disconnect()
    client.loop_stop()


@pytest.fixture
def send(server, rule, publish, name):
    """Has a rule take what is published, and nothing of it fail."""
    made = []

    def send(payload, *actions, sql=None):
        made.append(rule(sql or f"SELECT * FROM '{name}/#'", *actions))
        publish(f"{name}/x", payload)

    yield send
    assert [letters(server, rule) for rule in made] == [[]] * len(made), "nothing failed"


def letters(server, rule):
    return server.ask(f"rules/{rule}/dead-letters")["deadLetters"]


def retry(server, rule):
    assert server.call("POST", f"/_ferrite/v1/rules/{rule}/dead-letters/retry")[0] == 200
    soon(lambda: not letters(server, rule), WITHIN_S)


def make_queue(aws, name):
    """A queue, and what has come into it so far, each message once."""
    sqs = aws.client("sqs")
    url = queue_url(aws, sqs.create_queue(QueueName=name)["QueueUrl"])
    bodies = []

    def come():
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            bodies.append(message["Body"])
        return bodies

    return url, come


def to_queue(url, **more):
    return {"sqs": {"queueUrl": url, "roleArn": ROLE} | more}


def object_of(aws, bucket, key):
    """An object, once it is there."""
    s3 = aws.client("s3")
    listed = lambda: s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents")  # noqa: E731
    soon(listed, WITHIN_S)
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def test_s3_has_an_object_of_what_was_published(aws, send, name):
    aws.client("s3").create_bucket(Bucket=name)
    key = "in/${topic(2)}/a b+ü/${clientid()}.bin"
    action = {"bucketName": name, "key": key, "roleArn": ROLE, "cannedAcl": "public-read"}
    send(BYTES, {"s3": action})
    assert object_of(aws, name, "in/x/a b+ü/mouth.bin") == BYTES
    grants = aws.client("s3").get_object_acl(Bucket=name, Key="in/x/a b+ü/mouth.bin")["Grants"]
    assert "http://acs.amazonaws.com/groups/global/AllUsers" in {it["Grantee"].get("URI") for it in grants}


def test_s3_has_json_as_the_rule_selects_it(aws, send, name):
    aws.client("s3").create_bucket(Bucket=name)
    action = {"s3": {"bucketName": name, "key": "out", "roleArn": ROLE}}
    send(TEXT, action, sql=f"SELECT a, ü, big FROM '{name}/#'")
    found = object_of(aws, name, "out")
    assert found == '{"a":1.50,"ü":"a&b=c+d <é>\\n\\u0000","big":12345678901234567890}'.encode()


@pytest.fixture
def table(aws, name):
    """A table of moto's, and what is in it, as the wire has it."""
    dynamodb = aws.client("dynamodb")
    types = {"id": "S", "at": "N"}
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in types.items()],
        BillingMode="PAY_PER_REQUEST",
    )
    return lambda: dynamodb.scan(TableName=name)["Items"]


def test_dynamodb_has_an_item_for_each_key(send, publish, table, name):
    keys = {"hashKeyField": "id", "hashKeyValue": "${topic(2)}", "rangeKeyField": "at"}
    keys |= {"rangeKeyType": "NUMBER", "rangeKeyValue": "${at}", "operation": "${do}"}
    action = {"tableName": name, "roleArn": ROLE, "payloadField": "read"} | keys
    send(b'{"at": 17, "do": "INSERT"}', {"dynamoDB": action})
    key = {"id": {"S": "x"}, "at": {"N": "17"}}
    read = lambda what: {"M": {"at": {"N": "17"}, "do": {"S": what}}}  # noqa: E731
    assert soon(table, WITHIN_S) == [key | {"read": read("INSERT")}]
    publish(f"{name}/x", b'{"at": 17, "do": "UPDATE"}')
    soon(lambda: table() == [key | {"read": read("UPDATE")}], WITHIN_S)
    publish(f"{name}/y", b'{"at": 1, "do": "INSERT"}')
    soon(lambda: len(table()) == 2, WITHIN_S)
    publish(f"{name}/x", b'{"at": 17, "do": "DELETE"}')
    soon(lambda: [it["id"] for it in table()] == [{"S": "y"}], WITHIN_S)


def test_dynamodb_has_bytes_as_they_are(send, table, name):
    keys = {"hashKeyField": "id", "hashKeyValue": "x", "rangeKeyField": "at"}
    keys |= {"rangeKeyType": "NUMBER", "rangeKeyValue": "1"}
    send(BYTES, {"dynamoDB": {"tableName": name, "roleArn": ROLE} | keys})
    assert soon(table, WITHIN_S) == [{"id": {"S": "x"}, "at": {"N": "1"}, "payload": {"B": BYTES}}]


def test_dynamodb_has_a_column_for_each_member(send, table, name):
    payload = '{"at": 1.5, "l": [1, true, null, {"ü": "é"}], "s": ""}'.encode()
    action = {"dynamoDBv2": {"putItem": {"tableName": name}, "roleArn": ROLE}}
    send(payload, action, sql=f"SELECT *, clientid() AS id FROM '{name}/#'")
    listed = [{"N": "1"}, {"BOOL": True}, {"NULL": True}, {"M": {"ü": {"S": "é"}}}]
    item = {"id": {"S": "mouth"}, "at": {"N": "1.5"}, "l": {"L": listed}, "s": {"S": ""}}
    assert soon(table, WITHIN_S) == [item]


def test_sqs_has_text_or_base64(aws, send, name):
    (plain, texts), (coded, encoded) = make_queue(aws, name), make_queue(aws, f"{name}-64")
    send(TEXT, to_queue(plain), to_queue(coded, useBase64=True), sql=f"SELECT VALUE ü FROM '{name}/#'")
    # What XML has no character for goes as JSON's escape; that is text.
    text = '"a&b=c+d <é>\\n\\u0000"'
    assert soon(texts, WITHIN_S) == [text]
    assert [base64.b64decode(it).decode() for it in soon(encoded, WITHIN_S)] == [text]


def test_sqs_has_bytes_as_base64(aws, send, name):
    url, come = make_queue(aws, name)
    send(BYTES, to_queue(url, useBase64=True))
    assert [base64.b64decode(it) for it in soon(come, WITHIN_S)] == [BYTES]


@pytest.mark.parametrize("format", ["RAW", "JSON"])
def test_sns_tells_whoever_subscribes(aws, send, name, format):
    _, come = make_queue(aws, name)
    sns = aws.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    attributes = {"RawMessageDelivery": "true"}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes=attributes)
    payload = '{"default":"é & è","sqs":"for queues + ü"}'
    send(payload.encode(), {"sns": {"targetArn": topic, "roleArn": ROLE, "messageFormat": format}})
    assert soon(come, WITHIN_S) == [payload if format == "RAW" else "for queues + ü"]


def test_kinesis_has_a_record(aws, send, name):
    kinesis = aws.client("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    send(BYTES, {"kinesis": {"streamName": name, "partitionKey": "${topic(2)} ü", "roleArn": ROLE}})
    (shard,) = kinesis.list_shards(StreamName=name)["Shards"]
    start = {"ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}

    def records():
        iterator = kinesis.get_shard_iterator(StreamName=name, **start)["ShardIterator"]
        return kinesis.get_records(ShardIterator=iterator)["Records"]

    (record,) = soon(records, WITHIN_S)
    assert (record["PartitionKey"], record["Data"]) == ("x ü", BYTES)


@pytest.fixture
def delivered(aws, name):
    """What a delivery stream has brought to its bucket: an object for each request."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=name)
    place = {"RoleARN": ROLE, "BucketARN": f"arn:aws:s3:::{name}"}
    aws.client("firehose").create_delivery_stream(
        DeliveryStreamName=name, DeliveryStreamType="DirectPut", S3DestinationConfiguration=place
    )

    def delivered():
        keys = [it["Key"] for it in s3.list_objects_v2(Bucket=name).get("Contents", [])]
        return [s3.get_object(Bucket=name, Key=key)["Body"].read() for key in keys]

    return delivered


def test_firehose_has_a_record_and_what_separates_it(send, delivered, name):
    send(BYTES, {"firehose": {"deliveryStreamName": name, "separator": "\r\n", "roleArn": ROLE}})
    assert soon(delivered, WITHIN_S) == [BYTES + b"\r\n"]


def test_firehose_has_the_elements_of_a_batch(send, delivered, name):
    action = {"deliveryStreamName": name, "separator": "\n", "batchMode": True, "roleArn": ROLE}
    send('[{"n": 1}, "ü", [2, 3]]'.encode(), {"firehose": action})
    assert soon(delivered, WITHIN_S) == ['{"n":1}\n"ü"\n[2,3]\n'.encode()]


def test_cloudwatch_has_a_value_of_the_metric(aws, send, name):
    cloudwatch = aws.client("cloudwatch")
    at = int(time.time()) - 600
    action = {"metricNamespace": name, "metricName": "heat & more", "metricValue": "${v}"}
    action |= {"metricUnit": "Count", "metricTimestamp": "${at}", "roleArn": ROLE}
    send(json.dumps({"v": -0.0015, "at": at}), {"cloudwatchMetric": action})
    asked = {"MetricName": "heat & more", "Period": 60, "Statistics": ["Sum", "SampleCount"]}
    asked["StartTime"] = datetime.fromtimestamp(at - 60, UTC)
    asked["EndTime"] = datetime.now(UTC) + timedelta(hours=1)

    def points():
        return cloudwatch.get_metric_statistics(Namespace=name, **asked)["Datapoints"]

    (point,) = soon(points, WITHIN_S)
    assert (point["Sum"], point["SampleCount"], point["Unit"]) == (-0.0015, 1, "Count")
    assert abs(point["Timestamp"].timestamp() - at) < 60, "when the rule says"


def test_cloudwatch_logs_has_an_event_or_a_batch_of_them(aws, send, name):
    logs = aws.client("logs")
    at = int(time.time() * 1000) - 5000
    batch = [{"timestamp": at + n, "message": f"ü {n}"} for n in range(3)]

    def events(group):
        try:
            found = logs.get_log_events(logGroupName=group, logStreamName="rules")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [{key: it[key] for key in ("timestamp", "message")} for it in found]

    for group, more in ((name, {}), (f"{name}/batch", {"batchMode": True})):
        logs.create_log_group(logGroupName=group)
        action = {"logGroupName": group, "roleArn": ROLE} | more
        send(json.dumps(batch, ensure_ascii=False).encode(), {"cloudwatchLogs": action})
    assert soon(lambda: events(f"{name}/batch"), WITHIN_S) == batch
    # The first rule heard both messages.
    both = soon(lambda: len(found := events(name)) == 2 and found, WITHIN_S)
    assert [json.loads(it["message"]) for it in both] == [batch, batch]


def test_who_is_overloaded_is_asked_again(aws, send, name):
    url, come = make_queue(aws, name)
    aws.refuse(3)
    send(b'{"n":1}', to_queue(url))
    assert soon(come, WITHIN_S) == ['{"n":1}']
    assert (aws.refusals, come()) == (0, ['{"n":1}']), "the fourth try was the last"


def test_what_nobody_took_is_kept_until_aws_is_back(aws, server, rule, publish, name):
    url, come = make_queue(aws, name)
    made = rule(f"SELECT * FROM '{name}/#'", to_queue(url))
    sent = [f'{{"n":{n}}}' for n in range(20)]
    aws.stop()
    try:
        for payload in sent:
            publish(f"{name}/x", payload)
        kept = soon(lambda: len(found := letters(server, made)) == len(sent) and found, WITHIN_S)
    finally:
        aws.start()
    (error,) = kept[0]["document"]["failures"]
    assert "Failed to send message to SQS" in error["errorMessage"]
    retry(server, made)
    assert sorted(come() and soon(lambda: len(found := come()) >= len(sent) and found)) == sorted(sent)


def test_what_was_acknowledged_arrives_though_both_were_down(aws, tmp_path, name):
    url, come = make_queue(aws, name)
    server = Server(tmp_path / "data", *aws.settings()).start()
    rule = {"sql": "SELECT * FROM 'in'", "actions": [to_queue(url)]}
    server.iot.create_topic_rule(ruleName="rule", topicRulePayload=rule)
    device = quick_device(server, tmp_path, "device", *everything_on("*"))
    sent = [f'{{"n":{n}}}' for n in range(20)]
    aws.stop()
    try:
        with publisher(device) as publish:
            for payload in sent:
                publish("in", payload)
            server.kill()
    finally:
        aws.start()
    server.start()
    soon(lambda: set(come()) == set(sent), WITHIN_S)
    assert letters(server, "rule") == []
    assert server.stop() == 0


@pytest.fixture
def people(aws, name):
    """The keys of a user who may send to queues and of one who may assume roles; a role that may
    send to queues and trusts the second, and one that trusts the first alone."""
    iam = aws.client("iam")

    def allow(action, **more):
        statement = {"Effect": "Allow", "Action": action} | more
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    keys, roles = {}, {}
    for user, action in (("edge", "sqs:SendMessage"), ("base", "sts:AssumeRole")):
        policy = {"PolicyName": "may", "PolicyDocument": allow(action, Resource="*")}
        iam.create_user(UserName=f"{name}-{user}")
        iam.put_user_policy(UserName=f"{name}-{user}", **policy)
        made = iam.create_access_key(UserName=f"{name}-{user}")["AccessKey"]
        keys[user] = (made["AccessKeyId"], made["SecretAccessKey"])
        who = {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{name}-{user}"}
        trust = allow("sts:AssumeRole", Principal=who)
        role = iam.create_role(RoleName=f"{name}-{user}", AssumeRolePolicyDocument=trust)
        policy["PolicyDocument"] = allow("sqs:SendMessage", Resource="*")
        iam.put_role_policy(RoleName=f"{name}-{user}", **policy)
        roles[user] = role["Role"]["Arn"]
    return keys, roles


def role_settings(aws, keys, folder):
    """A server's settings: ROLE is the profile `edge`, other roles are assumed as `base`."""
    profiles, config = folder / "credentials", folder / "ferrite.toml"
    profile = "[edge]\naws_access_key_id = {}\naws_secret_access_key = {}\n"
    profiles.write_text(profile.format(*keys["edge"]))
    config.write_text(f'[targets.roles]\n"{ROLE}" = "edge"\n')
    base = dict(zip(("access_key_id", "secret_access_key"), keys["base"]))
    more = {f"targets.credentials.{key}": value for key, value in base.items()}
    more |= {"targets.credentials.credentials_file": profiles, "targets.assume_roles": "true"}
    return "--config", str(config), *aws.settings(**more)


def test_a_role_stands_for_a_profile_or_is_assumed(aws, people, tmp_path, name):
    keys, roles = people
    server = Server(tmp_path / "data", *role_settings(aws, keys, tmp_path)).start()
    device = quick_device(server, tmp_path, "device", *everything_on("*"))
    queues = {}
    for topic, role in (("mapped", ROLE), ("assumed", roles["base"]), ("distrusted", roles["edge"])):
        queues[topic] = make_queue(aws, f"{name}-{topic}")
        action = to_queue(queues[topic][0], roleArn=role)
        rule = {"sql": f"SELECT * FROM '{topic}'", "actions": [action]}
        server.iot.create_topic_rule(ruleName=topic, topicRulePayload=rule)
    del aws.signers[:]
    # In here moto checks signatures, policies and who trusts whom.
    with enable_iam_authentication(), publisher(device) as publish:
        for signed, topic in ((1, "mapped"), (3, "assumed"), (4, "assumed"), (5, "distrusted")):
            publish(topic, b'{"n":1}')
            soon(lambda: len(aws.signers) == signed, WITHIN_S)
        (letter,) = soon(lambda: letters(server, "distrusted"), WITHIN_S)
    base, edge, assumed = keys["base"][0], keys["edge"][0], aws.signers[2]
    assert aws.signers == [edge, base, assumed, assumed, base], "a role is assumed once"
    assert [queues[topic][1]() for topic in queues] == [['{"n":1}'], ['{"n":1}'] * 2, []]
    (failure,) = letter["document"]["failures"]
    assert f"The role {roles['edge']} could not be assumed" in failure["errorMessage"]
    assert "Error Code: AccessDenied" in failure["errorMessage"]
    assert server.stop() == 0

"""Rules at work: what devices publish is selected, and goes where a rule says, at least once."""

import base64
import json
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest
import requests

from device import everything_on, quick_device, soon
from harness import ACCOUNT, REGION, Server
from mqtt_raw import CLOSED, PUBACK, V5, V311, Client

ROLE = f"arn:aws:iam::{ACCOUNT}:role/rules"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
BOOTSTRAP = Path(__file__).with_name("rule_function.py")
WITHIN_S = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with a function in a process of its own, which logs each message."""
    folder = tmp_path_factory.mktemp("ferrite")
    command = json.dumps([sys.executable, str(BOOTSTRAP)])
    settings = ("--set", f"functions.doubler.command={command}", "--set", "log.messages=info")
    server = Server(folder / "data", *settings).start()
    yield server
    assert server.stop() == 0, "the server ends cleanly"


def republish(topic, **more):
    return {"republish": {"topic": topic, "roleArn": ROLE, "qos": 1} | more}


def test_messages_that_meet_the_condition_go_to_another_topic(join, rule, name):
    rule(
        f"SELECT temp, topic(2) AS device, clientid() AS client FROM '{name}/+/t' WHERE temp > 50",
        republish(f"{name}/hot/${{topic(2)}}"),
    )
    ear, mouth = join(), join(client_id=f"{name}-mouth")
    ear.subscribe(f"{name}/hot/#", qos=1)
    for temp in (49, 50, 50.5):
        assert mouth.publish(f"{name}/lamp/t", json.dumps({"temp": temp}), qos=1).kind == PUBACK
    mouth.publish(f"{name}/lamp/t", b"not JSON", qos=1)
    mouth.publish(f"{name}/lamp/t", json.dumps({"temp": 99.0}), qos=1)
    client = f"{name}-mouth"
    for temp in (50.5, 99):
        topic, payload = ear.message()
        assert topic == f"{name}/hot/lamp"
        assert json.loads(payload) == {"temp": temp, "device": "lamp", "client": client}
    assert b"99," in payload, "a whole decimal is an Int"


def test_rules_are_independent_and_follow_their_definition(server, join, rule, name):
    one = rule(f"SELECT * FROM '{name}/in'", republish(f"{name}/one"))
    rule(f"SELECT VALUE n FROM '{name}/#' WHERE isUndefined(m)", republish(f"{name}:two"))
    ear, mouth = join(), join()
    ear.subscribe(f"{name}/one", f"{name}:two", qos=1)

    def heard(payload):
        mouth.publish(f"{name}/in", payload, qos=1)
        mouth.publish(f"{name}/in", json.dumps({"n": "end"}), qos=1)
        found = []
        while (message := ear.message()) != (f"{name}:two", b'"end"'):
            found.append(message)
        return [(topic, payload) for topic, payload in found if b"end" not in payload]

    both = heard(json.dumps({"n": 1}))
    assert sorted(both)[-1] == (f"{name}:two", b"1") and (f"{name}/one", b'{"n":1}') in both
    server.iot.disable_topic_rule(ruleName=one)
    assert (f"{name}/one", b'{"n":2}') not in heard(json.dumps({"n": 2}))
    server.iot.enable_topic_rule(ruleName=one)
    payload = {
        "sql": f"SELECT n + 1 AS more FROM '{name}/in'",
        "actions": [republish(f"{name}/one")],
        "awsIotSqlVersion": "2016-03-23",
    }
    server.iot.replace_topic_rule(ruleName=one, topicRulePayload=payload)
    mouth.publish(f"{name}/in", json.dumps({"n": 3, "m": 0}), qos=1)
    topic, payload = ear.message()
    while b"more" not in payload or b"end" in payload:
        topic, payload = ear.message()
    assert (topic, payload) == (f"{name}/one", b'{"more":4}')


def test_basic_ingest_reaches_its_rule_alone(server, join, rule, name):
    made = rule("SELECT *, topic() AS t, topic(1) AS first", republish(f"{name}/out"))
    ear, mouth = join(), join()
    ear.subscribe(f"{name}/out", qos=1)
    assert mouth.publish(f"$aws/rules/{made}/x/y", b'{"a":1}', qos=1).kind == PUBACK
    assert ear.message() == (f"{name}/out", b'{"a":1,"t":"x/y","first":"x"}')
    assert mouth.publish("$aws/rules/nobody/x", b"{}", qos=1).kind == PUBACK
    (event,) = [it for it in server.device_log() if it["eventType"] == "RuleNotFound"]
    assert event["details"].startswith("Rule nobody not found")
    assert event["ruleName"] == "nobody"


def counted(server, metric, **labels):
    """A counter's value, of those that have these labels; 0 if there is none."""
    lines = requests.get(server.url + "/metrics", timeout=WITHIN_S).text.splitlines()
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    found = [it for it in lines if it.startswith(metric + "{") and all(pair in it for pair in wanted)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in found)


def test_the_device_log_and_metrics_have_what_a_rule_did(server, join, rule, name):
    where = "get_or_default(n, 2) > 1"
    made = rule(f"SELECT n FROM '{name}/in' WHERE {where}", republish(f"{name}/out"))
    ear, mouth = join(), join(client_id=f"{name}-mouth")
    ear.subscribe(f"{name}/out", qos=1)
    for payload in (b'{"n":1}', b'{"n":2}', b"not JSON"):
        mouth.publish(f"{name}/in", payload, qos=1)
    assert ear.message() == (f"{name}/out", b'{"n":2}')

    def logged():
        events = [it for it in reversed(server.device_log()) if it.get("ruleName") == made]
        return events if len(events) == 5 else None

    events = soon(logged, WITHIN_S)
    kinds = [(it["eventType"], it["logLevel"], it["status"]) for it in events]
    match = ("RuleMatch", "INFO", "Success")
    done = ("RuleExecution", "INFO", "Success")
    assert kinds == [match, match, done, match, ("ParseError", "ERROR", "Failure")]
    assert {it["clientId"] for it in events} == {f"{name}-mouth"}
    assert events[0]["details"] == "the condition of WHERE is not met"
    assert events[1]["traceId"] == events[2]["traceId"] != events[0]["traceId"]
    assert events[2]["ruleAction"] == "RepublishAction"
    assert events[2]["resources"] == {"RepublishTopic": f"{name}/out"}
    told = server.command("device-log", "--max", "100").stdout
    assert f"{made}  RepublishAction  {name}/out  {name}/in" in told

    labels = {"account": ACCOUNT, "region": REGION, "rule": made}
    values = {
        "ferrite_rule_topic_matches_total": 3,
        "ferrite_rules_executed_total": 1,
        "ferrite_rule_parse_errors_total": 1,
    }
    assert {metric: counted(server, metric, **labels) for metric in values} == values
    ends = {"action": "RepublishAction", "result": "success"}
    assert counted(server, "ferrite_rule_actions_total", **labels, **ends) == 1


def test_a_server_does_not_wait_for_a_target_that_is_dead_when_it_stops(tmp_path):
    server = Server(tmp_path / "data").start()
    device = quick_device(server, tmp_path, "mouth", *everything_on("*"))
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:nobody"
    payload = {"sql": "SELECT * FROM 'in'", "actions": [{"lambda": {"functionArn": function}}]}
    server.iot.create_topic_rule(ruleName="dead", topicRulePayload=payload)
    mouth = Client(server.mqtts_port, device.tls(), version=V311)
    mouth.connect("mouth")
    for n in range(800):
        mouth.publish("in", json.dumps({"n": n}), qos=1)
    # So many in a row, and each place in the lane rests for a while.
    failed = {"rule": "dead", "result": "failure"}
    soon(lambda: counted(server, "ferrite_rule_actions_total", **failed) >= 64, WITHIN_S)
    mouth.drop()
    assert server.stop() == 0
    assert "not everything finished" not in server.log()


def test_headers_of_mqtt_5_are_read_and_written(join, rule, name):
    headers = {
        "contentType": "${get_mqtt_property('content_type')}+json",
        "correlationData": "${get_mqtt_property('correlation_data')}",
        "userProperties": [{"key": "from", "value": "${get_user_properties('k')}"}],
        "messageExpiry": "60",
    }
    rule(f"SELECT get_user_properties('k') AS k FROM '{name}/in'", republish(f"{name}/out", headers=headers))
    ear, mouth = join(V5), join(V5)
    ear.subscribe(f"{name}/out", qos=1)
    pairs = [("k", "1"), ("k", "2")]
    properties = {"content_type": "text", "correlation_data": b"\x00\xff", "user": pairs}
    mouth.publish(f"{name}/in", b"{}", qos=1, props=properties)
    found = ear.read()
    assert found.payload == b'{"k":["1","2"]}'
    expiry = found.properties.pop("message_expiry")
    assert 50 < expiry <= 60
    assert found.properties == {
        "content_type": "text+json",
        "correlation_data": b"\x00\xff",
        "user": [("from", '["1","2"]')],
    }


def test_an_error_action_gets_the_whole_story_once(join, rule, name):
    made = rule(
        f"SELECT * FROM '{name}/in'",
        {"lambda": {"functionArn": f"{FUNCTION}nobody"}},
        {"s3": {"bucketName": "bucket", "key": "${missing}", "roleArn": ROLE}},
        republish(f"{name}/works"),
        errorAction=republish(f"{name}/errors/${{topic(1)}}"),
    )
    ear, mouth = join(), join(client_id=f"{name}-mouth")
    ear.subscribe(f"{name}/errors/#", f"{name}/works", qos=1)
    mouth.publish(f"{name}/in", b'{"a":1}', qos=1)
    messages = dict(ear.message() for _ in range(2))
    assert messages[f"{name}/works"] == b'{"a":1}', "each action is tried, whatever others do"
    document = json.loads(messages[f"{name}/errors/{name}"])
    assert uuid.UUID(document.pop("cloudwatchTraceId")).version == 4
    failures = {it["failedAction"]: it for it in document.pop("failures")}
    assert document == {
        "ruleName": made,
        "topic": f"{name}/in",
        "clientId": f"{name}-mouth",
        "sourceIp": "127.0.0.1",
        "base64OriginalPayload": base64.b64encode(b'{"a":1}').decode(),
    }
    assert set(failures) == {"LambdaAction", "S3Action"}
    assert failures["S3Action"] == {
        "failedAction": "S3Action",
        "failedResource": "bucket",
        "errorMessage": "Failed to put S3 object. The error received was the key is empty. "
        f'Message arrived on: {name}/in, Action: s3, Bucket: bucket, Key: ""',
    }
    assert '[functions."nobody"]' in failures["LambdaAction"]["errorMessage"], "what to set"


def test_what_nobody_takes_is_kept_until_it_is_tried_again(server, join, rule, name):
    made = rule(f"SELECT * FROM '{name}/in'", {"lambda": {"functionArn": f"{FUNCTION}nobody"}})
    ear, mouth = join(), join()
    mouth.publish(f"{name}/in", b'{"a":1}', qos=1)
    path = f"/_ferrite/v1/rules/{made}/dead-letters"
    letters = lambda: server.ask(f"rules/{made}/dead-letters")["deadLetters"]  # noqa: E731
    (letter,) = soon(letters, WITHIN_S)
    listed = server.command("rules", "dead-letters", "list", made).stdout
    assert listed.startswith(f"{letter['id']}  {name}/in  Failed to invoke")
    assert letter["document"]["failures"][0]["failedAction"] == "LambdaAction"
    ear.subscribe(f"{name}/out", qos=1)
    payload = {
        "sql": f"SELECT a, topic() AS t FROM '{name}/in'",
        "actions": [republish(f"{name}/out")],
        "awsIotSqlVersion": "2016-03-23",
    }
    server.iot.replace_topic_rule(ruleName=made, topicRulePayload=payload)
    status, _, answer = server.call("POST", f"{path}/{letter['id']}/retry")
    assert (status, json.loads(answer)) == (200, {"retried": 1})
    assert ear.message() == (f"{name}/out", f'{{"a":1,"t":"{name}/in"}}'.encode())
    soon(lambda: not letters(), WITHIN_S)
    assert server.call("GET", f"{path}/{letter['id']}")[0] == 404


def test_a_loop_of_rules_ends(server, join, rule, name):
    rule(f"SELECT n + 1 AS n FROM '{name}/loop'", republish(f"{name}/loop"))
    ear, mouth = join(), join()
    ear.subscribe(f"{name}/loop", qos=1)
    mouth.publish(f"{name}/loop", b'{"n":0}', qos=1)
    heard = [ear.message()[1] for _ in range(11)]
    assert heard == [json.dumps({"n": n}, separators=(",", ":")).encode() for n in range(11)]
    loops = lambda: [it for it in server.device_log() if it["eventType"] == "RuleLoop"]  # noqa: E731
    assert soon(loops, WITHIN_S) and ear.inbox() == []


def test_functions_answer_statements_and_take_what_they_select(server, join, rule, name):
    call = f"aws_lambda('{FUNCTION}doubler', {{'temp': temp, 'boom': boom}})"
    rule(
        f"SELECT {call}.twice AS twice FROM '{name}/in'",
        republish(f"{name}/out"),
        {"lambda": {"functionArn": f"{FUNCTION}doubler"}},
    )
    ear, mouth = join(), join()
    ear.subscribe(f"{name}/out", qos=1)
    mouth.publish(f"{name}/in", b'{"temp":4,"boom":"it broke"}', qos=1)
    mouth.publish(f"{name}/in", b'{"temp":21}', qos=1)
    assert ear.message() == (f"{name}/out", b'{"twice":42}')
    failed = lambda: [it for it in server.device_log() if it["eventType"] == "FunctionExecution"]  # noqa: E731
    assert "it broke" in soon(failed, WITHIN_S)[0]["details"]


def test_shadows_and_things_are_at_hand(server, join, rule, name):
    server.iot.create_thing(thingName=name, attributePayload={"attributes": {"room": "hall"}})
    shadow = json.dumps({"state": {"reported": {"limit": 5}}})
    server.client("iot-data").update_thing_shadow(thingName=name, payload=shadow)
    rule(
        f"SELECT get_registry_data('DescribeThing', '{name}', '{ROLE}').attributes.room AS room"
        f" FROM '{name}/in' WHERE n > get_thing_shadow('{name}', '{ROLE}').state.reported.limit",
        republish(f"{name}/out"),
    )
    ear, mouth = join(), join()
    ear.subscribe(f"{name}/out", qos=1)
    for n in (5, 6):
        mouth.publish(f"{name}/in", json.dumps({"n": n}), qos=1)
    assert ear.message() == (f"{name}/out", b'{"room":"hall"}')
    assert ear.inbox() == []


def test_what_stands_for_aws_takes_what_rules_send(server, join, rule, name):
    aws = f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}"
    queue = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}"
    key = {"hashKeyField": "id", "hashKeyValue": "${topic(2)}"}
    metric = {"metricNamespace": name, "metricName": "a", "metricValue": "${a}", "metricUnit": "None"}
    rule(
        f"SELECT *, topic(2) AS id FROM '{name}/+'",
        {"s3": {"bucketName": name, "key": "in/${topic(2)}.json", "roleArn": ROLE}},
        {"dynamoDB": {"tableName": name, "roleArn": ROLE} | key},
        {"dynamoDBv2": {"putItem": {"tableName": f"{name}-v2"}, "roleArn": ROLE}},
        {"sqs": {"queueUrl": queue, "useBase64": True, "roleArn": ROLE}},
        {"sns": {"targetArn": aws, "roleArn": ROLE}},
        {"kinesis": {"streamName": name, "roleArn": ROLE}},
        {"firehose": {"deliveryStreamName": name, "separator": "\n", "roleArn": ROLE}},
        {"cloudwatchMetric": metric | {"roleArn": ROLE}},
        {"cloudwatchLogs": {"logGroupName": name, "roleArn": ROLE}},
        errorAction=republish(f"{name}/a/errors"),
    )
    ear, mouth = join(), join()
    ear.subscribe(f"{name}/a/errors", qos=1)
    mouth.publish(f"{name}/x", b'{"a":1.5}', qos=1)
    place = server.data_dir / "targets" / "s3"
    (stored,) = soon(lambda: [it for it in place.rglob("*.json") if name in str(it)], WITHIN_S)
    assert stored.read_bytes() == b'{"a":1.5,"id":"x"}'
    logged = lambda: [it for it in server.device_log() if it["eventType"] == "CloudwatchLogs"]  # noqa: E731
    assert f'{name}: {{"a":1.5,"id":"x"}}' in [it["details"] for it in soon(logged, WITHIN_S)]
    assert ear.inbox() == [], "nothing failed"
    whole = '{"a":1.5,"id":"x"}'
    for stream, data in (
        (f"sqs/{name}", base64.b64encode(whole.encode()).decode()),
        (f"sns/{name}", whole),
        (f"kinesis/{name}", whole),
        (f"firehose/{name}", whole + "\n"),
    ):
        page = server.ask(f"targets/{stream}")
        assert ([it["data"] for it in page["records"]], page["nextOffset"]) == ([data], 1)
    (item,) = server.ask(f"targets/dynamodb/{name}")["items"]
    attributes = {"M": {"a": {"N": "1.5"}, "id": {"S": "x"}}}
    assert item == {"id": {"S": "x"}, "payload": attributes}
    (item,) = server.ask(f"targets/dynamodb/{name}-v2")["items"]
    assert item == attributes["M"]
    assert server.ask(f"targets/s3/{name}")["objects"] == [{"key": "in/x.json", "bytes": len(whole)}]
    listed = server.command("targets", "list").stdout.splitlines()
    assert {f"sqs/{name}", f"dynamodb/{name}", f"s3/{name}"} <= set(listed)
    assert server.command("targets", "tail", f"kinesis/{name}").stdout == f"0  {whole}\n"


def test_a_rule_is_tried_before_it_runs(server):
    trial = {
        "topicRulePayload": {
            "sql": "SELECT upper(b) AS u FROM 'a/#' WHERE temp > 5",
            "awsIotSqlVersion": "2016-03-23",
            "actions": [{"s3": {"bucketName": "bucket", "key": "${b}/k", "roleArn": ROLE}}],
        },
        "message": {"topic": "a/b", "payload": '{"temp":7,"b":"x"}'},
    }
    status, _, answer = server.call("POST", "/_ferrite/v1/rules/test", json.dumps(trial).encode())
    assert status == 200, answer
    answer = json.loads(answer)
    assert (answer["topicMatches"], answer["matched"], answer["output"]) == (True, True, '{"u":"X"}')
    assert {"expression": "(temp > 5)", "value": "true"} in answer["steps"]
    (action,) = answer["actions"]
    assert action["inputs"]["key"] == "x/k" and action["inputs"]["body"] == '{"u":"X"}'
    tried = ("rule", "test", "--sql", trial["topicRulePayload"]["sql"], "--topic", "b")
    told = server.command(*tried, "--payload", '{"temp":7,"b":"x"}').stdout.splitlines()
    assert told[:2] == ["topic      FROM does not match it", 'selected   {"u":"X"}']
    trial["message"]["payload"] = '{"temp":5}'
    _, _, answer = server.call("POST", "/_ferrite/v1/rules/test", json.dumps(trial).encode())
    answer = json.loads(answer)
    assert not answer["matched"] and {"expression": "(temp > 5)", "value": "false"} in answer["steps"]


def test_what_is_kept_waits_for_its_turn_where_evaluations_have_a_rate(tmp_path):
    server = Server(tmp_path / "data", "--set", "limits.rule_evaluations_per_s=10").start()
    device = quick_device(server, tmp_path, "mouth", *everything_on("*"))
    payload = {"sql": "SELECT * FROM 'in'", "actions": [republish("out")]}
    server.iot.create_topic_rule(ruleName="slow", topicRulePayload=payload)
    ear, mouth = (Client(server.mqtts_port, device.tls(), version=V311) for _ in range(2))
    ear.connect("ear")
    ear.subscribe("out", qos=1)
    mouth.connect("mouth")
    begun = time.monotonic()
    for n in range(25):
        assert mouth.publish("in", json.dumps({"n": n}), qos=1).kind == PUBACK
    assert {json.loads(ear.message()[1])["n"] for _ in range(25)} == set(range(25))
    assert time.monotonic() - begun > 1
    lost = [it for it in server.device_log() if it["eventType"] == "RuleMessageThrottled"]
    assert lost == []
    ear.drop()
    mouth.drop()
    assert server.stop() == 0


def test_a_rule_is_tried_on_what_devices_really_send(server, join, name):
    mouth = join(client_id=f"{name}-mouth")
    for payload in (b'{"temp":7}', b'{"temp":5}', b"no JSON"):
        mouth.publish(f"{name}/t", payload, qos=1)
    mouth.publish(f"{name}:other", b'{"temp":8}')
    sql = f"SELECT temp * 2 AS twice FROM '{name}/#' WHERE get_or_default(temp, 6) > 5"
    tried = ("rule", "test", "--sql", sql, "--from-live", "10")
    lines = server.command(*tried).stdout.splitlines()
    of = f"Z  {name}/t  {name}-mouth  "
    assert [line.partition(of)[2] for line in lines if of in line] == [
        'selected   {"twice":14}',
        "no match   WHERE (get_or_default(temp, 6) > 5)",
        "failed     the message is not JSON, and the statement asks for fields of it",
    ]
    assert "    (get_or_default(temp, 6) > 5) = false" in lines
    assert lines[-1] == "messages 3: 1 matched, 1 did not, 1 failed"
    (last,) = json.loads(server.command(*tried[:-1], "1", "--json").stdout)["messages"]
    assert (last["outcome"], last["payload"]) == ("failed", "no JSON"), "the newest"


def test_a_trial_waits_for_messages_as_a_rule_would_hear_them(tmp_path):
    server = Server(tmp_path / "data", "--set", "rules.recent_messages=0").start()
    device = quick_device(server, tmp_path, "mouth", *everything_on("*"))
    mouth = Client(server.mqtts_port, device.tls(), version=V311)
    mouth.connect("mouth")
    tried = ("rule", "test", "--sql", "SELECT VALUE n FROM 'in/#'", "--json", "--from-live", "3")
    mouth.publish("in/before", b'{"n":-1}', qos=1)
    assert json.loads(server.command(*tried).stdout)["messages"] == [], "nothing is kept"
    answers = []
    trial = lambda: answers.append(server.command(*tried, "--wait", "60").stdout)  # noqa: E731
    asking = threading.Thread(target=trial)
    asking.start()
    sent = 0
    while asking.is_alive():
        mouth.publish(f"in/{sent}", json.dumps({"n": sent}), qos=1)
        sent += 1
    answer = json.loads(answers[0])
    assert answer["summary"]["matched"] == 3
    numbers = [int(it["output"]) for it in answer["messages"]]
    assert numbers == list(range(numbers[0], numbers[0] + 3)), "each once, in order"
    mouth.drop()
    assert server.stop() == 0


def test_only_a_key_without_a_policy_may_try_rules(server, tmp_path):
    policy = tmp_path / "policy.json"
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    keys = server.create_access_key(policy=policy)
    trial = {"topicRulePayload": {"sql": "SELECT * FROM '#'"}, "fromLive": {"count": 1}}
    body = json.dumps(trial).encode()
    status, _, answer = server.call("POST", "/_ferrite/v1/rules/test", body, keys=keys)
    assert (status, b"access key without a policy" in answer) == (403, True)


def test_what_was_acknowledged_reaches_its_action_though_the_server_is_killed(tmp_path):
    server = Server(tmp_path / "data").start()
    device = quick_device(server, tmp_path, "mouth", *everything_on("*"))
    action = {"s3": {"bucketName": "kept", "key": "${n}", "roleArn": ROLE}}
    payload = {"sql": "SELECT * FROM 'in'", "actions": [action]}
    server.iot.create_topic_rule(ruleName="keep", topicRulePayload=payload)
    acknowledged, begun = [], 0
    for _ in range(3):
        client = Client(server.mqtts_port, device.tls(), version=V311)
        client.connect("mouth")
        killer = threading.Timer(0.3, server.kill)
        killer.start()
        while (answer := client.publish("in", json.dumps({"n": begun}), qos=1)) is not CLOSED:
            acknowledged.append(begun)
            begun += 1
        begun += 1
        killer.join()
        client.drop()
        server.start()
    assert len(acknowledged) > 20
    bucket = server.data_dir / "targets" / "s3"
    files = lambda: {it.name for it in bucket.rglob("*") if it.is_file()}  # noqa: E731
    try:
        soon(lambda: {str(n) for n in acknowledged} <= files(), WITHIN_S)
    finally:
        server.stop()

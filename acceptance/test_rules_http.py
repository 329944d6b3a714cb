"""Rules that post to URLs: to those that have confirmed, at least once, and within bounds."""

import hashlib
import json
import re
import threading
import time
from base64 import b64encode

import pytest
import requests

import sigv4
from device import everything_on, quick_device, soon
from harness import ACCOUNT, Server
from mqtt_raw import Client, publish
from webhook import WITHIN_S, Webhook, certificate_files

ROLE = f"arn:aws:iam::{ACCOUNT}:role/rules"
SECRET = {"user": "mill", "token": "correct-horse"}
KEYS = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")


@pytest.fixture(scope="module")
def webhook(tmp_path_factory):
    webhook = Webhook(tmp_path_factory.mktemp("webhook"))
    yield webhook
    webhook.stop()


def settings(webhook, allow="127.0.0.1"):
    credentials = dict(zip(("access_key_id", "secret_access_key"), KEYS))
    chosen = {"outbound.ca_file": webhook.trusted}
    chosen |= {f"targets.credentials.{name}": value for name, value in credentials.items()}
    chosen["targets.secretsmanager.secrets.mill.text"] = json.dumps(SECRET)
    if allow:
        chosen["outbound.allow"] = allow
    return [part for name, value in chosen.items() for part in ("--set", f"{name}={value}")]


@pytest.fixture(scope="module")
def server(tmp_path_factory, webhook):
    server = Server(tmp_path_factory.mktemp("ferrite") / "data", *settings(webhook)).start()
    yield server
    assert server.stop() == 0, "the server ends cleanly"


@pytest.fixture
def path(server, webhook, name):
    """A path that has confirmed that it wants messages."""
    confirm(server, webhook, f"/{name}")
    return f"/{name}"


def confirm(server, webhook, path):
    configuration = {"httpUrlConfiguration": {"confirmationUrl": f"{webhook.url}{path}"}}
    server.iot.create_topic_rule_destination(destinationConfiguration=configuration)
    server.iot.confirm_topic_rule_destination(confirmationToken=webhook.token(path))


@pytest.fixture
def post(rule, webhook, name):
    """Makes a rule that posts what comes to `NAME/…` to a path, and tells of failures."""

    def post(path, sql="SELECT *", url=None, headers=(), **more):
        confirmed = {"url": f"{webhook.url}{url or path}", "confirmationUrl": f"{webhook.url}{path}"}
        pairs = [{"key": key, "value": value} for key, value in dict(headers).items()]
        errors = {"republish": {"topic": f"errors/{name}", "roleArn": ROLE, "qos": 1}}
        action = {"http": confirmed | {"headers": pairs} | more}
        return rule(f"{sql} FROM '{name}/#'", action, errorAction=errors)

    return post


class Line:
    """A device that publishes, and another that hears what went wrong."""

    def __init__(self, mouth, ear):
        self.publish, self.send = mouth.publish, mouth.send
        self.message, self.inbox = ear.message, ear.inbox


@pytest.fixture
def line(join, name):
    ear = join()
    ear.subscribe(f"errors/{name}", qos=1)
    return Line(join(client_id=name), ear)


def failure(line, name):
    """The document of the next error, and its only failure."""
    topic, payload = line.message()
    assert topic == f"errors/{name}"
    document = json.loads(payload)
    (failure,) = document["failures"]
    assert failure["failedAction"] == "HttpAction"
    return document, failure


def said(line, name):
    return failure(line, name)[1]["errorMessage"]


def test_nothing_is_posted_before_the_link_was_opened(server, webhook, post, line, name):
    path = f"/{name}"
    post(path, url=f"{path}/deep")
    line.publish(f"{name}/in", b'{"n":1}', qos=1)
    assert "the destination is not enabled" in said(line, name)
    link = webhook.heard(f"{path}/")[0].json()["enableUrl"]
    assert requests.get(link, verify=str(server.root_ca), timeout=WITHIN_S).status_code == 200
    line.publish(f"{name}/in", b'{"n":2}', qos=1)
    (sent,) = webhook.heard(f"{path}/deep")
    assert sent.json() == {"n": 2}
    assert line.inbox() == [], "nothing else failed"


def test_a_destination_that_is_disabled_gets_nothing(server, webhook, post, line, path, name):
    post(path)
    summaries = server.iot.list_topic_rule_destinations()["destinationSummaries"]
    url = {"confirmationUrl": f"{webhook.url}{path}"}
    (arn,) = [it["arn"] for it in summaries if it["httpUrlSummary"] == url]
    server.iot.update_topic_rule_destination(arn=arn, status="DISABLED")
    line.publish(f"{name}/in", b"{}", qos=1)
    assert "the destination is not enabled" in said(line, name)
    assert webhook.count(path) == 0


def test_url_headers_and_body_are_made_of_the_message(webhook, post, line, path, name):
    headers = {"x-device": "${topic(3)} of ${clientid()}", "X-Fixed": "a, b"}
    post(path, url=f"{path}/${{topic(3)}}?n=${{n}}", headers=headers)
    line.publish(f"{name}/in/lamp", b'{"n":1}', qos=1)
    (sent,) = webhook.heard(f"{path}/lamp")
    assert (sent.target, sent.body) == (f"{path}/lamp?n=1", b'{"n":1}')
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["x-device"] == f"lamp of {name}"
    assert sent.headers["x-fixed"] == "a, b"


def test_what_is_no_json_is_posted_as_it_is(webhook, post, line, path, name):
    post(path, url=f"{path}/plain")
    post(path, url=f"{path}/typed", headers={"Content-Type": "image/png"})
    line.publish(f"{name}/in", b"\x00\xff not JSON", qos=1)
    for end, kind in (("plain", "application/octet-stream"), ("typed", "image/png")):
        (sent,) = webhook.heard(f"{path}/{end}")
        assert (sent.body, sent.headers["content-type"]) == (b"\x00\xff not JSON", kind)


def test_a_header_that_cannot_be_sent_is_a_failure(webhook, post, line, path, name):
    post(path, headers={"x-text": "${text}"})
    line.publish(f"{name}/in", json.dumps({"text": "a\r\nx-more: b"}), qos=1)
    assert "the header x-text has a value that cannot be sent" in said(line, name)
    assert webhook.count(path) == 0


@pytest.mark.parametrize("status", [500, 503, 429])
def test_what_may_pass_is_tried_three_times(webhook, post, line, path, name, status):
    post(path)
    webhook.will(path, status, status, 200)
    line.publish(f"{name}/in", b'{"n":1}', qos=1)
    assert [it.body for it in webhook.heard(path, 3)] == [b'{"n":1}'] * 3
    webhook.will(path, status, status, status, 200)
    line.publish(f"{name}/in", b'{"n":2}', qos=1)
    assert f"HTTP status {status}" in said(line, name), "the first message was no failure"
    assert [it.json()["n"] for it in webhook.heard(path, 6)] == [1, 1, 1, 2, 2, 2]
    assert webhook.count(path) == 6, "there is no fourth try"


@pytest.mark.parametrize("status", [400, 404, 304])
def test_what_is_refused_is_not_tried_again(webhook, post, line, path, name, status):
    made = post(path)
    webhook.will(path, status)
    line.publish(f"{name}/in", b'{"n":1}', qos=1)
    document, failed = failure(line, name)
    assert (document["ruleName"], document["topic"]) == (made, f"{name}/in")
    assert document["base64OriginalPayload"] == b64encode(b'{"n":1}').decode()
    url = f"{webhook.url}{path}"
    assert failed == {
        "failedAction": "HttpAction",
        "failedResource": url,
        "errorMessage": f"Failed to send the HTTP request. The error received was HTTP status {status}. "
        f"Message arrived on: {name}/in, Action: http, URL: {url}",
    }
    assert webhook.count(path) == 1


def test_a_redirect_is_not_followed(webhook, post, line, path, name):
    post(path)
    webhook.will(path, lambda it: it.reply(307, Location=f"{webhook.url}{path}/other"))
    line.publish(f"{name}/in", b"{}", qos=1)
    assert "HTTP status 307" in said(line, name)
    assert (webhook.count(path), webhook.count(f"{path}/other")) == (1, 0)


def test_an_answer_that_is_too_long_is_not_tried_again(webhook, post, line, path, name):
    post(path)
    long = b"x" * (16 * 1024 + 1)
    webhook.will(path, lambda it: it.reply(200, long))
    line.publish(f"{name}/in", b'{"n":1}', qos=1)
    webhook.heard(path)
    webhook.will(path, lambda it: it.reply(500, long))
    line.publish(f"{name}/in", b'{"n":2}', qos=1)
    document, _ = failure(line, name)
    assert document["base64OriginalPayload"] == b64encode(b'{"n":2}').decode()
    assert webhook.count(path) == 2


def test_who_does_not_answer_holds_up_nobody_else(webhook, post, line, path, name):
    post(path, url=f"{path}/slow")
    post(path, url=f"{path}/quick")
    end = threading.Event()
    webhook.will(f"{path}/slow", *[lambda _: end.wait(WITHIN_S)] * 3)
    began = time.monotonic()
    try:
        for n in range(3):
            line.publish(f"{name}/in", json.dumps({"n": n}), qos=1)
        assert len(webhook.heard(f"{path}/quick", 3)) == 3
        assert time.monotonic() - began < 3, "the quick ones did not wait"
        for _ in range(3):
            assert "did not answer within 3" in said(line, name)
        assert 3 <= time.monotonic() - began < 10
    finally:
        end.set()
    assert webhook.count(f"{path}/slow") == 3, "a try that took all the time was the last"


def test_a_line_that_is_cut_is_not_tried_again(webhook, post, line, path, name):
    def cut(handler):
        handler.close_connection = True
        handler.connection.shutdown(2)

    post(path)
    webhook.will(path, cut)
    line.publish(f"{name}/in", b"{}", qos=1)
    assert "Failed to send the HTTP request" in said(line, name)
    assert webhook.count(path) == 1


def test_a_certificate_that_nobody_vouches_for_gets_nothing(webhook, post, line, path, name, tmp_path):
    post(path)
    webhook.show(certificate_files(tmp_path, "other")[1])
    try:
        line.publish(f"{name}/in", b"{}", qos=1)
        assert "certificate" in said(line, name)
    finally:
        webhook.show(webhook.certificate)
    assert webhook.count(path) == 0
    line.publish(f"{name}/in", b"{}", qos=1)
    webhook.heard(path)


def test_an_address_of_the_own_network_must_be_permitted(webhook, name, tmp_path):
    server = Server(tmp_path / "data", *settings(webhook)).start()
    confirm(server, webhook, f"/{name}")
    error = {"republish": {"topic": "errors", "roleArn": ROLE, "qos": 1}}
    action = {"http": {"url": f"{webhook.url}/{name}"}}
    rule = {"sql": "SELECT * FROM 'in'", "actions": [action], "errorAction": error}
    server.iot.create_topic_rule(ruleName="rule", topicRulePayload=rule)
    device = quick_device(server, tmp_path, "device", *everything_on("*"))
    assert server.stop() == 0
    server.arguments = settings(webhook, allow=None)
    server.start()
    client = Client(server.mqtts_port, device.tls())
    client.connect("device")
    client.subscribe("errors", qos=1)
    client.publish("in", b"{}")
    assert "outbound.allow" in json.loads(client.message()[1])["failures"][0]["errorMessage"]
    client.drop()
    assert webhook.count(f"/{name}") == 0
    assert server.stop() == 0


def is_signed(sent, secret, scope):
    """Whether the signature of a post is right, as whoever gets it would see."""
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/([^,]+), *SignedHeaders=([^,]+), *Signature=(\w+)",
        sent.headers["authorization"],
    )
    key_id, found_scope, names, signature = found.groups()
    date = sent.headers["x-amz-date"]
    assert (key_id, found_scope) == (KEYS[0], f"{date[:8]}/{scope}/aws4_request")
    covered = {name: sent.headers[name] for name in names.split(";")}
    assert {"host", "x-amz-date", "x-device"} <= set(covered)
    body_hash = hashlib.sha256(sent.body).hexdigest()
    canonical = sigv4.canonical_request("POST", sent.target, covered, body_hash)
    return sigv4.signature_of(secret, date, found_scope, canonical) == signature


def test_posts_are_signed_for_the_service_that_the_rule_names(webhook, post, line, path, name):
    auth = {"sigv4": {"signingRegion": "eu-west-1", "serviceName": "execute-api", "roleArn": ROLE}}
    post(path, url=f"{path}/a?n=${{n}}", headers={"x-device": "${clientid()}"}, auth=auth)
    webhook.will(f"{path}/a", 500)
    line.publish(f"{name}/in", b'{"n":1}', qos=1)
    for sent in webhook.heard(f"{path}/a", 2):
        assert is_signed(sent, KEYS[1], "eu-west-1/execute-api")
        assert not is_signed(sent, "another secret", "eu-west-1/execute-api")


def test_a_header_may_have_a_secret_that_nobody_else_is_told(server, webhook, post, line, path, name):
    secret = lambda id, *key: f"get_secret('{id}', 'SecretString', {''.join(key)}'{ROLE}')"  # noqa: E731
    token = secret("mill", "'token', ")
    for end in ("known", "gone"):
        confirm(server, webhook, f"{path}/{end}")
    made = post(path, headers={"authorization": f"Bearer ${{{token}}}"}, sql="SELECT n")
    arn = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:mill-a1B2c3"
    post(f"{path}/known", sql=f"SELECT {secret(arn)}.user AS user")
    post(f"{path}/gone", headers={"x-key": f"${{{secret('gone')}}}"})
    line.publish(f"{name}/in", b'{"n":1}', qos=1)
    (sent,) = webhook.heard(path)
    assert (sent.headers["authorization"], sent.body) == ("Bearer correct-horse", b'{"n":1}')
    assert webhook.heard(f"{path}/known")[0].json() == {"user": "mill"}
    assert "Secrets Manager can't find the specified secret" in said(line, name)
    assert webhook.count(f"{path}/gone") == 0
    payload = server.iot.get_topic_rule(ruleName=made)["rule"]
    sql = f"SELECT {token} AS t, {secret('mill')} AS all FROM 'a' WHERE {token} = token"
    trial = {
        "topicRulePayload": {"sql": sql, "actions": payload["actions"], "awsIotSqlVersion": "2016-03-23"},
        "message": {"topic": "a", "payload": json.dumps({"token": "correct-horse"})},
    }
    status, _, told = server.call("POST", "/_ferrite/v1/rules/test", json.dumps(trial).encode())
    assert status == 200 and b"correct-horse" not in told, told
    told = json.loads(told)
    assert (told["matched"], told["output"]) == (True, '{"t":"***","all":{"user":"***","token":"***"}}')
    assert told["actions"][0]["inputs"]["headers"] == {"authorization": "Bearer ***"}
    assert b"correct-horse" not in b"".join(it.read_bytes() for it in server.data_dir.glob("*.log"))


def batches(size=10, open_ms=200, max_bytes=131072, **more):
    config = {"maxBatchSize": size, "maxBatchOpenMs": open_ms, "maxBatchSizeBytes": max_bytes}
    return {"enableBatching": True, "batchConfig": config | more}


def publish_all(line, *messages):
    """Publishes messages in one write, so that they come at one moment."""
    line.send(b"".join(publish(topic, payload) for topic, payload in messages))


def many(topic, *payloads):
    return [(topic, payload) for payload in payloads]


def numbers(sent):
    return [[item["n"] for item in post.json()] for post in sent]


def test_messages_go_out_together_until_a_batch_is_full(webhook, post, line, path, name):
    post(path, headers={"x-last": "${n}", "x-device": "x"}, **batches(size=3))
    publish_all(line, *many(f"{name}/in", *(json.dumps({"n": n}) for n in range(7))))
    sent = sorted(webhook.heard(path, 3), key=lambda it: it.body)
    assert numbers(sent) == [[0, 1, 2], [3, 4, 5], [6]]
    assert [it.headers["x-last"] for it in sent] == ["2", "5", "6"]
    assert {it.headers["content-type"] for it in sent} == {"application/json"}


def test_a_batch_has_so_many_bytes(webhook, post, line, path, name):
    post(path, **batches(max_bytes=100))
    payloads = [json.dumps({"n": n, "text": "x" * 25}) for n in range(4)]
    assert 2 * len(payloads[0]) + 3 <= 100 < 3 * len(payloads[0])
    payloads.append(json.dumps({"n": 4, "text": "x" * 200}))
    publish_all(line, *many(f"{name}/in", *payloads))
    assert sorted(numbers(webhook.heard(path, 3))) == [[0, 1], [2, 3], [4]]


def test_batches_are_of_one_url_and_one_topic_unless_the_rule_says_so(webhook, post, line, path, name):
    post(path, url=f"{path}/apart", **batches())
    post(path, url=f"{path}/across", **batches(batchAcrossTopics=True))
    post(path, url=f"{path}/of/${{n % 2}}", **batches(batchAcrossTopics=True))
    publish_all(line, *((f"{name}/in/{n // 2}", json.dumps({"n": n})) for n in range(4)))
    assert sorted(numbers(webhook.heard(f"{path}/apart", 2))) == [[0, 1], [2, 3]]
    (across,) = webhook.heard(f"{path}/across")
    assert sorted(item["n"] for item in across.json()) == [0, 1, 2, 3]
    for odd in (0, 1):
        (sent,) = webhook.heard(f"{path}/of/{odd}")
        assert sorted(item["n"] for item in sent.json()) == [odd, odd + 2]


def test_text_is_a_string_in_a_batch_and_bytes_are_refused(webhook, post, line, path, name):
    post(path, **batches())
    publish_all(line, *many(f"{name}/in", b"some text", b"\xff", b"[1]"))
    assert webhook.heard(path)[0].json() == ["some text", [1]]
    assert "not UTF-8" in said(line, name)


@pytest.mark.parametrize("across", [False, True])
def test_one_error_action_tells_of_a_whole_batch(webhook, post, line, path, name, across):
    made = post(path, **batches(size=3, batchAcrossTopics=across))
    webhook.will(path, 404)
    payloads = [json.dumps({"n": n}).encode() for n in range(3)]
    publish_all(line, *many(f"{name}/in", *payloads))
    document, failed = failure(line, name)
    messages = document.pop("payloadsWithMetadata")
    topic = {"topic": f"{name}/in"}
    assert document == {"ruleName": made, "failures": [failed]} | ({} if across else topic)
    assert {it["base64OriginalPayload"] for it in messages} == {b64encode(it).decode() for it in payloads}
    assert all(it["clientId"] == name and it["cloudwatchTraceId"] for it in messages)
    assert all(("topic" in it) == across for it in messages)
    assert sorted(failed["affectedIds"]) == sorted(it["id"] for it in messages)
    assert len(set(failed["affectedIds"])) == 3
    assert "HTTP status 404" in failed["errorMessage"]
    assert line.inbox() == [], "nothing else failed"


def test_what_else_failed_for_a_message_of_a_batch_is_told_with_it(webhook, rule, line, path, name):
    rule(
        f"SELECT * FROM '{name}/#'",
        {"http": {"url": f"{webhook.url}{path}"} | batches(size=2)},
        {"lambda": {"functionArn": "arn:aws:lambda:us-east-1:000000000000:function:nobody"}},
        errorAction={"republish": {"topic": f"errors/{name}", "roleArn": ROLE, "qos": 1}},
    )
    webhook.will(path, 404)
    publish_all(line, *many(f"{name}/in", b'{"n":0}', b'{"n":1}'))
    failures = json.loads(line.message()[1])["failures"]
    affected = sorted((it["failedAction"], *it["affectedIds"]) for it in failures)
    both = next(it for it in affected if it[0] == "HttpAction")
    assert [len(it) for it in affected] == [3, 2, 2]
    assert [it[1] for it in affected[1:]] == sorted(both[1:])
    publish_all(line, *many(f"{name}/in", b'{"n":2}', b'{"n":3}'))
    for _ in range(2):
        document = json.loads(line.message()[1])
        assert [it["failedAction"] for it in document["failures"]] == ["LambdaAction"]
        assert "payloadsWithMetadata" not in document, "the batch was sent"
    assert line.inbox() == []


def test_messages_of_a_failed_batch_are_kept_one_by_one(server, webhook, rule, line, path, name):
    action = {"http": {"url": f"{webhook.url}{path}"} | batches(size=2)}
    made = rule(f"SELECT * FROM '{name}/#'", action)
    webhook.will(path, 404)
    publish_all(line, *many(f"{name}/in", b'{"n":0}', b'{"n":1}'))
    letters = lambda: server.ask(f"rules/{made}/dead-letters")["deadLetters"]  # noqa: E731
    kept = soon(lambda: len(found := letters()) == 2 and found)
    payloads = {it["document"]["base64OriginalPayload"] for it in kept}
    assert payloads == {b64encode(b'{"n":0}').decode(), b64encode(b'{"n":1}').decode()}
    status, _, _ = server.call("POST", f"/_ferrite/v1/rules/{made}/dead-letters/retry")
    assert status == 200
    assert sorted(webhook.heard(path, 2)[1].json(), key=str) == [{"n": 0}, {"n": 1}]
    soon(lambda: not letters())


def test_what_was_acknowledged_is_posted_though_the_server_was_killed_with_an_open_batch(
    webhook, name, tmp_path
):
    server = Server(tmp_path / "data", *settings(webhook)).start()
    confirm(server, webhook, f"/{name}")
    action = {"http": {"url": f"{webhook.url}/{name}"} | batches()}
    rule = {"sql": "SELECT * FROM 'in/+'", "actions": [action]}
    server.iot.create_topic_rule(ruleName="rule", topicRulePayload=rule)
    device = quick_device(server, tmp_path, "device", *everything_on("*"))
    end = threading.Event()
    webhook.will(f"/{name}", lambda _: end.wait(WITHIN_S))
    client = Client(server.mqtts_port, device.tls())
    client.connect("device")
    for n in range(5):
        client.publish("in/a", json.dumps({"n": n}), qos=1)
    webhook.heard(f"/{name}")
    # With it goes to disk what the server is done with.
    client.publish("in/b", b'{"n":5}', qos=1)
    server.kill()
    end.set()
    client.drop()
    server.start()
    answered = []
    while not {n for batch in answered for n in batch} >= set(range(5)):
        answered = numbers(webhook.heard(f"/{name}", 1 + len(answered) + 1)[1:])
    assert server.stop() == 0

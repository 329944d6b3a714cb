"""Destinations of rules: a server that is asked whether it wants messages, and answers."""

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from device import soon
from harness import ACCOUNT, REGION, Server, refused
from webhook import certificate_files

WITHIN_S = 20


class Webhook:
    """An HTTPS server that keeps what it is sent."""

    def __init__(self, folder):
        self.trusted, both = certificate_files(folder)
        self.received, self.status = Queue(), 200
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                webhook.received.put((self.path, self.headers, json.loads(body)))
                self.send_response(webhook.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(both)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def webhook(tmp_path_factory):
    webhook = Webhook(tmp_path_factory.mktemp("webhook"))
    yield webhook
    webhook.server.shutdown()


@pytest.fixture(scope="module")
def server(tmp_path_factory, webhook):
    data_dir = tmp_path_factory.mktemp("ferrite") / "data"
    settings = ["--set", "outbound.allow=127.0.0.1", "--set", f"outbound.ca_file={webhook.trusted}"]
    server = Server(data_dir, *settings).start()
    yield server
    assert server.stop() == 0, "the server ends cleanly"


def create(iot, url):
    configuration = {"httpUrlConfiguration": {"confirmationUrl": url}}
    made = iot.create_topic_rule_destination(destinationConfiguration=configuration)
    return made["topicRuleDestination"]


def status(iot, arn):
    return iot.get_topic_rule_destination(arn=arn)["topicRuleDestination"]["status"]


def test_a_destination_is_asked_and_confirms(server, iot, webhook, name):
    url = f"{webhook.url}/{name}"
    made = create(iot, url)
    arn = made["arn"]
    assert arn.startswith(f"arn:aws:iot:{REGION}:{ACCOUNT}:ruledestination/http/")
    assert (made["status"], made["httpUrlProperties"]) == ("IN_PROGRESS", {"confirmationUrl": url})
    path, headers, body = webhook.received.get(timeout=WITHIN_S)
    token = body["confirmationToken"]
    assert urlsplit(path).path == f"/{name}/"
    assert parse_qs(urlsplit(path).query) == {"confirmationToken": [token]}
    assert headers["x-amz-rules-engine-message-type"] == "DestinationConfirmation"
    assert headers["x-amz-rules-engine-destination-arn"] == arn
    assert (body["arn"], body["messageType"]) == (arn, "DestinationConfirmation")
    soon(lambda: "Awaiting confirmation" in reason(iot, arn))
    iot.confirm_topic_rule_destination(confirmationToken=token)
    assert status(iot, arn) == "ENABLED"
    for wanted in ("DISABLED", "ENABLED"):
        iot.update_topic_rule_destination(arn=arn, status=wanted)
        assert status(iot, arn) == wanted
    summaries = iot.list_topic_rule_destinations()["destinationSummaries"]
    (listed,) = [summary for summary in summaries if summary["arn"] == arn]
    assert listed["httpUrlSummary"] == {"confirmationUrl": url}
    iot.delete_topic_rule_destination(arn=arn)
    denied = f"Access to TopicRuleDestination '{arn}' was denied"
    with refused("UnauthorizedException", saying=denied):
        iot.delete_topic_rule_destination(arn=arn)


def reason(iot, arn):
    found = iot.get_topic_rule_destination(arn=arn)["topicRuleDestination"]
    return found.get("statusReason", "")


def test_the_link_confirms_without_a_signature(server, iot, webhook, name):
    arn = create(iot, f"{webhook.url}/{name}")["arn"]
    link = webhook.received.get(timeout=WITHIN_S)[2]["enableUrl"]
    assert link.startswith(f"https://localhost:{server.https_port}/confirmdestination/")
    answer = requests.get(link, verify=str(server.root_ca), timeout=WITHIN_S)
    assert answer.status_code == 200, answer.text
    assert status(iot, arn) == "ENABLED"
    wrong = requests.get(f"{server.url}/confirmdestination/wrong", timeout=WITHIN_S)
    assert wrong.status_code == 400
    other = requests.get(f"{server.url}/destinations", timeout=WITHIN_S)
    assert other.status_code == 403


def test_a_signed_request_with_a_token_is_held_to_the_key(server, iot, webhook, name, tmp_path):
    arn = create(iot, f"{webhook.url}/{name}")["arn"]
    token = webhook.received.get(timeout=WITHIN_S)[2]["confirmationToken"]
    path = tmp_path / "policy.json"
    statement = {"Effect": "Allow", "Action": "iot:ListThings", "Resource": "*"}
    path.write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    limited = server.client(keys=server.create_access_key(policy=path))
    with refused("AccessDeniedException"):
        limited.confirm_topic_rule_destination(confirmationToken=token)
    for call in (
        lambda: limited.get_topic_rule_destination(arn=arn),
        lambda: limited.update_topic_rule_destination(arn=arn, status="IN_PROGRESS"),
        lambda: limited.delete_topic_rule_destination(arn=arn),
        lambda: limited.list_topic_rule_destinations(),
        lambda: create(limited, f"{webhook.url}/{name}/2"),
    ):
        with refused("AccessDeniedException"):
            call()
    assert status(iot, arn) == "IN_PROGRESS"


def test_a_destination_that_answers_badly_can_be_asked_again(iot, webhook, name):
    webhook.status = 502
    try:
        arn = create(iot, f"{webhook.url}/{name}")["arn"]
        webhook.received.get(timeout=WITHIN_S)
        soon(lambda: reason(iot, arn).endswith("responded with HTTP status code - 502."))
    finally:
        webhook.status = 200
    iot.update_topic_rule_destination(arn=arn, status="IN_PROGRESS")
    token = webhook.received.get(timeout=WITHIN_S)[2]["confirmationToken"]
    iot.confirm_topic_rule_destination(confirmationToken=token)
    assert status(iot, arn) == "ENABLED"


def test_an_address_that_is_not_permitted_is_said_so(iot, name):
    arn = create(iot, f"https://10.0.0.1/{name}")["arn"]
    soon(lambda: "outbound.allow" in reason(iot, arn))


def test_a_rule_brings_its_destination(iot, webhook, name):
    url = f"{webhook.url}/{name}"
    rule = {"sql": "SELECT * FROM 'a'", "actions": [{"http": {"url": f"{url}/deep"}}]}
    rule["actions"][0]["http"]["confirmationUrl"] = url
    iot.create_topic_rule(ruleName=name.replace("-", "_"), topicRulePayload=rule)
    assert webhook.received.get(timeout=WITHIN_S)[0].startswith(f"/{name}/?confirmationToken=")
    with refused("ResourceAlreadyExistsException"):
        create(iot, url)

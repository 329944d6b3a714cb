"""Publishing over HTTPS: signed on either door, and with a certificate on the HTTPS door."""

import http.client
import json
import uuid
from base64 import b64encode

import pytest

import sigv4
from device import allow, arn, deny, logged, soon, tls
from harness import REGION
from mqtt_raw import puback

MIB = 1024 * 1024


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.error = response.headers.get("x-amzn-errortype")
        self.json = json.loads(response.read() or b"{}")


class Https:
    """One connection to the HTTPS door, which stays open from request to request."""

    def __init__(self, server, context):
        self.connection = http.client.HTTPSConnection(
            "localhost", server.https_port, context=context, timeout=15
        )

    def ask(self, method, target, body=b"", headers=None):
        self.connection.request(method, target, body, headers or {})
        return Answer(self.connection.getresponse())

    def publish(self, topic, body=b"on", query="", headers=None):
        return self.ask("POST", f"/topics/{topic}{query}", body, headers)


@pytest.fixture
def https():
    """Opens connections of devices to the HTTPS door."""
    opened = []

    def https(device, alpn=None):
        opened.append(Https(device.server, device.tls(alpn)))
        return opened[-1]

    yield https
    for one in opened:
        one.connection.close()


def forbidden(answer, *words):
    assert (answer.status, answer.error) == (403, "ForbiddenException"), answer.json
    assert uuid.UUID(answer.json["traceId"])
    assert all(word in answer.json["message"] for word in words), answer.json


@pytest.fixture
def ear(session, device):
    """Subscribes to a topic: whoever hears what is published to it."""

    def ear(*filters):
        client = session(device, client_id=f"ear-{uuid.uuid4().hex[:8]}")
        client.subscribe(*filters, qos=1)
        return client

    return ear


def heard(client):
    """The next message with all that it has, acknowledged."""
    found = client.read()
    if found.qos == 1:
        client.send(puback(found.packet_id))
    return found


# Signed with an access key


def test_boto3_publishes_and_devices_hear_it(server, name, ear):
    listener = ear(f"{name}/#")
    data = server.client("iot-data")
    data.publish(topic=f"{name}/a b", payload=b"on")
    data.publish(topic=f"{name}/1", qos=1, payload=b"\x00\xff")
    first, second = heard(listener), heard(listener)
    assert (first.topic, first.payload, first.qos) == (f"{name}/a b", b"on", 0)
    assert (second.topic, second.payload, second.qos) == (f"{name}/1", b"\x00\xff", 1)


def test_the_answer_is_that_of_aws(server, name):
    status, headers, body = server.call("POST", f"/topics/{name}", b"on", service="iotdata")
    answer = json.loads(body)
    assert (status, answer["message"]) == (200, "OK")
    assert uuid.UUID(answer["traceId"])
    assert headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("service", ["iotdata", "iotdevicegateway"])
def test_levels_are_encoded_or_not(server, name, ear, service):
    listener = ear(f"{name}/#")
    for path in [f"{name}%2Fa%2Fb", f"{name}/a/b"]:
        status, _, body = server.call("POST", f"/topics/{path}", b"on", service=service)
        assert status == 200, body
        assert heard(listener).topic == f"{name}/a/b"


@pytest.mark.parametrize("encode", [json.dumps, list], ids=["text", "list"])
def test_every_property_of_mqtt_5_arrives(server, name, ear, encode):
    listener = ear(name)
    server.client("iot-data").publish(
        topic=name,
        payload="{}",
        contentType="application/json",
        responseTopic=f"{name}/answers",
        correlationData=b64encode(b"\x00\x01").decode(),
        messageExpiry=60,
        payloadFormatIndicator="UTF8_DATA",
        userProperties=encode([{"b": "1"}, {"a": "2"}]),
    )
    found = heard(listener).properties
    assert found["content_type"] == "application/json"
    assert found["response_topic"] == f"{name}/answers"
    assert found["correlation_data"] == b"\x00\x01"
    assert found["message_expiry"] in (59, 60)
    assert found["payload_format"] == 1
    assert found["user"] == [("b", "1"), ("a", "2")]


def refusal(client, **members):
    with pytest.raises(client.exceptions.ClientError) as caught:
        client.publish(**members)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_what_mqtt_refuses_is_refused(server, name):
    data = server.client("iot-data", validate=False)
    invalid = (400, "InvalidRequestException")
    assert refusal(data, topic="a/+") == invalid
    assert refusal(data, topic="$aws/things/x") == invalid
    assert refusal(data, topic="x" * 257) == invalid
    assert refusal(data, topic=name, qos=2) == invalid
    assert refusal(data, topic=name, responseTopic="#") == invalid
    too_large = (413, "RequestEntityTooLargeException")
    assert refusal(data, topic=name, payload=b"x" * (128 * 1024 + 1)) == too_large
    assert refusal(data, topic=name, payload=b"x" * (3 * MIB)) == too_large
    data.publish(topic=name, payload=b"x" * (128 * 1024))


def test_another_method_is_not_allowed(server, name):
    status, headers, body = server.call("PUT", f"/topics/{name}", service="iotdata")
    assert (status, headers["x-amzn-errortype"]) == (405, "MethodNotAllowedException"), body


def test_the_iam_policy_of_the_key_binds(server, tmp_path, name, ear):
    policy = tmp_path / "policy.json"
    statement = {"Effect": "Allow", "Action": "iot:Publish", "Resource": arn(f"topic/{name}/*")}
    policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    data = server.client("iot-data", keys=server.create_access_key(policy=policy))
    listener = ear(f"{name}/#")
    data.publish(topic=f"{name}/open", payload=b"on")
    assert heard(listener).topic == f"{name}/open"
    denied = (403, "ForbiddenException")
    assert refusal(data, topic="elsewhere") == denied
    assert refusal(data, topic=f"{name}/open", retain=True) == denied, "RetainPublish is asked for"


def test_regions_are_apart(server, name, ear):
    listener = ear(name)
    server.client("iot-data", region="eu-west-1").publish(topic=name, payload=b"abroad")
    server.client("iot-data", region=REGION).publish(topic=name, payload=b"home")
    assert heard(listener).payload == b"home"


# With a certificate


@pytest.mark.parametrize("alpn", [None, "x-amzn-http-ca"])
def test_a_device_publishes_with_its_certificate(make, https, ear, name, alpn):
    device = make(allow("iot:Publish", f"topic/{name}/*"))
    listener = ear(f"{name}/#")
    door = https(device, alpn)
    for number in range(3):
        answer = door.publish(f"{name}/a", str(number).encode(), "?qos=1")
        assert (answer.status, answer.json["message"]) == (200, "OK")
        assert uuid.UUID(answer.json["traceId"])
        message = heard(listener)
        assert (message.topic, message.payload) == (f"{name}/a", str(number).encode())


def test_what_its_policies_do_not_allow_is_refused_and_logged(make, https, name):
    device = make(allow("iot:Publish", f"topic/{name}/*"), deny("iot:Publish", f"topic/{name}/no"))
    door = https(device)
    forbidden(door.publish("elsewhere"), "iot:Publish", arn("topic/elsewhere"))
    entry = logged(device.server, principalId=device.certificate_id, topicName="elsewhere")
    assert (entry["eventType"], entry["reason"]) == ("Publish-In", "AUTHORIZATION_FAILURE")
    assert entry["protocol"] == "HTTP"
    assert "iot:Publish" in entry["details"]
    forbidden(door.publish(f"{name}/no"), "iot:Publish")
    assert door.publish(f"{name}/yes").status == 200, "the connection goes on"
    forbidden(door.publish(f"{name}/yes", query="?retain=true"), "iot:RetainPublish")


def test_a_policy_with_variables_of_the_client_allows_nothing(make, https, name):
    device = make(
        allow("iot:Publish", "topic/${iot:ClientId}/*"),
        allow("iot:Publish", "topic/${iot:Connection.Thing.ThingName}/*"),
    )
    door = https(device)
    forbidden(door.publish(f"{name}/a"))
    forbidden(door.publish("/a"))


def test_a_change_of_policy_binds_the_open_connection(make, https, name):
    device = make(allow("iot:Publish", f"topic/{name}"))
    door = https(device)
    assert door.publish(name).status == 200
    device.detach_policies()
    soon(lambda: door.publish(name).status == 403)
    device.iot.attach_policy(policyName=f"{name}-0", target=device.certificate_arn)
    soon(lambda: door.publish(name).status == 200)


def test_a_certificate_that_is_not_active_is_refused_on_the_open_connection_too(make, https, name):
    device = make(allow("iot:Publish", f"topic/{name}"))
    door = https(device)
    assert door.publish(name).status == 200
    device.set_status("INACTIVE")
    soon(lambda: door.publish(name).status == 403)
    forbidden(door.publish(name), "INACTIVE")
    forbidden(https(device).publish(name), "INACTIVE")
    entry = logged(device.server, reason="CERTIFICATE_INACTIVE", protocol="HTTP")
    assert device.certificate_id in entry["details"]
    device.set_status("ACTIVE")
    soon(lambda: door.publish(name).status == 200)


def test_a_certificate_does_not_open_the_control_plane(make, https, name):
    device = make(allow("iot:*"))
    door = https(device)
    for method, target in [
        ("GET", "/things"),
        ("POST", f"/things/{name}-new"),
        ("DELETE", f"/things/{name}"),
        ("POST", "/keys-and-certificate"),
    ]:
        answer = door.ask(method, target)
        assert (answer.status, answer.error) == (403, "ForbiddenException"), (target, answer.json)
    for target in ["/_ferrite/v1/device-log", "/nowhere"]:
        answer = door.ask("GET", target)
        assert (answer.status, answer.error) == (403, "MissingAuthenticationTokenException"), target
    assert [thing["thingName"] for thing in device.iot.list_things()["things"]].count(name) == 1


def test_without_a_certificate_and_a_signature_nobody_publishes(server, name):
    door = Https(server, tls(str(server.root_ca)))
    answer = door.publish(name)
    assert (answer.status, answer.error) == (403, "MissingAuthenticationTokenException")
    door.connection.close()


def test_a_signature_counts_before_the_certificate(make, https, server, name):
    device = make(deny("iot:*"))
    request = sigv4.sign(
        "POST",
        f"localhost:{server.https_port}",
        f"/topics/{name}",
        b"on",
        keys=server.keys(),
        service="iotdata",
    )
    answer = https(device).ask("POST", f"/topics/{name}", b"on", request.headers)
    assert answer.status == 200, answer.json

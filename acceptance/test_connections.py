"""The connections API: clients described, listed, cut off, and sent messages of their own."""

import base64
import json
import threading
import time

import pytest

from device import allow, arn, deny, document, everything_on, logged
from harness import refused
from mqtt_raw import PUBLISH, V5, V311, puback

both_versions = pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])


@pytest.fixture(scope="module")
def data(server):
    """A boto3 client of the data plane."""
    return server.client("iot-data")


@pytest.fixture
def raw_data(server):
    """As `data`, but sends what boto3 would refuse by itself."""
    return server.client("iot-data", validate=False)


@pytest.fixture
def limited(server, tmp_path):
    """Makes a client of the data plane whose access key has the policy of these statements."""

    def make(*statements):
        path = tmp_path / "policy.json"
        path.write_text(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
        return server.client("iot-data", keys=server.create_access_key(policy=path))

    return make


def is_recent(timestamp):
    """Whether a time in milliseconds is not long ago."""
    return 0 <= time.time() * 1000 - timestamp < 60_000


# GetConnection


def told(data, client_id, **more):
    answer = data.get_connection(clientId=client_id, **more)
    del answer["ResponseMetadata"]
    return answer


@both_versions
def test_a_client_is_described_while_it_is_there_and_after(data, make, session, version):
    device = make(*everything_on("*"))
    client = session(device, version, keep_alive=45)
    description = {
        "thingName": device.name,
        "cleanSession": True,
        "keepAliveDuration": 45,
        "sessionExpiry": 0,
        "clientId": device.name,
    }
    present = told(data, device.name)
    assert is_recent(present.pop("connectedSince"))
    assert present == description | {"connected": True}
    client.drop()
    logged(device.server, eventType="Disconnect", clientId=device.name)
    absent = told(data, device.name)
    assert is_recent(absent.pop("disconnectedSince"))
    assert absent == description | {
        "connected": False,
        "disconnectReason": "CONNECTION_LOST",
    }


# GetThingConnectivityData


def of_thing(server, name, **more):
    answer = server.client("iot").get_thing_connectivity_data(thingName=name, **more)
    del answer["ResponseMetadata"]
    return answer


def test_it_is_told_whether_a_thing_is_connected(server, make, session):
    device = make(*everything_on("*"))
    absent = {"thingName": device.name, "connected": False, "disconnectReason": "UNKNOWN"}
    assert of_thing(server, device.name) == absent
    client = session(device, keep_alive=45)
    address, port = client.socket.getsockname()
    present = of_thing(server, device.name, includeSocketInformation=True)
    assert is_recent(present.pop("timestamp").timestamp() * 1000)
    description = {
        "thingName": device.name,
        "clientId": device.name,
        "cleanSession": True,
        "keepAliveDuration": 45,
        "sessionExpiry": 0,
    }
    assert present == description | {
        "connected": True,
        "disconnectReason": "NONE",
        "sourceIp": address,
        "sourcePort": port,
        "targetIp": "127.0.0.1",
        "targetPort": server.mqtts_port,
    }
    client.drop()
    logged(device.server, eventType="Disconnect", clientId=device.name)
    absent = of_thing(server, device.name)
    assert is_recent(absent.pop("timestamp").timestamp() * 1000)
    assert absent == description | {"connected": False, "disconnectReason": "CONNECTION_LOST"}


def test_what_is_no_thing_has_no_connection(server, name):
    with refused("ResourceNotFoundException"):
        of_thing(server, name)


# Sockets


def test_a_socket_is_told_of_when_asked_for(data, server, make, session):
    device = make(*everything_on("*"))
    client = session(device)
    address, port = client.socket.getsockname()
    described = told(data, device.name, includeSocketInformation=True)
    sockets = ["sourceIp", "sourcePort", "targetIp", "targetPort"]
    expected = [address, port, "127.0.0.1", server.mqtts_port]
    assert [described[member] for member in sockets] == expected
    assert not set(sockets) & set(told(data, device.name))


def test_a_policy_may_keep_sockets_to_itself(limited, make, session):
    device = make(*everything_on("*"))
    session(device)
    asked = {"Bool": {"iot:IncludeSocketInformation": "true"}}
    data = limited(allow("iot:GetConnection"), deny("iot:GetConnection", Condition=asked))
    assert told(data, device.name)["connected"]
    with refused("ForbiddenException", saying="iot:GetConnection"):
        data.get_connection(clientId=device.name, includeSocketInformation=True)


def test_a_policy_may_keep_the_sockets_of_things_to_itself(server, make, session, tmp_path):
    device = make(*everything_on("*"))
    session(device)
    policy = tmp_path / "policy.json"
    operation = "iot:GetThingConnectivityData"
    asked = {"Bool": {"iot:IncludeSocketInformation": "true"}}
    policy.write_text(document(allow(operation), deny(operation, Condition=asked)))
    iot = server.client("iot", keys=server.create_access_key(policy=policy))
    assert iot.get_thing_connectivity_data(thingName=device.name)["connected"]
    with refused("AccessDeniedException", saying=operation):
        iot.get_thing_connectivity_data(thingName=device.name, includeSocketInformation=True)


def test_nobody_is_not_found(data, name):
    for call in [data.get_connection, data.delete_connection, data.list_subscriptions]:
        with refused("ResourceNotFoundException"):
            call(clientId=name)
    with refused("ResourceNotFoundException"):
        data.send_direct_message(clientId=name, topic="t", payload=b"x")


def test_a_client_id_with_slashes_is_encoded(data, server, make, session, name):
    client_id = f"floor/1 +{name}/subscriptions"
    client = session(make(*everything_on("*")), client_id=client_id)
    client.subscribe("a")
    assert told(data, client_id)["clientId"] == client_id
    page = data.list_subscriptions(clientId=client_id)
    assert page["subscriptions"] == [{"topicFilter": "a", "qos": 0}]
    data.send_direct_message(clientId=client_id, topic="t", payload=b"x")
    assert client.message() == ("t", b"x")
    data.delete_connection(clientId=client_id)
    assert told(data, client_id)["disconnectReason"] == "API_INITIATED_DISCONNECT"
    # Without the encoding, the path names another operation on another client.
    status, headers, _ = server.call("GET", f"/connections/{name}/subscriptions", service="iotdata")
    assert (status, headers["x-amzn-errortype"]) == (404, "ResourceNotFoundException")


def test_a_client_id_may_not_begin_as_a_reserved_one(raw_data):
    with refused("InvalidRequestException"):
        raw_data.get_connection(clientId="$me")


@pytest.mark.parametrize("service", ["iotdata", "iotdevicegateway"])
def test_both_names_of_the_service_are_signed_with(server, make, session, service):
    device = make(*everything_on("*"))
    session(device)
    status, _, body = server.call("GET", f"/connections/{device.name}", service=service)
    assert (status, json.loads(body)["connected"]) == (200, True)


# DeleteConnection


@both_versions
@pytest.mark.parametrize("prevented", [False, True], ids=["will", "no will"])
def test_a_connection_is_deleted(data, make, session, name, version, prevented):
    device = make(*everything_on("*"))
    observer = session(make(*everything_on("*")))
    event = f"$aws/events/presence/disconnected/{device.name}"
    observer.subscribe(f"{name}/will", event)
    client = session(device, version, will={"topic": f"{name}/will", "payload": b"gone"})
    data.delete_connection(clientId=device.name, preventWillMessage=prevented)
    assert client.is_closed(0x98 if version == V5 else None)
    if not prevented:
        assert observer.message() == (f"{name}/will", b"gone")
    topic, ended = observer.message()
    ended = json.loads(ended)
    assert (topic, ended["disconnectReason"]) == (event, "API_INITIATED_DISCONNECT")
    assert ended["clientInitiatedDisconnect"] is False
    observer.ping()
    session(device, version)
    assert told(data, device.name)["connected"], "it may come back"


def test_a_flag_may_be_written_in_capitals(server, make, session):
    device = make(*everything_on("*"))
    client = session(device)
    target = f"/connections/{device.name}?cleanSession=TRUE&preventWillMessage=TRUE"
    status, _, body = server.call("DELETE", target, service="iotdata")
    assert (status, body) == (200, b"")
    assert client.is_closed(0x98)


def test_each_operation_needs_its_own_permission(limited, make, session):
    device = make(*everything_on("*"))
    client = session(device)
    data = limited(allow("iot:*", "client/another"), allow("iot:*", "topic/*"))
    calls = {
        "GetConnection": lambda: data.get_connection(clientId=device.name),
        "DeleteConnection": lambda: data.delete_connection(clientId=device.name),
        "ListSubscriptions": lambda: data.list_subscriptions(clientId=device.name),
        "SendDirectMessage": lambda: data.send_direct_message(
            clientId=device.name, topic="t", payload=b"x"
        ),
    }
    for operation, call in calls.items():
        resource = arn(f"client/{device.name}")
        with refused("ForbiddenException", saying=f"iot:{operation} on resource: {resource}"):
            call()
    client.ping()


# ListSubscriptions


@both_versions
def test_subscriptions_are_listed_in_pages(data, make, session, version):
    device = make(*everything_on("*"))
    client = session(device, version)
    client.subscribe("b/#", "a", qos=1)
    client.subscribe("c/+")
    first = data.list_subscriptions(clientId=device.name, maxResults=2)
    assert first["subscriptions"] == [
        {"topicFilter": "a", "qos": 1},
        {"topicFilter": "b/#", "qos": 1},
    ]
    last = data.list_subscriptions(clientId=device.name, nextToken=first["nextToken"])
    assert last["subscriptions"] == [{"topicFilter": "c/+", "qos": 0}]
    assert "nextToken" not in last
    for token in ["nonsense", first["nextToken"][:-2]]:
        with refused("InvalidRequestException"):
            data.list_subscriptions(clientId=device.name, nextToken=token)


# SendDirectMessage


@both_versions
def test_a_direct_message_reaches_one_client_alone(data, make, session, version):
    device = make(*everything_on("*"))
    observer = session(make(*everything_on("*")))
    observer.subscribe("#")
    client = session(device, version)
    answer = data.send_direct_message(
        clientId=device.name,
        topic="commands/now",
        payload=b"blink",
        contentType="text/plain",
        responseTopic="answers",
        userProperties=json.dumps([{"a": "1"}, {"b": "2"}]),
        payloadFormatIndicator="UTF8_DATA",
        correlationData=base64.b64encode(b"7").decode(),
    )
    assert answer["message"] == "OK" and answer["traceId"]
    message = client.read()
    assert (message.kind, message.qos) == (PUBLISH, 0)
    assert (message.topic, message.payload) == ("commands/now", b"blink")
    properties = {
        "content_type": "text/plain",
        "response_topic": "answers",
        "user": [("a", "1"), ("b", "2")],
        "payload_format": 1,
        "correlation_data": b"7",
    }
    assert message.properties == (properties if version == V5 else {})
    observer.ping()


@both_versions
def test_a_direct_message_is_confirmed(data, make, session, version):
    device = make(*everything_on("*"))
    client = session(device, version)
    answers = []

    def send():
        answers.append(
            data.send_direct_message(
                clientId=device.name, topic="t", payload=b"x", confirmation=True, timeout=10
            )
        )

    sender = threading.Thread(target=send)
    sender.start()
    message = client.read()
    assert (message.topic, message.payload, message.qos) == ("t", b"x", 1)
    assert sender.is_alive(), "the answer waits for the acknowledgement"
    client.send(puback(message.packet_id))
    sender.join(10)
    assert [answer["message"] for answer in answers] == ["OK"]


def test_a_confirmation_that_does_not_come_is_a_timeout(data, make, session):
    device = make(*everything_on("*"))
    client = session(device)
    with refused("GatewayTimeoutException"):
        data.send_direct_message(
            clientId=device.name, topic="t", payload=b"x", confirmation=True, timeout=1
        )
    assert client.message() == ("t", b"x")
    client.ping()


def test_a_receiver_needs_permission_too(data, make, session):
    device = make(allow("iot:Connect"), allow("iot:Receive", "topic/yes"))
    client = session(device)
    with refused("ForbiddenException", saying="iot:Receive"):
        data.send_direct_message(clientId=device.name, topic="no", payload=b"x")
    data.send_direct_message(clientId=device.name, topic="yes", payload=b"x")
    assert client.message() == ("yes", b"x")


def test_a_policy_may_name_the_topics_of_direct_messages(limited, make, session):
    device = make(*everything_on("*"))
    client = session(device)
    condition = {"StringLike": {"iot:Topic": "commands/*"}}
    data = limited(
        allow("iot:SendDirectMessage", f"client/{device.name}", Condition=condition)
    )
    with refused("ForbiddenException", saying="iot:SendDirectMessage"):
        data.send_direct_message(clientId=device.name, topic="other", payload=b"x")
    data.send_direct_message(clientId=device.name, topic="commands/now", payload=b"x")
    assert client.message() == ("commands/now", b"x")


def test_a_direct_message_out_of_bounds_is_refused(data, make, session):
    device = make(*everything_on("*"))
    client = session(device)
    for topic in ["$aws/things/a/shadow/get", "a/#", "1/2/3/4/5/6/7/8/9", "x" * 257]:
        with refused("InvalidRequestException"):
            data.send_direct_message(clientId=device.name, topic=topic, payload=b"x")
    with refused("InvalidRequestException"):
        data.send_direct_message(clientId=device.name, topic="t", timeout=0)
    with refused("RequestEntityTooLargeException"):
        data.send_direct_message(clientId=device.name, topic="t", payload=bytes(128 * 1024 + 1))
    largest = bytes(128 * 1024)
    data.send_direct_message(clientId=device.name, topic="t", payload=largest)
    assert client.message() == ("t", largest)
    data.send_direct_message(clientId=device.name, topic="t")
    assert client.message() == ("t", b"")

"""MQTT over WebSocket at `/mqtt`, signed with an access key: by awsiotsdk, by paho, and by hand."""

import json
import threading
import uuid
from concurrent.futures import Future
from urllib.parse import quote

import paho.mqtt.client as paho
import pytest
from awscrt import auth, mqtt, mqtt5
from awsiot import mqtt5_client_builder, mqtt_connection_builder

import sigv4
from device import arn, logged, soon
from harness import REGION
from mqtt_raw import CLOSED, CONNACK, Client, connect, disconnect
from websocket_raw import CLOSE, NORMAL, PING, PONG, Web

WITHIN_S = 15


def key_with(server, tmp_path, *statements):
    """An access key under an IAM policy of these statements, each an action and a resource."""
    policy = tmp_path / f"policy-{uuid.uuid4().hex}.json"
    allowed = [
        {"Effect": "Allow", "Action": f"iot:{action}", "Resource": arn(resource)}
        for action, resource in statements
    ]
    policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": allowed}))
    return server.create_access_key(policy=policy)


# awsiotsdk


def credentials(server):
    key_id, secret = server.keys()
    return auth.AwsCredentialsProvider.new_static(key_id, secret)


def test_awsiotsdk_with_mqtt_311(server, name):
    inbox = Future()
    connection = mqtt_connection_builder.websockets_with_default_aws_signing(
        region=REGION,
        credentials_provider=credentials(server),
        endpoint="localhost",
        port=server.https_port,
        ca_filepath=str(server.root_ca),
        client_id=name,
        clean_session=True,
    )
    connection.connect().result(WITHIN_S)
    subscribed, _ = connection.subscribe(
        name, mqtt.QoS.AT_LEAST_ONCE, lambda topic, payload, **_: inbox.set_result(payload)
    )
    subscribed.result(WITHIN_S)
    published, _ = connection.publish(name, b"over the web", mqtt.QoS.AT_LEAST_ONCE)
    published.result(WITHIN_S)
    assert inbox.result(WITHIN_S) == b"over the web"
    connection.disconnect().result(WITHIN_S)
    logged(server, clientId=name, eventType="Disconnect", reason="CLIENT_INITIATED_DISCONNECT")


def test_awsiotsdk_with_mqtt_5(server, name):
    up, inbox, stopped = Future(), Future(), threading.Event()
    client = mqtt5_client_builder.websockets_with_default_aws_signing(
        region=REGION,
        credentials_provider=credentials(server),
        endpoint="localhost",
        port=server.https_port,
        ca_filepath=str(server.root_ca),
        client_id=name,
        on_publish_received=lambda received: inbox.set_result(received.publish_packet.payload),
        on_lifecycle_connection_success=lambda _: up.set_result(True),
        on_lifecycle_connection_failure=lambda failure: up.set_result(failure),
        on_lifecycle_stopped=lambda _: stopped.set(),
    )
    client.start()
    assert up.result(WITHIN_S) is True
    wanted = mqtt5.Subscription(topic_filter=name, qos=mqtt5.QoS.AT_LEAST_ONCE)
    client.subscribe(mqtt5.SubscribePacket([wanted])).result(WITHIN_S)
    packet = mqtt5.PublishPacket(topic=name, payload=b"five", qos=mqtt5.QoS.AT_LEAST_ONCE)
    answer = client.publish(packet).result(WITHIN_S).puback
    assert answer.reason_code == mqtt5.PubackReasonCode.SUCCESS
    assert inbox.result(WITHIN_S) == b"five"
    client.stop()
    assert stopped.wait(WITHIN_S)


# paho


@pytest.mark.parametrize("door", ["http", "https"])
@pytest.mark.parametrize("service", ["iotdevicegateway", "iotdata"])
def test_paho_with_a_signed_path(server, name, door, service):
    port = server.https_port if door == "https" else server.port
    request = sigv4.presign(f"localhost:{port}", "/mqtt", server.keys(), service=service)
    client = paho.Client(
        paho.CallbackAPIVersion.VERSION2, client_id=name, transport="websockets"
    )
    client.ws_set_options(path=request.target)
    if door == "https":
        client.tls_set(ca_certs=str(server.root_ca))
    inbox = Future()
    client.on_connect = lambda client, *_: client.subscribe(name, 1)
    client.on_subscribe = lambda client, *_: client.publish(name, b"x" * 100_000, 1)
    client.on_message = lambda _client, _data, message: inbox.set_result(message.payload)
    client.connect("localhost", port)
    client.loop_start()
    assert inbox.result(WITHIN_S) == b"x" * 100_000
    client.disconnect()
    client.loop_stop()


# By hand


@pytest.fixture
def web(server):
    """Opens WebSockets and loses them at the end."""
    opened = []

    def web(**more):
        opened.append(Web(server, **more))
        return opened[-1]

    yield web
    for one in opened:
        one.socket.close()


@pytest.mark.parametrize("protocol", ["mqtt", "mqttv3.1"])
def test_the_subprotocol_is_echoed_and_no_extension_is(web, protocol):
    client = web()
    client.headers["sec-websocket-extensions"] = "permessage-deflate; client_max_window_bits"
    status, headers = client.upgrade(protocol)
    assert status == 101
    assert headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert headers["sec-websocket-protocol"] == protocol
    assert "sec-websocket-extensions" not in headers


def test_a_packet_may_span_frames_and_a_frame_hold_several(web, name):
    client = web()
    assert client.upgrade()[0] == 101
    packets = connect(name) + b"\xc0\x00" + b"\xc0\x00"
    client.send(packets[:1])
    client.send(packets[1:5], final=False)
    client.send(b"are you there", PING)
    client.send(packets[5:9], opcode=0)
    client.send(packets[9:])
    assert client.read() == (PONG, b"are you there")
    answer = b""
    while len(answer) < 8:
        opcode, payload = client.read()
        assert opcode == 2
        answer += payload
    assert answer == bytes([CONNACK << 4, 2, 0, 0]) + b"\xd0\x00" + b"\xd0\x00"


def ending(server, client_id):
    return logged(server, clientId=client_id, eventType="Disconnect")["reason"]


def test_a_close_frame_is_a_goodbye_and_a_loss_is_not(server, web, session, device, name):
    listener = session(device, client_id=f"{name}-ear")
    listener.subscribe(name)
    polite = web()
    polite.let_in(f"{name}-polite", will={"topic": name, "payload": b"polite"})
    polite.send(NORMAL, CLOSE)
    assert polite.read() == (CLOSE, NORMAL)
    assert ending(server, f"{name}-polite") == "CLIENT_INITIATED_DISCONNECT"
    lost = web()
    lost.let_in(f"{name}-lost", will={"topic": name, "payload": b"lost"})
    lost.socket.close()
    assert ending(server, f"{name}-lost") == "CONNECTION_LOST"
    assert listener.message() == (name, b"lost")
    listener.ping()


def test_the_goodbye_of_mqtt_is_one_too(server, web, name):
    client = web(secure=False)
    client.let_in(name)
    client.send(disconnect())
    assert client.read()[0] == CLOSE
    assert ending(server, name) == "CLIENT_INITIATED_DISCONNECT"


def test_the_policy_of_the_key_binds(server, web, tmp_path, name):
    keys = key_with(server, tmp_path, ("Connect", f"client/{name}"), ("Publish", f"topic/{name}"))
    web(keys=keys).let_in(name)
    other = web(keys=keys)
    assert other.upgrade()[0] == 101
    other.send(connect(f"{name}-other"))
    assert other.read() in (CLOSED, (CLOSE, b"")), "MQTT 3.1.1 is closed without CONNACK"
    entry = logged(server, clientId=f"{name}-other", eventType="Connect")
    assert entry["reason"] == "AUTHORIZATION_FAILURE"
    assert "iot:Connect" in entry["details"]


def test_a_wrong_signature_is_refused_without_an_upgrade(server, web):
    good = server.keys()
    for changes, extra in [
        ({"keys": (good[0], "x" * 40)}, ""),
        ({"keys": ("AKIAAAAAAAAAAAAAAAAA", good[1])}, ""),
        ({"date": sigv4.amz_date(-3600)}, ""),
        ({}, "&x=y"),
        ({}, "&X-Amz-Security-Token=" + quote("FwoGZXIvYXdzEBY", safe="")),
    ]:
        client = web(**changes)
        status, headers = client.upgrade(extra=extra)
        assert status == 403, (changes, headers)
        assert headers["content-type"] == "application/json"
        body = json.loads(client._exactly(int(headers["content-length"])))
        assert body["message"] and uuid.UUID(body["traceId"])


def test_without_a_signature_there_is_no_upgrade_whatever_the_certificate(server, device, web):
    client = web()
    client.socket.close()
    client.socket = Client(server.https_port, device.tls()).socket
    client.target = "/mqtt"
    status, headers = client.upgrade()
    assert (status, headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")


def test_it_works_without_tls_too_and_signed_for_a_day(server, web, name):
    client = web(secure=False, date=sigv4.amz_date(-3600), expires_s=86400)
    client.let_in(name)
    soon(lambda: logged(server, clientId=name, eventType="Connect")["status"] == "Success")

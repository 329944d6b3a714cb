"""Retained messages over the wire: brought to later subscribers, listed, and there after `kill -9`."""

import base64
import json

import pytest
from botocore.exceptions import ClientError

from device import allow, everything_on, make_device
from mqtt_raw import CLOSED, PUBACK, V5, V311, Client, publish

both_versions = pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])
RETAIN = 1


def keep(client, topic, payload):
    """Has a message of QoS 1 retained, and returns PUBACK's code."""
    answer = client.publish(topic, payload, qos=1, packet_id=7, retain=True)
    assert (answer.kind, answer.packet_id) == (PUBACK, 7), answer
    return answer.code


def keeper(name):
    return [*everything_on(f"{name}/*"), allow("iot:RetainPublish", f"topic/{name}/*")]


@both_versions
def test_a_later_subscriber_is_brought_the_last_message(make, session, name, version):
    client = session(make(*keeper(name)), version)
    for state in (b"on", b"off"):
        assert keep(client, f"{name}/state", state) == 0
    later = session(make(*everything_on(f"{name}/*")), version)
    later.subscribe(f"{name}/state", qos=1)
    message = later.read()
    assert (message.topic, message.payload) == (f"{name}/state", b"off")
    assert message.flags & RETAIN and message.qos == 1


def test_the_api_tells_what_is_kept(server, make, session, name):
    client = session(make(*keeper(name)), V5)
    keep(client, f"{name}/state", b"on")
    data = server.client("iot-data")
    told = data.get_retained_message(topic=f"{name}/state")
    assert (told["topic"], told["payload"], told["qos"]) == (f"{name}/state", b"on", 1)
    assert "userProperties" not in told and told["lastModifiedTime"] > 1_700_000_000_000
    listed = data.list_retained_messages()["retainedTopics"]
    assert {"topic": f"{name}/state", "payloadSize": 2, "qos": 1} in [
        {key: entry[key] for key in ("topic", "payloadSize", "qos")} for entry in listed
    ]
    keep(client, f"{name}/state", b"")
    with pytest.raises(ClientError) as refused:
        data.get_retained_message(topic=f"{name}/state")
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_a_message_over_https_is_kept_when_it_is_answered(server, make, session, name):
    server.client("iot-data").publish(topic=f"{name}/h", payload=b"on", qos=1, retain=True)
    later = session(make(*everything_on(f"{name}/*")), V5)
    later.subscribe(f"{name}/h", qos=1)
    message = later.read()
    assert message.payload == b"on" and message.flags & RETAIN


def test_user_properties_are_told_as_aws_writes_them(server, make, session, name):
    client = session(make(*keeper(name)), V5)
    props = {"user": [("k", "v"), ("k", "w")]}
    client.send(
        publish(f"{name}/p", b"x", 1, packet_id=3, retain=True, version=V5, props=props)
    )
    assert client.read().code == 0
    told = server.client("iot-data").get_retained_message(topic=f"{name}/p")["userProperties"]
    assert json.loads(told) == [{"k": "v"}, {"k": "w"}], base64.b64encode(told)


def test_what_was_acknowledged_is_there_after_a_kill(fresh, tmp_path):
    device = make_device(fresh, tmp_path, "keeper", *keeper("keeper"))
    acknowledged = {}
    for round_number in range(3):
        with Client(fresh.mqtts_port, device.tls(), version=V311) as client:
            client.connect(device.name)
            for number in range(200):
                topic = f"keeper/{number % 50}"
                payload = f"{round_number}-{number}".encode()
                assert keep(client, topic, payload) == 0
                acknowledged[topic] = payload
            fresh.kill()
            assert client.read() is CLOSED
        fresh.start()
        data = fresh.client("iot-data")
        for topic, payload in acknowledged.items():
            assert data.get_retained_message(topic=topic)["payload"] == payload
        assert len(data.list_retained_messages(maxResults=200)["retainedTopics"]) == 50

"""Shadows by AWSIoTPythonSDK, the Python SDK that old devices still run."""

import json
import queue

import pytest

from device import everything_on
from python_sdk_v1 import AWSIoTMQTTShadowClient

WITHIN_S = 15


@pytest.fixture
def shadow(make, name):
    """A handler that stays subscribed to what it is answered."""
    device = make(*everything_on(f"$aws/things/{name}/shadow/*"))
    client = AWSIoTMQTTShadowClient(name)
    client.configureEndpoint("localhost", device.server.mqtts_port)
    client.configureCredentials(device.root_ca, device.key, device.certificate)
    client.configureConnectDisconnectTimeout(WITHIN_S)
    client.configureMQTTOperationTimeout(WITHIN_S)
    assert client.connect()
    yield client.createShadowHandlerWithName(name, True)
    client.disconnect()


class Answers:
    """What a request is answered: the document, and how."""

    def __init__(self):
        self.answers = queue.Queue()

    def __call__(self, payload, status, _token):
        self.answers.put((status, json.loads(payload) if status != "timeout" else None))

    def next(self):
        return self.answers.get(timeout=WITHIN_S)


def test_a_persistent_handler_gets_updates_hears_deltas_and_deletes(shadow):
    answers, deltas = Answers(), Answers()
    shadow.shadowGet(answers, WITHIN_S)
    status, error = answers.next()
    assert (status, error["code"]) == ("rejected", 404)
    shadow.shadowRegisterDeltaCallback(deltas)
    for version in (1, 2):
        update = {"state": {"desired": {"level": version}}}
        shadow.shadowUpdate(json.dumps(update), answers, WITHIN_S)
        status, accepted = answers.next()
        assert (status, accepted["version"]) == ("accepted", version)
        assert deltas.next()[1]["state"] == {"level": version}
    shadow.shadowUpdate(json.dumps({"state": {"reported": {"level": 2}}}), answers, WITHIN_S)
    assert answers.next()[1]["version"] == 3
    shadow.shadowGet(answers, WITHIN_S)
    status, document = answers.next()
    assert status == "accepted" and "delta" not in document["state"]
    shadow.shadowDelete(answers, WITHIN_S)
    assert answers.next()[0] == "accepted"

"""The device story by AWSIoTPythonSDK, the Python SDK that old devices still run."""

import threading

import pytest

import device_story
from python_sdk_v1 import AWSIoTExceptions, AWSIoTMQTTClient

WITHIN_S = 15


class Client:
    """MQTT 3.1.1 on the MQTT door."""

    def __init__(self, device):
        self.client_id = device.name
        self.inbox = device_story.Inbox()
        self.is_lost = threading.Event()
        self.is_up = False
        self.client = AWSIoTMQTTClient(self.client_id)
        self.client.configureEndpoint("localhost", device.server.mqtts_port)
        self.client.configureCredentials(device.root_ca, device.key, device.certificate)
        self.client.configureConnectDisconnectTimeout(WITHIN_S)
        self.client.configureMQTTOperationTimeout(WITHIN_S)
        self.client.onOffline = self.is_lost.set

    def connect(self):
        assert self.client.connect()
        self.is_up = True

    def subscribe(self, topic):
        assert self.client.subscribe(topic, 1, self.on_message)

    def on_message(self, _client, _user_data, message):
        self.inbox.put(message.topic, message.payload)

    def publish(self, topic, payload, qos):
        assert self.client.publish(topic, payload, qos)

    def receive(self):
        return self.inbox.receive()

    def notices_that_publishing_is_refused(self, topic):
        self.client.publish(topic, "refused", 0)
        return self.is_lost.wait(WITHIN_S)

    def notices_that_connecting_is_refused(self):
        """The SDK retries a connection without CONNACK until its time is over."""
        self.client.configureConnectDisconnectTimeout(3)
        with pytest.raises((AWSIoTExceptions.connectTimeoutException, OSError)):
            self.client.connect()
        return True

    def close(self):
        if self.is_up and not self.is_lost.is_set():
            self.client.disconnect()
        elif self.is_up:
            self.client.disconnectAsync()


def test_the_story(server, tmp_path, name):
    device_story.tell(server, tmp_path, name, Client)

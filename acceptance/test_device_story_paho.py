"""The device story by paho-mqtt, both versions of MQTT, on both doors."""

import threading

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

import device_story

WITHIN_S = 15
NOT_AUTHORIZED = 0x87


class Client:
    """What both versions have in common."""

    version = mqtt.MQTTv311
    alpn = None

    def __init__(self, device):
        self.client_id = device.name
        self.inbox = device_story.Inbox()
        self.events = {
            kind: threading.Event() for kind in ("connect", "disconnect", "subscribe", "publish")
        }
        self.codes = {}
        self.port = device.server.https_port if self.alpn else device.server.mqtts_port
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            protocol=self.version,
            reconnect_on_failure=False,
        )
        self.client.tls_set_context(device.tls(self.alpn))
        self.client.on_connect = lambda _c, _u, _flags, code, _p: self.happened("connect", code)
        self.client.on_disconnect = lambda _c, _u, _f, code, _p: self.happened("disconnect", code)
        self.client.on_subscribe = lambda _c, _u, _id, codes, _p: self.happened(
            "subscribe", codes[0]
        )
        self.client.on_publish = lambda _c, _u, _id, code, _p: self.happened("publish", code)
        self.client.on_message = lambda _c, _u, message: self.inbox.put(
            message.topic, message.payload
        )

    def happened(self, kind, code):
        self.codes[kind] = code.value
        self.events[kind].set()

    def wait(self, kind):
        """The reason code of something that happened."""
        assert self.events[kind].wait(WITHIN_S), f"no {kind}; {self.codes}"
        return self.codes[kind]

    def start(self):
        self.client.connect("localhost", self.port, keepalive=60)
        self.client.loop_start()

    def connect(self):
        self.start()
        assert self.wait("connect") == 0

    def subscribe(self, topic):
        self.client.subscribe(topic, qos=1)
        assert self.wait("subscribe") == 1

    def publish(self, topic, payload, qos):
        self.client.publish(topic, payload, qos).wait_for_publish(WITHIN_S)

    def receive(self):
        return self.inbox.receive()

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


class Client3(Client):
    """MQTT 3.1.1: a refusal is the end of the connection."""

    def notices_that_publishing_is_refused(self, topic):
        self.client.publish(topic, "refused", 1)
        self.wait("disconnect")
        return not self.events["publish"].is_set()

    def notices_that_connecting_is_refused(self):
        self.start()
        self.wait("disconnect")
        return not self.events["connect"].is_set()


class Client3Alpn(Client3):
    alpn = "x-amzn-mqtt-ca"


class Client5(Client):
    """MQTT 5: a refusal has a reason code."""

    version = mqtt.MQTTv5

    def notices_that_publishing_is_refused(self, topic):
        self.client.publish(topic, "refused", 1)
        return self.wait("publish") == NOT_AUTHORIZED

    def notices_that_connecting_is_refused(self):
        self.start()
        return self.wait("connect") == NOT_AUTHORIZED


class Client5Alpn(Client5):
    alpn = "x-amzn-mqtt-ca"


@pytest.mark.parametrize("client_class", [Client3, Client3Alpn, Client5, Client5Alpn])
def test_the_story(server, tmp_path, name, client_class):
    device_story.tell(server, tmp_path, name, client_class)

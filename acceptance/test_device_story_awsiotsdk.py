"""The device story by awsiotsdk, both versions of MQTT, on both doors."""

import threading
from concurrent.futures import Future

import pytest
from awscrt import exceptions, io, mqtt, mqtt5
from awsiot import mqtt5_client_builder, mqtt_connection_builder

import device_story

WITHIN_S = 15
ALPN = "x-amzn-mqtt-ca"


def tls_with_alpn(device):
    """What the builders make on port 443 alone, for the port that the server really has."""
    options = io.TlsContextOptions.create_client_with_mtls_from_path(device.certificate, device.key)
    options.override_default_trust_store_from_path(None, device.root_ca)
    options.alpn_list = [ALPN]
    return io.ClientTlsContext(options)


class Client3:
    """MQTT 3.1.1 on the MQTT door."""

    def __init__(self, device):
        self.client_id = device.name
        self.inbox = device_story.Inbox()
        self.is_lost = threading.Event()
        self.is_up = False
        self.connection = self.make(device)
        self.connection.on_message(self.on_message)

    def make(self, device):
        return mqtt_connection_builder.mtls_from_path(
            endpoint="localhost",
            port=device.server.mqtts_port,
            cert_filepath=device.certificate,
            pri_key_filepath=device.key,
            ca_filepath=device.root_ca,
            client_id=self.client_id,
            clean_session=True,
            reconnect_min_timeout_secs=1,
            on_connection_interrupted=self.on_lost,
        )

    def on_message(self, topic, payload, **_):
        self.inbox.put(topic, payload)

    def on_lost(self, **_):
        self.is_lost.set()

    def connect(self):
        self.connection.connect().result(WITHIN_S)
        self.is_up = True

    def subscribe(self, topic):
        subscribed, _ = self.connection.subscribe(topic, mqtt.QoS.AT_LEAST_ONCE)
        assert subscribed.result(WITHIN_S)["qos"] == mqtt.QoS.AT_LEAST_ONCE

    def publish(self, topic, payload, qos):
        published, _ = self.connection.publish(topic, payload, mqtt.QoS(qos))
        published.result(WITHIN_S)

    def receive(self):
        return self.inbox.receive()

    def notices_that_publishing_is_refused(self, topic):
        self.connection.publish(topic, "refused", mqtt.QoS.AT_LEAST_ONCE)
        return self.is_lost.wait(WITHIN_S)

    def notices_that_connecting_is_refused(self):
        with pytest.raises(exceptions.AwsCrtError) as caught:
            self.connect()
        return "UNEXPECTED_HANGUP" in caught.value.name or "CLOSED" in caught.value.name

    def close(self):
        if self.is_up:
            self.connection.disconnect().result(WITHIN_S)


class Client3Alpn(Client3):
    """MQTT 3.1.1 on the HTTPS door, chosen by ALPN."""

    def make(self, device):
        client = mqtt.Client(
            io.ClientBootstrap.get_or_create_static_default(), tls_with_alpn(device)
        )
        return mqtt.Connection(
            client,
            host_name="localhost",
            port=device.server.https_port,
            client_id=self.client_id,
            clean_session=True,
            reconnect_min_timeout_secs=1,
            on_connection_interrupted=self.on_lost,
        )


class Client5:
    """MQTT 5 on the MQTT door."""

    def __init__(self, device):
        self.client_id = device.name
        self.inbox = device_story.Inbox()
        self.connected, self.stopped = Future(), threading.Event()
        self.client = self.make(device)

    def make(self, device):
        return mqtt5_client_builder.mtls_from_path(
            endpoint="localhost",
            port=device.server.mqtts_port,
            cert_filepath=device.certificate,
            pri_key_filepath=device.key,
            ca_filepath=device.root_ca,
            client_id=self.client_id,
            on_publish_received=self.on_message,
            on_lifecycle_connection_success=self.on_success,
            on_lifecycle_connection_failure=self.on_failure,
            on_lifecycle_stopped=self.on_stopped,
        )

    def on_message(self, received):
        packet = received.publish_packet
        self.inbox.put(packet.topic, packet.payload)

    def on_success(self, _):
        if not self.connected.done():
            self.connected.set_result(True)

    def on_failure(self, failure):
        if not self.connected.done():
            self.connected.set_result(failure)

    def on_stopped(self, _):
        self.stopped.set()

    def connect(self):
        self.client.start()
        assert self.connected.result(WITHIN_S) is True

    def subscribe(self, topic):
        wanted = mqtt5.Subscription(topic_filter=topic, qos=mqtt5.QoS.AT_LEAST_ONCE)
        answer = self.client.subscribe(mqtt5.SubscribePacket([wanted])).result(WITHIN_S)
        assert answer.reason_codes == [mqtt5.SubackReasonCode.GRANTED_QOS_1]

    def publish(self, topic, payload, qos):
        packet = mqtt5.PublishPacket(topic=topic, payload=payload, qos=mqtt5.QoS(qos))
        return self.client.publish(packet).result(WITHIN_S).puback

    def receive(self):
        return self.inbox.receive()

    def notices_that_publishing_is_refused(self, topic):
        answer = self.publish(topic, "refused", 1)
        return answer.reason_code == mqtt5.PubackReasonCode.NOT_AUTHORIZED

    def notices_that_connecting_is_refused(self):
        self.client.start()
        failure = self.connected.result(WITHIN_S)
        assert failure is not True, "it was let in"
        return failure.connack_packet.reason_code == mqtt5.ConnectReasonCode.NOT_AUTHORIZED

    def close(self):
        self.client.stop()
        assert self.stopped.wait(WITHIN_S)


class Client5Alpn(Client5):
    """MQTT 5 on the HTTPS door, chosen by ALPN."""

    def make(self, device):
        return mqtt5.Client(
            mqtt5.ClientOptions(
                host_name="localhost",
                port=device.server.https_port,
                tls_ctx=tls_with_alpn(device),
                connect_options=mqtt5.ConnectPacket(client_id=self.client_id),
                on_publish_callback_fn=self.on_message,
                on_lifecycle_event_connection_success_fn=self.on_success,
                on_lifecycle_event_connection_failure_fn=self.on_failure,
                on_lifecycle_event_stopped_fn=self.on_stopped,
            )
        )


@pytest.mark.parametrize("client_class", [Client3, Client3Alpn, Client5, Client5Alpn])
def test_the_story(server, tmp_path, name, client_class):
    device_story.tell(server, tmp_path, name, client_class)

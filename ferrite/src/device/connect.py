#!/usr/bin/env python3
"""Connects as this device: publishes a message every second and prints what comes.

The folder of this file says who the device is and where its server: device.json, certificate.pem,
private.key and root-ca.pem. Needs: pip install awsiotsdk
"""

import argparse
import json
import pathlib
import sys
import threading
import time

try:
    from awscrt import mqtt5
    from awsiot import mqtt5_client_builder
except ImportError:
    sys.exit("connect.py needs the AWS IoT Device SDK for Python: pip install awsiotsdk")

ANSWER_WITHIN_S = 10

FOLDER = pathlib.Path(__file__).resolve().parent
DEVICE = json.loads((FOLDER / "device.json").read_text())
NAME = DEVICE["thingName"]


class Device:
    def __init__(self):
        self.connected = threading.Event()
        self.stopped = threading.Event()
        self.failure = None
        self.client = mqtt5_client_builder.mtls_from_path(
            endpoint=DEVICE["endpoint"],
            port=DEVICE["port"],
            client_id=DEVICE["clientId"],
            cert_filepath=str(FOLDER / "certificate.pem"),
            pri_key_filepath=str(FOLDER / "private.key"),
            ca_filepath=str(FOLDER / "root-ca.pem"),
            on_publish_received=self.print_message,
            on_lifecycle_connection_success=lambda _: self.connected.set(),
            on_lifecycle_connection_failure=self.fail,
            on_lifecycle_disconnection=self.fail,
            on_lifecycle_stopped=lambda _: self.stopped.set(),
        )

    def print_message(self, data):
        message = data.publish_packet
        print(message.topic, message.payload.decode(errors="replace"), flush=True)

    def fail(self, data):
        """Remembers why, and wakes whoever waits; the SDK itself goes on to try."""
        packet = getattr(data, "connack_packet", None) or getattr(data, "disconnect_packet", None)
        reason = getattr(packet, "reason_code", None)
        self.failure = f"{reason.name if reason else data.exception}"
        self.connected.set()

    def connect(self):
        self.client.start()
        if not self.connected.wait(ANSWER_WITHIN_S):
            self.failure = "no answer"
        self.check()

    def stop(self):
        self.client.stop(mqtt5.DisconnectPacket())
        self.stopped.wait(ANSWER_WITHIN_S)

    def check(self):
        if self.failure:
            where = f"{DEVICE['endpoint']}:{DEVICE['port']}"
            sys.exit(
                f"no connection to {where}: {self.failure}\n"
                f"the server knows why: ferrite device-log --client-id {NAME}"
            )

    def subscribe(self, topic_filter):
        subscription = mqtt5.Subscription(topic_filter=topic_filter, qos=mqtt5.QoS.AT_LEAST_ONCE)
        packet = mqtt5.SubscribePacket(subscriptions=[subscription])
        answer = self.answer("iot:Subscribe", f"topicfilter/{topic_filter}", self.client.subscribe(packet))
        self.accept("iot:Subscribe", f"topicfilter/{topic_filter}", answer.reason_codes[0])

    def publish(self, topic, payload):
        packet = mqtt5.PublishPacket(topic=topic, payload=payload, qos=mqtt5.QoS.AT_LEAST_ONCE)
        answer = self.answer("iot:Publish", f"topic/{topic}", self.client.publish(packet))
        self.accept("iot:Publish", f"topic/{topic}", answer.puback.reason_code)

    def answer(self, action, resource, future):
        try:
            return future.result(ANSWER_WITHIN_S)
        except Exception as error:
            self.refused(action, resource, self.failure or error)

    def accept(self, action, resource, code):
        if code >= 0x80:
            self.refused(action, resource, code.name)

    def refused(self, action, resource, reason):
        sys.exit(
            f"{action} on {resource} was refused: {reason}\n"
            f"the server knows why: ferrite explain --client-id {NAME} --action {action} "
            f"--resource '{resource}'"
        )


def main():
    parser = argparse.ArgumentParser(description=f"Connects as {NAME}")
    parser.add_argument("--topic", default=f"{NAME}/hello", help="publish here (default: %(default)s)")
    parser.add_argument("--subscribe", default=f"{NAME}/#", help="print what comes here")
    parser.add_argument("--count", type=int, help="end after so many messages")
    arguments = parser.parse_args()
    device = Device()
    device.connect()
    print(f"connected to {DEVICE['endpoint']}:{DEVICE['port']} as {NAME}; Ctrl-C ends", flush=True)
    try:
        device.subscribe(arguments.subscribe)
        sent = 0
        while sent != arguments.count:
            sent += 1
            device.publish(arguments.topic, json.dumps({"from": NAME, "count": sent}))
            time.sleep(1)
    except KeyboardInterrupt:
        pass
    finally:
        device.stop()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass

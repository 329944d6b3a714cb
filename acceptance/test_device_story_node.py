"""The device story by aws-iot-device-sdk of npm, the JavaScript SDK that old devices still run."""

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import device_story

WITHIN_S = 20
MODULES = Path(sys.prefix) / "node" / "node_modules"
SCRIPT = Path(__file__).parent / "sdk" / "node" / "client.js"


class Client:
    """MQTT 3.1.1 on the MQTT door, in a process of its own."""

    def __init__(self, device):
        self.client_id = device.name
        options = {
            "host": "localhost",
            "port": device.server.mqtts_port,
            "clientId": self.client_id,
            "keyPath": device.key,
            "certPath": device.certificate,
            "caPath": device.root_ca,
        }
        self.events, self.messages = queue.Queue(), queue.Queue()
        self.process = subprocess.Popen(
            ["node", str(SCRIPT), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env=os.environ | {"NODE_PATH": str(MODULES)},
        )
        self.reader = threading.Thread(target=self.listen)
        self.reader.start()

    def listen(self):
        for line in self.process.stdout:
            event = json.loads(line)
            (self.messages if event["event"] == "message" else self.events).put(event)

    def do(self, what, **more):
        self.process.stdin.write(json.dumps({"do": what} | more) + "\n")

    def wait(self, *kinds):
        """The next event of these kinds; the ones before it are dropped."""
        deadline = time.monotonic() + WITHIN_S
        while True:
            event = self.events.get(timeout=max(deadline - time.monotonic(), 0))
            if event["event"] in kinds:
                return event

    def connect(self):
        assert self.wait("connect", "close")["event"] == "connect"

    def subscribe(self, topic):
        self.do("subscribe", topic=topic, qos=1)
        assert self.wait("subscribed")["granted"] == [{"topic": topic, "qos": 1}]

    def publish(self, topic, payload, qos):
        self.do("publish", topic=topic, payload=payload, qos=qos)
        assert not self.wait("published").get("error")

    def receive(self):
        message = self.messages.get(timeout=WITHIN_S)
        return message["topic"], message["payload"]

    def notices_that_publishing_is_refused(self, topic):
        self.do("publish", topic=topic, payload="refused", qos=0)
        return self.wait("close")["event"] == "close"

    def notices_that_connecting_is_refused(self):
        return self.wait("connect", "close")["event"] == "close"

    def close(self):
        self.process.stdin.close()
        self.process.wait(WITHIN_S)
        self.reader.join(WITHIN_S)
        self.process.stdout.close()


@pytest.mark.skipif(
    not shutil.which("node"), reason="node is not installed: apt-get install nodejs"
)
@pytest.mark.skipif(not MODULES.exists(), reason=f"{MODULES} does not exist: make deps installs it")
def test_the_story(server, tmp_path, name):
    device_story.tell(server, tmp_path, name, Client)

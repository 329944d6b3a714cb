"""The device story by mosquitto_pub and mosquitto_sub, both versions of MQTT, on both doors."""

import shutil
import subprocess

import pytest

import device_story

WITHIN_S = 20

pytestmark = pytest.mark.skipif(
    not shutil.which("mosquitto_pub"),
    reason="mosquitto_pub is not installed: apt-get install mosquitto-clients",
)


class Client:
    """One subscriber that goes on, and a publisher for each message."""

    version, alpn = "311", None

    def __init__(self, device):
        self.device = device
        self.client_id = device.name
        self.subscriber = None

    def command(self, program, client_id, *arguments):
        device, server = self.device, self.device.server
        port = server.https_port if self.alpn else server.mqtts_port
        command = [program, "-h", "localhost", "-p", str(port), "-i", client_id, "-V", self.version]
        command += ["--cafile", device.root_ca, "--cert", device.certificate, "--key", device.key]
        command += ["--tls-alpn", self.alpn] if self.alpn else []
        return command + list(arguments)

    def connect(self):
        """Each command connects by itself."""

    def subscribe(self, topic):
        command = self.command("mosquitto_sub", self.client_id, "-t", topic, "-q", "1")
        self.subscriber = subprocess.Popen(
            ["stdbuf", "-oL", *command, "-d", "-F", "message %t %p"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.printed("Subscribed").strip().endswith(": 1")

    def publish(self, topic, payload, qos):
        result = self.run_publisher(topic, payload, qos)
        assert result.returncode == 0, result

    def run_publisher(self, topic, payload, qos):
        arguments = ("-t", topic, "-m", payload, "-q", str(qos))
        command = self.command("mosquitto_pub", f"{self.client_id}-pub", *arguments)
        return subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S)

    def receive(self):
        topic, _, payload = self.printed("message ").partition(" ")
        return topic, payload

    def printed(self, start):
        """The rest of the subscriber's next line that begins so."""
        for line in self.subscriber.stdout:
            if line.startswith(start):
                return line.removeprefix(start).rstrip("\n")
        pytest.fail(f"mosquitto_sub ended with {self.subscriber.wait()} before it printed {start}")

    def notices_that_connecting_is_refused(self):
        command = self.command(
            "mosquitto_pub", self.client_id, "-t", f"{self.client_id}/x", "-m", "x"
        )
        result = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S)
        return result.returncode != 0 and self.is_refusal(result.stderr)

    def close(self):
        if self.subscriber:
            self.subscriber.terminate()
            self.subscriber.wait(WITHIN_S)
            self.subscriber.stdout.close()


class Client3(Client):
    """MQTT 3.1.1: a refusal is the end of the connection."""

    def notices_that_publishing_is_refused(self, topic):
        return self.run_publisher(topic, "refused", 1).returncode != 0

    def is_refusal(self, printed):
        return "lost" in printed.lower() or printed


class Client3Alpn(Client3):
    alpn = "x-amzn-mqtt-ca"


class Client5(Client):
    """MQTT 5: a refusal has a reason code."""

    version = "5"

    def notices_that_publishing_is_refused(self, topic):
        return "Not authorized" in self.run_publisher(topic, "refused", 1).stderr

    def is_refusal(self, printed):
        return "Not authorized" in printed


class Client5Alpn(Client5):
    alpn = "x-amzn-mqtt-ca"


@pytest.mark.parametrize("client_class", [Client3, Client3Alpn, Client5, Client5Alpn])
def test_the_story(server, tmp_path, name, client_class):
    device_story.tell(server, tmp_path, name, client_class)

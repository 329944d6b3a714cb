"""The brokers that are measured: each run has one of its own, fresh, on ports of its own.

Whoever bears a load without a policy has it easier: Ferrite alone asks one for every message.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "acceptance"))

import device  # noqa: E402
import documents  # noqa: E402
from harness import Server, clean_environment, free_port  # noqa: E402

POLICY = "bench"
READY_WITHIN_S = 10
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ferrite-bench"

MOSQUITTO_CONF = """\
persistence false
allow_anonymous true
log_type error
set_tcp_nodelay true
max_queued_messages 0
max_inflight_messages 0
listener {port} 127.0.0.1
"""
MOSQUITTO_TLS_CONF = """\
cafile {ca}
certfile {certificate}
keyfile {key}
require_certificate true
"""
RUMQTTD_CONF = """\
id = 0
[router]
max_connections = 20000
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v4.1]
name = "bench"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 0
[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 262144
max_inflight_count = 500
dynamic_filters = true
"""


@dataclass
class Running:
    """A broker that runs: its process, and what mqload needs to reach it."""

    pid: int
    port: int
    options: list[str] = field(default_factory=list)


class Program:
    """A broker that is one process without anything to prepare."""

    has_tls = False

    def __init__(self, name, path, scratch):
        self.name, self.path, self.scratch = name, path, scratch

    def command(self, port, tls):
        return [self.path, str(port)]

    def options(self, tls):
        return []

    @contextmanager
    def running(self, tls):
        port = free_port()
        log = self.scratch / f"{self.name}.log"
        with open(log, "w") as output:
            process = subprocess.Popen(
                self.command(port, tls), stdout=output, stderr=output, env=clean_environment()
            )
        try:
            wait_for_port(process, port, log)
            yield Running(process.pid, port, self.options(tls))
        finally:
            process.terminate()
            process.wait()


class Mosquitto(Program):
    has_tls = True
    ending = "conf"

    @cached_property
    def identity(self):
        return Identity(self.scratch)

    def command(self, port, tls):
        text = MOSQUITTO_CONF.format(port=port)
        if tls:
            server = self.identity
            text += MOSQUITTO_TLS_CONF.format(ca=server.ca, certificate=server.cert, key=server.key)
        if os.getuid() == 0:
            text += "user root\n"
        return [self.path, "-c", self.write(text)]

    def write(self, text):
        path = self.scratch / f"{self.name}.{self.ending}"
        path.write_text(text)
        return str(path)

    def options(self, tls):
        return self.identity.options() if tls else []


class Rumqttd(Mosquitto):
    has_tls = False
    ending = "toml"

    def command(self, port, tls):
        return [self.path, "-c", self.write(RUMQTTD_CONF.format(port=port))]


class Ferrite:
    """Ferrite under `--dev`; each run begins with a copy of one prepared data directory."""

    name = "ferrite"
    has_tls = True

    def __init__(self, scratch):
        self.scratch = scratch
        self.prepared = scratch / "prepared"
        server = self.server(self.prepared).start()
        statements = device.everything_on("bench/*")
        server.iot.create_policy(
            policyName=POLICY, policyDocument=device.document(*statements)
        )
        made = device.quick_device(server, scratch, "device", *statements)
        root_ca = shutil.copy(made.root_ca, scratch / "ferrite-ca.pem")
        self.tls = tls_options(root_ca, made.certificate, made.key)
        server.stop()

    def server(self, data_dir):
        # A run that is fast would fill the queues of sessions whose clients are away, and what
        # comes after that is dropped.
        room = "limits.mqtt_queue_messages_max=1000000"
        return Server(data_dir, "--dev", "--set", "log.level=warn", "--set", room)

    @contextmanager
    def running(self, tls):
        data_dir = self.scratch / "data"
        shutil.copytree(self.prepared, data_dir)
        server = self.server(data_dir).start()
        try:
            if tls:
                yield Running(server.process.pid, server.mqtts_port, self.tls)
            else:
                login = ["--username", f"policy/{POLICY}"]
                yield Running(server.process.pid, server.mqtt_port, login)
        finally:
            server.kill()
            shutil.rmtree(data_dir)


class Identity:
    """An authority with a server and a client, all with keys on P-256."""

    def __init__(self, folder):
        authority, self.ca = documents.ec_key(), str(folder / "peer-ca.pem")
        name = documents.subject("bench")
        Path(self.ca).write_text(authority_certificate(authority, name))
        self.cert, self.key = self.issue(folder, "peer-server", authority, name)
        self.client = self.issue(folder, "peer-client", authority, name)

    def issue(self, folder, name, authority, issuer):
        key = documents.ec_key()
        names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        text = documents.issued(key, documents.subject(name), issuer, authority, extensions=[names])
        return device.write(folder, name, text, device.private_pem(key))

    def options(self):
        return tls_options(self.ca, *self.client)


def authority_certificate(key, name):
    template = x509.load_pem_x509_certificate(documents.issued(key, name).encode())
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(template.serial_number)
        .not_valid_before(template.not_valid_before_utc)
        .not_valid_after(template.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    )
    return documents.pem(builder.sign(key, hashes.SHA256()))


def tls_options(root_ca, certificate, key):
    paths = ["--cafile", str(root_ca), "--cert", certificate, "--key", key]
    return ["--tls", "--server-name", "localhost", *paths]


def wait_for_port(process, port, log):
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            ended = process.poll()
            if ended is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{process.args[0]} ({ended}): {log.read_text()}") from None
            time.sleep(0.02)


def installed(target, scratch):
    """Every broker that is there, by name, and a line for each that is not."""
    peers = os.pathsep.join([os.environ["PATH"], "/usr/sbin", str(CACHE / "bin")])
    found = {"ferrite": Ferrite(scratch), "null": Program("null", target / "nullbroker", scratch)}
    missing = []
    for name, kind, how in (
        ("mosquitto", Mosquitto, "apt-get install mosquitto"),
        ("rumqttd", Rumqttd, f"cargo install rumqttd --root {CACHE}"),
    ):
        path = shutil.which(name, path=peers)
        if path:
            found[name] = kind(name, path, scratch)
        else:
            missing.append(f"{name} is not installed, and not measured: {how}")
    return found, missing

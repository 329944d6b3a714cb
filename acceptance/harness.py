"""A real Ferrite server in a directory of its own, and clients to talk to it.

`FERRITE_BIN` names the binary; without it the debug build is used.
"""

import configparser
import json
import os
import re
import resource
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, urlencode

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

import sigv4

ROOT = Path(__file__).resolve().parent.parent
ACCOUNT = "000000000000"
REGION = "us-east-1"
READY_WITHIN_S = 20
STOPPED_WITHIN_S = 10

# The statuses that AWS documents for the errors of IoT.
STATUS = {
    "AccessDeniedException": 403,
    "CertificateConflictException": 409,
    "CertificateStateException": 406,
    "CertificateValidationException": 400,
    "DeleteConflictException": 409,
    "ForbiddenException": 403,
    "GatewayTimeoutException": 504,
    "InvalidRequestException": 400,
    "InvalidSignatureException": 403,
    "LimitExceededException": 410,
    "MalformedPolicyException": 400,
    "MissingAuthenticationTokenException": 403,
    "NotImplementedException": 501,
    "RegistrationCodeValidationException": 400,
    "RequestEntityTooLargeException": 413,
    "ResourceAlreadyExistsException": 409,
    "ResourceNotFoundException": 404,
    "SqlParseException": 400,
    "TransferAlreadyCompletedException": 410,
    "TransferConflictException": 409,
    "UnauthorizedException": 401,
    "UnrecognizedClientException": 403,
    "VersionConflictException": 409,
    "VersionsLimitExceededException": 409,
}


def binary():
    """The binary under test."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = Path(os.environ.get("FERRITE_BIN", target / "debug" / "ferrite"))
    if not path.exists():
        pytest.exit(f"{path} does not exist: cargo build -p ferrite", returncode=2)
    return str(path)


def free_port():
    return free_ports(1)[0]


def free_ports(count):
    """Different ports that nobody listens on."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def clean_environment(**extra):
    """The environment without settings that a developer's shell may carry."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "FERRITE_"))}
    return kept | {"AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": ""} | extra


class Server:
    """`ferrite serve` with one data directory. It may be started again after it ended."""

    running = []

    def __init__(self, data_dir, *arguments):
        self.data_dir = Path(data_dir)
        self.arguments = arguments
        self.port, self.mqtts_port, self.https_port, self.mqtt_port = free_ports(4)
        self.log_path = self.data_dir.with_name(self.data_dir.name + ".log")
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        command = [binary(), "serve", "--data-dir", str(self.data_dir)]
        command += [*self.doors(), *self.arguments]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment()
            )
        Server.running.append(self)
        self.wait_until_ready()
        return self

    def doors(self):
        """The settings that give the server ports of its own; plain MQTT is for `--dev` alone."""
        ports = {"http": self.port, "mqtts": self.mqtts_port, "https": self.https_port}
        if "--dev" in self.arguments:
            ports["mqtt"] = self.mqtt_port
        for door, port in ports.items():
            yield from ("--set", f"listen.{door}=127.0.0.1:{port}")

    def wait_until_ready(self):
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                pytest.fail(f"the server ended with {self.process.returncode}:\n{self.log()}")
            try:
                if requests.get(self.url + "/_ferrite/ready", timeout=2).status_code == 200:
                    return
            except requests.RequestException:
                pass
            time.sleep(0.02)
        pytest.fail(f"not ready within {READY_WITHIN_S} s:\n{self.log()}")

    def stop(self):
        """Asks the server to end, and returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        self.process.kill()
        return self.wait()

    def wait(self):
        try:
            return self.process.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            if self in Server.running:
                Server.running.remove(self)

    def log(self, lines=100):
        if not self.log_path.exists():
            return ""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def keys(self):
        """The root access key, from the AWS shared file that the server writes."""
        return read_keys(self.data_dir / "credentials")

    @property
    def root_ca(self):
        """The certificate that devices trust."""
        return self.data_dir / "ca" / "root-ca.pem"

    def memory(self):
        """The resident memory in bytes."""
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()

    @cached_property
    def iot(self):
        """One boto3 client of the root key for all: making one takes a tenth of a second."""
        return self.client()

    def client(self, service="iot", region=REGION, keys=None, validate=True, tls=False):
        """A boto3 client; `validate=False` lets it send what it would refuse itself."""
        key_id, secret = keys or self.keys()
        return boto3.session.Session().client(
            service,
            region_name=region,
            endpoint_url=f"https://localhost:{self.https_port}" if tls else self.url,
            verify=str(self.root_ca),
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": 1}, parameter_validation=validate),
        )

    def call(self, method, path, body=b"", **signing):
        """One signed request as bytes on the wire: (status, headers, body)."""
        signing.setdefault("keys", self.keys())
        request = sigv4.sign(method, f"127.0.0.1:{self.port}", path, body, **signing)
        return sigv4.send(self.port, request)

    def ask(self, path, **query):
        """The JSON that one of Ferrite's own routes answers."""
        status, _, body = self.call(
            "GET", f"/_ferrite/v1/{path}?{urlencode(query, quote_via=quote)}"
        )
        assert status == 200, body
        return json.loads(body)

    def explain(self, client_id, action, resource):
        """The server's verdict on an action, and its reasons."""
        return self.ask("explain", clientId=client_id, action=action, resource=resource)

    def device_log(self, max=100, **query):
        """What happened to devices lately, newest first."""
        return self.ask("device-log", max=max, **query)["events"]

    def command(self, *arguments, check=True):
        """Another command of the same binary, on this server's data directory."""
        return run(*arguments, "--data-dir", str(self.data_dir), check=check)

    def create_access_key(self, account=ACCOUNT, policy=None):
        arguments = ["access-key", "create", "--account", account]
        if policy is not None:
            arguments += ["--policy", str(policy)]
        return parse_keys(self.command(*arguments).stdout)


def run(*arguments, check=True):
    result = subprocess.run(
        [binary(), *arguments], capture_output=True, text=True, timeout=60, env=clean_environment()
    )
    if check and result.returncode != 0:
        pytest.fail(f"ferrite {' '.join(arguments)}: {result.stdout}{result.stderr}")
    return result


def read_keys(path):
    credentials = configparser.ConfigParser()
    credentials.read(path)
    profile = credentials["default"]
    return profile["aws_access_key_id"], profile["aws_secret_access_key"]


def parse_keys(text):
    """An access key as a command prints it, however it lays it out."""
    key_id = re.search(r"\b[A-Z0-9]{20}\b", text)
    secret = re.search(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/])", text)
    assert key_id and secret, f"no access key in: {text}"
    return key_id.group(), secret.group()


@contextmanager
def refused(*codes, saying=""):
    """The calls inside are refused with one of `codes`, its status, and a message with `saying`."""
    with pytest.raises(ClientError) as caught:
        yield caught
    response = caught.value.response
    error = response["Error"]
    assert error["Code"] in codes, error
    assert saying in error["Message"], error
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    assert status == STATUS[error["Code"]], response
    assert response["ResponseMetadata"].get("RequestId"), "an error names its request"

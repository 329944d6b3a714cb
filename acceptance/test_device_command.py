"""`ferrite device create`: what it writes is all that a device needs."""

import re
import signal
import subprocess
import sys

import pytest

from device import arn, deny, document, everything_on, tls
from harness import clean_environment
from mqtt_raw import Client

WITHIN_S = 20


@pytest.fixture
def create(server, name, tmp_path):
    """Makes a device by the command: its folder, and what was printed."""

    def create(*arguments):
        folder = tmp_path / name
        doors = [*server.doors()]
        made = server.command("device", "create", name, "--folder", str(folder), *arguments, *doors)
        return folder, made.stdout

    return create


def test_a_device_in_one_step(server, create, name):
    folder, _ = create()
    iot = server.iot
    (principal,) = iot.list_thing_principals(thingName=name)["principals"]
    assert len(iot.list_attached_policies(target=principal)["policies"]) == 1
    assert (folder / "private.key").stat().st_mode & 0o077 == 0, "the key is its owner's alone"
    context = tls(folder / "root-ca.pem", folder / "certificate.pem", folder / "private.key")
    with Client(server.mqtts_port, context) as client:
        client.connect(name)
        client.subscribe(f"{name}/#")
        client.publish(f"{name}/hello", b"x")
        assert client.message() == (f"{name}/hello", b"x")


def test_its_program_runs_as_it_is(server, create, make, session, name):
    folder, _ = create()
    observer = session(make(*everything_on("*"), thing=False), client_id="observer")
    observer.subscribe(f"{name}/#")
    program = subprocess.Popen(
        [sys.executable, str(folder / "connect.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=clean_environment(),
    )
    try:
        topic, _ = observer.message()
        assert topic.startswith(f"{name}/")
    finally:
        program.send_signal(signal.SIGINT)
        printed, _ = program.communicate(timeout=WITHIN_S)
    assert "Traceback" not in printed, printed


def test_its_program_says_why_it_is_refused(create, tmp_path):
    policy = tmp_path / "policy.json"
    policy.write_text(document(deny("iot:Connect")))
    folder, _ = create("--policy", str(policy))
    result = subprocess.run(
        [sys.executable, str(folder / "connect.py")],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        env=clean_environment(),
    )
    said = result.stdout + result.stderr
    assert result.returncode != 0 and "Traceback" not in said, said
    assert re.search("not.?authorized", said, re.IGNORECASE), said


def test_a_policy_file_is_used_as_it_is(server, create, name, tmp_path):
    policy = tmp_path / "policy.json"
    policy.write_text(document(*everything_on("chosen/*", client=name)))
    create("--policy", str(policy))
    (principal,) = server.iot.list_thing_principals(thingName=name)["principals"]
    (attached,) = server.iot.list_attached_policies(target=principal)["policies"]
    got = server.iot.get_policy(policyName=attached["policyName"])
    assert got["policyDocument"] == policy.read_text()
    assert arn("topic/chosen/*") in got["policyDocument"]

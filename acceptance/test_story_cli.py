"""The same story by the AWS CLI, version 1 from PyPI and version 2 from Debian, unmodified."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import documents
from harness import REGION, clean_environment, run

V1 = Path(sys.executable).with_name("aws")
V2 = Path("/usr/bin/aws")


@pytest.fixture(params=[V1, V2], ids=["v1", "v2"])
def aws(request, server, tmp_path):
    """Runs one command of the CLI: its JSON, or the text of its error."""
    if not request.param.exists():
        pytest.skip(f"{request.param} is not installed: apt-get install awscli")
    key_id, secret = server.keys()
    environment = clean_environment(
        AWS_ACCESS_KEY_ID=key_id, AWS_SECRET_ACCESS_KEY=secret, AWS_DEFAULT_REGION=REGION
    )

    def call(*arguments, error=None):
        command = [request.param, "--endpoint-url", server.url, "--output", "json", *arguments]
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=60, env=environment, cwd=tmp_path
        )
        if error:
            assert result.returncode != 0 and f"({error})" in result.stderr, result
            return result.stderr
        assert result.returncode == 0, result
        return json.loads(result.stdout) if result.stdout.strip() else {}

    return call


def test_a_device_is_provisioned_used_and_retired(aws, name, tmp_path):
    attributes = json.dumps({"attributes": {"site": name}})
    thing = aws("iot", "create-thing", "--thing-name", name, "--attribute-payload", attributes)
    again = aws("iot", "create-thing", "--thing-name", name, "--attribute-payload", attributes)
    assert again == thing
    described = aws("iot", "describe-thing", "--thing-name", name)
    assert (described["version"], described["attributes"]) == (1, {"site": name})
    listed = aws("iot", "list-things", "--attribute-name", "site", "--attribute-value", name)
    assert [thing["thingName"] for thing in listed["things"]] == [name]

    files = ["--certificate-pem-outfile", "c.pem", "--private-key-outfile", "k.pem"]
    keys = aws("iot", "create-keys-and-certificate", "--set-as-active", *files)
    arn, certificate_id = keys["certificateArn"], keys["certificateId"]
    assert documents.certificate_id((tmp_path / "c.pem").read_text()) == certificate_id
    openssl = subprocess.run(
        ["openssl", "rsa", "-in", "k.pem", "-check", "-noout"], cwd=tmp_path, capture_output=True
    )
    assert openssl.returncode == 0, openssl

    created = aws(
        "iot", "create-policy", "--policy-name", name, "--policy-document", documents.policy()
    )
    assert created["policyVersionId"] == "1"
    aws("iot", "attach-policy", "--policy-name", name, "--target", arn)
    aws("iot", "attach-thing-principal", "--thing-name", name, "--principal", arn)
    assert aws("iot", "list-principal-things", "--principal", arn)["things"] == [name]

    payload = json.dumps({"attributes": {"floor": "2"}, "merge": True})
    aws("iot", "update-thing", "--thing-name", name, "--attribute-payload", payload)
    assert aws("iot", "describe-thing", "--thing-name", name)["version"] == 2

    refuse_everything_too_early(aws, name, certificate_id)

    aws("iot", "detach-thing-principal", "--thing-name", name, "--principal", arn)
    aws("iot", "detach-policy", "--policy-name", name, "--target", arn)
    aws("iot", "update-certificate", "--certificate-id", certificate_id, "--new-status", "INACTIVE")
    aws("iot", "delete-certificate", "--certificate-id", certificate_id)
    aws("iot", "delete-policy", "--policy-name", name)
    aws("iot", "delete-thing", "--thing-name", name)
    aws("iot", "describe-thing", "--thing-name", name, error="ResourceNotFoundException")


def refuse_everything_too_early(aws, name, certificate_id):
    other = json.dumps({"attributes": {"site": "other"}})
    for error, arguments in [
        ("InvalidRequestException", ["delete-thing", "--thing-name", name]),
        ("CertificateStateException", ["delete-certificate", "--certificate-id", certificate_id]),
        ("DeleteConflictException", ["delete-policy", "--policy-name", name]),
        ("ResourceNotFoundException", ["describe-thing", "--thing-name", "u" + name]),
        (
            "ResourceAlreadyExistsException",
            ["create-thing", "--thing-name", name, "--attribute-payload", other],
        ),
        (
            "VersionConflictException",
            ["update-thing", "--thing-name", name, "--expected-version", "99"],
        ),
        (
            "MalformedPolicyException",
            ["create-policy", "--policy-name", "q" + name, "--policy-document", '{"a":1}'],
        ),
        ("InvalidRequestException", ["create-thing", "--thing-name", "sp ace"]),
    ]:
        aws("iot", *arguments, error=error)


def test_lists_are_paged_by_the_cli_itself(aws, name):
    for number in range(5):
        payload = json.dumps({"attributes": {"batch": name}})
        thing = f"{name}-{number}"
        aws("iot", "create-thing", "--thing-name", thing, "--attribute-payload", payload)
    filters = ["--attribute-name", "batch", "--attribute-value", name]
    assert len(aws("iot", "list-things", *filters, "--page-size", "2")["things"]) == 5
    some = aws("iot", "list-things", *filters, "--page-size", "2", "--max-items", "3")
    assert len(some["things"]) == 3 and some["NextToken"]
    rest = aws("iot", "list-things", *filters, "--starting-token", some["NextToken"])
    assert len(rest["things"]) == 2


def test_the_caller_is_known(aws):
    identity = aws("sts", "get-caller-identity")
    assert set(identity) == {"UserId", "Account", "Arn"}


def test_an_unsigned_call_is_refused(aws):
    aws("iot", "list-things", "--no-sign-request", error="MissingAuthenticationTokenException")


def exports(text):
    lines = [line.removeprefix("export ") for line in text.splitlines() if "=" in line]
    return {name: value.strip("'\"") for name, _, value in (line.partition("=") for line in lines)}


def test_the_printed_environment_leads_to_the_server(server, name):
    environment = exports(server.command("env").stdout)
    assert environment["AWS_ENDPOINT_URL_IOT"].startswith("http://")
    environment = {
        variable: value.replace("localhost:4566", f"127.0.0.1:{server.port}").replace(
            "127.0.0.1:4566", f"127.0.0.1:{server.port}"
        )
        for variable, value in environment.items()
    }
    for command in [["iot", "create-thing", "--thing-name", name], ["sts", "get-caller-identity"]]:
        result = subprocess.run(
            [V1, *command], capture_output=True, text=True, env=clean_environment(**environment)
        )
        assert result.returncode == 0, result
    assert server.client().describe_thing(thingName=name)["version"] == 1


def test_the_shared_files_lead_to_the_server(server, name):
    environment = clean_environment(
        AWS_SHARED_CREDENTIALS_FILE=str(server.data_dir / "credentials"),
        AWS_CONFIG_FILE=str(server.data_dir / "config"),
    )
    assert os.stat(server.data_dir / "credentials").st_mode & 0o077 == 0
    for command in [["iot", "create-thing", "--thing-name", name], ["sts", "get-caller-identity"]]:
        result = subprocess.run([V1, *command], capture_output=True, text=True, env=environment)
        assert result.returncode == 0, result
    assert server.client().describe_thing(thingName=name)["version"] == 1


def test_the_command_says_what_it_can_do():
    text = run("--help").stdout
    for command in ["serve", "env", "account", "access-key", "backup", "restore"]:
        assert command in text
    assert run("nonsense", check=False).returncode != 0

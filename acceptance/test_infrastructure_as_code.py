"""Infrastructure as code: made, compared, changed, taken down, and all that again.

`resources.py` says which calls a tool makes for each resource.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from harness import REGION, Server, clean_environment
from resources import GONE, RESOURCES, UNKNOWN_RULE, document

V1, V2 = sys.executable, "/usr/bin/python3"
COMMANDS = Path(__file__).with_name("sdk") / "aws_commands.py"


class Refused(Exception):
    """A call was refused with this code."""


class Boto3:
    """boto3, which knows everything."""

    knows_what_is_new = True

    def __init__(self, server):
        self.iot = server.client()

    def call(self, operation, request):
        try:
            answer = getattr(self.iot, xform_name(operation))(**request)
        except ClientError as error:
            raise Refused(error.response["Error"]["Code"]) from error
        del answer["ResponseMetadata"]
        return answer

    def close(self):
        self.iot.close()


class Cli:
    """The AWS CLI: many commands in one process of its own Python."""

    def __init__(self, server, python, knows_what_is_new):
        self.knows_what_is_new = knows_what_is_new
        self.options = ["--endpoint-url", server.url, "--output", "json", "iot"]
        key_id, secret = server.keys()
        self.process = subprocess.Popen(
            [python, COMMANDS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(
                AWS_ACCESS_KEY_ID=key_id,
                AWS_SECRET_ACCESS_KEY=secret,
                AWS_DEFAULT_REGION=REGION,
            ),
        )

    def call(self, operation, request):
        command = xform_name(operation, "-")
        arguments = [*self.options, command, "--cli-input-json", json.dumps(request)]
        self.process.stdin.write(json.dumps(arguments) + "\n")
        self.process.stdin.flush()
        status, output, errors = json.loads(self.process.stdout.readline())
        if status == 0:
            return json.loads(output) if output.strip() else {}
        assert "An error occurred (" in errors, (command, request, errors)
        raise Refused(errors.split("An error occurred (")[1].split(")")[0])

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=10) == 0


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for every tool, whose names are the same."""
    data_dir = tmp_path_factory.mktemp("ferrite") / "data"
    server = Server(data_dir, "--set", "limits.thing_type_deprecated_s_min=0").start()
    yield server
    assert server.stop() == 0, "the server ends cleanly"


class Stack:
    """Every resource that a tool knows, and what it remembers of it."""

    def __init__(self, tool):
        self.tool = tool
        self.resources = [r for r in RESOURCES if tool.knows_what_is_new or not r.is_new]
        self.made = {}
        self.states = {}

    def call(self, operation, request):
        return self.tool.call(operation, self.fill(request))

    def fill(self, value):
        """A request with what was made before."""
        if callable(value):
            return value(self.made)
        if isinstance(value, dict):
            return {key: self.fill(inner) for key, inner in value.items()}
        return [self.fill(inner) for inner in value] if isinstance(value, list) else value

    def read(self, resource):
        answers = [self.call(operation, request) for operation, request, _ in resource.read]
        for answer in answers:
            # Saying the same again may be a modification.
            answer.pop("lastModifiedDate", None)
        return answers

    def create(self, resource):
        self.made[resource.name] = self.call(*resource.create)
        self.states[resource.name] = self.read(resource)
        self.assert_holds(resource, [holds for *_, holds in resource.read])

    def assert_holds(self, resource, expected):
        for answer, holds in zip(self.states[resource.name], expected, strict=True):
            holds = self.fill(holds)
            assert contains(answer, holds), (resource.name, answer, holds)

    def apply(self):
        for resource in self.resources:
            self.create(resource)
        # What came later belongs to the state of what came before: a group's things.
        self.states = {r.name: self.read(r) for r in self.resources}

    def plan(self):
        """What differs from what the tool remembers: nothing may."""
        for resource in self.resources:
            assert self.read(resource) == self.states[resource.name], resource.name

    def apply_again(self):
        for resource in self.resources:
            if resource.taken:
                self.refuses(*resource.create, code=resource.taken)
            elif not resource.is_created_once:
                answer = self.call(*resource.create)
                assert answer == self.made[resource.name], resource.name

    def change(self):
        for resource in self.resources:
            for call in resource.change:
                self.call(*call)
            self.states[resource.name] = self.read(resource)
            self.assert_holds(resource, resource.changed)
        self.states = {r.name: self.read(r) for r in self.resources}

    def destroy(self):
        for resource in reversed(self.resources):
            for call in resource.delete:
                self.call(*call)
            outcomes = resource.deleted or (None,) * len(resource.delete)
            for call, code in zip(resource.delete, outcomes, strict=True):
                self.refuses(*call, code=code)
            assert resource.stays or not self.is_there(resource), resource.name

    def is_there(self, resource):
        try:
            answers = self.read(resource)
        except Refused as refused:
            assert str(refused) in (GONE, UNKNOWN_RULE), (resource.name, refused)
            return False
        expected = self.fill([holds for *_, holds in resource.read])
        return any(map(contains, answers, expected))

    def refuses(self, operation, request, code):
        """The call is refused with the code, or passes where there is none."""
        try:
            self.call(operation, request)
            got = None
        except Refused as refused:
            got = str(refused)
        assert got == code, (operation, request)


def contains(answer, holds):
    """Whether the answer has each member that it should, and each item of each list.

    Tags and attributes have to be those and no others.
    """
    if isinstance(holds, dict):
        return isinstance(answer, dict) and all(
            key in answer and compare(key)(answer[key], inner) for key, inner in holds.items()
        )
    if isinstance(holds, list):
        return all(any(contains(item, wanted) for item in answer) for wanted in holds)
    return answer == holds


def compare(key):
    return is_same if key in ("tags", "attributes") else contains


def is_same(answer, holds):
    return contains(answer, holds) and len(answer) == len(holds)


def tell(tool):
    """The story of a stack from its creation to its end."""
    stack = Stack(tool)
    stack.apply()
    stack.plan()
    stack.apply_again()
    stack.plan()
    stack.change()
    stack.plan()
    stack.destroy()


def test_what_boto3_makes_is_compared_changed_taken_down_and_made_again(server):
    tool = Boto3(server)
    for _ in range(2):
        tell(tool)
    tool.close()


def prune_like_terraform(iot, versions):
    """Deletes the lowest version that is not the default one."""
    numbers = [int(v["versionId"]) for v in versions if not v["isDefaultVersion"]]
    iot.delete_policy_version(policyName="often", policyVersionId=str(min(numbers)))


def prune_like_cloudformation(iot, versions):
    """Deletes the version whose id comes first as a text, and makes sure that it is not in use."""
    versions = sorted(versions, key=lambda version: version["versionId"])
    oldest, newest = versions[0], versions[-1]["versionId"]
    if oldest["isDefaultVersion"]:
        iot.set_default_policy_version(policyName="often", policyVersionId=newest)
    iot.delete_policy_version(policyName="often", policyVersionId=oldest["versionId"])


@pytest.mark.parametrize("prune", [prune_like_terraform, prune_like_cloudformation])
def test_a_policy_is_changed_more_often_than_it_has_versions(server, prune):
    iot = server.iot
    iot.create_policy(policyName="often", policyDocument=document("iot:Publish"))
    for number in range(2, 13):
        changed = document(f"iot:Connect{'*' * (number % 2)}")
        request = {"policyName": "often", "policyDocument": changed, "setAsDefault": True}
        try:
            iot.create_policy_version(**request)
        except iot.exceptions.VersionsLimitExceededException:
            prune(iot, iot.list_policy_versions(policyName="often")["policyVersions"])
            iot.create_policy_version(**request)
        policy = iot.get_policy(policyName="often")
        assert (policy["defaultVersionId"], policy["policyDocument"]) == (str(number), changed)
    versions = iot.list_policy_versions(policyName="often")["policyVersions"]
    assert len(versions) == 5
    for version in versions:
        if not version["isDefaultVersion"]:
            iot.delete_policy_version(policyName="often", policyVersionId=version["versionId"])
    iot.delete_policy(policyName="often")


@pytest.mark.parametrize(
    ("python", "knows_what_is_new"), [(V1, True), (V2, False)], ids=["v1", "v2"]
)
def test_what_the_cli_makes_is_compared_changed_and_taken_down(server, python, knows_what_is_new):
    if subprocess.run([python, "-c", "import awscli"], capture_output=True).returncode != 0:
        pytest.skip(f"{python} has no AWS CLI: apt-get install awscli")
    tool = Cli(server, python, knows_what_is_new)
    tell(tool)
    tool.close()

"""Terraform and its AWS provider, unmodified: applied, planned, changed, destroyed, applied again.

The provider is taken from a mirror on the machine, since it is too large to fetch for a test:
`FERRITE_TERRAFORM_PLUGINS`, or where Terraform and packages keep such mirrors.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import REGION, Server, clean_environment
from resources import own_files

CONFIGURATION = Path(__file__).with_name("terraform") / "main.tf"
PROVIDER = "registry.terraform.io/hashicorp/aws"
RESOURCES = 20
WITHIN_S = 240


def plugins():
    """A folder with the provider, or nothing."""
    given = os.environ.get("FERRITE_TERRAFORM_PLUGINS")
    usual = [Path.home() / ".terraform.d/plugins", Path("/usr/share/terraform/plugins")]
    folders = [Path(given)] if given else [*usual, *Path("/opt").glob("*")]
    return next((folder for folder in folders if (folder / PROVIDER).is_dir()), None)


@pytest.fixture
def server(tmp_path):
    # Terraform asks again until a deprecated type may be deleted.
    server = Server(tmp_path / "data", "--set", "limits.thing_type_deprecated_s_min=1").start()
    yield server
    assert server.stop() == 0, "the server ends cleanly"


@pytest.fixture
def terraform(server, tmp_path):
    """Runs a command of Terraform on the configuration: its exit status and what it says."""
    command, mirror = shutil.which("terraform"), plugins()
    if not command or not mirror:
        pytest.skip("terraform or its AWS provider is not installed")
    folder = tmp_path / "terraform"
    folder.mkdir()
    shutil.copy(CONFIGURATION, folder)
    write_certificates(server.iot, folder)
    key_id, secret = server.keys()
    environment = clean_environment(
        AWS_ACCESS_KEY_ID=key_id,
        AWS_SECRET_ACCESS_KEY=secret,
        AWS_REGION=REGION,
        CHECKPOINT_DISABLE="1",
        TF_CLI_CONFIG_FILE=os.devnull,
        TF_VAR_api=server.url,
        TF_VAR_folder=str(folder),
        # The provider lives for a few seconds at a time: collecting its garbage doubles them.
        GOGC="off",
    )

    def run(*arguments, version="1"):
        result = subprocess.run(
            [command, *arguments, "-no-color"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            env=environment | {"TF_VAR_version_of_all": version},
        )
        return result.returncode, result.stdout + result.stderr

    status, said = run("init", f"-plugin-dir={mirror}")
    assert status == 0, said
    return run


def write_certificates(iot, folder):
    code = iot.get_registration_code()["registrationCode"]
    for name, text in own_files(code).items():
        (folder / name).write_text(text)


def changes(outcome):
    """How many resources a command added, changed and destroyed."""
    status, said = outcome
    assert status == 0, said
    counts = dict(reversed(pair) for pair in re.findall(r"(\d+) (added|changed|destroyed)", said))
    return tuple(int(counts.get(what, 0)) for what in ("added", "changed", "destroyed"))


def take_away(iot):
    """Deletes six resources behind Terraform's back."""
    policy = {"policyName": "lamps"}
    (attached,) = [
        target for target in iot.list_targets_for_policy(**policy)["targets"] if ":cert/" in target
    ]
    iot.detach_policy(**policy, target=attached)
    iot.remove_thing_from_thing_group(thingName="bulb", thingGroupName="room")
    iot.detach_thing_principal(thingName="bulb", principal=attached)
    iot.delete_thing(thingName="bare")
    iot.delete_billing_group(billingGroupName="costs")
    for ca in iot.list_ca_certificates()["certificates"]:
        signed = iot.list_certificates_by_ca(caCertificateId=ca["certificateId"])
        for certificate in signed["certificates"]:
            by_id = {"certificateId": certificate["certificateId"]}
            iot.update_certificate(**by_id, newStatus="INACTIVE")
            iot.delete_certificate(**by_id)


def test_terraform_applies_compares_changes_mends_and_destroys(server, terraform):
    assert changes(terraform("apply", "-auto-approve")) == (RESOURCES, 0, 0)
    take_away(server.iot)
    assert changes(terraform("apply", "-auto-approve", version="2")) == (6, 11, 0)
    status, said = terraform("plan", "-detailed-exitcode", version="2")
    assert status == 0 and "No changes." in said, said
    assert changes(terraform("destroy", "-auto-approve", version="2")) == (0, 0, RESOURCES)
    for pages, key in [
        ("list_things", "things"),
        ("list_policies", "policies"),
        ("list_certificates", "certificates"),
        ("list_ca_certificates", "certificates"),
        ("list_thing_groups", "thingGroups"),
        ("list_billing_groups", "billingGroups"),
        ("list_thing_types", "thingTypes"),
        ("list_topic_rules", "rules"),
    ]:
        assert getattr(server.iot, pages)()[key] == [], pages
    assert changes(terraform("apply", "-auto-approve")) == (RESOURCES, 0, 0)

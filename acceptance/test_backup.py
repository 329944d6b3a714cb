"""Backup while the server runs, and restore into a new directory."""

import threading

import pytest

from documents import policy
from harness import Server, run


@pytest.fixture
def restored(tmp_path):
    """Starts a server on a directory, and ends it after the test."""
    servers = []

    def start(data_dir):
        servers.append(Server(data_dir).start())
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def test_a_backup_is_served_again(fresh, tmp_path, restored):
    iot = fresh.client()
    thing = iot.create_thing(thingName="pump", attributePayload={"attributes": {"a": "1"}})
    keys = iot.create_keys_and_certificate(setAsActive=True)
    iot.create_policy(policyName="pumps", policyDocument=policy())
    iot.attach_policy(policyName="pumps", target=keys["certificateArn"])

    backup, data = tmp_path / "backup", tmp_path / "restored"
    fresh.command("backup", str(backup), "--with-keys")
    iot.create_thing(thingName="later")
    run("restore", str(backup), "--data-dir", str(data))

    # The keys of the old server open the new one: secrets came along, sealed.
    old = restored(data).client(keys=fresh.keys())
    assert old.describe_thing(thingName="pump")["thingId"] == thing["thingId"]
    attached = old.list_attached_policies(target=keys["certificateArn"])["policies"]
    assert [policy["policyName"] for policy in attached] == ["pumps"]
    assert [thing["thingName"] for thing in old.list_things()["things"]] == ["pump"]
    old.create_thing(thingName="new")


def test_a_backup_without_the_key_file_is_of_no_use_by_itself(fresh, tmp_path):
    backup, data = tmp_path / "backup", tmp_path / "restored"
    fresh.command("backup", str(backup))
    assert not list(backup.rglob("*.key"))
    run("restore", str(backup), "--data-dir", str(data))
    refused = run("serve", "--data-dir", str(data), "--set", "listen.http=127.0.0.1:0", check=False)
    assert refused.returncode != 0
    assert "key file" in refused.stdout + refused.stderr


def test_a_backup_says_what_it_leaves_out(fresh, tmp_path):
    result = fresh.command("backup", str(tmp_path / "backup"))
    assert str(tmp_path / "backup") in result.stdout + result.stderr
    assert "not" in (result.stdout + result.stderr).lower()


def test_a_backup_under_load_is_whole(fresh, tmp_path, restored):
    keys, stop, acknowledged = fresh.keys(), threading.Event(), []

    def create():
        while not stop.is_set():
            thing = f"t{len(acknowledged)}"
            assert fresh.call("POST", f"/things/{thing}", b"{}", keys=keys)[0] == 200
            acknowledged.append(thing)

    writer = threading.Thread(target=create)
    writer.start()
    while len(acknowledged) < 100:
        stop.wait(0.01)
    before = list(acknowledged)
    fresh.command("backup", str(tmp_path / "backup"), "--with-keys")
    stop.set()
    writer.join(30)
    run("restore", str(tmp_path / "backup"), "--data-dir", str(tmp_path / "restored"))
    server = restored(tmp_path / "restored")
    for thing in before:
        assert server.call("GET", f"/things/{thing}", keys=keys)[0] == 200


def test_a_backup_does_not_overwrite(fresh, tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    (full / "precious").write_text("mine")
    assert fresh.command("backup", str(full), check=False).returncode != 0
    assert [path.name for path in full.iterdir()] == ["precious"]


def test_a_restore_does_not_overwrite(fresh, tmp_path):
    backup = tmp_path / "backup"
    fresh.command("backup", str(backup))
    result = run("restore", str(backup), "--data-dir", str(fresh.data_dir), check=False)
    assert result.returncode != 0
    fresh.client().list_things()


def test_what_is_no_backup_is_not_restored(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    for source in [empty, tmp_path / "missing"]:
        result = run("restore", str(source), "--data-dir", str(tmp_path / "new"), check=False)
        assert result.returncode != 0


def test_a_command_without_a_server_says_so(tmp_path):
    result = run("account", "list", "--data-dir", str(tmp_path / "none"), check=False)
    assert result.returncode != 0
    assert str(tmp_path / "none") in result.stdout + result.stderr

"""Where messages wait for clients that are away: files, or PostgreSQL."""

import os
import subprocess
from pathlib import Path

import pytest

from harness import ROOT, Server, free_port
from mqtt_raw import PUBACK, PUBLISH, V5, Client

POSTGRES = ROOT / "testing" / "postgres.sh"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """A PostgreSQL of its own, by its URL."""
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    folder, port = tmp_path_factory.mktemp("postgres"), str(free_port())
    # `postgres` has to pass through folders that are their owner's alone.
    for parent in (folder, *folder.parents[:2]):
        os.chmod(parent, 0o755)
    command = [str(POSTGRES), "start", str(folder), port]
    started = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert started.returncode == 0, started.stderr
    yield started.stdout.strip()
    subprocess.run([str(POSTGRES), "stop", str(folder), port], check=True, timeout=120)


def attend(server, name):
    client = Client(server.mqtt_port, version=V5)
    client.connect(name, clean=False, props={"session_expiry": 300})
    return client


def test_messages_wait_in_postgresql(tmp_path, postgres):
    settings = (f"journal.url={postgres}", f"store.url={postgres}")
    arguments = [word for setting in settings for word in ("--set", setting)]
    server = Server(tmp_path / "data", "--dev", *arguments).start()
    away = attend(server, "away")
    away.subscribe("t", qos=1)
    away.drop()
    publisher = attend(server, "publisher")
    for number in range(100):
        answer = publisher.publish("t", b"%d" % number, qos=1, packet_id=number + 1)
        assert answer.kind == PUBACK
    server.kill()
    assert not (server.data_dir / "journal").exists(), "nothing waits in files"
    server.start()
    back = attend(server, "away")
    found = [back.expect(PUBLISH).payload for _ in range(100)]
    assert found == [b"%d" % number for number in range(100)]
    server.stop()


def test_a_journal_that_is_neither_is_named(tmp_path):
    server = Server(tmp_path / "data", "--set", "journal.url=nats://x")
    with pytest.raises(pytest.fail.Exception, match="`journal.url` is files or postgres://"):
        server.start()


def test_a_full_journal_drops_what_comes_last_and_still_acknowledges(tmp_path):
    server = Server(tmp_path / "data", "--dev", "--set", "journal.bytes_max=200000").start()
    away = attend(server, "away")
    away.subscribe("t", qos=1)
    away.drop()
    publisher = attend(server, "publisher")
    for number in range(100):
        answer = publisher.publish("t", bytes([number]) * 10_000, qos=1, packet_id=number + 1)
        assert answer.kind == PUBACK
    back = attend(server, "away")
    first = [back.expect(PUBLISH).payload[0] for _ in range(5)]
    assert first == [0, 1, 2, 3, 4]
    assert "JOURNAL_FULL" in server.log() and "`journal.bytes_max`" in server.log()
    server.stop()

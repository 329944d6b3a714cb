"""What the broker acknowledged reaches persistent sessions, though it is killed again and again.

`FERRITE_KILL_ROUNDS` sets how often. The load and its ledger are `bench/mqload`'s; the ledger is
read here once more, since who judges should not be the one who counts.
"""

import json
import os
import random
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest

from harness import ROOT, Server, binary

ROUNDS = int(os.environ.get("FERRITE_KILL_ROUNDS", 3))
PROGRESS_WITHIN_S = 60
OVER_WITHIN_S = 120

# Subscribers that are there, at the greatest rate; and such that are away until the end, where all
# of it has to wait for them within the bounds of their queues.
LOADS = {
    "subscribers-there": ["pairs", "--count", "20", "--persistent"],
    "subscribers-away": ["offline", "--pubs", "16", "--subs", "16", "--rate", "4000"],
}


def mqload():
    """The load generator: beside the server's binary, or among the debug builds."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    places = Path(binary()).with_name("mqload"), target / "debug" / "mqload"
    for place in places:
        if place.exists():
            return str(place)
    pytest.fail(f"{places[-1]} does not exist: cargo build -p ferrite-mqload")


class Load:
    """mqload, from its start until it has heard of everything that it is owed."""

    def __init__(self, server, ledger, arguments):
        command = [mqload(), *arguments, "--port", str(server.mqtt_port), "--qos", "1"]
        command += ["--reconnect", "--ledger", str(ledger), "--until-eof"]
        command += ["--progress", "--json", "--drain", "20"]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.process = subprocess.Popen(command, text=True, **pipes)
        self.acknowledged, self.said = 0, []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.said.append(line)
            if progress := re.search(r"(\d+) acknowledged,", line):
                self.acknowledged = int(progress.group(1))

    def wait_for_more(self):
        """Waits until more is acknowledged than was so far."""
        before, deadline = self.acknowledged, time.monotonic() + PROGRESS_WITHIN_S
        while self.acknowledged <= before:
            assert self.process.poll() is None, "".join(self.said)
            assert time.monotonic() < deadline, "".join(self.said)
            time.sleep(0.02)

    def finish(self):
        """Has it send no more: its exit status, and its figures."""
        self.process.stdin.close()
        figures = self.process.stdout.read()
        status = self.process.wait(OVER_WITHIN_S)
        self.reader.join(OVER_WITHIN_S)
        assert figures, "".join(self.said)
        return status, json.loads(figures)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path / "data", "--dev").start()
    yield server
    if server.process.poll() is None:
        assert server.stop() == 0, "the server ends cleanly"


@pytest.fixture
def start_load(server, tmp_path):
    loads = []

    def start_load(arguments):
        loads.append(Load(server, tmp_path / "ledger.txt", arguments))
        return loads[-1]

    yield start_load
    for load in loads:
        load.end()


def missing(ledger):
    """Messages that were acknowledged and that no subscriber got, by the ledger's own lines."""
    acknowledged, received = set(), set()
    for line in ledger.read_text().splitlines():
        match line.split():
            case ["acknowledged", publisher, number]:
                acknowledged.add((publisher, number))
            case ["received", _, publisher, number]:
                received.add((publisher, number))
    assert acknowledged, "something was acknowledged"
    return acknowledged - received


@pytest.mark.timeout(120 + 60 * ROUNDS)
@pytest.mark.parametrize("arguments", LOADS.values(), ids=LOADS.keys())
def test_nothing_acknowledged_is_lost(server, start_load, tmp_path, arguments):
    load = start_load(arguments)
    for _ in range(ROUNDS):
        load.wait_for_more()
        time.sleep(random.uniform(0, 1))
        server.kill()
        server.start()
    load.wait_for_more()
    status, figures = load.finish()
    assert figures["reconnects"] > 0
    assert figures["sessions_lost"] == 0
    assert figures["unacked"] == 0
    assert figures["acknowledged_lost"] == 0, figures
    assert missing(tmp_path / "ledger.txt") == set()
    assert status == 0


def test_a_ledger_with_a_lost_message_is_found_out(tmp_path):
    lines = ["acknowledged p0 1", "acknowledged p1 1", "received s0 p0 1", "received s0 p0 1"]
    (tmp_path / "ledger.txt").write_text("\n".join(lines))
    assert missing(tmp_path / "ledger.txt") == {("p1", "1")}

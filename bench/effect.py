"""Measures how soon a change of policies or certificates binds a device that is connected.

    effect.py TARGET [--rounds 50] [--connections 10000] [--sites WORD]

TARGET has the release builds. Each round has a device of its own, connected by mutual TLS; the time
is that from the answer of the API until the connection is closed, or until the first refusal of a
device that publishes one message after the other. An effect that comes before the answer counts as
no time at all.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "acceptance"))

from device import allow, deny, document, quick_device  # noqa: E402
from harness import Server, free_port  # noqa: E402
from mqtt_raw import CLOSED, PUBACK, V5, Client  # noqa: E402

BAR_S = 1.0
PATIENCE_S = 30
# A change that touches everybody is measured a few times only.
CROWD_ROUNDS = 3
POLL_S = 0.002
FORBIDDING = document(allow("iot:Connect"), deny("iot:Publish"))


@dataclass(frozen=True)
class Site:
    """Where is measured: how many servers share which store, and who else is connected to them."""

    name: str
    store: str = "sqlite"
    has_crowd: bool = False


@dataclass(frozen=True)
class Change:
    """What is changed. `prepare` is done before the device connects; `closes` is what it does."""

    name: str
    act: Callable
    prepare: Callable = lambda iot, device: None
    closes: bool = False


def set_status(status):
    def act(iot, device):
        iot.update_certificate(certificateId=device.certificate_id, newStatus=status)

    return act


def replace_policy(iot, device):
    iot.create_policy_version(
        policyName=f"{device.name}-0", policyDocument=FORBIDDING, setAsDefault=True
    )


def detach_policy(iot, device):
    iot.detach_policy(policyName=f"{device.name}-0", target=device.certificate_arn)


def make_group(iot, device):
    """A group of the device's name, and a policy beside it that forbids to publish."""
    iot.create_thing_group(thingGroupName=device.name)
    iot.create_policy(policyName=device.name, policyDocument=FORBIDDING)


def join_group(iot, device):
    iot.add_thing_to_thing_group(thingGroupName=device.name, thingName=device.name)


def bind_group(iot, device):
    group = iot.describe_thing_group(thingGroupName=device.name)["thingGroupArn"]
    iot.attach_policy(policyName=device.name, target=group)


def both(first, second):
    def act(iot, device):
        first(iot, device)
        second(iot, device)

    return act


SITES = (
    Site("one server on SQLite"),
    Site("one server on SQLite, beside others", has_crowd=True),
    Site("two servers on PostgreSQL, changed at the other", store="postgres"),
)
REVOKE = Change("UpdateCertificate to REVOKED", set_status("REVOKED"), closes=True)
REPLACE = Change("CreatePolicyVersion as the default", replace_policy)
CHANGES = (
    REVOKE,
    Change("UpdateCertificate to INACTIVE", set_status("INACTIVE"), closes=True),
    REPLACE,
    Change("DetachPolicy", detach_policy),
    Change("AttachPolicy to its thing's group", bind_group, both(make_group, join_group)),
    Change("AddThingToThingGroup", join_group, both(make_group, bind_group)),
)


def main():
    asked = arguments()
    target = Path(asked.target).resolve()
    os.environ["FERRITE_BIN"] = str(target / "ferrite")
    lines = []
    with tempfile.TemporaryDirectory(dir=target, prefix="bench-") as folder:
        for number, site in enumerate(asked.sites):
            scratch = Path(folder) / str(number)
            scratch.mkdir()
            # PostgreSQL runs as a user of its own, who has to pass through.
            Path(folder).chmod(0o755)
            lines += measure(site, asked, target, scratch)
    print(table(lines))


def arguments():
    parser = argparse.ArgumentParser(prog="make bench ARGS=effect")
    parser.add_argument("target", help="folder of the release builds")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--connections", type=int, default=10_000, help="of the others")
    parser.add_argument("--sites", default="", help="only those whose name holds this")
    asked = parser.parse_args()
    asked.sites = [site for site in SITES if asked.sites in site.name]
    return asked


def measure(site, asked, target, scratch):
    """The lines of one site."""
    lines = []
    with servers(site, scratch) as (near, far):
        crowd = Crowd(near, target, scratch, asked.connections)
        if site.has_crowd:
            crowd.gather(make_device(near, scratch, "bystanders"))
        for change in CHANGES:
            times = [one_round(change, near, far, scratch, n) for n in range(asked.rounds)]
            lines.append(line(site, change.name, crowd.count, times))
            crowd.check()
        crowd.leave()
        if site.has_crowd:
            for change in (REVOKE, REPLACE):
                times = [crowd.time_of(change, n) for n in range(CROWD_ROUNDS)]
                lines.append(line(site, f"{change.name}, of all", asked.connections, times))
    return lines


@contextmanager
def servers(site, scratch):
    """The server that devices are connected to, and the one whose API is called."""
    settings = ["--set", "log.level=warn", "--set", f"secrets.key_file={scratch / 'key'}"]
    if site.store == "sqlite":
        with running(Server(scratch / "data", *settings)) as server:
            yield server, server
        return
    with postgres(scratch) as url:
        settings += ["--set", f"store.url={url}"]
        with running(Server(scratch / "near", *settings)) as near:
            with running(Server(scratch / "far", *settings)) as far:
                yield near, far


@contextmanager
def running(server):
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def postgres(scratch):
    script, place = str(ROOT / "testing" / "postgres.sh"), str(scratch / "postgres")
    port = str(free_port())
    started = subprocess.run([script, "start", place, port], capture_output=True, text=True)
    if started.returncode != 0:
        sys.exit(started.stderr)
    try:
        yield started.stdout.strip().splitlines()[-1]
    finally:
        subprocess.run([script, "stop", place, port], check=True)


def one_round(change, near, far, scratch, number):
    """Seconds until `change`, made at `far`, binds a device that is connected to `near`."""
    name = f"{slug(change.name)}-{number}"
    device = make_device(near, scratch, name)
    change.prepare(far.iot, device)
    return time_of(change, near, far, device)


def time_of(change, near, far, device):
    with connected(near, device, device.name) as client:
        watch = Watch(client, publishes=not change.closes)
        return until(change, far, device, [watch])


def until(change, far, device, watches):
    """Seconds from the answer to `change` to the last of `watches`."""
    change.act(far.iot, device)
    answered = time.monotonic()
    return max(0.0, *(watch.ended() - answered for watch in watches))


def connected(server, device, client_id):
    client = Client(server.mqtts_port, device.tls(), version=V5)
    client.connect(client_id)
    return client


def make_device(server, scratch, name):
    statements = allow("iot:Connect"), allow("iot:Publish")
    return quick_device(server, scratch, name, *statements)


class Watch:
    """A client in a thread of its own: when it was cut off, or refused to publish."""

    def __init__(self, client, publishes):
        self.client, self.publishes = client, publishes
        self.time, self.first = None, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        if not self.first.wait(PATIENCE_S):
            raise RuntimeError("a device could not publish before anything was changed")

    def run(self):
        if self.publishes:
            while self.is_allowed():
                self.first.set()
        else:
            self.first.set()
            self.client.read(PATIENCE_S)
        self.time = time.monotonic()

    def is_allowed(self):
        answer = self.client.publish("effect", b"x", qos=1)
        return answer is not CLOSED and answer.kind == PUBACK and answer.code < 128

    def ended(self):
        self.thread.join(PATIENCE_S)
        if self.time is None:
            raise RuntimeError(f"no effect within {PATIENCE_S} s")
        return self.time


class Crowd:
    """Many connections with one certificate, by mqload."""

    def __init__(self, server, target, scratch, size):
        self.server, self.target, self.scratch, self.size = server, target, scratch, size
        self.count, self.process = 0, None

    def gather(self, device):
        """Connects so many as `device`."""
        command = [str(self.target / "mqload"), "connect", "--count", str(self.size), "--tls"]
        command += ["--hold", "3600", "--port", str(self.server.mqtts_port)]
        command += ["--server-name", "localhost", "--cafile", device.root_ca]
        command += ["--cert", device.certificate, "--key", device.key]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdout=quiet, stderr=quiet)
        self.count = self.size
        wait_until(lambda: self.connected() >= self.size, 120)

    def check(self):
        if self.count and self.connected() < self.count:
            raise RuntimeError("bystanders were cut off")

    def leave(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            wait_until(lambda: self.connected() == 0)
        self.count, self.process = 0, None

    def connected(self):
        text = requests.get(self.server.url + "/metrics", timeout=PATIENCE_S).text
        values = (x.split()[1] for x in text.splitlines() if x.startswith("ferrite_mqtt_connections"))
        return int(sum(map(float, values)))

    def time_of(self, change, number):
        """Until a change that is about all of them binds those that came first and last."""
        device = make_device(self.server, self.scratch, f"crowd-{slug(change.name)}-{number}")
        with ExitStack() as stack:

            def probe(client_id):
                return stack.enter_context(connected(self.server, device, client_id))

            probes = [probe("first"), probe("second")]
            self.gather(device)
            probes += [probe("last-but-one"), probe("last")]
            watches = [Watch(client, publishes=not change.closes) for client in probes]
            taken = until(change, self.server, device, watches)
        self.leave()
        return taken


def wait_until(is_so, within_s=PATIENCE_S):
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not so within {within_s} s")
        time.sleep(POLL_S)


def slug(text):
    return "".join(c if c.isalnum() else "-" for c in text.lower())


def line(site, name, others, times):
    found = [statistics.median(times), max(times)]
    cells = (site.name, name, f"{others:,}", *(f"{1000 * s:.1f} ms" for s in found))
    progress(", ".join(cells))
    return (*cells, f"≤ {1000 * BAR_S:.0f} ms", "yes" if max(times) <= BAR_S else "NO")


def table(lines):
    head = ("where", "change", "others", "median", "longest", "bar", "met")
    lines = [head, *lines]
    widths = [max(len(cells[column]) for cells in lines) for column in range(len(head))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(cells, widths)) + " |"
        for cells in lines
    )


def progress(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

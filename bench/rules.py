"""Measures what rules cost whoever publishes, and how fast they bring messages on.

    rules.py TARGET [--runs 3] [--seconds 6] [--rows WORD]

TARGET has the release builds. Every row has a server of its own. Messages are published at QoS 1
over plain MQTT, 64 underway for each of 32 clients; the load generator shares the machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "acceptance"))

from harness import Server  # noqa: E402
from webhook import Webhook  # noqa: E402

ROLE = "arn:aws:iam::123456789012:role/rules"
REPUBLISH = {"republish": {"roleArn": ROLE, "topic": "out/${topic(2)}", "qos": 1}}
STREAM = {"kinesis": {"roleArn": ROLE, "streamName": "bench", "partitionKey": "${topic(2)}"}}
OBJECTS = {"s3": {"roleArn": ROLE, "bucketName": "bench", "key": "${topic(2)}/${newuuid()}"}}
MEASUREMENT = {"temp": 61.5, "id": "a", "more": "y" * 215}
RATE = 4000


@dataclass(frozen=True)
class Figure:
    """What was measured, and the least or the most that is wanted."""

    name: str
    value: float
    unit: str
    least: float | None = None
    most: float | None = None

    def bar(self):
        if self.least is not None:
            return f"≥ {self.least:,g}", self.value >= self.least
        if self.most is not None:
            return f"≤ {self.most:,g}", self.value <= self.most
        return "", None


class Site:
    """A server with some rules, and the generator that publishes to it."""

    def __init__(self, target, folder, durability="disk", *settings):
        arguments = ("--dev", "--set", "log.level=warn", "--set", "limits=relaxed")
        arguments += ("--set", f"rules.durability={durability}", *settings)
        self.server = Server(folder / "data", *arguments)
        self.mqload, self.payload = target / "mqload", folder / "payload.json"
        self.payload.write_text(json.dumps(MEASUREMENT))

    @contextmanager
    def running(self):
        self.server.start()
        try:
            yield self
        finally:
            self.server.kill()

    def rule(self, name, sql, action):
        rule = {"sql": sql, "awsIotSqlVersion": "2016-03-23", "actions": [action]}
        self.server.iot.create_topic_rule(ruleName=name, topicRulePayload=rule)

    def request(self, answer, seconds, outstanding=64):
        """What mqload says of clients that publish to `in/…` and are answered at `answer`."""
        load = ("request", "--count", 32, "--publish", "in/{client}", "--answer", answer)
        load += ("--outstanding", outstanding, "--payload-file", self.payload)
        return self.load(*load, "--qos", 1, "--duration", seconds)

    def load(self, *arguments):
        command = [self.mqload, *arguments, "--port", self.server.mqtt_port]
        command += ["--pid", self.server.process.pid, "--json"]
        said = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if said.returncode != 0:
            sys.exit(f"the load failed: {said.stderr}")
        return json.loads(said.stdout)

    def actions_done(self):
        """How many actions went well so far."""
        lines = requests.get(f"{self.server.url}/metrics", timeout=5).text.splitlines()
        found = [line for line in lines if line.startswith("ferrite_rule_actions_total")]
        return sum(int(float(line.split()[-1])) for line in found if "success" in line)


def many_rules(asked, target, folder):
    """What a publish costs beside a thousand rules that hear other topics, against one rule."""

    def rate(name, others):
        place = folder / name
        place.mkdir()
        with Site(target, place, "memory").running() as site:
            site.rule("first", "SELECT * FROM 'in/+'", REPUBLISH)
            for number in range(others):
                site.rule(f"other_{number}", f"SELECT * FROM 'other/{number}/+'", REPUBLISH)
            return site.request("out/{client}", asked.seconds)["answered_per_s"]

    alone, crowded = rate("one", 0), rate("thousand", 999)
    yield Figure("one rule of 1,000 → republish", crowded, "/s")
    yield Figure("a publish beside 1,000 rules, over one", alone / crowded, "×", most=1.2)


def republished(durability, least):
    def measure(asked, target, folder):
        with Site(target, folder, durability).running() as site:
            site.rule("back", "SELECT * FROM 'in/+'", REPUBLISH)
            rate = site.request("out/{client}", asked.seconds)["answered_per_s"]
        yield Figure(f"QoS 1 → rule → republish, {durability}", rate, "/s", least=least)

    return measure


def brought(name, action, least):
    """How many messages a second an action brings on while they are published as fast as they can be."""

    def measure(asked, target, folder):
        with Site(target, folder).running() as site:
            site.rule("on", "SELECT temp, id FROM 'in/+' WHERE temp > 50", action)
            counts, ended = [], threading.Event()

            def watch():
                while not ended.wait(1):
                    counts.append((time.monotonic(), site.actions_done()))

            thread = threading.Thread(target=watch)
            thread.start()
            published = site.request("in/{client}", asked.seconds, 16)["answered_per_s"]
            ended.set()
            thread.join()
        (began, first), (until, last) = counts[1], counts[-1]
        yield Figure(f"published while rules bring on to {name}", published, "/s")
        yield Figure(f"QoS 1 → rule → {name}, disk", (last - first) / (until - began), "/s", least)

    return measure


def dead_target(asked, target, folder):
    """The p99 of publishes whose rule posts to a server that is gone, over that without a match."""
    webhook = Webhook(folder)
    settings = ("--set", f"outbound.ca_file={webhook.trusted}", "--set", "outbound.allow=127.0.0.1")

    def p99(name, where):
        place = folder / name
        place.mkdir()
        with Site(target, place, "disk", *settings).running() as site:
            url = f"{webhook.url}/{name}"
            configuration = {"httpUrlConfiguration": {"confirmationUrl": url}}
            site.server.iot.create_topic_rule_destination(destinationConfiguration=configuration)
            token = webhook.token(f"/{name}")
            site.server.iot.confirm_topic_rule_destination(confirmationToken=token)
            if name == "dead":
                webhook.stop()
                webhook.server.server_close()
            action = {"http": {"url": url, "confirmationUrl": url}}
            site.rule("post", f"SELECT 1 AS a FROM 'bench/#'{where}", action)
            load = ("latency", "--rate", RATE, "--qos", 1, "--duration", asked.seconds)
            return site.load(*load)["latency_p99_us"]

    usual, dead = p99("alive", " WHERE false"), p99("dead", "")
    yield Figure(f"p99 of {RATE:,} publishes/s that no action hears", usual, "µs")
    yield Figure("p99 where each goes to a dead HTTP target", dead, "µs")
    yield Figure("a dead HTTP target, over none", dead / usual, "×", most=1.1)


ROWS = {
    "many rules": many_rules,
    "republish memory": republished("memory", 150_000),
    "republish disk": republished("disk", 25_000),
    "stream": brought("a local stream", STREAM, 20_000),
    "objects": brought("local objects", OBJECTS, None),
    "dead target": dead_target,
}


def main():
    asked = arguments()
    target = Path(asked.target).resolve()
    os.environ["FERRITE_BIN"] = str(target / "ferrite")
    figures = {}
    for run in range(asked.runs):
        for name, row in asked.rows.items():
            with tempfile.TemporaryDirectory(dir=target, prefix="bench-") as folder:
                for figure in row(asked, target, Path(folder)):
                    figures.setdefault(figure.name, []).append(figure)
                    progress(f"run {run + 1}: {figure.name}: {figure.value:,.2f} {figure.unit}")
    print(table(figures))


def arguments():
    parser = argparse.ArgumentParser(prog="make bench ARGS=rules")
    parser.add_argument("target", help="folder of the release builds")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--rows", default="", help="only those whose name holds this")
    asked = parser.parse_args()
    asked.rows = {name: row for name, row in ROWS.items() if asked.rows in name}
    return asked


def table(figures):
    lines = ["| what | median | runs | bar | met |", "|---|---|---|---|---|"]
    for name, found in figures.items():
        values = [figure.value for figure in found]
        digits = 2 if found[0].unit == "×" else 0
        median = Figure(**{**vars(found[0]), "value": statistics.median(values)})
        bar, is_met = median.bar()
        met = "" if is_met is None else "yes" if is_met else "NO"
        runs = ", ".join(f"{value:,.{digits}f}" for value in values)
        lines.append(f"| {name} | {median.value:,.{digits}f} {median.unit} | {runs} | {bar} | {met} |")
    return "\n".join(lines)


def progress(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

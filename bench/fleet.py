"""Measures whether requests cost the same with a large fleet as with a small one.

    fleet.py TARGET [--large 10000000] [--small 1000] [--runs 5] [--requests 50000] [--data DIR]

TARGET has the release builds. Both fleets are made through the API, which takes about an hour for
ten million things; with `--data` they are kept there and serve the next run too. Requests go to
one server, then to the other, by one client: what one of them takes, and the server's CPU for it.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "acceptance"))

MOST = 1.5
# Operations of ferrite-load, and what each takes of a small fleet's requests: a page is many things.
OPERATIONS = {
    "describe-fleet-thing": 1,
    "list-things": 10,
    "list-things-of-type": 10,
    "list-things-with-attribute": 10,
    "list-things-of-type-with-attribute": 10,
}
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass
class Fleet:
    """A server and the things that it has."""

    server: object
    things: int
    load: Path
    ready_s: float = 0

    def fill(self):
        """Makes the things, unless an earlier run has, and starts the server anew."""
        filled = self.server.data_dir.with_suffix(".filled")
        if not filled.exists():
            progress(f"a fleet of {self.things:,} things")
            self.run("fill-fleet", requests=1, clients=64, seconds=3600)
            filled.touch()
        self.server.stop()
        began = time.monotonic()
        self.server.start()
        self.ready_s = time.monotonic() - began

    def warm(self):
        """Reads the store through, so that requests do not wait for the disk as far as memory goes."""
        for _ in range(2):
            with open(self.server.data_dir / "ferrite.db", "rb", buffering=0) as store:
                while store.read(2**24):
                    pass

    def cost(self, operation, requests):
        """What one request takes: microseconds on the clock, and of the server's CPU."""
        before = cpu_s(self.server.process.pid)
        done, rate = self.run(operation, requests, clients=1, seconds=60)
        return 1e6 / rate, (cpu_s(self.server.process.pid) - before) * 1e6 / done

    def run(self, operation, requests, clients, seconds):
        command = [self.load, "--address", f"127.0.0.1:{self.server.port}"]
        command += ["--operation", operation, "--fleet", self.things, "--requests", requests]
        command += ["--clients", clients, "--seconds", seconds]
        access = dict(zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), self.server.keys()))
        command = [str(part) for part in command]
        said = subprocess.run(
            command, env=os.environ | access, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        found = re.match(r"(\d+) requests/s \((\d+) in .*, 200: (\d+)$", said.strip())
        if not found or found[2] != found[3]:
            sys.exit(f"{operation} was refused: {said}")
        return int(found[2]), int(found[1])

    def disk_bytes(self):
        files = (path for path in self.server.data_dir.rglob("*") if path.is_file())
        return sum(path.stat().st_size for path in files)


def main():
    asked = arguments()
    target = Path(asked.target).resolve()
    os.environ["FERRITE_BIN"] = str(target / "ferrite")
    with ExitStack() as cleanup:
        folder = asked.data or cleanup.enter_context(tempfile.TemporaryDirectory(dir=target))
        fleets = [
            running(cleanup, Path(folder) / f"fleet-{things}", things, target)
            for things in (asked.small, asked.large)
        ]
        for fleet in fleets:
            fleet.fill()
            fleet.warm()
        figures = measure(fleets, asked)
        print("\n".join(lines(fleets, figures)))


def arguments():
    parser = argparse.ArgumentParser(prog="make bench ARGS=fleet")
    parser.add_argument("target", help="folder of the release builds")
    parser.add_argument("--large", type=int, default=10_000_000)
    parser.add_argument("--small", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--data", help="folder where the fleets are kept")
    return parser.parse_args()


def running(cleanup, data_dir, things, target):
    from harness import Server

    data_dir.mkdir(parents=True, exist_ok=True)
    server = Server(data_dir, "--set", "log.level=warn").start()
    cleanup.callback(server.stop)
    return Fleet(server, things, target / "ferrite-load")


def measure(fleets, asked):
    """Every figure: {operation: [[(clock, CPU) of the small fleet, of the large one], each run]}."""
    figures = {operation: [] for operation in OPERATIONS}
    for number in range(asked.runs):
        for operation, weight in OPERATIONS.items():
            costs = [fleet.cost(operation, asked.requests // weight) for fleet in fleets]
            figures[operation].append(costs)
            said = ", ".join(f"{clock:.0f} µs" for clock, _ in costs)
            progress(f"run {number + 1} of {asked.runs}  {operation}: {said}")
    return figures


def lines(fleets, figures):
    sizes = [f"{fleet.things:,} things" for fleet in fleets]
    yield f"| request | {sizes[0]}: µs (CPU) | {sizes[1]}: µs (CPU) | ratio (CPU) | bar | met |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for operation, runs in figures.items():
        small, large = (
            tuple(statistics.median(run[fleet][kind] for run in runs) for kind in (0, 1))
            for fleet in (0, 1)
        )
        ratio, of_cpu = (
            statistics.median(run[1][kind] / run[0][kind] for run in runs) for kind in (0, 1)
        )
        costs = " | ".join(f"{clock:.0f} ({cpu:.0f})" for clock, cpu in (small, large))
        met = "yes" if max(ratio, of_cpu) <= MOST else "NO"
        yield f"| {operation} | {costs} | {ratio:.2f} ({of_cpu:.2f}) | ≤ {MOST} | {met} |"
    for name, unit, figure in (
        ("memory", "MiB", lambda fleet: fleet.server.memory() / 2**20),
        ("disk", "MiB", lambda fleet: fleet.disk_bytes() / 2**20),
        ("ready after a start", "ms", lambda fleet: fleet.ready_s * 1000),
    ):
        own = " | ".join(f"{figure(fleet):,.0f} {unit}" for fleet in fleets)
        yield f"| {name} | {own} | | | |"


def cpu_s(pid):
    # After the name, which may hold blanks: utime and stime are fields 14 and 15.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def progress(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

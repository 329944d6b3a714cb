"""Measures the broker and its peers in the same run, and holds Ferrite against its bars.

    run.py TARGET [--runs 5] [--seconds 10] [--rows WORD] [--figures FILE]

TARGET has the release builds. Each load is run by one broker after the other, then by all again;
a share is made of two figures that stand side by side, and the median of all runs is shown.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bars import PER_CPU, ROWS

SYNC_BYTES = 4096
LOAD_LIMIT_S = 300


def main():
    asked = arguments()
    target = Path(asked.target).resolve()
    os.environ["FERRITE_BIN"] = str(target / "ferrite")
    # What the durable rows need is a disk, which the system's temporary folder may not be.
    with tempfile.TemporaryDirectory(dir=target, prefix="bench-") as folder:
        scratch = Path(folder)
        figures = measure(asked, target, scratch)
    if asked.figures:
        Path(asked.figures).write_text(json.dumps(figures, indent=1))
    print(table(asked.rows, figures))


def arguments():
    parser = argparse.ArgumentParser(prog="make bench ARGS=mqtt")
    parser.add_argument("target", help="folder of the release builds")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10, help="measured in each run")
    parser.add_argument("--rows", default="", help="only rows whose name holds this")
    parser.add_argument("--figures", help="write every figure of every run to this file")
    asked = parser.parse_args()
    asked.rows = [row for row in ROWS if asked.rows in row.name]
    if not asked.rows:
        parser.error("no row has such a name")
    return asked


def measure(asked, target, scratch):
    """Every figure: {row: [{broker: {figure: value}}, one for each run]}."""
    # The server's clients are imported once FERRITE_BIN is set.
    from brokers import installed

    brokers, missing = installed(target, scratch)
    for line in missing:
        progress(line)
    figures = {row.name: [] for row in asked.rows}
    began = time.monotonic()
    for number in range(asked.runs):
        for row in asked.rows:
            say = f"{time.monotonic() - began:5.0f} s  run {number + 1} of {asked.runs}  {row.name}"
            figures[row.name].append(run(row, brokers, asked, target, scratch, say))
    return figures


def run(row, brokers, asked, target, scratch, say):
    """One load, borne by one broker after the other."""
    found = {}
    if any(bar.of == "fdatasync" for bar in row.bars):
        rate = syncs_per_s(scratch)
        found["fdatasync"] = {bar.figure: rate for bar in row.bars if bar.of == "fdatasync"}
    for name in ("ferrite", *row.others):
        if name not in brokers or row.tls and not brokers[name].has_tls:
            continue
        found[name] = load(row, brokers[name], asked.seconds, target)
        failed = found[name].get("failure")
        progress(f"{say}: {name} {failed or brief(found[name], row)}")
    return found


def load(row, broker, seconds, target):
    """Every figure of one load, or why there is none."""
    command = [str(target / "mqload"), *shlex.split(row.load), "--json"]
    command += ["--duration", str(seconds), "--warmup", str(min(1, seconds / 2))]
    try:
        with broker.running(row.tls) as running:
            command += ["--port", str(running.port), "--pid", str(running.pid), *running.options]
            limit_s = LOAD_LIMIT_S + seconds
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return {"failure": f"failed: {error}"}
    return {"failure": why(done)} if done.returncode != 0 else json.loads(done.stdout)


def why(done):
    """Why a load failed, in a line."""
    if not done.stdout:
        return "failed: " + done.stderr.strip().removeprefix("mqload: ")
    figures = json.loads(done.stdout)
    named = ("lost", "acknowledged_lost", "disconnects", "failed", "first_error")
    return "failed: " + ", ".join(f"{name} {figures[name]}" for name in named if figures.get(name))


def syncs_per_s(folder, seconds=1.0):
    """How often a second this disk makes a write durable, one after the other."""
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        descriptor, count, began = file.fileno(), 0, time.monotonic()
        while time.monotonic() - began < seconds:
            os.pwrite(descriptor, b"x" * SYNC_BYTES, count * SYNC_BYTES)
            os.fdatasync(descriptor)
            count += 1
        return count / (time.monotonic() - began)


def table(rows, figures):
    head = ("scenario", "figure", "Ferrite", "÷ null", "peers", "bar", "met")
    lines = [head, *(line(row, bar, figures[row.name]) for row in rows for bar in row.bars)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths)) + " |"
        for line in lines
    )


def line(row, bar, runs):
    """One bar's line of the table, medians of all runs."""
    reached = ratio(runs, bar, bar.of)
    own = median(runs, "ferrite", bar.figure)
    share = ratio(runs, bar, "null") if bar.figure == PER_CPU else None
    return (
        row.name,
        bar.figure,
        number(own, bar.unit),
        "" if share is None else f"{share:.2f}",
        peers(row, bar, runs),
        wanted(bar),
        verdict(bar, reached, runs),
    )


def peers(row, bar, runs):
    """What the others reached: as shares of null where it was measured, or else as they are."""
    said = []
    for name in dict.fromkeys([*row.others, bar.of]):
        value = median(runs, name, bar.figure)
        if value is None or name == "null":
            continue
        share = ratio(runs, bar, "null", name)
        said.append(f"{name} {number(value, bar.unit) if share is None else f'{share:.2f}'}")
    return ", ".join(said)


def wanted(bar):
    sign, bound = ("≥", bar.least) if bar.least is not None else ("≤", bar.most)
    if bound is None:
        return ""
    return f"{sign} {bound:g} × {bar.of}" if bar.of else f"{sign} {number(bound, bar.unit)}"


def verdict(bar, reached, runs):
    failures = [run["ferrite"]["failure"] for run in runs if "failure" in run["ferrite"]]
    if failures:
        return f"NO: {len(failures)} of {len(runs)} runs {failures[0]}"
    if bar.least is None and bar.most is None:
        return ""
    if reached is None:
        return "not measured"
    is_met = reached >= bar.least if bar.least is not None else reached <= bar.most
    of = f" ({reached:.2f})" if bar.of else ""
    return ("yes" if is_met else "NO") + of


def values(runs, broker, figure):
    return [run[broker][figure] for run in runs if figure in run.get(broker, {})]


def median(runs, broker, figure):
    found = values(runs, broker, figure)
    return statistics.median(found) if found else None


def ratio(runs, bar, other, broker="ferrite"):
    """A broker's figure over that of another in the same run; its own without another."""
    if other is None:
        return median(runs, broker, bar.figure)
    both = [
        run[broker][bar.figure] / run[other][bar.figure]
        for run in runs
        if bar.figure in run.get(broker, {}) and run.get(other, {}).get(bar.figure)
    ]
    return statistics.median(both) if both else None


def number(value, unit=""):
    if value is None:
        return ""
    text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def brief(figures, row):
    names = dict.fromkeys(bar.figure for bar in row.bars)
    return ", ".join(f"{name} {number(figures.get(name))}" for name in names)


def progress(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

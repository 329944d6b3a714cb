"""The table of `make bench`: what is held against which bar, from figures that are made up."""

import sys

from harness import ROOT

sys.path.insert(0, str(ROOT / "bench"))

import effect  # noqa: E402
from bars import PER_CPU, ROWS, Bar, Row  # noqa: E402
from run import line  # noqa: E402

SHARE = Bar(PER_CPU, least=0.5, of="null")
BYTES = Bar("bytes", most=300, unit="B")
ROW = Row("fanin", "fanin", (SHARE, BYTES), ("null", "mosquitto"))


def run(ferrite, null=1000, mosquitto=None):
    """One run: what each did per second of CPU, and Ferrite's bytes, which are the same number."""
    found = {"ferrite": {PER_CPU: ferrite, "bytes": ferrite}, "null": {PER_CPU: null}}
    return found | ({"mosquitto": {PER_CPU: mosquitto}} if mosquitto else {})


def check(bar, runs, *expect):
    assert line(ROW, bar, runs)[2:] == expect


def test_a_share_is_the_median_of_the_shares_of_each_run():
    # The machine was half as fast in the first run; the share does not show it.
    runs = [run(300, 500, 100), run(600), run(900, 3000)]
    check(SHARE, runs, "600", "0.60", "mosquitto 0.20", "≥ 0.5 × null", "yes (0.60)")


def test_a_bar_that_is_missed_says_so():
    check(SHARE, [run(499)], "499", "0.50", "", "≥ 0.5 × null", "NO (0.50)")
    check(BYTES, [run(301)], "301 B", "", "", "≤ 300 B", "NO")
    check(BYTES, [run(300)], "300 B", "", "", "≤ 300 B", "yes")


def test_what_could_not_be_measured_is_no_success():
    check(SHARE, [run(900, None)], "900", "", "", "≥ 0.5 × null", "not measured")
    runs = [run(900), {"ferrite": {"failure": "failed: lost 3"}}]
    verdict = "NO: 1 of 2 runs failed: lost 3"
    check(SHARE, runs, "900", "0.90", "", "≥ 0.5 × null", verdict)


def test_no_two_rows_have_one_name():
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_the_longest_time_to_an_effect_is_held_against_the_bar():
    def check(times, *expect):
        assert effect.line(effect.SITES[0], "DetachPolicy", 10_000, times)[1:] == expect

    names = ("DetachPolicy", "10,000")
    check([0.3, 0.001, 0.002], *names, "2.0 ms", "300.0 ms", "≤ 1000 ms", "yes")
    check([0.001, 0.001, 1.0001], *names, "1.0 ms", "1000.1 ms", "≤ 1000 ms", "NO")

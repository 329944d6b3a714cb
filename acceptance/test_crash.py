"""What was acknowledged survives `kill -9`, again and again, under load.

`FERRITE_CRASH_ROUNDS` sets how often the server is killed.
"""

import json
import os
import random
import threading
import time

import pytest

ROUNDS = int(os.environ.get("FERRITE_CRASH_ROUNDS", 20))
WRITERS = 8


class Writer(threading.Thread):
    """Creates things and counts them up until the server is gone, remembering each answer."""

    def __init__(self, server, round_number, number):
        super().__init__()
        self.server, self.keys = server, server.keys()
        self.prefix = f"r{round_number}-w{number}"
        self.acknowledged = {}

    def run(self):
        try:
            for number in range(1_000_000):
                self.write(f"{self.prefix}-{number}")
        except OSError:
            return

    def write(self, thing):
        self.put("POST", thing, 0)
        for count in range(1, random.randint(1, 4)):
            self.put("PATCH", thing, count)

    def put(self, method, thing, count):
        body = json.dumps({"attributePayload": {"attributes": {"count": str(count)}}}).encode()
        status, _, answer = self.server.call(method, f"/things/{thing}", body, keys=self.keys)
        assert status == 200, answer
        self.acknowledged[thing] = count


def load(server, round_number):
    """Writes until the server is killed: {thing: the last count that was acknowledged}."""
    writers = [Writer(server, round_number, number) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    time.sleep(random.uniform(0.1, 1.0))
    server.kill()
    for writer in writers:
        writer.join(30)
    return {thing: count for writer in writers for thing, count in writer.acknowledged.items()}


def lost(server, acknowledged):
    """Every acknowledged write that is not there. One more than acknowledged may be."""
    missing = []
    for thing, count in acknowledged.items():
        status, _, body = server.call("GET", f"/things/{thing}")
        found = int(json.loads(body)["attributes"]["count"]) if status == 200 else None
        if found not in (count, count + 1):
            missing.append((thing, count, found))
    return missing


@pytest.mark.timeout(900)
def test_nothing_acknowledged_is_lost(fresh):
    everything = {}
    for round_number in range(ROUNDS):
        acknowledged = load(fresh, round_number)
        assert acknowledged, "the load reached the server"
        fresh.start()
        assert lost(fresh, acknowledged) == []
        everything |= acknowledged
    assert lost(fresh, everything) == []
    pages = fresh.client().get_paginator("list_things").paginate()
    listed = {thing["thingName"] for page in pages for thing in page["things"]}
    assert set(everything) <= listed

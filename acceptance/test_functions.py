"""Functions under the runtimes that AWS publishes, `awslambdaric` (PyPI) and `aws-lambda-ric` (npm),
called by rules."""

import json
import sys
from pathlib import Path

import pytest

from device import soon
from harness import ACCOUNT, REGION, Server

ROLE = f"arn:aws:iam::{ACCOUNT}:role/rules"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:pump"
HANDLERS = Path(__file__).with_name("functions")
MODULES = Path(sys.prefix) / "lambda" / "node_modules"
NODE = MODULES / "aws-lambda-ric" / "bin" / "index.mjs"
COMMANDS = {
    "python": [sys.executable, "-m", "awslambdaric", "pump.handler"],
    "node": ["node", str(NODE), "pump.handler"],
}
# What a handler raises there.
ERRORS = {"python": "ValueError: no such pump", "node": "RangeError: no such pump"}
WITHIN_S = 20


@pytest.fixture(scope="module", params=COMMANDS)
def runtime(request):
    if request.param == "node" and not NODE.exists():
        pytest.skip(f"{NODE} does not exist: make deps installs it, where there is Node with npm")
    return request.param


@pytest.fixture(scope="module")
def server(tmp_path_factory, runtime):
    folder = tmp_path_factory.mktemp("ferrite")
    settings = {
        "command": json.dumps(COMMANDS[runtime]),
        "directory": json.dumps(str(HANDLERS)),
        "timeout_s": "1",
        "concurrency": "2",
    }
    arguments = [it for key, value in settings.items() for it in ("--set", f"functions.pump.{key}={value}")]
    server = Server(folder / "data", *arguments).start()
    yield server
    assert server.stop() == 0, "the server ends cleanly"


@pytest.fixture
def ask(server, join, rule, name):
    """Has a rule ask the function, and answers what it says."""
    sql = f"SELECT VALUE aws_lambda('{FUNCTION}', *) FROM '{name}/in'"
    action = {"republish": {"topic": f"{name}/out", "roleArn": ROLE, "qos": 1}}
    rule(sql, action)
    ear, mouth = join(), join()
    ear.subscribe(f"{name}/out", qos=1)

    def ask(event, answers=True):
        mouth.publish(f"{name}/in", json.dumps(event), qos=1)
        return json.loads(ear.message()[1]) if answers else None

    return ask


def reasons(server):
    events = [it for it in server.device_log() if it["eventType"] == "FunctionExecution"]
    return " ".join(it["details"] for it in events)


def test_a_handler_runs_unmodified_and_stays_warm(ask):
    answer = ask({"level": 3})
    assert answer["event"] == {"level": 3} and answer["function_arn"] == FUNCTION
    assert 0 < answer["remaining_ms"] <= 1000
    again = ask({"level": 4})
    assert again["pid"] == answer["pid"] and again["request_id"] != answer["request_id"]


def test_one_that_raises_crashes_or_hangs_harms_nobody_else(server, ask, runtime):
    before = ask({})
    ask({"do": "raise"}, answers=False)
    soon(lambda: ERRORS[runtime] in reasons(server), WITHIN_S)
    assert ask({})["pid"] == before["pid"], "a handler that raised goes on"
    ask({"do": "crash"}, answers=False)
    assert ask({"n": 1})["event"] == {"n": 1}
    ask({"do": "hang"}, answers=False)
    assert ask({"n": 2})["event"] == {"n": 2}, "another process answers meanwhile"
    soon(lambda: "within" in reasons(server) or "timed out" in reasons(server), WITHIN_S)
    print_many = ask({"do": "print", "lines": 5000})
    assert print_many["event"]["lines"] == 5000

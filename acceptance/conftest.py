"""Servers for the tests, and their logs beside every failure."""

import uuid

import pytest

from device import everything_on, quick_device
from harness import Server
from mqtt_raw import V5, V311, Client


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that the tests of one file share."""
    yield from serving(tmp_path_factory.mktemp("ferrite") / "data")


@pytest.fixture
def fresh(tmp_path):
    """A server of the test's own, empty at first."""
    yield from serving(tmp_path / "data")


def serving(data_dir):
    server = Server(data_dir).start()
    yield server
    if server.process.poll() is None:
        assert server.stop() == 0, "the server ends cleanly"


@pytest.fixture
def iot(server):
    return server.iot


@pytest.fixture
def raw_iot(server):
    """As `iot`, but sends what boto3 would refuse by itself."""
    return server.client(validate=False)


@pytest.fixture
def name():
    """A name that no other test uses."""
    return f"n-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def certificate(iot):
    """An active certificate with its keys."""
    return iot.create_keys_and_certificate(setAsActive=True)


@pytest.fixture
def make(server, tmp_path, name):
    """Makes a device with a policy of these statements; the first one has the test's `name`."""
    made = []

    def make(*statements, **more):
        made.append(f"{name}-{len(made)}" if made else name)
        return quick_device(server, tmp_path, made[-1], *statements, **more)

    return make


@pytest.fixture
def session(server):
    """Opens connections of devices and loses them at the end."""
    clients = []

    def session(device, version=V5, client_id=None, **more):
        client = Client(server.mqtts_port, device.tls(), version=version)
        clients.append(client)
        client.connect(client_id or device.name, **more)
        return client

    yield session
    for client in clients:
        client.drop()


@pytest.fixture(scope="module")
def device(server, tmp_path_factory):
    """One device that may do everything under any client id."""
    return quick_device(server, tmp_path_factory.mktemp("device"), "any", *everything_on("*"))


@pytest.fixture
def dial(device):
    """Opens connections on which nothing has been sent, and loses them at the end."""
    clients = []

    def dial(version=V311):
        clients.append(Client(device.server.mqtts_port, device.tls(), version=version))
        return clients[-1]

    yield dial
    for client in clients:
        client.drop()


@pytest.fixture
def join(dial):
    """Connects clients with ids of their own."""

    def join(version=V311, client_id=None, **more):
        client = dial(version)
        client.connect(client_id or f"c-{uuid.uuid4().hex[:12]}", **more)
        return client

    return join


@pytest.fixture
def rule(server, name):
    """Makes a rule with a name of its own, which it answers."""
    made = []

    def rule(sql, *actions, **more):
        made.append(f"{name}_{len(made)}".replace("-", "_"))
        payload = {"sql": sql, "actions": list(actions), "awsIotSqlVersion": "2016-03-23"} | more
        server.iot.create_topic_rule(ruleName=made[-1], topicRulePayload=payload)
        return made[-1]

    yield rule
    for name in made:
        server.iot.delete_topic_rule(ruleName=name)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for server in Server.running:
            report.sections.append((f"log of the server on {server.port}", server.log()))


def pytest_sessionfinish():
    for server in list(Server.running):
        server.kill()

"""One server for each dialect, which all scripts share."""

import os

import pytest

from wire import DIALECTS, STANDARD, Peer, Wire, start


def pytest_generate_tests(metafunc):
    if "wire" in metafunc.fixturenames:
        script = metafunc.function
        dialects = getattr(script, "dialects", DIALECTS)
        spoken = [
            pytest.param((dialect, version), id=f"{dialect}-{'5' if version == 5 else '3.1.1'}")
            for dialect in dialects
            if is_tried(dialect)
            for version in script.versions
        ]
        metafunc.parametrize("spoken", spoken)


def peer():
    """The port of another broker that is to be tried instead, if any."""
    return os.environ.get("FERRITE_WIRE_PEER")


def is_tried(dialect):
    return dialect == STANDARD or not peer()


@pytest.fixture(scope="session")
def server_of(tmp_path_factory):
    """The server that speaks a dialect, started when it is first asked for."""
    folder, servers = tmp_path_factory.mktemp("wire"), {}

    def server_of(dialect):
        if dialect not in servers:
            servers[dialect] = Peer(peer()) if peer() else start(dialect, folder)
        return servers[dialect]

    yield server_of
    for server in servers.values():
        assert isinstance(server, Peer) or server.stop() == 0, "the server ends cleanly"


@pytest.fixture
def wire(server_of, spoken):
    dialect, version = spoken
    wire = Wire(server_of(dialect), dialect, version)
    yield wire
    wire.end()

"""One server for each dialect, which all scripts share."""

import pytest

from wire import Peer, Wire, spoken_by, start


def pytest_generate_tests(metafunc):
    if "wire" in metafunc.fixturenames:
        metafunc.parametrize("spoken", spoken_by(metafunc.function), ids=str)


@pytest.fixture(scope="session")
def server_of(tmp_path_factory):
    """The server that speaks a dialect, started when it is first asked for."""
    folder, servers = tmp_path_factory.mktemp("wire"), {}

    def server_of(dialect):
        if dialect not in servers:
            servers[dialect] = start(dialect, folder)
        return servers[dialect]

    yield server_of
    for server in servers.values():
        assert isinstance(server, Peer) or server.stop() == 0, "the server ends cleanly"


@pytest.fixture
def wire(server_of, spoken):
    wire = Wire(server_of(spoken.dialect), *spoken)
    yield wire
    wire.end()

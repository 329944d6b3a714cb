"""SIGTERM: what runs is finished, what was acknowledged is kept, and the exit is clean and quick."""

import signal
import socket
import threading
import time

import pytest
import requests

from harness import STOPPED_WITHIN_S, Server, run


def test_a_server_under_load_ends_cleanly(fresh):
    acknowledged, refused = [], []
    stopping = threading.Event()

    def create(worker):
        for number in range(100_000):
            thing = f"w{worker}-{number}"
            try:
                status, _, body = fresh.call("POST", f"/things/{thing}", b"{}", keys=keys)
            except OSError:
                if stopping.is_set():
                    return
                raise
            (acknowledged if status == 200 else refused).append((thing, body))

    keys = fresh.keys()
    workers = [threading.Thread(target=create, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    time.sleep(0.5)
    stopping.set()
    started = time.monotonic()
    assert fresh.stop() == 0
    assert time.monotonic() - started < STOPPED_WITHIN_S
    for worker in workers:
        worker.join(30)
    assert all(b"message" in body for _, body in refused)
    fresh.start()
    assert acknowledged
    for thing, _ in acknowledged:
        assert fresh.call("GET", f"/things/{thing}")[0] == 200


def test_idle_and_half_open_connections_do_not_hold_it_up(fresh):
    idle = [socket.create_connection(("127.0.0.1", fresh.port)) for _ in range(50)]
    for connection in idle[:25]:
        connection.sendall(b"POST /things/a HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n{")
    assert requests.get(fresh.url + "/_ferrite/health", timeout=5).status_code == 200
    assert fresh.stop() == 0
    for connection in idle:
        connection.close()


def test_a_second_server_on_the_same_directory_is_refused(fresh):
    result = run("serve", "--data-dir", str(fresh.data_dir), check=False)
    assert result.returncode != 0
    assert str(fresh.data_dir) in result.stdout + result.stderr


def test_a_port_that_is_taken_is_named(fresh, tmp_path):
    address = f"127.0.0.1:{fresh.port}"
    setting = f"listen.http={address}"
    result = run("serve", "--data-dir", str(tmp_path / "other"), "--set", setting, check=False)
    assert result.returncode != 0
    assert address in result.stdout + result.stderr


@pytest.mark.parametrize("setting", ["nonsense=1", "listen.http=hello", "limits=most"])
def test_a_setting_that_is_none_is_named(tmp_path, setting):
    result = run("serve", "--data-dir", str(tmp_path / "data"), "--set", setting, check=False)
    assert result.returncode != 0
    assert setting.split("=")[0].split(".")[-1] in result.stdout + result.stderr


def test_it_says_where_everything_is(fresh):
    text = fresh.log()
    for what in [str(fresh.data_dir), str(fresh.port)]:
        assert what in text


def test_an_interrupt_ends_it_too(tmp_path):
    server = Server(tmp_path / "data").start()
    server.process.send_signal(signal.SIGINT)
    assert server.wait() == 0

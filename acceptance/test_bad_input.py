"""Bytes that no client should send: AWS's error or a clean close, and the server goes on.

`FERRITE_IDLE_CONNECTIONS` sets how many connections do nothing at once.
"""

import json
import os
import resource
import socket
import time
from contextlib import ExitStack

import pytest
import requests

import sigv4

IDLE = int(os.environ.get("FERRITE_IDLE_CONNECTIONS", 2000))
CLOSED_WITHIN_S = 90
MEMORY_GROWTH_MAX = 64 << 20


@pytest.fixture(autouse=True)
def still_alive(server):
    """After every test the server answers, has not restarted and has not panicked."""
    process = server.process.pid
    yield
    assert requests.get(server.url + "/_ferrite/health", timeout=5).status_code == 200
    assert server.process.poll() is None and server.process.pid == process
    assert server.call("GET", "/things")[0] == 200
    assert "panicked" not in server.log(10_000)


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def exchange(server, sent):
    """Sends bytes: the status of the answer, or None where the connection was closed."""
    with connect(server) as connection:
        try:
            connection.sendall(sent)
            return sigv4.read_response(connection)[0]
        except OSError:
            return None


def error_of(answer):
    status, headers, body = answer
    return status, headers.get("x-amzn-errortype", "").split(":")[0], body


def test_a_body_over_the_limit_is_refused_unread(server):
    before = server.memory()
    head = f"POST /things/a HTTP/1.1\r\nhost: a\r\ncontent-length: {1 << 40}\r\n\r\n".encode()
    assert exchange(server, head) in (400, 403, 413, None)
    chunked = b"POST /things/a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    with connect(server) as connection:
        try:
            connection.sendall(chunked)
            for _ in range(256):
                connection.sendall(b"100000\r\n" + b"a" * (1 << 20) + b"\r\n")
            status = sigv4.read_response(connection)[0]
        except OSError:
            status = None
    assert status in (400, 403, 413, None)
    assert server.memory() - before < MEMORY_GROWTH_MAX


def test_a_signed_body_over_the_limit_is_refused(server):
    body = json.dumps({"policyDocument": "a" * (16 << 20)}).encode()
    try:
        status, _, _ = server.call("POST", "/policies/a", body)
    except OSError:
        return
    assert status in (400, 413)


BODIES = {
    "deep lists": b'{"attributePayload":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "half a list": b"[" * 500_000,
    "not UTF-8": b'{"attributePayload":{"attributes":{"a":"\xff\xfe"}}}',
    "a lone surrogate": b'{"attributePayload":{"attributes":{"a":"\\ud800"}}}',
    "not JSON": b"hello",
    "a list": b"[]",
    "a number": b"1e999999",
    "something after it": b"{}{}",
    "a wrong type": b'{"attributePayload":"x"}',
    "a wrong inner type": b'{"attributePayload":{"attributes":{"a":1}}}',
    "a null byte": b'{"attributePayload":{"attributes":{"a":"\\u0000"}}}',
    "the same key twice": b'{"thingTypeName":"a","thingTypeName":"b"}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_bad_body_is_refused(server, body):
    status, kind, answer = error_of(server.call("POST", "/things/bad-body", body))
    assert status in (400, 404, 413) and kind, answer
    assert "message" in json.loads(answer) or "Message" in json.loads(answer)
    assert server.call("GET", "/things/bad-body")[0] == 404


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "multipart/form-data", "ä", "a" * 4000]
)
def test_another_content_type_is_no_way_in(server, content_type):
    headers = {"content-type": content_type}
    status, _, body = server.call("POST", "/things/typed", b"<x/>", headers=headers)
    assert 400 <= status < 500, body


@pytest.mark.parametrize(
    "target",
    [
        "/things/%ff%fe",
        "/things/%00",
        "/things/%",
        "/things/%zz",
        "/things/..%2f..%2fetc%2fpasswd",
        "/things/../policies",
        "/things//",
        "//things/a",
        "/things/" + "a" * 10_000,
        "/things?maxResults=hello",
        "/things?maxResults=99999999999999999999",
        "/things?maxResults=1&maxResults=2",
        "/things?" + "&".join(f"a{number}=b" for number in range(1000)),
        "/things?%ff=%fe",
    ],
)
def test_a_strange_target_is_refused(server, target):
    status, _, body = server.call("GET", target)
    assert 400 <= status < 500 or target.startswith("/things?"), body
    assert status < 500, body


GARBAGE = {
    "random bytes": bytes(range(256)) * 100,
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
    "an MQTT connect": b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 100,
    "an endless line": b"GET /" + b"a" * 1_000_000,
    "endless headers": b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100_000 + b"\r\n",
    "an endless header": b"GET / HTTP/1.1\r\na: " + b"b" * 1_000_000 + b"\r\n\r\n",
    "a bare line feed": b"GET / HTTP/1.1\nhost: a\n\n\n",
    "two lengths": b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "a length below nothing": b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    "length and chunks": b"POST / HTTP/1.1\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk of no size": b"POST /things/a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "garbage after a request": b"GET /_ferrite/health HTTP/1.1\r\nhost: a\r\n\r\n" + b"\x00\xff" * 5000,
}


@pytest.mark.parametrize("sent", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_answered_or_closed(server, sent):
    before = server.memory()
    status = exchange(server, sent)
    assert status is None or status in (200, 400, 403, 404, 413, 414, 431), status
    assert server.memory() - before < MEMORY_GROWTH_MAX


def test_pipelined_requests_are_all_answered(server):
    one = b"GET /_ferrite/health HTTP/1.1\r\nhost: a\r\n\r\n"
    with connect(server) as connection:
        connection.sendall(one * 50)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    assert received.count(b"HTTP/1.1 200") == 50


HALVES = {
    "nothing": b"",
    "half a line": b"GET /thi",
    "half the headers": b"GET /things HTTP/1.1\r\nhost: a\r\nx-amz-da",
    "half a body": b"POST /things/a HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{",
    "half a chunk": b"POST /things/a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n64\r\n{",
}


def test_half_requests_are_closed_in_time(server):
    with ExitStack() as stack:
        waiting = {}
        for name, half in HALVES.items():
            connection = stack.enter_context(connect(server))
            connection.sendall(half)
            waiting[name] = connection
        deadline = time.monotonic() + CLOSED_WITHIN_S
        for name, connection in waiting.items():
            connection.settimeout(max(deadline - time.monotonic(), 0.1))
            assert drained(connection), f"{name} was not closed within {CLOSED_WITHIN_S} s"


def drained(connection):
    """Reads what is left: whether the server closed the connection."""
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def test_a_slow_reader_holds_nobody_up(server):
    with ExitStack() as stack:
        for _ in range(20):
            slow = stack.enter_context(socket.socket())
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            slow.connect(("127.0.0.1", server.port))
            slow.sendall(b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n" * 100)
        assert server.call("GET", "/things")[0] == 200


def raise_file_limit():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def test_idle_connections_cost_little(server):
    count = min(IDLE, raise_file_limit() - 100)
    before = server.memory()
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(connect(server))
        assert server.call("GET", "/things")[0] == 200
        assert (server.memory() - before) / count < 32 << 10

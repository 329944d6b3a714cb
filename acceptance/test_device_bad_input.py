"""Bytes that no device should send, at the doors of MQTT: a clean close, and a reason in the log.

`FERRITE_IDLE_DEVICES` sets how many connections say nothing at once.
"""

import os
import random
import resource
import socket
import ssl
import struct
import time
from contextlib import ExitStack, closing

import pytest
import requests

from device import everything_on, logged, quick_device, soon, tls
from harness import Server
from mqtt_raw import (
    CLOSED,
    CONNACK,
    DISCONNECT,
    PING,
    PINGRESP,
    V5,
    V311,
    Client,
    connect,
    data,
    packet,
    publish,
    subscribe,
    varint,
)

IDLE = int(os.environ.get("FERRITE_IDLE_DEVICES", 1000))
# A handshake and a CONNECT have their time; this is more than that.
CUT_WITHIN_S = 60
MEMORY_GROWTH_MAX = 64 << 20
MALFORMED = (0x81, 0x82)
both_versions = pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with a plain door too, which `--dev` opens."""
    server = Server(tmp_path_factory.mktemp("ferrite") / "data", "--dev").start()
    yield server
    if server.process.poll() is None:
        assert server.stop() == 0, "the server ends cleanly"


@pytest.fixture(scope="module")
def device(server, tmp_path_factory):
    return quick_device(server, tmp_path_factory.mktemp("device"), "any", *everything_on("*"))


@pytest.fixture(autouse=True)
def still_well(server, device):
    """After every test a device is served, nothing has panicked, and memory is as it was."""
    before = server.memory()
    yield
    with Client(server.mqtts_port, device.tls()) as client:
        client.connect("still-well")
        client.ping()
    assert requests.get(server.url + "/_ferrite/health", timeout=5).status_code == 200
    assert server.process.poll() is None
    assert "panicked" not in server.log(10_000)
    assert server.memory() - before < MEMORY_GROWTH_MAX


@pytest.fixture
def dial(server, device):
    """Opens connections: over TLS as a device, or plain with `plain=True`."""
    clients = []

    def dial(version=V311, plain=False):
        port = server.mqtt_port if plain else server.mqtts_port
        clients.append(Client(port, None if plain else device.tls(), version=version))
        return clients[-1]

    yield dial
    for client in clients:
        client.drop()


def is_ended(client):
    """Whether the server ends a connection; it may say why, as far as the version can."""
    answer = client.read()
    if answer is not CLOSED:
        assert answer.kind in (CONNACK, DISCONNECT) and answer.code != 0, answer
        answer = client.read()
    return answer is CLOSED


def props(version):
    return b"\x00" if version == V5 else b""


# Before CONNECT was accepted


def first_packets(version):
    """Wrong beginnings of a connection."""
    right = connect("a", version=version)
    body = right[2:]
    level = bytes([version])
    return {
        "nothing known": b"\x00\x00",
        "a reserved packet": b"\xf0\x00" if version == V311 else b"\x00\x00",
        "flags on CONNECT": b"\x11" + right[1:],
        "a length without end": b"\x10\xff\xff\xff\xff\xff\xff",
        "the largest length": b"\x10\xff\xff\xff\x7f" + bytes(1000),
        "a length of nothing": b"\x10\x00",
        "a name cut short": packet(1, b"\x00\x04MQ"),
        "a name of 64 KB": packet(1, b"\xff\xff" + bytes(70_000)),
        "a client id longer than the packet": packet(1, body[:-3] + b"\x00\xffa"),
        "a client id that is not UTF-8": packet(1, body[:-3] + b"\x00\x02\xff\xfe"),
        "a client id with a null": packet(1, body[:-3] + b"\x00\x01\x00"),
        "something after it": packet(1, body + b"abc"),
        "a Will that is not there": packet(
            1, data("MQTT") + level + b"\x06\x00\x3c" + props(version) + data("a")
        ),
        "QoS 3 of a Will": packet(
            1,
            data("MQTT")
            + level
            + b"\x1e\x00\x3c"
            + props(version)
            + data("a")
            + props(version)
            + data("t")
            + data(""),
        ),
        "a Will's QoS without a Will": packet(
            1, data("MQTT") + level + b"\x0a\x00\x3c" + props(version) + data("a")
        ),
        "a Will on a wildcard": connect("a", version=version, will={"topic": "a/#"}),
        "a user name that is not there": packet(
            1, data("MQTT") + level + b"\x82\x00\x3c" + props(version) + data("a")
        ),
    }


FIRST = [(version, what) for version in (V311, V5) for what in first_packets(version)]
FIRST_IDS = [f"{version}-{what}" for version, what in FIRST]


@pytest.mark.parametrize("version, what", FIRST, ids=FIRST_IDS)
def test_a_wrong_beginning_is_closed(server, dial, version, what):
    client = dial(version)
    client.send(first_packets(version)[what])
    client.socket.settimeout(CUT_WITHIN_S)
    assert is_ended(client)
    event = logged(server, source=client.source)
    assert (event["eventType"], event["status"]) == ("Connect", "Failure"), event
    assert event["details"], event


@pytest.mark.parametrize(
    "block",
    {
        "a length beyond the packet": b"\x7f",
        "an unknown property": b"\x02\x7e\x00",
        "a property of PUBLISH": b"\x03\x23\x00\x01",
        "a property twice": b"\x0a\x11\x00\x00\x00\x01\x11\x00\x00\x00\x01",
        "a property cut short": b"\x03\x11\x00\x00",
        "a byte that is neither 0 nor 1": b"\x02\x17\x02",
        "a length without end": b"\xff\xff\xff\xff\xff",
        "data without a method": b"\x04\x16\x00\x01a",
    }.items(),
    ids=lambda item: item[0],
)
def test_wrong_properties_are_refused(dial, block):
    client = dial(V5)
    client.send(packet(1, data("MQTT") + b"\x05\x02\x00\x3c" + block[1] + data("a")))
    assert is_ended(client)


def test_ten_thousand_properties_are_refused(dial):
    pairs = b"\x26" + data("a") + data("b")
    block = pairs * 10_000
    client = dial(V5)
    client.send(
        packet(1, data("MQTT") + b"\x05\x02\x00\x3c" + varint(len(block)) + block + data("a"))
    )
    assert is_ended(client)


# After it


def later_packets(version):
    """Wrong packets on a connection that is open."""
    none = props(version)
    two = struct.pack("!H", 1)
    wrong = {
        "a packet of the server's": packet(2, b"\x00\x00"),
        "a SUBACK": packet(9, two + none + b"\x00"),
        "a PINGRESP": packet(13),
        "a reserved packet": b"\x00\x00",
        "flags on PINGREQ": b"\xc1\x00",
        "a body on PINGREQ": b"\xc0\x01a",
        "flags on SUBSCRIBE": packet(8, two + none + data("a") + b"\x00", 0),
        "SUBSCRIBE without filters": packet(8, two + none, 2),
        "SUBSCRIBE without options": packet(8, two + none + data("a"), 2),
        "SUBSCRIBE with QoS 3": packet(8, two + none + data("a") + b"\x03", 2),
        "SUBSCRIBE with reserved options": packet(8, two + none + data("a") + b"\xc0", 2),
        "SUBSCRIBE cut short": packet(8, b"\x00", 2),
        "UNSUBSCRIBE without filters": packet(10, two + none, 2),
        "UNSUBSCRIBE with flags 0": packet(10, two + none + data("a"), 0),
        "PUBLISH with QoS 3": packet(3, data("a") + two + none, 6),
        "PUBLISH without a topic": packet(3, b""),
        "PUBLISH with a topic cut short": packet(3, b"\x00\x09abc"),
        "PUBLISH of QoS 1 without an identifier": packet(3, data("a"), 2),
        "PUBLISH with a topic that is not UTF-8": packet(3, b"\x00\x02\xc3\x28" + none),
        "PUBLISH with a surrogate in its topic": packet(3, b"\x00\x03\xed\xa0\x80" + none),
        "PUBLISH with a null in its topic": packet(3, b"\x00\x03a\x00b" + none),
        "PUBACK without an identifier": packet(4, b"\x00"),
        "a length without end": b"\x30\xff\xff\xff\xff\x7f",
        "the largest length": b"\x30\xff\xff\xff\x7f" + bytes(1000),
        "DISCONNECT with flags": b"\xe1\x00",
        "random bytes": random.Random(1).randbytes(10_000),
    }
    if version == V5:
        wrong |= {
            "properties beyond the packet": packet(3, data("a") + b"\x7f"),
            "an unknown property": packet(3, data("a") + b"\x02\x7f\x00"),
            "a property of CONNECT": packet(3, data("a") + b"\x05\x11\x00\x00\x00\x01"),
            "a subscription identifier from a client": packet(3, data("a") + b"\x02\x0b\x01"),
            "a response topic with wildcards": packet(3, data("a") + b"\x06\x08\x00\x03a/#"),
            "retain handling 3": packet(8, two + none + data("a") + b"\x30", 2),
        }
    else:
        wrong |= {
            "a body on DISCONNECT": b"\xe0\x01\x00",
            "AUTH": packet(15),
            "no topic": packet(3, data("")),
        }
    return wrong


LATER = [(version, what) for version in (V311, V5) for what in later_packets(version)]
LATER_IDS = [f"{version}-{what}" for version, what in LATER]


@pytest.mark.parametrize("version, what", LATER, ids=LATER_IDS)
def test_a_wrong_packet_ends_the_connection(server, dial, name, version, what):
    client = dial(version)
    client.connect(name)
    client.send(later_packets(version)[what])
    assert is_ended(client)
    event = logged(server, eventType="Disconnect", status="Failure", clientId=name)
    assert event["reason"] in ("MALFORMED_PACKET", "PROTOCOL_ERROR") and event["details"], event


@both_versions
def test_an_acknowledgement_that_nobody_asked_for_is_ignored_or_ends_the_connection(dial, version):
    client = dial(version)
    client.connect("unasked")
    client.send(b"\x40\x02\x12\x34", PING)
    answer = client.read()
    assert answer is CLOSED or answer.kind == PINGRESP or answer.code in MALFORMED


@both_versions
def test_every_beginning_of_a_session_may_be_its_end(server, device, version):
    """A connection that is lost after any number of bytes does no harm."""
    whole = connect("cut", version=version, will={"topic": "w", "payload": b"x"})
    whole += subscribe("a", "b/#", version=version) + publish("a", b"hello", 1, version=version)
    for length in range(1, len(whole)):
        with Client(server.mqtt_port, version=version) as client:
            client.send(whole[:length])


@both_versions
def test_random_packets_never_do_more_than_end_a_connection(server, version):
    dice = random.Random(version)
    for _ in range(200):
        with Client(server.mqtt_port, version=version) as client:
            client.send(connect(f"dice-{dice.randrange(10)}", version=version))
            kind, flags = dice.randrange(16), dice.randrange(16)
            client.send(packet(kind, dice.randbytes(dice.randrange(64)), flags))


# The wrong protocol on a port


def received(port, sent):
    """What a port answers to bytes until it closes, and who sent them."""
    with socket.create_connection(("127.0.0.1", port), timeout=CUT_WITHIN_S) as connection:
        answer, source = b"", "{}:{}".format(*connection.getsockname())
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                answer += chunk
        except OSError:
            pass
    return answer, source


HTTP = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"
NOT_TLS = {
    "MQTT": connect("a"),
    "MQTT 5": connect("a", version=V5),
    "HTTP": HTTP,
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "nothing": b"",
    "zeroes": bytes(1000),
    "random bytes": random.Random(2).randbytes(5000),
    "a record of 64 KB": b"\x16\x03\x01\xff\xff" + bytes(70_000),
    "SSL 2": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(37),
}


@pytest.mark.parametrize("what", NOT_TLS)
@pytest.mark.parametrize("door", ["mqtts_port", "https_port"])
def test_what_is_not_tls_is_closed_on_a_tls_port(server, door, what):
    answer, source = received(getattr(server, door), NOT_TLS[what])
    if what in ("HTTP", "SSH"):
        assert answer.startswith(b"HTTP/1.1 400 ") and b"TLS" in answer, "people read this"
    else:
        assert answer == b"" or (answer[0] == 0x15 and len(answer) == 7), "a TLS alert at most"
    if what != "nothing":
        event = logged(server, source=source)
        assert (event["protocol"], event["status"]) == ("TLS", "Failure"), event
        assert event["reason"].startswith("TLS_") and event["details"], event


def test_plain_mqtt_on_a_tls_port_is_called_that(server):
    _, source = received(server.mqtts_port, connect("a"))
    event = logged(server, source=source)
    assert event["reason"] == "TLS_PLAIN_TEXT" and "MQTT" in event["details"], event


NOT_MQTT = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "HTTP": HTTP,
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "nothing": b"",
    "random bytes": random.Random(3).randbytes(5000),
}


@pytest.mark.parametrize("what", NOT_MQTT)
def test_what_is_not_mqtt_is_closed_on_the_plain_port(server, what):
    answer, source = received(server.mqtt_port, NOT_MQTT[what])
    assert answer == b""
    event = logged(server, source=source)
    assert (event["eventType"], event["status"]) == ("Connect", "Failure"), event


@pytest.mark.parametrize("what", NOT_MQTT)
def test_what_is_not_mqtt_is_closed_inside_tls(dial, what):
    client = dial()
    client.send(NOT_MQTT[what])
    if what == "nothing":
        client.socket.close()
        return
    assert is_ended(client)


def test_http_on_the_mqtt_port_is_called_that(server, dial):
    client = dial()
    client.send(HTTP)
    assert is_ended(client)
    event = logged(server, source=client.source)
    assert (event["eventType"], event["status"]) == ("Connect", "Failure"), event
    assert event["details"], event


def test_mqtt_on_the_https_port_needs_its_alpn(server, device):
    with Client(server.https_port, device.tls()) as client:
        client.send(connect("a"))
        with pytest.raises((AssertionError, TimeoutError)):
            assert client.read(2).kind == 2, "no CONNACK where HTTP is spoken"


def test_an_unknown_alpn_is_refused_or_not_chosen(server, device):
    for port in (server.mqtts_port, server.https_port):
        try:
            with Client(port, device.tls("spdy/1")) as client:
                assert client.socket.selected_alpn_protocol() is None
        except (ssl.SSLError, ConnectionError):
            pass


@pytest.mark.parametrize("name", ["unknown.example", "localhost.example", "a" * 60 + ".example"])
def test_an_unknown_server_name_is_refused(server, device, name):
    context = device.tls()
    context.check_hostname = False
    with Client(server.mqtts_port) as client:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            client.secure(context, name)
        event = logged(server, source=client.source)
    assert event["reason"] == "TLS_UNKNOWN_SERVER_NAME" and name in event["details"], event


# Too slow, too many, too much


def half_handshake(device):
    """The first half of a TLS handshake."""
    context, outgoing = device.tls(), ssl.MemoryBIO()
    half = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        half.do_handshake()
    hello = outgoing.read()
    return hello[: len(hello) // 2], hello


def is_open(connection):
    """Whether the server has not closed a connection; what it sent is dropped."""
    connection.settimeout(0)
    try:
        while connection.recv(65536):
            pass
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False


def test_who_does_not_get_on_is_cut_in_time(server, device):
    """Half handshakes, half a CONNECT, silence after it, all at once; each is closed."""
    half, hello = half_handshake(device)
    begun, silent = connect("slow"), connect("silent", keep_alive=1)
    with ExitStack() as stack:

        def plain(port, sent):
            connection = stack.enter_context(
                socket.create_connection(("127.0.0.1", port), timeout=5)
            )
            connection.sendall(sent)
            return connection

        def secured(sent):
            client = stack.enter_context(closing(Client(server.mqtts_port, device.tls()).socket))
            client.sendall(sent) if sent else None
            return client

        tls_late, connect_late = "TLS_TIMEOUT", "CONNECT_TIMEOUT"
        waiting = {
            "silence on the TLS port": (plain(server.mqtts_port, b""), tls_late),
            "silence on the HTTPS port": (plain(server.https_port, b""), tls_late),
            "silence on the plain port": (plain(server.mqtt_port, b""), connect_late),
            "half a hello": (plain(server.mqtts_port, half), tls_late),
            "a hello and no more": (plain(server.mqtts_port, hello), tls_late),
            "half a hello on the HTTPS port": (plain(server.https_port, half), tls_late),
            "half a CONNECT on the plain port": (plain(server.mqtt_port, begun[:-3]), connect_late),
            "silence after the handshake": (secured(b""), connect_late),
            "half a CONNECT": (secured(begun[:-3]), connect_late),
            "silence for one and a half keep alives": (secured(silent), "MQTT_KEEP_ALIVE_TIMEOUT"),
            "a hello in drops": (plain(server.mqtts_port, b""), tls_late),
            "a CONNECT in drops": (plain(server.mqtt_port, b""), connect_late),
        }
        drops = {"a hello in drops": hello, "a CONNECT in drops": connect("d" * 100)}
        sources = {what: "{}:{}".format(*one.getsockname()) for what, (one, _) in waiting.items()}
        deadline, sent = time.monotonic() + CUT_WITHIN_S, 0
        while left := [what for what, (one, _) in waiting.items() if is_open(one)]:
            assert time.monotonic() < deadline, f"not cut within {CUT_WITHIN_S} s: {left}"
            for what, source in drops.items():
                drop(waiting[what][0], source[sent : sent + 1])
            sent += 1
            time.sleep(1)
    for what, (_, reason) in waiting.items():
        assert logged(server, source=sources[what])["reason"] == reason, what


def drop(connection, byte):
    try:
        connection.settimeout(1)
        connection.sendall(byte)
    except OSError:
        pass


def raise_file_limit():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def test_silent_connections_hold_nobody_up_and_cost_little(server, device):
    count = min(IDLE, raise_file_limit() - 200)
    before = server.memory()
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(
                socket.create_connection(("127.0.0.1", server.mqtts_port), timeout=5)
            )
        with Client(server.mqtts_port, device.tls()) as client:
            client.connect("among-the-silent")
            client.ping()
        assert (server.memory() - before) / count < 64 << 10


@both_versions
def test_a_client_that_never_reads_costs_little_and_holds_nobody_up(server, device, version):
    payload = bytes(64 << 10)
    before = server.memory()
    with (
        Client(server.mqtts_port, device.tls(), version=version) as deaf,
        Client(server.mqtts_port, device.tls(), version=version) as other,
        Client(server.mqtts_port, device.tls(), version=version) as publisher,
    ):
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect("deaf")
        deaf.subscribe("loud", qos=1)
        other.connect("other")
        other.subscribe("quiet")
        publisher.connect("publisher")
        for _ in range(3000):
            publisher.publish("loud", payload)
        publisher.publish("quiet", b"still heard")
        assert other.message() == ("quiet", b"still heard")
        assert server.memory() - before < MEMORY_GROWTH_MAX


@both_versions
def test_a_client_that_never_reads_its_answers_is_bounded(server, device, version):
    before = server.memory()
    with Client(server.mqtts_port, device.tls(), version=version) as deaf:
        deaf.connect("deaf-to-answers")
        deaf.socket.settimeout(2)
        try:
            for _ in range(200):
                deaf.socket.sendall(PING * 50_000)
        except OSError:
            pass
        assert server.memory() - before < MEMORY_GROWTH_MAX


def test_connections_that_come_and_go_leave_nothing_behind(server, device):
    def churn(count):
        for number in range(count):
            with Client(server.mqtt_port) as client:
                client.connect(f"churn-{number}")
                client.subscribe(f"churn/{number}/#")
        return server.memory()

    settled = churn(500)
    assert churn(2000) - settled < MEMORY_GROWTH_MAX // 4


def test_a_storm_of_refusals_does_not_fill_the_log(server):
    before = len(server.log(100_000))
    for _ in range(500):
        with Client(server.mqtt_port) as client:
            client.send(b"\x00\x00")
    soon(lambda: server.device_log(max=1))
    assert len(server.log(100_000)) - before < 1 << 20


def test_a_device_without_certificate_may_not_hold_a_tls_connection(server):
    context = tls(server.root_ca)
    try:
        with Client(server.mqtts_port, context) as client:
            assert client.read(CUT_WITHIN_S) is CLOSED
    except (ssl.SSLError, ConnectionError):
        pass

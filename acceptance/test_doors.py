"""The doors: load balancers before them, floods at them, and TLS that changes under them."""

import datetime
import ipaddress
import os
import signal
import socket
import ssl
import time
from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from device import allow, deny, everything_on, logged, quick_device, soon, tls
from harness import Server
from mqtt_raw import CLOSED, CONNACK, PINGRESP, V311, Client, connect, packet, PINGREQ

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
CLIENT = "192.0.2.7"
# From 192.0.2.7:50000 to 10.0.0.1:8883, and a value that nobody asked for.
HEADER = (
    SIGNATURE + b"\x21\x11\x00\x10" + bytes([192, 0, 2, 7, 10, 0, 0, 1, 0xC3, 0x50, 0x22, 0xB3])
    + b"\x04\x00\x01\x00"
)
OWN = SIGNATURE + b"\x20\x00\x00\x00"
ALPN = "x-amzn-mqtt-ca"
FLOOD = 400


@pytest.fixture
def serve(tmp_path):
    """Starts a server with these settings."""
    started = []

    def serve(*settings):
        arguments = [word for setting in settings for word in ("--set", setting)]
        started.append(Server(tmp_path / f"data-{len(started)}", *arguments).start())
        return started[-1]

    yield serve
    for server in started:
        if server.process.poll() is None:
            assert server.stop() == 0


def let_in(client, device):
    """Whether a client that has shaken hands gets its CONNACK."""
    answer = client.exchange(connect(device.name, version=V311))
    return answer is not CLOSED and (answer.kind, answer.code) == (CONNACK, 0)


def closed_at_once(port):
    """Opens a connection that the server closes without a byte: where it was."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as stream:
        source = "{}:{}".format(*stream.getsockname())
        try:
            assert stream.recv(1) == b""
        except ConnectionResetError:
            pass
        return source


def entries(server, reason):
    return [event for event in server.device_log(max=250) if event["reason"] == reason]


# Load balancers


@pytest.fixture
def proxied(serve):
    return serve("listen.proxy_protocol=v2", "listen.proxy_from=127.0.0.0/8")


def from_there(device, header, port, alpn=None):
    client = Client(port, version=V311)
    client.socket.sendall(header)
    client.secure(device.tls(alpn))
    return client


@pytest.mark.parametrize("door", ["mqtts", "https"])
def test_a_client_is_where_the_load_balancer_says(proxied, tmp_path, door):
    port, alpn = (proxied.mqtts_port, None) if door == "mqtts" else (proxied.https_port, ALPN)
    here = {"Condition": {"IpAddress": {"aws:SourceIp": f"{CLIENT}/32"}}}
    device = quick_device(proxied, tmp_path, "pump", allow("iot:Connect", "client/pump", **here))
    with from_there(device, HEADER, port, alpn) as client:
        assert let_in(client, device)
        event = logged(proxied, eventType="Connect", status="Success", clientId="pump")
        assert event["source"] == f"{CLIENT}:50000"
    # The load balancer itself is not the client.
    with from_there(device, OWN, port, alpn) as client:
        assert not let_in(client, device)


def test_a_request_comes_from_where_the_load_balancer_says(proxied, tmp_path):
    not_there = deny("iot:Publish", "*", Condition={"IpAddress": {"aws:SourceIp": CLIENT}})
    device = quick_device(proxied, tmp_path, "pump", *everything_on("*"), not_there)
    request = b"POST /topics/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi"

    def status(header):
        with from_there(device, header, proxied.https_port) as client:
            client.socket.sendall(request)
            return client.socket.recv(100).split()[1]

    assert (status(HEADER), status(OWN)) == (b"403", b"200")


@pytest.mark.parametrize(
    "first, saying",
    [
        (b"\x16\x03\x01\x00\x05", "sent none"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 8883\r\n", "version 1"),
        (SIGNATURE + b"\x21\x11\xff\xff", "at most 4096"),
        (SIGNATURE + b"\x21\x11\x00\x04\x01\x02\x03\x04", "ends within its addresses"),
        (HEADER[:20], "closed the connection within it"),
    ],
)
def test_a_load_balancer_that_says_nothing_useful_is_refused(proxied, first, saying):
    with Client(proxied.mqtts_port) as client:
        client.socket.sendall(first)
        with suppress(OSError):  # The server may have left by then.
            client.socket.shutdown(socket.SHUT_WR)
        event = logged(proxied, source=client.source)
    assert (event["reason"], event["protocol"]) == ("PROXY_HEADER", "TCP")
    assert saying in event["details"], event


def test_a_header_that_does_not_end_has_the_time_of_a_handshake(serve):
    server = serve(
        "listen.proxy_protocol=v2", "listen.proxy_from=127.0.0.1", "limits.door_handshake_s=1"
    )
    with Client(server.mqtts_port) as client:
        client.socket.sendall(HEADER[:20])
        event = logged(server, source=client.source)
        assert event["reason"] == "PROXY_HEADER" and "within 1 s" in event["details"]
        assert client.socket.recv(1) == b""


def test_doors_behind_a_load_balancer_are_shut_to_others(serve):
    server = serve("listen.proxy_protocol=v2", "listen.proxy_from=192.0.2.0/24")
    last = [closed_at_once(server.mqtts_port) for _ in range(20)][0]
    event = logged(server, reason="DOOR_PROXIES_ONLY")
    assert event["source"] == last and "listen.proxy_from" in event["details"]
    assert len(entries(server, "DOOR_PROXIES_ONLY")) == 1, "a flood is counted"


# Floods


def test_handshakes_under_way_are_bounded(serve, tmp_path):
    server = serve("limits.door_handshakes_max=2")
    device = quick_device(server, tmp_path, "pump", *everything_on("*"))
    with Client(server.mqtts_port), Client(server.mqtts_port):
        for _ in range(30):
            closed_at_once(server.mqtts_port)
        event = logged(server, reason="DOOR_BUSY")
        assert "door_handshakes_max" in event["details"] and event["protocol"] == "TCP"
        assert len(entries(server, "DOOR_BUSY")) == 1, "a flood is counted"
        metrics = server.call("GET", "/metrics")[2].decode()
        counted = 'ferrite_door_refused_total{door="mqtts",reason="DOOR_BUSY"} 30'
        assert counted in metrics, metrics
    # Those who have shaken hands are not among them.
    clients = []
    for number in range(4):
        clients.append(soon(lambda: one_more(device)))
        assert clients[-1].connect(f"c-{number}").code == 0
    for client in clients:
        client.drop()


def one_more(device):
    """A client after its handshake, or none if there was no room."""
    try:
        return Client(device.server.mqtts_port, device.tls(), version=V311)
    except (ssl.SSLError, ConnectionError):
        return None


def test_one_connection_too_many_is_closed_before_tls(serve, tmp_path):
    server = serve("limits.mqtt_connections_max=1")
    device = quick_device(server, tmp_path, "pump", *everything_on("*"))
    with Client(server.mqtts_port, device.tls()) as client:
        assert let_in(client, device)
        source = closed_at_once(server.mqtts_port)
        event = logged(server, reason="DOOR_FULL")
        assert event["source"] == source and "1 connections are open" in event["details"]
    client = soon(lambda: one_more(device))
    assert let_in(client, device)
    client.drop()


def test_a_flood_of_failed_handshakes_leaves_room_in_the_device_log(serve):
    server = serve()
    began = time.monotonic()
    for _ in range(FLOOD):
        with Client(server.mqtts_port) as client:
            client.socket.sendall(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00")
    seconds = time.monotonic() - began
    soon(lambda: f'reason="TLS_PLAIN_TEXT"}} {FLOOD}' in server.call("GET", "/metrics")[2].decode())
    told = entries(server, "TLS_PLAIN_TEXT")
    assert 1 <= len(told) <= 25 * (seconds + 3), f"{len(told)} entries in {seconds} s"


# The server's certificate


def authority():
    """A CA of the operator's own: its certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    return certificate_of("Plant CA", key, None), key


def certificate_of(name, key, issuer, days=29.5):
    now = datetime.datetime.now(datetime.timezone.utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    by = issuer[0].subject if issuer else subject
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), True)
        .add_extension(x509.SubjectAlternativeName(names), False)
    )
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256())


class OwnCertificate:
    """The files of `tls.certificate` and `tls.key`."""

    def __init__(self, folder):
        self.issuer = authority()
        self.certificate, self.key = folder / "server.pem", folder / "server.key"
        self.root = folder / "plant-ca.pem"
        self.root.write_bytes(self.issuer[0].public_bytes(serialization.Encoding.PEM))
        self.serial = self.renew()

    def renew(self, days=40, chain=b""):
        """Writes a new certificate, what comes after it, and its key: its serial number."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = certificate_of("server", key, self.issuer, days)
        self.replace(self.certificate, made.public_bytes(serialization.Encoding.PEM) + chain)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self.replace(self.key, private)
        return made.serial_number

    @staticmethod
    def replace(path, content):
        new = path.with_suffix(".new")
        new.write_bytes(content)
        os.replace(new, path)

    @property
    def settings(self):
        return f"tls.certificate={self.certificate}", f"tls.key={self.key}"

    def presented(self, server):
        """The serial number of the certificate that newcomers see."""
        context = tls(str(self.root))
        with socket.create_connection(("127.0.0.1", server.https_port), timeout=5) as stream:
            with context.wrap_socket(stream, server_hostname="localhost") as secured:
                der = secured.getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(der).serial_number


@pytest.fixture
def own(tmp_path):
    return OwnCertificate(tmp_path)


def check_alive(client):
    assert client.exchange(packet(PINGREQ)).kind == PINGRESP


def test_a_new_server_certificate_is_presented_and_connections_stay(serve, own, tmp_path):
    server = serve(*own.settings)
    device = quick_device(server, tmp_path, "pump", *everything_on("*"))
    device.root_ca = str(own.root)
    assert own.presented(server) == own.serial
    with Client(server.mqtts_port, device.tls(), version=V311) as client:
        assert let_in(client, device)
        renewed = own.renew()
        soon(lambda: own.presented(server) == renewed, within_s=15)
        check_alive(client)
        # Whoever asks does not wait for the next look.
        again = own.renew()
        server.process.send_signal(signal.SIGHUP)
        soon(lambda: own.presented(server) == again, within_s=2)
        check_alive(client)


@pytest.mark.parametrize("what", ["another's key", "no certificate", "gone"])
def test_a_server_certificate_that_cannot_be_used_changes_nothing(serve, own, what):
    server = serve(*own.settings)
    if what == "another's key":
        key, certificate = own.key.read_bytes(), own.certificate.read_bytes()
        own.renew()
        own.replace(own.key, key)
        assert own.certificate.read_bytes() != certificate
    elif what == "no certificate":
        own.replace(own.certificate, b"not a certificate\n")
    else:
        own.certificate.unlink()
    server.process.send_signal(signal.SIGHUP)
    soon(lambda: "cannot be used, the last good one stays" in server.log(), within_s=15)
    assert own.presented(server) == own.serial
    mended = own.renew()
    soon(lambda: own.presented(server) == mended, within_s=15)


def test_a_server_certificate_that_ends_soon_is_spoken_of(serve, own):
    own.renew(days=31)
    server = serve(*own.settings)
    for renewed, said in [
        ({"days": 9.5}, "the server certificate ends soon"),
        ({"chain": own.root.read_bytes()}, "days=29"),
        ({"days": -0.5}, "the server certificate has ended"),
    ]:
        assert said not in server.log()
        own.renew(**renewed)
        server.process.send_signal(signal.SIGHUP)
        soon(lambda: said in server.log())
    server.stop()
    # At the start as well.
    server.log_path.unlink()
    server.start()
    soon(lambda: "the server certificate has ended" in server.log())


def test_a_hangup_ends_no_server_without_a_certificate_of_its_own(serve):
    server = serve()
    server.process.send_signal(signal.SIGHUP)
    soon(lambda: "made anew" in server.log())
    assert server.process.poll() is None


# Resumed sessions


def come(device, context, session=None):
    """A client after its handshake, which resumes `session` if there is one."""
    client = Client(device.server.mqtts_port, version=V311)
    client.socket = context.wrap_socket(
        client.socket, server_hostname="localhost", session=session
    )
    return client


@pytest.fixture(params=["1.2 by ticket", "1.2 by id", "1.3"])
def tls_of(request):
    """The TLS of a device in one version, made once: sessions belong to it."""

    def tls_of(device):
        context = device.tls()
        version = ssl.TLSVersion.TLSv1_3 if request.param == "1.3" else ssl.TLSVersion.TLSv1_2
        context.minimum_version = context.maximum_version = version
        if request.param == "1.2 by id":
            context.options |= ssl.OP_NO_TICKET
        return context

    return tls_of


def a_session(device, context):
    with come(device, context) as client:
        assert not client.socket.session_reused
        assert let_in(client, device)
        return client.socket.session


def test_a_device_that_comes_back_resumes_and_is_who_it_was(serve, tmp_path, tls_of):
    server = serve()
    device = quick_device(server, tmp_path, "pump", *everything_on("*", client="pump"))
    context = tls_of(device)
    session = a_session(device, context)
    with come(device, context, session) as client:
        assert client.socket.session_reused
        assert let_in(client, device)
        event = logged(server, source=client.source, eventType="Connect")
        assert event["principalId"] == device.certificate_id


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED"])
def test_a_certificate_that_is_no_longer_good_does_not_come_back(serve, tmp_path, tls_of, status):
    server = serve()
    device = quick_device(server, tmp_path, "pump", *everything_on("*"))
    context = tls_of(device)
    session = a_session(device, context)
    device.set_status(status)

    def refusal():
        with come(device, context, session) as client:
            assert client.socket.session_reused
            try:
                return None if let_in(client, device) else client.source
            except (ssl.SSLError, ConnectionError):
                return client.source

    event = logged(server, source=soon(refusal))
    assert (event["reason"], event["status"]) == (f"CERTIFICATE_{status}", "Failure")


def test_a_deleted_certificate_does_not_come_back(serve, tmp_path, tls_of):
    server = serve()
    device = quick_device(server, tmp_path, "pump", *everything_on("*"))
    context = tls_of(device)
    session = a_session(device, context)
    device.detach_policies()
    device.iot.detach_thing_principal(thingName="pump", principal=device.certificate_arn)
    device.set_status("INACTIVE")
    device.iot.delete_certificate(certificateId=device.certificate_id)

    def refusal():
        with come(device, context, session) as client:
            try:
                return None if let_in(client, device) else client.source
            except (ssl.SSLError, ConnectionError):
                return client.source

    event = logged(server, source=soon(refusal))
    assert event["reason"] == "UNKNOWN_CERTIFICATE"


def test_without_resumption_every_handshake_is_whole(serve, tmp_path, tls_of):
    server = serve("tls.resumption=false")
    device = quick_device(server, tmp_path, "pump", *everything_on("*"))
    context = tls_of(device)
    session = a_session(device, context)
    with come(device, context, session) as client:
        assert not client.socket.session_reused
        assert let_in(client, device)

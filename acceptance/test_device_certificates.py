"""Client certificates of every wrong kind: no CONNACK, and the reason in the device log.

Certificates from elsewhere come in by RegisterCertificateWithoutCA.
"""

import datetime
import ssl
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.errors import BaseTLSException

import documents
from device import (
    allow,
    document,
    everything_on,
    logged,
    make_device,
    quick_device,
    soon,
    tls,
    write,
)
from mqtt_raw import CLOSED, V5, V311, Client, connect

UNKNOWN = "UNKNOWN_CERTIFICATE"
ALPN = "x-amzn-mqtt-ca"
TIMEOUT_S = 10
CUT_OFF_WITHIN_S = 1
OTHER_ACCOUNT = "111122223333"
# In days, which `documents.issued` takes.
SECOND = 1 / 86_400
both_versions = pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])


def shut_out(port, context, version=V311, client_id="somebody"):
    """Where a client was that got no CONNACK, because TLS ended or the connection after it.

    Nothing, if it was let in.
    """
    with Client(port, version=version) as client:
        try:
            client.secure(context)
            answer = client.exchange(connect(client_id, version=version))
        except (ssl.SSLError, ConnectionError):
            answer = CLOSED
        return client.source if answer is CLOSED else None


def device_shut_out(device, version=V311):
    return shut_out(device.server.mqtts_port, device.tls(), version, device.name)


def check_refusal(server, source, reason, saying=""):
    """The connection was shut out, and the device log has why."""
    assert source, "it was let in"
    event = logged(server, source=source)
    assert (event["eventType"], event["status"]) == ("Connect", "Failure"), event
    assert event["reason"] == reason and saying in event["details"], event


@pytest.fixture
def stranger(server, tmp_path):
    """Makes the TLS of a client with a certificate that was never registered."""

    def stranger(certificate_pem, key, seclevel=None):
        files = write(tmp_path, "stranger", certificate_pem, private_pem(key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if seclevel is not None:
            context.set_ciphers(f"DEFAULT@SECLEVEL={seclevel}")
        context.load_verify_locations(server.root_ca)
        context.load_cert_chain(*files)
        return context

    return stranger


def private_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


# What is accepted


@pytest.mark.parametrize(
    "make_key",
    [
        documents.rsa_key,
        lambda: documents.rsa_key(3072),
        documents.ec_key,
        lambda: documents.ec_key(ec.SECP384R1),
        lambda: documents.ec_key(ec.SECP521R1),
    ],
    ids=["RSA-2048", "RSA-3072", "P-256", "P-384", "P-521"],
)
@pytest.mark.parametrize("tls_version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_every_kind_of_key_is_accepted(server, tmp_path, name, make_key, tls_version):
    device = make_device(server, tmp_path, name, *everything_on("*"), key=make_key())
    context = device.tls()
    context.minimum_version = context.maximum_version = tls_version
    with Client(server.mqtts_port, context) as client:
        client.connect(name)


def test_the_keys_of_the_server_are_accepted_on_both_doors(server, tmp_path, name):
    device = make_device(server, tmp_path, name, *everything_on("*"))
    for port, alpn in [
        (server.mqtts_port, None),
        (server.mqtts_port, ALPN),
        (server.https_port, ALPN),
    ]:
        with Client(port, device.tls(alpn)) as client:
            client.connect(name)
            assert alpn is None or client.socket.selected_alpn_protocol() == alpn


def test_a_certificate_from_elsewhere_is_accepted(make, session):
    """No chain, no usage for clients: it is the registration that counts."""
    key = documents.ec_key()
    extensions = [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])]
    issuer = documents.subject("somebody")
    certificate = documents.issued(
        key, documents.subject("device"), issuer, documents.ec_key(), extensions=extensions
    )
    session(make(*everything_on("*"), key=key, certificate=certificate)).ping()


def test_a_client_without_sni_is_accepted(server, make, name):
    with Client(server.mqtts_port, make(*everything_on("*")).tls(), server_name=None) as client:
        client.connect(name)


def test_the_server_shows_an_rsa_certificate_to_who_knows_no_other(server, make):
    context = make(*everything_on("*")).tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    with Client(server.mqtts_port, context) as client:
        der = client.socket.getpeercert(binary_form=True)
        assert client.socket.cipher()[0] == "ECDHE-RSA-AES128-GCM-SHA256"
    assert x509.load_der_x509_certificate(der).public_key().key_size == 2048


def test_a_certificate_of_version_1_is_accepted(make, session, tmp_path):
    """As older `openssl x509 -req` makes them, which devices in the field have."""
    key = documents.ec_key()
    (tmp_path / "v1.key").write_text(private_pem(key))
    (tmp_path / "v1.csr").write_text(documents.signing_request(key))
    made = subprocess.run(
        ["openssl", "x509", "-req", "-in", "v1.csr", "-signkey", "v1.key", "-days", "9"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    if x509.load_pem_x509_certificate(made.stdout).version != x509.Version.v1:
        pytest.skip("this openssl makes no certificates of version 1")
    session(make(*everything_on("*"), key=key, certificate=made.stdout.decode())).ping()


@pytest.mark.parametrize("tls_version", ["TLSv1", "TLSv1_1"])
def test_old_tls_is_refused(server, make, tls_version):
    context = make(*everything_on("*")).tls()
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion[tls_version]
    source = shut_out(server.mqtts_port, context)
    check_refusal(server, source, "TLS_NO_SHARED_VERSION")


def test_a_modem_that_knows_old_ciphers_alone_is_refused_by_their_name(server, make):
    context = make(*everything_on("*")).tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA:@SECLEVEL=0")
    source = shut_out(server.mqtts_port, context)
    check_refusal(server, source, "TLS_NO_SHARED_CIPHER", "RSA_WITH_AES_128_CBC_SHA")


# What is refused


@both_versions
def test_no_certificate(server, version):
    source = shut_out(server.mqtts_port, tls(server.root_ca), version)
    check_refusal(server, source, "TLS_CERTIFICATE_MISSING", "certificate")


def test_no_certificate_on_the_https_door(server):
    source = shut_out(server.https_port, tls(server.root_ca, alpn=ALPN))
    check_refusal(server, source, "TLS_CERTIFICATE_MISSING", "certificate")


@both_versions
def test_an_unknown_certificate(server, stranger, version):
    key = documents.ec_key()
    certificate = documents.self_signed(key=key)
    source = shut_out(server.mqtts_port, stranger(certificate, key), version)
    check_refusal(server, source, UNKNOWN, documents.certificate_id(certificate))


def test_a_certificate_that_claims_to_be_ours(server, tmp_path, stranger, make):
    """One that copies a registered one's names and serial number, signed by somebody else."""
    device = make(*everything_on("*"))
    with open(device.certificate, "rb") as file:
        real = x509.load_pem_x509_certificate(file.read())
    key = documents.ec_key()
    forged = (
        x509.CertificateBuilder()
        .subject_name(real.subject)
        .issuer_name(real.issuer)
        .public_key(key.public_key())
        .serial_number(real.serial_number)
        .not_valid_before(real.not_valid_before_utc)
        .not_valid_after(real.not_valid_after_utc)
        .sign(documents.ec_key(), hashes.SHA256())
    )
    certificate = documents.pem(forged)
    source = shut_out(server.mqtts_port, stranger(certificate, key), client_id=device.name)
    check_refusal(server, source, UNKNOWN, documents.certificate_id(certificate))


def test_a_weak_certificate(server, stranger):
    key = documents.rsa_key(1024)
    certificate = documents.self_signed(key=key)
    source = shut_out(server.mqtts_port, stranger(certificate, key, seclevel=0))
    check_refusal(server, source, "TLS_KEY_TOO_WEAK", "1024")


@pytest.mark.parametrize(
    "days, reason",
    [((-9, -1), "CERTIFICATE_EXPIRED"), ((1, 9), "CERTIFICATE_NOT_YET_VALID")],
    ids=["expired", "not yet valid"],
)
def test_a_certificate_out_of_its_time(server, make, days, reason):
    key = documents.ec_key()
    certificate = documents.issued(key, documents.subject("device"), days=days)
    device = make(*everything_on("*"), key=key, certificate=certificate)
    check_refusal(server, device_shut_out(device), reason, device.certificate_id)


@both_versions
@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED"])
def test_a_certificate_that_is_not_active(server, make, version, status):
    device = make(*everything_on("*"))
    device.set_status(status)
    source = device_shut_out(device, version)
    check_refusal(server, source, f"CERTIFICATE_{status}", device.certificate_id)


def test_a_certificate_that_was_never_activated(server, tmp_path, name):
    key = documents.ec_key()
    made = server.iot.create_certificate_from_csr(
        certificateSigningRequest=documents.signing_request(key)
    )
    files = write(tmp_path, name, made["certificatePem"], private_pem(key))
    source = shut_out(server.mqtts_port, tls(server.root_ca, *files))
    check_refusal(server, source, "CERTIFICATE_INACTIVE", made["certificateId"])


@both_versions
def test_a_certificate_on_its_way_to_another_account(server, make, version):
    device = make(*everything_on("*"), thing=False)
    device.set_status("INACTIVE")
    device.detach_policies()
    device.iot.transfer_certificate(
        certificateId=device.certificate_id, targetAwsAccount=OTHER_ACCOUNT
    )
    source = device_shut_out(device, version)
    check_refusal(server, source, "CERTIFICATE_PENDING_TRANSFER", device.certificate_id)
    device.iot.cancel_certificate_transfer(certificateId=device.certificate_id)
    source = device_shut_out(device, version)
    check_refusal(server, source, "CERTIFICATE_INACTIVE", device.certificate_id)


@both_versions
def test_a_certificate_that_waits_to_be_activated(server, name, stranger, version):
    key, ca_key, issuer = documents.ec_key(), documents.ec_key(), documents.subject(f"CA {name}")
    code = server.iot.get_registration_code()["registrationCode"]
    server.iot.register_ca_certificate(
        caCertificate=documents.issued(ca_key, issuer, ca=True),
        verificationCertificate=documents.issued(
            documents.ec_key(), documents.subject(code), issuer, ca_key
        ),
        setAsActive=True,
        allowAutoRegistration=True,
    )
    certificate = documents.issued(key, documents.subject(name), issuer, ca_key)
    certificate_id, context = documents.certificate_id(certificate), stranger(certificate, key)
    # The first attempt registers it, the second finds it.
    for _ in range(2):
        source = shut_out(server.mqtts_port, context, version, name)
        check_refusal(server, source, "CERTIFICATE_PENDING_ACTIVATION", certificate_id)
    server.iot.update_certificate(certificateId=certificate_id, newStatus="ACTIVE")
    described = server.iot.describe_certificate(certificateId=certificate_id)
    server.iot.create_policy(policyName=name, policyDocument=document(*everything_on("*")))
    server.iot.attach_policy(
        policyName=name, target=described["certificateDescription"]["certificateArn"]
    )
    assert not shut_out(server.mqtts_port, context, version, name)


def test_a_certificate_that_was_deleted(server, make):
    device = make(*everything_on("*"))
    device.iot.detach_thing_principal(thingName=device.name, principal=device.certificate_arn)
    device.set_status("INACTIVE")
    device.iot.delete_certificate(certificateId=device.certificate_id, forceDelete=True)
    check_refusal(server, device_shut_out(device), UNKNOWN, device.certificate_id)


def test_a_certificate_is_let_in_once_it_is_valid(server, make):
    key = documents.ec_key()
    certificate = documents.issued(key, documents.subject("device"), days=(3 * SECOND, 1))
    device = make(*everything_on("*"), key=key, certificate=certificate)
    source = device_shut_out(device)
    check_refusal(server, source, "CERTIFICATE_NOT_YET_VALID", device.certificate_id)
    soon(lambda: not device_shut_out(device))


def test_a_certificate_that_is_active_again_is_let_in(make):
    device = make(*everything_on("*"))
    device.set_status("INACTIVE")
    assert device_shut_out(device)
    device.set_status("ACTIVE")
    assert not device_shut_out(device)


@pytest.mark.parametrize("make_key", [documents.rsa_key, documents.ec_key], ids=["RSA", "P-256"])
def test_somebody_elses_certificate_with_another_key(server, tmp_path, name, make_key):
    device = make_device(server, tmp_path, name, *everything_on("*"), key=make_key())
    assert not shut_out_with_key(device, device.key), "its own key opens the door"
    write(tmp_path, "thief", "", private_pem(make_key()))
    source = shut_out_with_key(device, tmp_path / "thief.key")
    check_refusal(server, source, "TLS_POSSESSION_NOT_PROVEN")


def shut_out_with_key(device, key):
    """As `shut_out`, for a client that shows the device's certificate and holds `key`.

    No common client lets a key differ from its certificate; tlslite-ng does, in TLS 1.2.
    """
    with open(device.certificate) as certificate, open(key) as private:
        chain = X509CertChain()
        chain.parsePemList(certificate.read())
        private_key = parsePEMKey(private.read(), private=True)
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = (3, 3)
    with Client(device.server.mqtts_port) as client:
        secured = TLSConnection(client.socket)
        secured.closeSocket = False
        try:
            secured.handshakeClientCert(
                chain, private_key, settings=settings, serverName="localhost"
            )
            secured.sendall(connect(device.name))
            is_in = secured.recv(4) == b"\x20\x02\x00\x00"
        except (BaseTLSException, OSError):
            is_in = False
        return None if is_in else client.source


# What ends while a device is connected


@both_versions
@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED"])
def test_a_connected_device_is_cut_off_when_its_certificate_is(
    server, make, session, version, status
):
    device = make(*everything_on("*"))
    client = session(device, version)
    device.set_status(status)
    assert client.is_closed(0x87 if version == V5 else None)
    event = logged(server, eventType="Disconnect", clientId=device.name)
    assert status in event["reason"] + event["details"], event
    assert device_shut_out(device, version)


@both_versions
def test_a_connected_device_is_cut_off_when_its_certificate_expires(
    server, make, session, version
):
    key = documents.ec_key()
    certificate = documents.issued(key, documents.subject("device"), days=(-1, 3 * SECOND))
    device = make(*everything_on("*"), key=key, certificate=certificate)
    client = session(device, version)
    client.ping()
    assert client.is_closed(0x87 if version == V5 else None)
    parsed = x509.load_pem_x509_certificate(certificate.encode())
    late = datetime.datetime.now(datetime.timezone.utc) - parsed.not_valid_after_utc
    # Its last second is good to the end.
    assert 0 <= late.total_seconds() < 1 + CUT_OFF_WITHIN_S, late
    event = logged(server, eventType="Disconnect", clientId=device.name)
    assert "CERTIFICATE_EXPIRED" in event["reason"] + event["details"], event
    check_refusal(server, device_shut_out(device, version), "CERTIFICATE_EXPIRED")


def test_cutting_one_device_off_leaves_the_others_alone(make, session, name):
    first, second = make(*everything_on("*")), make(*everything_on("*"))
    clients = session(first), session(second)
    clients[1].subscribe(name)
    first.set_status("REVOKED")
    assert clients[0].is_closed(0x87)
    clients[1].publish(name, b"still here")
    assert clients[1].message() == (name, b"still here")


def test_every_connection_of_a_certificate_is_cut_off(make, session, name):
    device = make(allow("*"))
    clients = [session(device, client_id=f"{name}-c{number}") for number in range(3)]
    device.set_status("INACTIVE")
    assert all(client.is_closed(0x87) for client in clients)


def test_the_status_of_a_certificate_survives_a_restart(fresh, tmp_path):
    active = quick_device(fresh, tmp_path, "active", *everything_on("*"))
    revoked = quick_device(fresh, tmp_path, "revoked", *everything_on("*"))
    revoked.set_status("REVOKED")
    assert fresh.stop() == 0
    fresh.start()
    assert device_shut_out(revoked)
    assert not device_shut_out(active)

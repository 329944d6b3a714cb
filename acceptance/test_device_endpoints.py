"""Endpoints of devices: the names that the server answers to, and whose topics each leads to."""

import ssl

import pytest

import documents
from device import allow, document, logged, private_pem, tls, write
from harness import REGION, Server
from mqtt_raw import CLOSED, V5, Client, connect

DOMAIN = "iot.example"
ELSEWHERE = "eu-west-1"
OTHER = "111122223333"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with a domain, and with another account."""
    data = tmp_path_factory.mktemp("ferrite") / "data"
    server = Server(data, "--set", f"endpoint_domain={DOMAIN}").start()
    server.command("account", "create", OTHER)
    yield server
    assert server.stop() == 0, "the server ends cleanly"


@pytest.fixture
def equip(server, tmp_path, name):
    """Makes a certificate with this policy, in any account and region: its TLS."""

    def equip(iot, statement=allow("*")):
        key = documents.ec_key()
        csr = documents.signing_request(key)
        issued = iot.create_certificate_from_csr(certificateSigningRequest=csr, setAsActive=True)
        iot.create_policy(policyName=name, policyDocument=document(statement))
        iot.attach_policy(policyName=name, target=issued["certificateArn"])
        files = write(tmp_path, name, issued["certificatePem"], private_pem(key))
        return tls(server.root_ca, *files)

    return equip


def endpoint(iot, kind="iot:Data-ATS"):
    return iot.describe_endpoint(endpointType=kind)["endpointAddress"]


def test_the_described_endpoint_is_one_of_the_servers_names(server, equip):
    name = endpoint(server.iot)
    assert name.endswith(f"-ats.iot.{REGION}.{DOMAIN}")
    context = equip(server.iot)
    for one in [name, endpoint(server.iot, "iot:Data"), "localhost", name.upper()]:
        with Client(server.mqtts_port, context, server_name=one) as client:
            client.connect("known-name")


def test_the_endpoint_is_what_policies_call_the_domain(server, equip):
    name = endpoint(server.iot)
    only = {"Condition": {"StringEquals": {"iot:DomainName": name}}}
    context = equip(server.iot, allow("iot:Connect", **only))
    with Client(server.mqtts_port, context, server_name=name) as client:
        client.connect("by-its-name")
    with Client(server.mqtts_port, context, server_name="localhost") as client:
        assert client.exchange(connect("by-another")) is CLOSED


def test_another_domain_is_unknown(server, equip):
    with Client(server.mqtts_port) as client:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            client.secure(equip(server.iot), f"a0-ats.iot.{REGION}.another.example")
        assert logged(server, source=client.source)["reason"] == "TLS_UNKNOWN_SERVER_NAME"


def test_the_endpoint_of_another_account_does_not_know_the_certificate(server, equip):
    context, right = equip(server.iot), endpoint(server.iot)
    wrong = endpoint(server.client(keys=server.create_access_key(account=OTHER)))
    assert right != wrong
    with Client(server.mqtts_port) as client:
        client.secure(context, wrong)
        assert client.exchange(connect("lost")) is CLOSED
        event = logged(server, source=client.source)
    assert event["reason"] == "UNKNOWN_CERTIFICATE" and right[:14] in event["details"], event


def test_accounts_and_regions_do_not_hear_one_another(server, equip):
    keys = server.create_access_key(account=OTHER)
    owners = [server.iot, server.client(region=ELSEWHERE), server.client(keys=keys)]
    clients = [Client(server.mqtts_port, equip(iot), version=V5) for iot in owners]
    for client in clients:
        client.connect("the-same-name")
        client.subscribe("the/same/topic")
    for number, client in enumerate(clients):
        client.publish("the/same/topic", str(number).encode())
    for number, client in enumerate(clients):
        assert client.message() == ("the/same/topic", str(number).encode())
        client.ping()
        client.drop()

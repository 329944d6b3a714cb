"""CAs of one's own: registered, what they sign, and certificates that change accounts."""

import json
import subprocess
import uuid
from pathlib import Path

import pytest

import documents
import test_device_story_awsiotsdk as awsiotsdk
import test_device_story_paho as paho
from device import Device, document, everything_on, logged, private_pem, tls, write
from harness import ACCOUNT, REGION, refused
from mqtt_raw import CLOSED, Client, connect

OTHER_ACCOUNT = "111122223333"


class Ca:
    """A root with an EC key and a name of its own."""

    def __init__(self):
        self.key = documents.ec_key()
        self.name = documents.subject(f"Mill {uuid.uuid4().hex}")
        self.pem = documents.issued(self.key, self.name, ca=True)

    def issue(self, common_name, key=None, **more):
        name = documents.subject(common_name)
        return documents.issued(key or documents.ec_key(), name, self.name, self.key, **more)

    def register(self, iot, **more):
        """Registers it in DEFAULT mode, active: its id."""
        code = iot.get_registration_code()["registrationCode"]
        registered = iot.register_ca_certificate(
            caCertificate=self.pem,
            verificationCertificate=self.issue(code),
            setAsActive=True,
            **more,
        )
        return registered["certificateId"]


class OpensslCa(Ca):
    """A root as AWS's guide has one made: by the openssl command, in files."""

    keys = {"rsa": ["rsa:2048"], "ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]}

    def __init__(self, folder, algorithm):
        self.folder, self.algorithm = folder, algorithm
        subject = f"/O=Mill/CN={uuid.uuid4().hex}"
        self.request("ca", subject, "-x509", "-days", "30")
        self.pem = (folder / "ca.pem").read_text()

    def run(self, *arguments):
        command = ["openssl", *arguments]
        result = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        assert result.returncode == 0, result
        return result.stdout

    def request(self, name, subject, *more):
        key = ["-newkey", *self.keys[self.algorithm], "-nodes", "-keyout", f"{name}.key"]
        self.run("req", "-new", *key, "-out", f"{name}.pem", "-subj", subject, *more)

    def issue(self, common_name, version=1):
        """The text of a certificate, whose key is in the file `leaf.key`."""
        self.request("leaf", f"/CN={common_name}")
        extensions = []
        if version == 3:
            (self.folder / "leaf.ext").write_text("extendedKeyUsage=clientAuth\n")
            extensions = ["-extfile", "leaf.ext"]
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "7"]
        pem = self.run("x509", "-req", "-in", "leaf.pem", *signed, *extensions)
        (self.folder / "leaf.pem").write_text(pem)
        assert f"Version: {version} " in self.run("x509", "-in", "leaf.pem", "-noout", "-text")
        return pem


@pytest.fixture
def ca():
    return Ca()


def test_a_ca_is_registered_described_changed_and_deleted(iot, ca):
    ca_id = ca.register(iot, tags=[{"Key": "plant", "Value": "1"}])
    assert ca_id == documents.certificate_id(ca.pem)
    description = iot.describe_ca_certificate(certificateId=ca_id)["certificateDescription"]
    arn = f"arn:aws:iot:{REGION}:{ACCOUNT}:cacert/{ca_id}"
    assert (description["certificateArn"], description["status"]) == (arn, "ACTIVE")
    assert description["autoRegistrationStatus"] == "DISABLE"
    assert iot.list_tags_for_resource(resourceArn=arn)["tags"][0]["Key"] == "plant"
    pages = iot.get_paginator("list_ca_certificates").paginate()
    assert ca_id in [c["certificateId"] for page in pages for c in page["certificates"]]
    with refused("CertificateStateException"):
        iot.delete_ca_certificate(certificateId=ca_id)
    iot.update_ca_certificate(
        certificateId=ca_id, newStatus="INACTIVE", newAutoRegistrationStatus="ENABLE"
    )
    description = iot.describe_ca_certificate(certificateId=ca_id)["certificateDescription"]
    assert (description["status"], description["autoRegistrationStatus"]) == ("INACTIVE", "ENABLE")
    iot.delete_ca_certificate(certificateId=ca_id)
    with refused("ResourceNotFoundException"):
        iot.describe_ca_certificate(certificateId=ca_id)


def test_a_ca_whose_key_is_not_held_is_refused(iot, ca):
    code = iot.get_registration_code()["registrationCode"]
    for verification, error in [
        (ca.issue("somebody"), "RegistrationCodeValidationException"),
        (Ca().issue(code), "CertificateValidationException"),
    ]:
        with refused(error):
            iot.register_ca_certificate(
                caCertificate=ca.pem, verificationCertificate=verification
            )
    with refused("InvalidRequestException"):
        iot.register_ca_certificate(caCertificate=ca.pem)


def test_what_a_ca_signed_is_registered_by_name_of_the_ca(iot, ca):
    pem = ca.issue("pump")
    with refused("CertificateValidationException"):
        iot.register_certificate(certificatePem=pem)
    ca_id = ca.register(iot)
    registered = iot.register_certificate(certificatePem=pem, status="ACTIVE")
    description = iot.describe_certificate(certificateId=registered["certificateId"])
    assert description["certificateDescription"]["caCertificateId"] == ca_id
    pages = iot.get_paginator("list_certificates_by_ca").paginate(caCertificateId=ca_id)
    listed = [c["certificateId"] for page in pages for c in page["certificates"]]
    assert listed == [registered["certificateId"]]


def test_a_key_may_be_kept_from_one_ca(server, ca, tmp_path):
    ca_id = ca.register(server.iot)
    policy = tmp_path / "policy.json"
    statement = {
        "Effect": "Allow",
        "Action": "iot:DescribeCACertificate",
        "Resource": f"arn:aws:iot:{REGION}:{ACCOUNT}:cacert/{ca_id}",
    }
    policy.write_text(document(statement))
    iot = server.client(keys=server.create_access_key(policy=policy))
    iot.describe_ca_certificate(certificateId=ca_id)
    with refused("AccessDeniedException"):
        iot.describe_ca_certificate(certificateId=Ca().register(server.iot))


def test_a_device_is_registered_when_it_first_connects(server, iot, make, session, ca, tmp_path):
    ca_id = ca.register(iot, allowAutoRegistration=True)
    listener = session(make(*everything_on("*")))
    topic = f"$aws/events/certificates/registered/{ca_id}"
    listener.subscribe(topic, qos=1)
    key = documents.ec_key()
    pem = ca.issue("pump", key)
    context = tls(server.root_ca, *write(tmp_path, "pump", pem, private_pem(key)))
    for _ in range(2):
        with Client(server.mqtts_port, context) as client:
            assert client.exchange(connect("pump")) is CLOSED
            entry = logged(server, source=client.source)
            assert entry["reason"] == "CERTIFICATE_PENDING_ACTIVATION"
        heard, payload = listener.message()
        event = json.loads(payload)
        assert heard == topic
        assert event["certificateId"] == documents.certificate_id(pem)
        assert event["caCertificateId"] == ca_id
        assert event["awsAccountId"] == ACCOUNT
        assert event["certificateStatus"] == "PENDING_ACTIVATION"
        assert int(event["certificateRegistrationTimestamp"]) <= event["timestamp"]
    name = f"pump-{ca_id[:8]}"
    iot.create_policy(policyName=name, policyDocument=document(*everything_on("*")))
    arn = f"arn:aws:iot:{REGION}:{ACCOUNT}:cert/{event['certificateId']}"
    iot.attach_policy(policyName=name, target=arn)
    iot.update_certificate(certificateId=event["certificateId"], newStatus="ACTIVE")
    with Client(server.mqtts_port, context) as client:
        client.connect("pump")


@pytest.mark.parametrize(
    ("algorithm", "version", "chain", "client_class"),
    [
        ("rsa", 1, "alone", paho.Client3),
        ("rsa", 1, "chain", awsiotsdk.Client5),
        ("rsa", 3, "alone", paho.Client5),
        ("rsa", 3, "chain", awsiotsdk.Client3),
        ("ec", 1, "alone", awsiotsdk.Client3),
        ("ec", 1, "chain", paho.Client5),
        ("ec", 3, "alone", awsiotsdk.Client5),
        ("ec", 3, "chain", paho.Client3),
    ],
)
def test_what_openssl_signs_is_registered_and_let_in(
    server, iot, make, session, tmp_path, name, algorithm, version, chain, client_class
):
    ca = OpensslCa(tmp_path, algorithm)
    ca_id = ca.register(iot, allowAutoRegistration=True)
    listener = session(make(*everything_on("*")))
    listener.subscribe(f"$aws/events/certificates/registered/{ca_id}", f"{name}/news", qos=1)
    device = openssl_device(server, ca, f"{name}-pump", version, chain)
    client = client_class(device)
    assert is_closed_on(client)
    client.close()
    _, payload = listener.message()
    event = json.loads(payload)
    assert event["certificateId"] == device.certificate_id
    assert event["certificateStatus"] == "PENDING_ACTIVATION"
    device.set_policy(*everything_on(f"{name}/*"))
    device.set_status("ACTIVE")
    client = client_class(device)
    client.connect()
    client.publish(f"{name}/news", "lit", 1)
    client.close()
    heard = listener.message()
    while heard[0] != f"{name}/news":
        # The client had tried again by itself before it was closed.
        heard = listener.message()
    assert heard[1] == b"lit"


def is_closed_on(client):
    """Whether it is refused without a word, as for its certificate it is in both versions."""
    if isinstance(client, awsiotsdk.Client5):
        client.client.start()
        return client.connected.result(awsiotsdk.WITHIN_S).connack_packet is None
    if isinstance(client, paho.Client):
        client.start()
        client.wait("disconnect")
        return not client.events["connect"].is_set()
    return client.notices_that_connecting_is_refused()


def openssl_device(server, ca, name, version, chain):
    """A device of which nobody but its CA knows."""
    pem = ca.issue(name, version)
    certificate_id = documents.certificate_id(pem)
    certificate = Path(ca.folder) / "leaf.crt"
    certificate.write_text(pem + (ca.pem if chain == "chain" else ""))
    return Device(
        server=server,
        name=name,
        certificate_arn=f"arn:aws:iot:{REGION}:{ACCOUNT}:cert/{certificate_id}",
        certificate_id=certificate_id,
        certificate=str(certificate),
        key=str(ca.folder / "leaf.key"),
        root_ca=str(server.root_ca),
    )


def test_a_certificate_goes_to_another_account(server, iot):
    server.command("account", "create", OTHER_ACCOUNT)
    other = server.client(keys=server.create_access_key(account=OTHER_ACCOUNT))
    certificate_id = iot.create_keys_and_certificate()["certificateId"]
    offer = {"certificateId": certificate_id, "targetAwsAccount": OTHER_ACCOUNT}
    iot.transfer_certificate(**offer, transferMessage="first")
    other.reject_certificate_transfer(certificateId=certificate_id, rejectReason="no")
    description = iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]
    assert description["transferData"]["rejectReason"] == "no"
    iot.transfer_certificate(**offer)
    iot.cancel_certificate_transfer(certificateId=certificate_id)
    iot.transfer_certificate(**offer)
    (outgoing,) = iot.list_outgoing_certificates()["outgoingCertificates"]
    assert (outgoing["certificateId"], outgoing["transferredTo"]) == (certificate_id, OTHER_ACCOUNT)
    other.accept_certificate_transfer(certificateId=certificate_id, setAsActive=True)
    description = other.describe_certificate(certificateId=certificate_id)["certificateDescription"]
    assert (description["ownedBy"], description["previousOwnedBy"]) == (OTHER_ACCOUNT, ACCOUNT)
    with refused("TransferAlreadyCompletedException"):
        iot.cancel_certificate_transfer(certificateId=certificate_id)
    active = iot.create_keys_and_certificate(setAsActive=True)["certificateId"]
    with refused("CertificateStateException"):
        iot.transfer_certificate(certificateId=active, targetAwsAccount=OTHER_ACCOUNT)


def test_an_account_has_one_certificate_provider(iot):
    provider = {
        "lambdaFunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:sign",
        "accountDefaultForOperations": ["CreateCertificateFromCsr"],
    }
    iot.create_certificate_provider(certificateProviderName="mill", **provider)
    with refused("LimitExceededException"):
        iot.create_certificate_provider(certificateProviderName="plant", **provider)
    described = iot.describe_certificate_provider(certificateProviderName="mill")
    assert described["lambdaFunctionArn"] == provider["lambdaFunctionArn"]
    (listed,) = iot.list_certificate_providers()["certificateProviders"]
    assert listed["certificateProviderArn"] == described["certificateProviderArn"]
    iot.delete_certificate_provider(certificateProviderName="mill")
    with refused("ResourceNotFoundException"):
        iot.describe_certificate_provider(certificateProviderName="mill")

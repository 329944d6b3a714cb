"""Certificates: issued, from a CSR, registered; their states; their deletion."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.x509.oid import NameOID

import documents
from harness import ACCOUNT, REGION, refused

UNKNOWN_ID = "0" * 64


def arn(certificate_id, region=REGION):
    return f"arn:aws:iot:{region}:{ACCOUNT}:cert/{certificate_id}"


def described(iot, certificate_id):
    return iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]


def load(certificate_pem):
    return x509.load_pem_x509_certificate(certificate_pem.encode())


def deactivate(iot, certificate_id):
    iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")


def test_the_id_is_the_hash_of_the_certificate(certificate):
    expected = documents.certificate_id(certificate["certificatePem"])
    assert certificate["certificateId"] == expected
    assert certificate["certificateArn"] == arn(expected)


def test_the_keys_are_in_the_forms_that_devices_read(certificate):
    private_pem = certificate["keyPair"]["PrivateKey"]
    public_pem = certificate["keyPair"]["PublicKey"]
    assert private_pem.startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    assert public_pem.startswith("-----BEGIN PUBLIC KEY-----\n")
    private = serialization.load_pem_private_key(private_pem.encode(), None)
    public = serialization.load_pem_public_key(public_pem.encode())
    assert private.key_size == 2048
    assert documents.public_bytes(private.public_key()) == documents.public_bytes(public)
    issued_for = load(certificate["certificatePem"]).public_key()
    assert documents.public_bytes(issued_for) == documents.public_bytes(public)
    signature = private.sign(b"hello", padding.PKCS1v15(), hashes.SHA256())
    issued_for.verify(signature, b"hello", padding.PKCS1v15(), hashes.SHA256())


def test_an_issued_certificate_looks_as_that_of_aws(certificate):
    issued = load(certificate["certificatePem"])
    (common_name,) = issued.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert common_name.value == "AWS IoT Certificate"
    assert issued.issuer.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    assert issued.issuer != issued.subject
    assert issued.version == x509.Version.v3
    assert isinstance(issued.signature_hash_algorithm, hashes.SHA256)
    constraints = issued.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical and not constraints.value.ca
    usage = issued.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature and not usage.key_cert_sign


def test_an_issued_certificate_is_valid_from_a_little_ago_until_2049(certificate):
    issued = load(certificate["certificatePem"])
    now = datetime.datetime.now(datetime.timezone.utc)
    age = now - issued.not_valid_before_utc
    assert datetime.timedelta(minutes=1) < age < datetime.timedelta(hours=1)
    assert issued.not_valid_after_utc.isoformat() == "2049-12-31T23:59:59+00:00"


@pytest.mark.parametrize("active, status", [(True, "ACTIVE"), (False, "INACTIVE")])
def test_a_certificate_is_described_as_issued(iot, active, status):
    issued = iot.create_keys_and_certificate(setAsActive=active)
    description = described(iot, issued["certificateId"])
    parsed = load(issued["certificatePem"])
    assert description["certificateId"] == issued["certificateId"]
    assert description["certificateArn"] == issued["certificateArn"]
    assert description["certificatePem"] == issued["certificatePem"]
    assert description["status"] == status
    assert description["ownedBy"] == ACCOUNT
    assert description["certificateMode"] == "DEFAULT"
    assert description["validity"]["notBefore"] == parsed.not_valid_before_utc
    assert description["validity"]["notAfter"] == parsed.not_valid_after_utc
    assert description["creationDate"] == description["lastModifiedDate"]
    assert "caCertificateId" not in description and "previousOwnedBy" not in description


def test_a_certificate_is_inactive_unless_asked_otherwise(iot):
    issued = iot.create_keys_and_certificate()
    assert described(iot, issued["certificateId"])["status"] == "INACTIVE"


def test_certificates_are_listed(iot, certificate):
    pages = iot.get_paginator("list_certificates").paginate()
    listed = {c["certificateId"]: c for page in pages for c in page["certificates"]}
    found = listed[certificate["certificateId"]]
    assert found["certificateArn"] == certificate["certificateArn"]
    assert found["status"] == "ACTIVE" and found["creationDate"]
    assert "certificatePem" not in found


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED", "ACTIVE"])
def test_a_status_is_set_and_set_again(iot, certificate, status):
    for _ in range(2):
        iot.update_certificate(certificateId=certificate["certificateId"], newStatus=status)
        assert described(iot, certificate["certificateId"])["status"] == status


@pytest.mark.parametrize("status", ["PENDING_TRANSFER", "PENDING_ACTIVATION", "NONSENSE"])
def test_a_status_that_is_not_for_setting_is_refused(iot, certificate, status):
    with refused("InvalidRequestException", "CertificateStateException"):
        iot.update_certificate(certificateId=certificate["certificateId"], newStatus=status)
    assert described(iot, certificate["certificateId"])["status"] == "ACTIVE"


def test_an_unknown_certificate_is_not_found(iot):
    with refused("ResourceNotFoundException"):
        iot.describe_certificate(certificateId=UNKNOWN_ID)
    with refused("ResourceNotFoundException"):
        iot.update_certificate(certificateId=UNKNOWN_ID, newStatus="ACTIVE")
    with refused("ResourceNotFoundException"):
        iot.delete_certificate(certificateId=UNKNOWN_ID)


@pytest.mark.parametrize("bad", ["short", "z" * 64])
def test_an_id_that_cannot_be_one_is_refused(raw_iot, bad):
    with refused("InvalidRequestException", saying="at 'certificateId' failed to satisfy"):
        raw_iot.describe_certificate(certificateId=bad)


def test_an_active_certificate_is_not_deleted(iot, certificate):
    for force in [False, True]:
        saying = "Certificate must be deactivated (not ACTIVE) before deletion."
        with refused("CertificateStateException", saying=saying):
            iot.delete_certificate(certificateId=certificate["certificateId"], forceDelete=force)


def test_a_certificate_with_a_thing_is_not_deleted_even_by_force(iot, certificate, name):
    certificate_id, arn = certificate["certificateId"], certificate["certificateArn"]
    iot.create_thing(thingName=name)
    iot.attach_thing_principal(thingName=name, principal=arn)
    deactivate(iot, certificate_id)
    for force in [False, True]:
        saying = f"Things must be detached before deletion (arn: {arn})"
        with refused("DeleteConflictException", saying=saying):
            iot.delete_certificate(certificateId=certificate_id, forceDelete=force)
    iot.detach_thing_principal(thingName=name, principal=arn)
    iot.delete_certificate(certificateId=certificate_id)
    with refused("ResourceNotFoundException"):
        iot.describe_certificate(certificateId=certificate_id)


def test_force_detaches_the_policies_of_a_certificate(iot, certificate, name):
    certificate_id, arn = certificate["certificateId"], certificate["certificateArn"]
    iot.create_policy(policyName=name, policyDocument=documents.policy())
    iot.attach_policy(policyName=name, target=arn)
    deactivate(iot, certificate_id)
    saying = f"Certificate policies must be detached before deletion (arn: {arn})"
    with refused("DeleteConflictException", saying=saying):
        iot.delete_certificate(certificateId=certificate_id)
    iot.delete_certificate(certificateId=certificate_id, forceDelete=True)
    assert iot.list_targets_for_policy(policyName=name)["targets"] == []
    iot.delete_policy(policyName=name)


@pytest.mark.parametrize("key", ["rsa", "p256", "p384", "p521"])
def test_a_csr_becomes_a_certificate_for_its_key(iot, key):
    curves = {"p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1}
    private = documents.rsa_key() if key == "rsa" else documents.ec_key(curves[key])
    csr = documents.signing_request(private)
    first = iot.create_certificate_from_csr(certificateSigningRequest=csr, setAsActive=True)
    issued = load(first["certificatePem"]).public_key()
    assert documents.public_bytes(issued) == documents.public_bytes(private.public_key())
    assert first["certificateId"] == documents.certificate_id(first["certificatePem"])
    assert "keyPair" not in first
    again = iot.create_certificate_from_csr(certificateSigningRequest=csr)
    assert again["certificateId"] != first["certificateId"]
    assert described(iot, again["certificateId"])["status"] == "INACTIVE"


@pytest.mark.parametrize("csr", ["nonsense", "a certificate", "a short key", "a forged one"])
def test_a_csr_that_is_none_is_refused(iot, csr):
    good = documents.signing_request(documents.rsa_key())
    sent = {
        "nonsense": "hello",
        "a certificate": documents.self_signed(),
        "a short key": documents.signing_request(documents.rsa_key(1024)),
        "a forged one": forge(good),
    }[csr]
    with refused("InvalidRequestException"):
        iot.create_certificate_from_csr(certificateSigningRequest=sent)


def forge(csr):
    """The same request with another signature's bytes."""
    lines = csr.splitlines()
    lines[-2] = lines[-2].swapcase()
    return "\n".join(lines) + "\n"


def test_a_deleted_certificate_of_ours_is_registered_again_under_its_id(iot):
    issued = iot.create_keys_and_certificate(setAsActive=False)
    iot.delete_certificate(certificateId=issued["certificateId"])
    again = iot.register_certificate(certificatePem=issued["certificatePem"], setAsActive=False)
    assert again["certificateId"] == issued["certificateId"]
    assert again["certificateArn"] == issued["certificateArn"]
    assert described(iot, again["certificateId"])["status"] == "INACTIVE"


def test_a_registered_certificate_is_not_registered_twice(iot, certificate):
    saying = "The certificate is already provisioned or registered"
    with refused("ResourceAlreadyExistsException", saying=saying) as caught:
        iot.register_certificate(certificatePem=certificate["certificatePem"])
    assert caught.value.response["resourceId"] == certificate["certificateId"]
    assert caught.value.response["resourceArn"] == certificate["certificateArn"]
    with refused("ResourceAlreadyExistsException", saying=saying):
        iot.register_certificate_without_ca(certificatePem=certificate["certificatePem"])


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE"])
def test_a_certificate_of_nobody_is_registered_without_ca(iot, status):
    pem = documents.self_signed()
    registered = iot.register_certificate_without_ca(certificatePem=pem, status=status)
    assert registered["certificateId"] == documents.certificate_id(pem)
    description = described(iot, registered["certificateId"])
    assert (description["status"], description["certificateMode"]) == (status, "SNI_ONLY")
    assert description["certificatePem"] == pem


def test_a_certificate_without_ca_may_live_in_several_regions(server):
    pem = documents.self_signed()
    for region in ["us-east-1", "eu-west-1"]:
        registered = server.client(region=region).register_certificate_without_ca(
            certificatePem=pem, status="ACTIVE"
        )
        assert registered["certificateArn"] == arn(documents.certificate_id(pem), region)


def test_a_certificate_of_nobody_is_not_registered_as_that_of_a_ca(iot):
    with refused("CertificateValidationException", "InvalidRequestException"):
        iot.register_certificate(certificatePem=documents.self_signed())


@pytest.mark.parametrize("pem", ["hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_not_registered(iot, pem):
    with refused("CertificateValidationException", "InvalidRequestException"):
        iot.register_certificate_without_ca(certificatePem=pem, status="ACTIVE")
    with refused("CertificateValidationException", "InvalidRequestException"):
        iot.register_certificate(certificatePem=pem)

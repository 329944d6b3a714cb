"""Policy documents, keys and certificates that the tests send."""

import datetime
import hashlib
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


def policy(action="iot:Connect", resource="*", effect="Allow"):
    """A policy of one statement."""
    statement = {"Effect": effect, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def pem(thing):
    return thing.public_bytes(serialization.Encoding.PEM).decode()


def certificate_id(certificate_pem):
    certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def public_bytes(key):
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def rsa_key(bits=2048):
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def ec_key(curve=ec.SECP256R1):
    return ec.generate_private_key(curve())


def subject(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def signing_request(key, common_name="device"):
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject(common_name))
    return pem(builder.sign(key, hashes.SHA256()))


def self_signed(common_name="device", key=None):
    """A certificate that no authority vouches for, valid for a year."""
    return issued(key or ec_key(), subject(common_name))


def issued(key, name, issuer=None, signer=None, days=(-1, 365), extensions=(), ca=False):
    """A certificate from elsewhere, by `issuer` with the key `signer`, or else self-signed."""
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer or name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), True)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, False)
    return pem(builder.sign(signer or key, hashes.SHA256()))

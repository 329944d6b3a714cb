"""A device as its maker sees it: a thing, a certificate with its key, and a policy.

The names and ARNs that policies are written with stand here too.
"""

import json
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization

import documents
from harness import ACCOUNT, REGION

ACTIONS = ["iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive"]
CHANGED_WITHIN_S = 5


def arn(resource):
    """The ARN of `client/…`, `topic/…` or `topicfilter/…`; several for a list."""
    if isinstance(resource, str):
        return resource if resource == "*" else f"arn:aws:iot:{REGION}:{ACCOUNT}:{resource}"
    return [arn(one) for one in resource]


def allow(action, resource="*", **more):
    """A statement; `resource` as `arn` takes it."""
    return {"Effect": "Allow", "Action": action, "Resource": arn(resource)} | more


def deny(action, resource="*", **more):
    return allow(action, resource, **more) | {"Effect": "Deny"}


def document(*statements):
    """The text of a policy of these statements; a text stays as it is."""
    if len(statements) == 1 and isinstance(statements[0], str):
        return statements[0]
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def everything_on(*topics, client="*"):
    """The statements of a policy that is right: connect as `client`, use `topics` and no other."""
    return [
        allow("iot:Connect", f"client/{client}"),
        allow(["iot:Publish", "iot:Receive"], [f"topic/{topic}" for topic in topics]),
        allow("iot:Subscribe", [f"topicfilter/{topic}" for topic in topics]),
    ]


def tutorial_policy():
    """What many tutorials show: all four actions, on topics alone."""
    return document(allow(ACTIONS, "topic/*"))


@dataclass
class Device:
    """What a device is given, as files, and what its maker knows of it."""

    server: object
    name: str
    certificate_arn: str
    certificate_id: str
    certificate: str
    key: str
    root_ca: str

    @property
    def iot(self):
        return self.server.iot

    def tls(self, alpn=None):
        """What a client of this device needs for mutual TLS."""
        return tls(self.root_ca, self.certificate, self.key, alpn)

    def set_policy(self, *statements):
        """Attaches one more policy: its name."""
        count = len(self.iot.list_attached_policies(target=self.certificate_arn)["policies"])
        name = f"{self.name}-{count}"
        self.iot.create_policy(policyName=name, policyDocument=document(*statements))
        self.iot.attach_policy(policyName=name, target=self.certificate_arn)
        return name

    def detach_policies(self):
        iot, target = self.iot, self.certificate_arn
        for policy in iot.list_attached_policies(target=target)["policies"]:
            iot.detach_policy(policyName=policy["policyName"], target=target)

    def set_status(self, status):
        self.iot.update_certificate(certificateId=self.certificate_id, newStatus=status)

    def decision(self, action, resource, client_id=None):
        explained = self.server.explain(client_id or self.name, action, arn(resource))
        return explained["decision"]

    def wait_until(self, action, resource, decision, client_id=None):
        """Waits until a change of policies has arrived."""
        soon(lambda: self.decision(action, resource, client_id) == decision)


def make_device(
    server,
    folder,
    name,
    *statements,
    key=None,
    csr=None,
    certificate=None,
    thing=True,
    principal_type=None,
    **of_thing,
):
    """Makes a thing, a certificate and a policy, attached to one another, and writes the files.

    The key is the server's unless `key` is given: then the certificate is asked for with `csr`,
    or it is `certificate` from elsewhere. `thing=False` makes no thing; what else is named goes
    to CreateThing.
    """
    iot = server.iot
    made, private = issue(iot, name, key, csr, certificate)
    certificate, key_file = write(folder, name, made["certificatePem"], private)
    device = Device(
        server=server,
        name=name,
        certificate_arn=made["certificateArn"],
        certificate_id=made["certificateId"],
        certificate=certificate,
        key=key_file,
        root_ca=str(server.root_ca),
    )
    if thing:
        iot.create_thing(thingName=name, **of_thing)
        attached = {"thingPrincipalType": principal_type} if principal_type else {}
        iot.attach_thing_principal(thingName=name, principal=made["certificateArn"], **attached)
    if statements:
        device.set_policy(*statements)
    return device


def issue(iot, name, key, csr, certificate):
    """An active certificate, and the private key to it."""
    if key is None:
        made = iot.create_keys_and_certificate(setAsActive=True)
        return made, made["keyPair"]["PrivateKey"]
    if certificate is not None:
        made = iot.register_certificate_without_ca(certificatePem=certificate, status="ACTIVE")
        return made | {"certificatePem": certificate}, private_pem(key)
    csr = csr or documents.signing_request(key, name)
    made = iot.create_certificate_from_csr(certificateSigningRequest=csr, setAsActive=True)
    return made, private_pem(key)


def quick_device(server, folder, name, *statements, **more):
    """As `make_device`, with an elliptic key of the device's own, which takes no time to make."""
    more.setdefault("key", documents.ec_key())
    return make_device(server, folder, name, *statements, **more)


def write(folder, name, certificate_pem, private):
    """Writes a certificate and its key: the names of both files."""
    certificate, key = Path(folder) / f"{name}.crt", Path(folder) / f"{name}.key"
    certificate.write_text(certificate_pem)
    key.write_text(private)
    key.chmod(0o600)
    return str(certificate), str(key)


def private_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


def tls(root_ca, certificate=None, key=None, alpn=None):
    """A client's side of TLS that trusts `root_ca` alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(root_ca)
    if certificate:
        context.load_cert_chain(certificate, key)
    if alpn:
        context.set_alpn_protocols([alpn])
    return context


def soon(is_so, within_s=CHANGED_WITHIN_S):
    """Waits until something is so; what it was at last, once it is."""
    deadline = time.monotonic() + within_s
    while not (result := is_so()):
        assert time.monotonic() < deadline, f"not so within {within_s} s"
        time.sleep(0.02)
    return result


def logged(server, within_s=CHANGED_WITHIN_S, **wanted):
    """Waits for the newest entry of the device log whose members are `wanted`."""

    def newest():
        events = server.device_log()
        found = (e for e in events if all(e.get(k) == v for k, v in wanted.items()))
        return next(found, None)

    return soon(newest, within_s)

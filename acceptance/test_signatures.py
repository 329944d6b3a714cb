"""Signatures: what is accepted, what is refused, and how."""

import json
import uuid

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import sigv4
from harness import ACCOUNT, REGION

THINGS = "/things"


def expect(answer, status, error=None):
    got, headers, body = answer
    kind = headers.get("x-amzn-errortype", "").split(":")[0]
    assert (got, kind) == (status, error or ""), (got, headers, body)
    assert uuid.UUID(headers["x-amzn-requestid"])
    assert headers["content-type"].startswith("application/")
    document = json.loads(body or "{}")
    if error:
        assert document.get("message") or document.get("Message")
    return document


def refused(answer, error):
    return expect(answer, 403, error)


def send(server, method="GET", target=THINGS, body=b"", **changes):
    """Signs correctly but for `changes`, and sends."""
    host = f"127.0.0.1:{server.port}"
    signing = {"keys": server.keys()} | changes
    return sigv4.send(server.port, sigv4.sign(method, host, target, body, **signing))


def test_our_signer_agrees_with_that_of_botocore():
    date = sigv4.amz_date()
    target = "/things/a%2Fb?maxResults=3&attributeName=x%20y"
    request = AWSRequest("GET", "http://h:1" + target, headers={"x-amz-date": date})
    request.context["timestamp"] = date
    signer = SigV4Auth(Credentials("AKID", "secret"), "iot", REGION)
    headers = {"host": "h:1", "x-amz-date": date}
    theirs = signer.canonical_request(request).splitlines()
    body_hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    ours = sigv4.canonical_request("GET", target, headers, body_hash).splitlines()
    assert ours == theirs
    scope = f"{date[:8]}/{REGION}/iot/aws4_request"
    text = signer.string_to_sign(request, "\n".join(theirs))
    signature = sigv4.signature_of("secret", date, scope, "\n".join(ours))
    assert signature == signer.signature(text, request)


def test_a_good_signature_is_accepted(server):
    assert expect(send(server), 200) == {"things": []}


def test_an_unsigned_call_is_refused(server):
    request = sigv4.Request("GET", THINGS, {"host": "localhost"})
    refused(sigv4.send(server.port, request), "MissingAuthenticationTokenException")


def test_an_unknown_key_is_refused(server):
    unknown = ("AKIAAAAAAAAAAAAAAAAA", "x" * 40)
    refused(send(server, keys=unknown), "UnrecognizedClientException")


def test_a_wrong_secret_is_refused(server):
    keys = (server.keys()[0], "x" * 40)
    refused(send(server, keys=keys), "InvalidSignatureException")


@pytest.mark.parametrize("offset_s", [-360, 360, -86400, 86400 * 365])
def test_a_clock_that_is_off_is_refused(server, offset_s):
    date = sigv4.amz_date(offset_s)
    refused(send(server, date=date), "InvalidSignatureException")


@pytest.mark.parametrize("offset_s", [-240, 240])
def test_a_clock_that_is_a_little_off_is_accepted(server, offset_s):
    expect(send(server, date=sigv4.amz_date(offset_s)), 200)


def signed(server, method="GET", target=THINGS, body=b"", **changes):
    host = f"127.0.0.1:{server.port}"
    return sigv4.sign(method, host, target, body, **({"keys": server.keys()} | changes))


def test_what_was_changed_after_signing_is_refused(server):
    tampered = []
    for field, value in [
        ("body", b'{"attributePayload":{}}'),
        ("target", "/things/other"),
        ("target", "/things/mine?x=1"),
        ("method", "PATCH"),
    ]:
        request = signed(server, "POST", "/things/mine", b"{}")
        setattr(request, field, value)
        tampered.append(request)
    request = signed(server, headers={"x-amzn-principal": "a"})
    request.headers["x-amzn-principal"] = "b"
    tampered.append(request)
    for request in tampered:
        refused(sigv4.send(server.port, request), "InvalidSignatureException")
    assert expect(send(server), 200) == {"things": []}


@pytest.mark.parametrize(
    "authorization",
    [
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=b",
        "AWS4-HMAC-SHA256 Credential=AKIAAAAAAAAAAAAAAAAA/x/y/z/w, SignedHeaders=host, Signature=0",
        "Basic dXNlcjpwYXNz",
        "Bearer x",
        "ä" * 3000,
    ],
)
def test_an_authorization_that_is_none_is_refused(server, authorization):
    request = signed(server)
    request.headers["authorization"] = authorization
    status, headers, _ = sigv4.send(server.port, request)
    assert status in (400, 403), headers


def test_a_signature_without_the_host_is_refused(server):
    request = signed(server)
    header = request.headers["authorization"].replace("host;", "")
    request.headers["authorization"] = header
    status, headers, _ = sigv4.send(server.port, request)
    assert status == 403, headers


def test_the_host_is_signed_with_its_port_or_without(server):
    expect(send(server, signed_host="127.0.0.1"), 200)
    expect(send(server, signed_host=f"127.0.0.1:{server.port}"), 200)
    refused(send(server, signed_host="example.com"), "InvalidSignatureException")


@pytest.mark.parametrize("service", ["iot", "execute-api"])
def test_the_scope_of_old_clients_is_accepted(server, service):
    expect(send(server, service=service), 200)


@pytest.mark.parametrize("service", ["s3", "", "iotx"])
def test_the_scope_of_another_service_is_refused(server, service):
    status, headers, _ = send(server, service=service)
    assert status in (403, 404), headers


def test_the_path_is_verified_as_it_was_sent(server):
    body = b'{"attributePayload":{"attributes":{"a":"1"}}}'
    expect(send(server, "POST", "/things/a%3Ab", body), 200)
    thing = expect(send(server, target="/things/a%3Ab"), 200)
    assert thing["thingName"] == "a:b"
    assert expect(send(server, target="/things/a:b"), 200) == thing
    expect(send(server, "DELETE", "/things/a%3ab"), 200)
    error = expect(send(server, target="/things/a%2Fb"), 400, "InvalidRequestException")
    assert "'a/b' at 'thingName'" in error["message"]


@pytest.mark.parametrize("target", ["/things?maxResults=5", "/things?maxResults=5&attributeName=a%2Cb&attributeValue=c%20d"])
def test_a_query_is_part_of_what_is_signed(server, target):
    status, headers, _ = send(server, target=target)
    assert status in (200, 400), headers
    request = signed(server, target=target)
    request.target = target.replace("5", "6")
    refused(sigv4.send(server.port, request), "InvalidSignatureException")


def presigned(server, **changes):
    host = f"127.0.0.1:{server.port}"
    keys = changes.pop("keys", server.keys())
    return sigv4.presign(host, "/things?maxResults=2", keys, **changes)


def test_a_presigned_get_is_accepted_while_it_lasts(server):
    expect(sigv4.send(server.port, presigned(server)), 200)
    late = presigned(server, date=sigv4.amz_date(-120), expires_s=60)
    status, headers, _ = sigv4.send(server.port, late)
    assert status == 403, headers


@pytest.mark.parametrize("expires_s", [0, -1, 604801, "x", 10**30])
def test_a_presigned_get_lasts_a_week_at_most(server, expires_s):
    status, headers, _ = sigv4.send(server.port, presigned(server, expires_s=expires_s))
    assert status in (400, 403), headers


def test_a_presigned_get_that_was_changed_is_refused(server):
    request = presigned(server)
    request.target = request.target.replace("maxResults=2", "maxResults=3")
    refused(sigv4.send(server.port, request), "InvalidSignatureException")
    wrong = presigned(server, keys=(server.keys()[0], "x" * 40))
    refused(sigv4.send(server.port, wrong), "InvalidSignatureException")


def test_an_unsigned_payload_is_accepted_where_it_says_so(server):
    host, keys = f"127.0.0.1:{server.port}", server.keys()
    request = sigv4.sign(
        "GET", host, THINGS, keys=keys, headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    )
    covered = {"host", "x-amz-content-sha256", "x-amz-date"}
    canonical = sigv4.canonical_request(
        "GET", THINGS, {name: request.headers[name] for name in covered}, "UNSIGNED-PAYLOAD"
    )
    date = request.headers["x-amz-date"]
    scope = f"{date[:8]}/{REGION}/iot/aws4_request"
    before, _, _ = request.headers["authorization"].rpartition("=")
    signature = sigv4.signature_of(keys[1], date, scope, canonical)
    request.headers["authorization"] = f"{before}={signature}"
    expect(sigv4.send(server.port, request), 200)


def test_a_token_that_nobody_gave_out_is_refused(server):
    status, headers, _ = send(server, headers={"x-amz-security-token": "FwoGZXIvYXdzEBY"})
    kind = headers.get("x-amzn-errortype", "").split(":")[0]
    assert status == 403, headers
    assert kind in ("UnrecognizedClientException", "ExpiredTokenException")


def test_an_error_has_the_wire_form_of_aws(server):
    answer = send(server, target="/things/unknown")
    document = expect(answer, 404, "ResourceNotFoundException")
    assert set(document) == {"message"}
    assert answer[1]["content-type"].startswith("application/json")


def test_the_caller_is_known(server):
    identity = server.client("sts").get_caller_identity()
    assert identity["Account"] == ACCOUNT
    assert identity["Arn"].startswith(f"arn:aws:iam::{ACCOUNT}:")
    assert identity["UserId"]

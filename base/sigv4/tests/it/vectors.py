"""Writes vectors.json: requests signed by botocore, the reference for `vectors.rs`.

Run with botocore installed: python vectors.py > vectors.json
"""

import datetime
import json
from urllib.parse import urlsplit

import botocore.auth
from botocore.auth import S3SigV4Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = datetime.datetime(2015, 8, 30, 12, 36, tzinfo=datetime.timezone.utc)
botocore.auth.get_current_datetime = lambda *_: NOW

HOST = "https://iot.us-east-1.amazonaws.com"
JSON = {"Content-Type": "application/json"}
CASES = [
    ("GET", "/things", {}, b""),
    ("GET", "/", {}, b""),
    ("GET", "", {}, b""),
    ("GET", "/things?maxResults=10&nextToken=a%2Fb%3D%3D", {}, b""),
    ("GET", "/things?b=2&a=1&a=0&B=3", {}, b""),
    ("GET", "/things?flag&empty=&x=1", {}, b""),
    ("GET", "/things?name=a%20b&other=a%2Bb", {}, b""),
    ("GET", "/things?q=a/b:c", {}, b""),
    ("GET", "/things?q=a+b", {}, b""),
    ("GET", "/things?u=%C3%A9%E1%88%B4", {}, b""),
    ("GET", "/things?-._~=-._~", {}, b""),
    ("GET", "/things?thing-1=x&thing=y&thing.1=z", {}, b""),
    ("GET", "/things/a%2Fb", {}, b""),
    ("GET", "/things/caf%C3%A9", {}, b""),
    ("GET", "/things/a%20b:c", {}, b""),
    ("GET", "/things/-._~", {}, b""),
    ("GET", "/things/a@b,c=d;e", {}, b""),
    ("GET", "/things/", {}, b""),
    ("GET", "/things//a", {}, b""),
    ("GET", "/things/./a", {}, b""),
    ("GET", "/things/../a", {}, b""),
    ("GET", "/a/b/../../c/.", {}, b""),
    ("GET", "//", {}, b""),
    ("GET", "/./", {}, b""),
    ("GET", "/../..", {}, b""),
    ("GET", "/arn%3Aaws%3Aiot%3Aus-east-1%3A123456789012%3Athing%2Fx", {}, b""),
    ("POST", "/things/lamp", JSON, b'{"thingTypeName":"lamp"}'),
    ("POST", "/topics/a%2Fb%2Fc?qos=1", {"Content-Type": "application/octet-stream"}, b"hello"),
    ("POST", "/topics/a/b/c?qos=1&retain=true", {}, b"\x00\x01\xff"),
    ("POST", "/topics/%24aws%2Fthings%2Fx%2Fshadow%2Fupdate", {}, b"{}"),
    ("POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}, b"Action=x&Version=1"),
    ("POST", "/", {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "T.ListTunnels"}, b"{}"),
    ("PUT", "/policies/p/version", {**JSON, "X-Custom": "  a   b  "}, b'{"a":"b"}'),
    ("PUT", "/things/x", {**JSON, "X-Quoted": '"a   b"'}, b""),
    ("PATCH", "/things/x", {**JSON, "X-Empty": ""}, b"{}"),
    ("DELETE", "/things/x?expectedVersion=3", {}, b""),
    ("DELETE", "/certificates/" + "ab" * 32 + "?forceDelete=true", {}, b""),
    ("HEAD", "/things", {"X-Tab": "a\tb"}, b""),
    ("POST", "/things/large", JSON, b"x" * 10000),
]


def sign(kind, method, path, headers, body, service="iot", token=None, host=HOST):
    credentials = Credentials(KEY_ID, SECRET, token)
    request = AWSRequest(method, host + path, headers=dict(headers), data=body)
    signer = {"header": SigV4Auth, "s3": S3SigV4Auth, "query": SigV4QueryAuth}[kind]
    options = {"expires": 900} if kind == "query" else {}
    signer(credentials, service, "us-east-1", **options).add_auth(request)
    parts = urlsplit(request.url)
    sent = [("host", parts.netloc)] + [(n.lower(), v) for n, v in request.headers.items()]
    return {
        "kind": kind,
        "method": method,
        "path": parts.path,
        "query": parts.query,
        "headers": [[n, v] for n, v in sent],
        "body": body.decode("latin-1"),
        "service": service,
        "token": token,
    }


def vectors():
    for case in CASES:
        yield sign("header", *case)
    yield sign("header", *CASES[26], service="iotdata", token="a/token+with=signs")
    yield sign("header", *CASES[26], service="execute-api", host="https://localhost:8443")
    yield sign("s3", "PUT", "/bucket/a%20b//c/../%C3%A9", {}, b"object", service="s3")
    yield sign("query", "GET", "/mqtt", {}, b"", service="iotdata")
    yield sign("query", "GET", "/things", {}, b"", token="a/token+with=signs")
    yield sign("query", "GET", "/things/a%2Fb?maxResults=3", {}, b"")


print(json.dumps(list(vectors()), indent=1))

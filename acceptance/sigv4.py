"""AWS Signature Version 4 by hand, so that a test can get any part of it wrong.

`test_signatures.py` holds it against botocore's signer.
"""

import datetime
import hashlib
import hmac
import socket
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass
class Request:
    """A request as it goes over the wire."""

    method: str
    target: str
    headers: dict = field(default_factory=dict)
    body: bytes = b""

    def encode(self):
        headers = self.headers | {"content-length": str(len(self.body))}
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


def amz_date(offset_s=0):
    now = datetime.datetime.now(datetime.timezone.utc)
    return (now + datetime.timedelta(seconds=offset_s)).strftime("%Y%m%dT%H%M%SZ")


def sign(
    method,
    host,
    target,
    body=b"",
    keys=("", ""),
    region="us-east-1",
    service="iot",
    date=None,
    signed_host=None,
    headers=None,
):
    """A request signed in its headers. `signed_host` is what the signature covers instead of `host`."""
    date = date or amz_date()
    all_headers = {"host": host, "x-amz-date": date} | {
        name.lower(): value for name, value in (headers or {}).items()
    }
    covered = all_headers | {"host": signed_host or host}
    scope = f"{date[:8]}/{region}/{service}/aws4_request"
    canonical = canonical_request(method, target, covered, hashlib.sha256(body).hexdigest())
    signature = signature_of(keys[1], date, scope, canonical)
    all_headers["authorization"] = (
        f"{ALGORITHM} Credential={keys[0]}/{scope}, "
        f"SignedHeaders={';'.join(sorted(covered))}, Signature={signature}"
    )
    return Request(method, target, all_headers, body)


def presign(host, path, keys, region="us-east-1", service="iot", date=None, expires_s=60):
    """A GET whose signature stands in its query."""
    date = date or amz_date()
    scope = f"{date[:8]}/{region}/{service}/aws4_request"
    query = "&".join(
        f"{name}={quote(str(value), safe='-_.~')}"
        for name, value in [
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", f"{keys[0]}/{scope}"),
            ("X-Amz-Date", date),
            ("X-Amz-Expires", expires_s),
            ("X-Amz-SignedHeaders", "host"),
        ]
    )
    target = f"{path}{'&' if '?' in path else '?'}{query}"
    canonical = canonical_request("GET", target, {"host": host}, hashlib.sha256(b"").hexdigest())
    signature = signature_of(keys[1], date, scope, canonical)
    return Request("GET", f"{target}&X-Amz-Signature={signature}", {"host": host})


def canonical_request(method, target, headers, body_hash):
    path, _, query = target.partition("?")
    pairs = [pair.partition("=")[::2] for pair in query.split("&") if pair]
    encoded = sorted(
        (quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~"))
        for name, value in pairs
    )
    lines = [method, quote(path, safe="/-_.~"), "&".join(f"{n}={v}" for n, v in encoded)]
    lines += [f"{name}:{' '.join(headers[name].split())}" for name in sorted(headers)]
    return "\n".join([*lines, "", ";".join(sorted(headers)), body_hash])


def signature_of(secret, date, scope, canonical):
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join([ALGORITHM, date, scope, hashed])
    return hmac.digest(key, text.encode(), "sha256").hex()


def send(port, request, timeout_s=30):
    """Sends one request on a connection of its own: (status, headers, body)."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        connection.sendall(request.encode())
        return read_response(connection)


def read_response(connection):
    """Reads one response: (status, headers with lower-case names, body)."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _receive(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", 0))
    while len(body) < length:
        body += _receive(connection)
    return int(status_line.split()[1]), headers, body


def _receive(connection):
    chunk = connection.recv(65536)
    if not chunk:
        raise ConnectionError("the server closed the connection")
    return chunk

"""An HTTPS server on this machine that keeps what is posted to it, and answers as it is told."""

import ipaddress
import json
import ssl
import threading
from collections import defaultdict
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509

from device import private_pem
from documents import ec_key, issued, subject

WITHIN_S = 20


@dataclass
class Post:
    """A request as it came."""

    target: str
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)


def certificate_files(folder, name="trusted"):
    """A certificate of `localhost` that vouches for itself; and it with its key, in one file."""
    key, loopback = ec_key(), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), loopback])
    certificate = issued(key, subject("localhost"), extensions=[names])
    alone, both = folder / f"{name}.pem", folder / f"{name}-with-key.pem"
    alone.write_text(certificate)
    both.write_text(private_pem(key) + certificate)
    return alone, both


class Webhook:
    """Each request has a connection of its own, so that a test can change the certificate."""

    def __init__(self, folder):
        self.trusted, self.certificate = certificate_files(folder)
        self.changed, self.posts = threading.Condition(), defaultdict(list)
        self.answers = defaultdict(list)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        self.server.daemon_threads = True
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # Whoever resumes a session does not ask for the certificate again.
        self.context.num_tickets = 0
        self.context.options |= ssl.OP_NO_TICKET
        self.show(self.certificate)
        wrap = self.context.wrap_socket
        self.server.socket = wrap(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def show(self, certificate):
        """Has this certificate from now on."""
        self.context.load_cert_chain(certificate)

    def will(self, path, *answers):
        """Answers the next posts to `path` so: a status, or a function of the handler."""
        self.answers[path] = list(answers)

    def heard(self, path, count=1):
        """The posts to `path`, once there are so many."""
        with self.changed:
            there = self.changed.wait_for(lambda: len(self.posts[path]) >= count, WITHIN_S)
            assert there, f"{path} was sent {len(self.posts[path])} posts of {count}"
            return list(self.posts[path])

    def count(self, path):
        with self.changed:
            return len(self.posts[path])

    def keep(self, post):
        """Keeps a post, and says how it is answered."""
        path = post.target.partition("?")[0]
        with self.changed:
            self.posts[path].append(post)
            self.changed.notify_all()
            return self.answers[path].pop(0) if self.answers[path] else 200

    def token(self, path):
        """The token that the destination at `path` was asked to confirm with."""
        return self.heard(f"{path}/")[-1].json()["confirmationToken"]

    def stop(self):
        self.server.shutdown()


def handler(webhook):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = webhook.keep(Post(self.path, headers, body))
            if callable(answer):
                return answer(self)
            self.reply(answer)

        def reply(self, status, body=b"", **headers):
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler

"""AWS as moto plays it: rules send there, and boto3 reads what arrived.

It stands on a port of its own, can be stopped and started again, and keeps what it was sent.
"""

import threading
from urllib.parse import urlsplit

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from harness import REGION, free_port

ACCOUNT = "123456789012"
KEYS = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
# As `[targets.…]` names them.
SERVICES = ("s3", "dynamodb", "sqs", "sns", "kinesis", "firehose", "cloudwatch", "logs", "sts")


class Aws:
    """Every service of AWS that rules send to. `signers` has the access keys of what it answered."""

    def __init__(self):
        self.port = free_port()
        self.app = DomainDispatcherApplication(create_backend_app)
        self.refusals = 0
        self.signers = []
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **more):
        """The settings of a server whose rules send to it, and which may."""
        chosen = {"outbound.allow": "127.0.0.1"}
        own = zip(("access_key_id", "secret_access_key"), KEYS)
        chosen |= {f"targets.credentials.{name}": value for name, value in own}
        for service in SERVICES:
            chosen |= {f"targets.{service}.backend": "aws", f"targets.{service}.endpoint": self.url}
        chosen |= more
        return [part for name, value in chosen.items() for part in ("--set", f"{name}={value}")]

    def client(self, service, keys=KEYS):
        return boto3.session.Session().client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=keys[0],
            aws_secret_access_key=keys[1],
        )

    def start(self):
        place = ("127.0.0.1", self.port, self.answer)
        self.server = make_server(*place, threaded=True, request_handler=Quiet)
        self.thread = threading.Thread(target=self.server.serve_forever, name="moto")
        self.thread.start()

    def stop(self):
        """Nobody listens any more; what it has stays."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def refuse(self, count):
        """Answers so many of the next requests as a service does that is overloaded."""
        self.refusals = count

    def answer(self, environ, start_response):
        if self.refusals:
            self.refusals -= 1
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return [b""]
        answer = self.app(environ, start_response)
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        self.signers.append(authorization.partition("Credential=")[2].partition("/")[0])
        return answer


class Quiet(WSGIRequestHandler):
    """Each request would be a line."""

    def log_request(self, *_):
        pass


def queue_url(aws, answered):
    """Where a queue is, whatever host moto says that it has."""
    return aws.url + urlsplit(answered).path

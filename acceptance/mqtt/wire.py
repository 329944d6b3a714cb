"""A server in one dialect, and what a script needs to talk to it in one version."""

import os
import uuid
from typing import NamedTuple

from clauses import VERSIONS
from harness import Server
from mqtt_raw import (
    CLOSED,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    V5,
    Client,
    ack,
    connect,
    disconnect,
    publish,
)

AWS, STANDARD = "aws", "standard"
DIALECTS = (AWS, STANDARD)
NAMES = {version: name for name, version in VERSIONS.items()}
# The port of another broker, to try the scripts of the standard dialect on.
PEER = os.environ.get("FERRITE_WIRE_PEER")


class Spoken(NamedTuple):
    """What a script speaks with the server in one of its runs."""

    dialect: str
    version: int

    def __str__(self):
        return f"{self.dialect}-{NAMES[self.version]}"


def spoken_by(script):
    """All runs of a script: the dialects it is true in, and the versions that it cites."""
    tried = [STANDARD] if PEER else DIALECTS
    return [
        Spoken(dialect, version)
        for dialect in getattr(script, "dialects", DIALECTS)
        if dialect in tried
        for version in script.versions
    ]


class Peer:
    """Another broker."""

    mqtt_port = int(PEER or 0)


def start(dialect, folder):
    """A server whose plain door lets everybody in. AWS's dialect is what it speaks unasked."""
    if PEER:
        return Peer()
    settings = [] if dialect == AWS else ["--set", f"mqtt.dialect={dialect}"]
    return Server(folder / dialect, "--dev", *settings).start()


class PeerClient(Client):
    """A client of another broker, which need not say why it closes a connection."""

    def is_closed(self, code=None, **more):
        answer = self.read(**more)
        return answer is CLOSED or self.read(**more) is CLOSED


class Wire:
    """What one script sees: a server, a version, and names that no other script uses."""

    def __init__(self, server, dialect, version):
        self.server, self.dialect, self.version = server, dialect, version
        self.topic = self.new_name()
        self.clients = []

    @property
    def is_aws(self):
        return self.dialect == AWS

    def new_name(self):
        """A client id that every server must take, and a topic level."""
        return uuid.uuid4().hex[:16]

    def dial(self, version=None):
        """A connection on which nothing has been sent."""
        kind = PeerClient if isinstance(self.server, Peer) else Client
        self.clients.append(kind(self.server.mqtt_port, version=version or self.version))
        return self.clients[-1]

    def join(self, client_id=None, version=None, **more):
        """A client that is let in."""
        client = self.dial(version)
        client.connack = client.connect(client_id or self.new_name(), **more)
        return client

    def attend(self, client_id, version=None, expiry_s=300, **more):
        """A client whose session stays when it leaves, and is taken up if it is there."""
        if (version or self.version) == V5:
            more["props"] = {"session_expiry": expiry_s} | more.get("props", {})
        return self.join(client_id, version, **({"clean": False} | more))

    def refused(self, *packets):
        """What the server says to a client that begins so, before it closes: CLOSED if nothing."""
        client = self.dial()
        answer = client.exchange(*packets)
        assert answer is CLOSED or client.read() is CLOSED, "the connection stays open"
        return answer

    def turned_away(self, client_id, **more):
        """The same for a client whose CONNECT is made so."""
        return self.refused(connect(client_id, version=self.version, **more))

    def leave(self, client, **more):
        """Says goodbye, and waits for the server's end."""
        assert client.say(disconnect, **more).read() is CLOSED

    def end(self):
        for client in self.clients:
            client.drop()


def brief(packets):
    """Of each message its topic, payload, QoS and RETAIN."""
    return [(one.topic, one.payload, one.qos, one.retain) for one in packets]


def deliver(client, topic, payload=b"", qos=0, packet_id=1, **more):
    """Publishes, and sees it through until the message is the server's: its last answer."""
    client.say(publish, topic, payload, qos, packet_id=packet_id, **more)
    if qos == 0:
        return client.ping()
    if qos == 1:
        return client.expect(PUBACK, packet_id=packet_id)
    client.expect(PUBREC, packet_id=packet_id)
    client.send(ack(PUBREL, packet_id))
    return client.expect(PUBCOMP, packet_id=packet_id)


def receive(client):
    """The next message, acknowledged in full."""
    message = client.expect(PUBLISH)
    if message.qos == 1:
        client.send(ack(PUBACK, message.packet_id))
    if message.qos == 2:
        client.send(ack(PUBREC, message.packet_id))
        client.expect(PUBREL, packet_id=message.packet_id)
        client.send(ack(PUBCOMP, message.packet_id))
    return message


def hear(client, count):
    """The topics and payloads of the next messages, acknowledged; and nothing comes after them."""
    heard, recorded = [], set()
    while len(heard) < count or recorded:
        found = client.read()
        assert found is not CLOSED, f"closed after {heard}"
        assert found.kind in (PUBLISH, PUBREL), found
        if found.kind == PUBREL:
            recorded.remove(found.packet_id)
            client.send(ack(PUBCOMP, found.packet_id))
            continue
        heard.append((found.topic, found.payload))
        if found.qos:
            client.send(ack(PUBACK if found.qos == 1 else PUBREC, found.packet_id))
        if found.qos == 2:
            recorded.add(found.packet_id)
    client.ping()
    return heard

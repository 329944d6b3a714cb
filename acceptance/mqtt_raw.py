"""MQTT by hand, so that a test can send any bytes and see exactly what comes back.

Both versions; packets are written by the functions below and read as `Packet`.
"""

import socket
import struct
from dataclasses import dataclass, field

V311, V5 = 4, 5
TIMEOUT_S = 10
# What `Client.read` returns once the server has closed the connection.
CLOSED = None

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = range(1, 8)
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(8, 16)
ACKS = (PUBACK, PUBREC, PUBREL, PUBCOMP)

# MQTT 5, 2.2.2.2: the identifier and the form of each property.
PROPERTIES = {
    "payload_format": (0x01, "byte"),
    "message_expiry": (0x02, "four"),
    "content_type": (0x03, "text"),
    "response_topic": (0x08, "text"),
    "correlation_data": (0x09, "bytes"),
    "subscription_id": (0x0B, "varint"),
    "session_expiry": (0x11, "four"),
    "assigned_client_id": (0x12, "text"),
    "server_keep_alive": (0x13, "two"),
    "authentication_method": (0x15, "text"),
    "authentication_data": (0x16, "bytes"),
    "request_problem_information": (0x17, "byte"),
    "will_delay": (0x18, "four"),
    "request_response_information": (0x19, "byte"),
    "response_information": (0x1A, "text"),
    "server_reference": (0x1C, "text"),
    "reason_string": (0x1F, "text"),
    "receive_maximum": (0x21, "two"),
    "topic_alias_maximum": (0x22, "two"),
    "topic_alias": (0x23, "two"),
    "maximum_qos": (0x24, "byte"),
    "retain_available": (0x25, "byte"),
    "user": (0x26, "pair"),
    "maximum_packet_size": (0x27, "four"),
    "wildcards_available": (0x28, "byte"),
    "subscription_ids_available": (0x29, "byte"),
    "shared_available": (0x2A, "byte"),
}
BY_ID = {number: (name, form) for name, (number, form) in PROPERTIES.items()}


@dataclass
class Packet:
    """A packet from the server."""

    kind: int
    flags: int = 0
    code: int = 0
    codes: list = field(default_factory=list)
    session_present: bool = False
    packet_id: int = 0
    topic: str = ""
    payload: bytes = b""
    properties: dict = field(default_factory=dict)
    bytes: int = 0

    @property
    def qos(self):
        return self.flags >> 1 & 3

    @property
    def retain(self):
        return bool(self.flags & 1)

    @property
    def dup(self):
        return bool(self.flags & 8)


def varint(number):
    encoded = bytearray()
    while True:
        number, digit = divmod(number, 128)
        encoded.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(encoded)


def data(value):
    """A text or bytes behind its length."""
    value = value.encode() if isinstance(value, str) else value
    return struct.pack("!H", len(value)) + value


def packet(kind, body=b"", flags=0):
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


def properties(version, values):
    """The property block, which MQTT 3.1.1 does not have."""
    if version < V5:
        return b""
    encoded = b"".join(
        bytes([PROPERTIES[name][0]]) + property_value(PROPERTIES[name][1], one)
        for name, value in (values or {}).items()
        for one in (value if isinstance(value, list) else [value])
    )
    return varint(len(encoded)) + encoded


def property_value(form, value):
    if form == "pair":
        return data(value[0]) + data(value[1])
    if form in ("text", "bytes"):
        return data(value)
    if form == "varint":
        return varint(value)
    return struct.pack({"byte": "!B", "two": "!H", "four": "!I"}[form], value)


def connect(
    client_id,
    version=V311,
    clean=True,
    keep_alive=60,
    will=None,
    user_name=None,
    password=None,
    props=None,
    protocol="MQTT",
    level=None,
    flipped=0,
):
    """CONNECT. `will` is a dict of topic, payload, qos, retain, props.

    `protocol`, `level` and `flipped` (bits of the flags) make it a wrong one.
    """
    flags = (2 if clean else 0) | (0x80 if user_name is not None else 0)
    flags |= 0x40 if password is not None else 0
    payload = data(client_id)
    if will is not None:
        flags |= 4 | will.get("qos", 0) << 3 | (0x20 if will.get("retain") else 0)
        payload += properties(version, will.get("props"))
        payload += data(will["topic"]) + data(will.get("payload", b""))
    for credential in (user_name, password):
        payload += b"" if credential is None else data(credential)
    level = version if level is None else level
    header = data(protocol) + struct.pack("!BBH", level, flags ^ flipped, keep_alive)
    return packet(CONNECT, header + properties(version, props) + payload)


def publish(
    topic, payload=b"", qos=0, packet_id=1, retain=False, dup=False, version=V311, props=None
):
    payload = payload.encode() if isinstance(payload, str) else payload
    header = data(topic) + (struct.pack("!H", packet_id) if qos else b"")
    flags = dup << 3 | qos << 1 | retain
    return packet(PUBLISH, header + properties(version, props) + payload, flags)


def subscribe(*filters, qos=0, packet_id=1, version=V311, props=None, options=0):
    """SUBSCRIBE. A filter may be a pair with options of its own, the QoS among them."""
    body = struct.pack("!H", packet_id) + properties(version, props)
    for one in filters:
        text, own = one if isinstance(one, tuple) else (one, qos | options)
        body += data(text) + bytes([own])
    return packet(SUBSCRIBE, body, 2)


def unsubscribe(*filters, packet_id=1, version=V311, props=None):
    body = struct.pack("!H", packet_id) + properties(version, props)
    return packet(UNSUBSCRIBE, body + b"".join(data(one) for one in filters), 2)


def puback(packet_id):
    return packet(PUBACK, struct.pack("!H", packet_id))


def ack(kind, packet_id, code=None, version=V311, props=None):
    """PUBACK, PUBREC, PUBREL or PUBCOMP; in MQTT 5 with a code if one is given."""
    body = struct.pack("!H", packet_id)
    if code is not None:
        body += bytes([code]) + (properties(version, props) if props else b"")
    return packet(kind, body, 2 if kind == PUBREL else 0)


def auth(code=None, version=V5, props=None):
    """AUTH, which MQTT 3.1.1 does not have."""
    return packet(AUTH, b"" if code is None else bytes([code]) + properties(version, props))


def disconnect(version=V311, code=0, props=None):
    if version < V5 or (code == 0 and not props):
        return packet(DISCONNECT)
    return packet(DISCONNECT, bytes([code]) + properties(version, props))


PING = packet(PINGREQ)


class Reader:
    """Takes a body apart."""

    def __init__(self, body):
        self.rest = body

    def take(self, count):
        assert len(self.rest) >= count, "the server sent a packet that ends too early"
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def byte(self):
        return self.take(1)[0]

    def two(self):
        return struct.unpack("!H", self.take(2))[0]

    def four(self):
        return struct.unpack("!I", self.take(4))[0]

    def bytes(self):
        return self.take(self.two())

    def text(self):
        return self.bytes().decode()

    def pair(self):
        return (self.text(), self.text())

    def varint(self):
        number = shift = 0
        while True:
            digit = self.byte()
            number |= (digit & 0x7F) << shift
            shift += 7
            if digit < 0x80:
                return number

    def properties(self):
        if not self.rest:
            return {}
        block, found = Reader(self.take(self.varint())), {}
        while block.rest:
            name, form = BY_ID[block.byte()]
            value = getattr(block, form)()
            if name in ("user", "subscription_id"):
                found.setdefault(name, []).append(value)
            else:
                assert name not in found, f"the server sent {name} twice"
                found[name] = value
        return found


def parse(kind, flags, body, version):
    """A packet from its bytes; what is left over is an error of the server's."""
    reader, found = Reader(body), Packet(kind, flags)
    is_v5 = version >= V5
    assert kind == PUBLISH or flags == (2 if kind == PUBREL else 0), f"flags of packet {kind}"
    if kind == CONNACK:
        acknowledged, found.code = reader.byte(), reader.byte()
        assert acknowledged < 2, "the reserved flags of CONNACK are 0"
        found.session_present = bool(acknowledged)
    elif kind == PUBLISH:
        found.topic = reader.text()
        found.packet_id = reader.two() if found.qos else 0
    elif kind in (*ACKS, SUBACK, UNSUBACK):
        found.packet_id = reader.two()
    if kind in (*ACKS, DISCONNECT, AUTH) and reader.rest:
        assert is_v5, "MQTT 3.1.1 has no reason code here"
        found.code = reader.byte()
    if is_v5 and kind in (CONNACK, PUBLISH, *ACKS, SUBACK, UNSUBACK, DISCONNECT, AUTH):
        found.properties = reader.properties()
    if kind in (SUBACK, UNSUBACK):
        found.codes, reader.rest = list(reader.rest), b""
    if kind == PUBLISH:
        found.payload, reader.rest = reader.rest, b""
    assert not reader.rest, f"{reader.rest!r} is left over in packet {kind}"
    return found


class Client:
    """A connection that speaks MQTT, or anything else that it is told to."""

    def __init__(self, port, tls=None, server_name="localhost", version=V311):
        self.version = version
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # How the device log names this connection.
        self.source = "{}:{}".format(*self.socket.getsockname())
        self.received = b""
        if tls is not None:
            self.secure(tls, server_name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.drop()

    def secure(self, tls, server_name="localhost"):
        """Shakes hands."""
        tls.check_hostname = tls.check_hostname and server_name is not None
        try:
            self.socket = tls.wrap_socket(self.socket, server_hostname=server_name)
        except BaseException:
            self.socket.close()
            raise

    def drop(self):
        """Loses the connection: no DISCONNECT, no TLS alert."""
        self.socket.close()

    def send(self, *packets):
        """Sends bytes. That the server has closed already shows when reading."""
        try:
            self.socket.sendall(b"".join(packets))
        except OSError:
            pass
        return self

    def read(self, timeout_s=TIMEOUT_S):
        """The next packet, or CLOSED. Nothing within the time is a TimeoutError."""
        self.socket.settimeout(timeout_s)
        head = self._exactly(1)
        if head is CLOSED:
            return CLOSED
        length = shift = 0
        while True:
            digit = self._exactly(1)
            if digit is CLOSED:
                return CLOSED
            length |= (digit[0] & 0x7F) << shift
            shift += 7
            if digit[0] < 0x80:
                break
        body = self._exactly(length)
        if body is CLOSED:
            return CLOSED
        found = parse(head[0] >> 4, head[0] & 15, body, self.version)
        found.bytes = 1 + shift // 7 + length
        return found

    def _exactly(self, count):
        while len(self.received) < count:
            try:
                chunk = self.socket.recv(65536)
            except TimeoutError:
                raise
            except OSError:
                return CLOSED
            if not chunk:
                return CLOSED
            self.received += chunk
        taken, self.received = self.received[:count], self.received[count:]
        return taken

    def exchange(self, *packets):
        """Sends, and reads the answer."""
        return self.send(*packets).read()

    def say(self, build, *args, **more):
        """Sends what `build` makes in this client's version."""
        return self.send(build(*args, version=self.version, **more))

    def ask(self, build, *args, **more):
        """Says, and reads the answer."""
        return self.say(build, *args, **more).read()

    def expect(self, kind, **wanted):
        """The next packet, which is of this kind, with what else is wanted of it."""
        found = self.read()
        assert found is not CLOSED, f"closed instead of packet {kind}"
        assert found.kind == kind, found
        assert {name: getattr(found, name) for name in wanted} == wanted, found
        return found

    def connect(self, client_id, **more):
        """Connects, and is let in: the CONNACK."""
        return self.say(connect, client_id, **more).expect(CONNACK, code=0)

    def subscribe(self, *filters, qos=0, **more):
        """Subscribes, and is granted what it asked for."""
        granted = [one[1] & 3 if isinstance(one, tuple) else qos for one in filters]
        return self.say(subscribe, *filters, qos=qos, **more).expect(SUBACK, codes=granted)

    def publish(self, topic, payload=b"", qos=0, packet_id=1, **more):
        """Publishes; with QoS 1 the answer, which is read."""
        sent = publish(topic, payload, qos, packet_id, version=self.version, **more)
        return self.exchange(sent) if qos else self.send(sent)

    def ping(self):
        """Makes sure that the server has dealt with all that was sent, and that nothing came.

        The first answer may overtake a message that is on its way already, the second may not.
        """
        for _ in range(2):
            answer = self.exchange(PING)
            assert answer is not CLOSED, "closed instead of PINGRESP"
            assert answer.kind == PINGRESP, answer

    def inbox(self):
        """All that comes before the server has dealt with what was sent; see `ping`."""
        found = []
        for _ in range(2):
            self.send(PING)
            while (answer := self.read()) is CLOSED or answer.kind != PINGRESP:
                assert answer is not CLOSED, f"closed instead of PINGRESP, after {found}"
                found.append(answer)
        return found

    def message(self):
        """The next message, acknowledged: (topic, payload)."""
        found = self.read()
        assert found is not CLOSED, "closed instead of PUBLISH"
        assert found.kind == PUBLISH, found
        if found.qos == 1:
            self.send(puback(found.packet_id))
        return found.topic, found.payload

    def is_closed(self, code=None, within_s=TIMEOUT_S):
        """Whether the server ends this connection: MQTT 5 after a DISCONNECT with `code`."""
        answer = self.read(within_s)
        if self.version < V5 or code is None:
            return answer is CLOSED
        assert answer is not CLOSED, f"closed without DISCONNECT 0x{code:02X}"
        assert answer.kind == DISCONNECT, answer
        assert answer.code == code, f"DISCONNECT 0x{answer.code:02X}, not 0x{code:02X}"
        return self.read(within_s) is CLOSED

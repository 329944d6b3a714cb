"""WebSocket by hand, so that a test can send any frames and see exactly what comes back."""

import os
import socket
import struct

import sigv4
from device import tls
from mqtt_raw import CLOSED, connect

WITHIN_S = 15
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
NORMAL = struct.pack("!H", 1000)


class Web:
    """A WebSocket to the server, which sends frames of any form."""

    def __init__(self, server, keys=None, secure=True, **signing):
        self.port = server.https_port if secure else server.port
        host = f"localhost:{self.port}"
        self.target = sigv4.presign(
            host, "/mqtt", keys or server.keys(), service="iotdevicegateway", **signing
        ).target
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=WITHIN_S)
        if secure:
            context = tls(str(server.root_ca))
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.headers = {
            "host": host,
            "upgrade": "websocket",
            "connection": "Upgrade",
            "sec-websocket-version": "13",
            "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
            "sec-websocket-protocol": "mqtt",
        }

    def upgrade(self, protocol="mqtt", extra=""):
        """Asks for the upgrade: the status and the headers."""
        headers = self.headers | {"sec-websocket-protocol": protocol}
        lines = [f"GET {self.target}{extra} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.socket.recv(1)
        status, *lines = head.decode().split("\r\n")
        pairs = (line.partition(":")[::2] for line in lines if line)
        return int(status.split()[1]), {n.lower(): v.strip() for n, v in pairs}

    def send(self, payload, opcode=2, final=True):
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        length = len(payload)
        size = bytes([0x80 | length]) if length < 126 else b"\xfe" + struct.pack("!H", length)
        self.socket.sendall(bytes([0x80 * final | opcode]) + size + mask + masked)

    def read(self):
        """The next frame: its opcode and payload, or CLOSED."""
        head = self._exactly(2)
        if head is CLOSED:
            return CLOSED
        length = head[1] & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self._exactly(2))
        return head[0] & 15, self._exactly(length)

    def _exactly(self, count):
        taken = b""
        while len(taken) < count:
            try:
                chunk = self.socket.recv(count - len(taken))
            except ConnectionError:
                return CLOSED
            if not chunk:
                return CLOSED
            taken += chunk
        return taken

    def let_in(self, client_id, **more):
        status, _ = self.upgrade()
        assert status == 101
        self.send(connect(client_id, **more))
        assert self.read() == (2, b"\x20\x02\x00\x00")

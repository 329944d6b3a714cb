"""MQTT over WebSocket by clients with wishes of their own: a browser's page, an old SDK."""

import http.server
import json
import queue
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

import sigv4
from device import logged
from harness import REGION, Server

WITHIN_S = 30

# mqtt.js in Debian's chromium

CHROMIUM = shutil.which("chromium")
MQTT_JS = Path(sys.prefix) / "node" / "node_modules" / "mqtt" / "dist" / "mqtt.min.js"
PAGE = Path(__file__).parent / "sdk" / "browser" / "page.html"

in_a_browser = pytest.mark.skipif(
    CHROMIUM is None or not MQTT_JS.exists(), reason="there is no chromium, or no mqtt.js"
)


class Site(http.server.BaseHTTPRequestHandler):
    """Serves the page and its library, and takes what the page reports."""

    def do_GET(self):
        path = self.path.partition("?")[0]
        body = {"/": PAGE, "/mqtt.min.js": MQTT_JS}.get(path)
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "text/javascript" if ".js" in path else "text/html")
        self.end_headers()
        if body:
            self.wfile.write(body.read_bytes())

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        self.server.reports.put(json.loads(self.rfile.read(length)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def site():
    """The page's site, on localhost."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.reports = queue.Queue()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def browser(url, profile):
    """A browser without a window that shows `url`."""
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    command += [f"--user-data-dir={profile}"]
    process = subprocess.Popen(
        [*command, "--remote-debugging-port=0", url],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(WITHIN_S)


@in_a_browser
@pytest.mark.parametrize("level", [4, 5], ids=["3.1.1", "5"])
def test_mqtt_js_in_a_browser(server, name, tmp_path, level):
    """On the plain door: the HTTPS door asks for a certificate, and a page has none to choose."""
    request = sigv4.presign(
        f"localhost:{server.port}", "/mqtt", server.keys(), service="iotdevicegateway"
    )
    with site() as here:
        asked = {
            "url": f"ws://localhost:{server.port}{request.target}",
            "clientId": name,
            "protocolVersion": level,
            "topic": name,
        }
        page = f"http://localhost:{here.server_port}/?{quote(json.dumps(asked))}"
        with browser(page, tmp_path / "profile"):
            assert here.reports.get(timeout=WITHIN_S) == {"message": "from the web"}
    logged(server, clientId=name, eventType="Disconnect", reason="CLIENT_INITIATED_DISCONNECT")


# AWSIoTPythonSDK, which insists on a host name of AWS's form

HOST = f"ferrite-ats.iot.{REGION}.amazonaws.com"


@pytest.fixture
def mapped_to_loopback(monkeypatch):
    """As a line in a device's hosts file."""
    look_up = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *more, **options: look_up(
            "127.0.0.1" if host == HOST else host, *more, **options
        ),
    )


@pytest.fixture
def named_as_aws(tmp_path):
    """A server whose certificate carries names of AWS's form."""
    server = Server(tmp_path / "data", "--set", "tls.aws_names=true").start()
    yield server
    assert server.stop() == 0


def test_aws_iot_python_sdk(named_as_aws, name, mapped_to_loopback):
    try:
        from AWSIoTPythonSDK.MQTTLib import AWSIoTMQTTClient
    except (ImportError, AttributeError) as error:
        pytest.skip(f"AWSIoTPythonSDK does not run on this Python: {error}")
    server = named_as_aws
    client = AWSIoTMQTTClient(name, useWebsocket=True)
    client.configureEndpoint(HOST, server.https_port)
    client.configureCredentials(str(server.root_ca))
    client.configureIAMCredentials(*server.keys())
    client.configureConnectDisconnectTimeout(WITHIN_S)
    client.configureMQTTOperationTimeout(WITHIN_S)
    inbox = queue.Queue()
    assert client.connect()
    assert client.subscribe(name, 1, lambda _c, _d, message: inbox.put(message.payload))
    assert client.publish(name, "from long ago", 1)
    assert inbox.get(timeout=WITHIN_S) == b"from long ago"
    assert client.disconnect()

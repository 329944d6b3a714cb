"""A runtime of the Lambda Runtime API that does what its event says; standard library alone."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
PREFIX = "/2018-06-01/runtime/"


def call(method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(API)
    connection.request(method, PREFIX + path, body, headers or {})
    response = connection.getresponse()
    return response.status, dict(response.getheaders()), response.read()


def answer(request_id, value):
    return call("POST", f"invocation/{request_id}/response", json.dumps(value))


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.005)


def child(**options):
    return subprocess.Popen(["sleep", "1000"], **options).pid


def fail(request_id, kind, message):
    body = json.dumps({"errorType": kind, "errorMessage": message, "stackTrace": []})
    call("POST", f"invocation/{request_id}/error", body)


def nonsense():
    host, port = API.split(":")
    with socket.create_connection((host, int(port))) as line:
        line.sendall(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
        line.recv(1000)
    statuses = [
        call("GET", "invocation/no/such")[0],
        call("DELETE", "invocation/next")[0],
        call("POST", "invocation/unknown/response", "{}")[0],
        call("POST", "invocation/unknown/error", "{}")[0],
        call("POST", "invocation/../../response", "{}")[0],
    ]
    return statuses


def serve(event, request_id, headers):
    what = event.get("do")
    if what == "context":
        answer(request_id, {"headers": headers, "environment": dict(os.environ), "cwd": os.getcwd()})
    elif what == "pid":
        answer(request_id, os.getpid())
    elif what == "hang":
        children = [child(), child(process_group=0), child(start_new_session=True)]
        print("hanging", json.dumps([os.getpid(), *children]), flush=True)
        time.sleep(1000)
    elif what == "leave":
        answer(request_id, [child(), child(start_new_session=True)])
        sys.exit(0)
    elif what == "wait":
        print("waiting", os.getpid(), flush=True)
        wait_for(event["for"])
        answer(request_id, os.getpid())
    elif what == "raise":
        fail(request_id, "ValueError", "no such pump")
    elif what == "crash":
        print("about to crash", file=sys.stderr, flush=True)
        os.abort()
    elif what == "exit":
        sys.exit(7)
    elif what == "skip":
        pass
    elif what == "print":
        for number in range(event["lines"]):
            print(f"line {number} of the log")
        print("x" * event["long"], flush=True)
        sys.stdout.buffer.write(b"\xff\xfe\n")
        print("end", file=sys.stderr, flush=True)
        sys.stdout.flush()
        answer(request_id, "printed")
    elif what == "allocate":
        try:
            answer(request_id, len(bytearray(event["bytes"])))
        except MemoryError:
            fail(request_id, "MemoryError", "")
    elif what == "nonsense":
        answer(request_id, nonsense())
    elif what == "large":
        status = call("POST", f"invocation/{request_id}/response", "x" * event["bytes"])[0]
        print("large", status, flush=True)
    else:
        answer(request_id, event)


def main():
    if "refuse" in sys.argv:
        body = json.dumps({"errorType": "ImportError", "errorMessage": "no module named pump"})
        call("POST", "init/error", body)
        sys.exit(1)
    if "trace" in sys.argv:
        print("PumpError: no such handler\n    at new PumpError (app.js)\n\nNode.js v20", flush=True)
        sys.exit(3)
    if "die" in sys.argv:
        sys.exit("no such handler: pump")
    if "sit" in sys.argv:
        time.sleep(1000)
    while True:
        _, headers, body = call("GET", "invocation/next")
        headers = {name.lower(): value for name, value in headers.items()}
        serve(json.loads(body), headers["lambda-runtime-aws-request-id"], headers)


main()

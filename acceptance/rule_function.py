"""A bootstrap that speaks the Lambda Runtime API: answers each event with twice its `temp`."""

import http.client
import json
import os

INVOCATIONS = "/2018-06-01/runtime/invocation"


def call(method, path, body=None):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, path, body)
    answer = connection.getresponse()
    return answer.headers, answer.read()


while True:
    headers, event = call("GET", f"{INVOCATIONS}/next")
    invocation = f"{INVOCATIONS}/{headers['Lambda-Runtime-Aws-Request-Id']}"
    event = json.loads(event)
    if "boom" in event:
        error = {"errorType": "ValueError", "errorMessage": event["boom"]}
        call("POST", f"{invocation}/error", json.dumps(error))
    else:
        call("POST", f"{invocation}/response", json.dumps({"twice": 2 * event.get("temp", 0)}))

"""The story that every client tells: made, connected, heard, refused, and told why.

A client is given as a class whose objects connect, subscribe, publish, receive, and say how they
notice a refusal.
"""

import queue

from device import arn, everything_on, logged, make_device

RECEIVED_WITHIN_S = 15
REFUSED = "AUTHORIZATION_FAILURE"


class Inbox:
    """Messages as a client's own thread brings them."""

    def __init__(self):
        self.messages = queue.Queue()

    def put(self, topic, payload):
        self.messages.put((topic, bytes(payload).decode()))

    def receive(self):
        return self.messages.get(timeout=RECEIVED_WITHIN_S)


def tell(server, folder, name, client_class):
    """The whole story for one client; its topics begin with its name."""
    device = make_device(server, folder, name, *everything_on(f"{name}/*", client=f"{name}*"))
    hears_what_it_publishes(device, client_class)
    is_told_that_a_topic_is_refused(device, client_class)
    device.detach_policies()
    device.wait_until("iot:Connect", f"client/{name}", "IMPLICIT_DENY")
    is_not_let_in(device, client_class)


def hears_what_it_publishes(device, client_class):
    topic = f"{device.name}/news"
    client = client_class(device)
    try:
        client.connect()
        client.subscribe(topic)
        for qos in (0, 1):
            client.publish(topic, f"with QoS {qos}", qos)
            assert client.receive() == (topic, f"with QoS {qos}")
    finally:
        client.close()


def is_told_that_a_topic_is_refused(device, client_class):
    topic = f"elsewhere/{device.name}"
    client = client_class(device)
    try:
        client.connect()
        assert client.notices_that_publishing_is_refused(topic)
    finally:
        client.close()
    event = logged(device.server, eventType="Publish-In", topicName=topic)
    assert (event["status"], event["reason"]) == ("Failure", REFUSED), event
    assert event["principalId"] == device.certificate_id, event
    explained = device.server.explain(device.name, "iot:Publish", arn(f"topic/{topic}"))
    assert explained["decision"] == "IMPLICIT_DENY", explained


def is_not_let_in(device, client_class):
    client = client_class(device)
    try:
        assert client.notices_that_connecting_is_refused()
    finally:
        client.close()
    event = logged(device.server, eventType="Connect", status="Failure", clientId=client.client_id)
    assert event["reason"] == REFUSED, event
    assert event["principalId"] == device.certificate_id, event
    assert "iot:Connect" in event["details"], event
    explained = device.server.explain(
        client.client_id, "iot:Connect", arn(f"client/{client.client_id}")
    )
    assert explained["decision"] == "IMPLICIT_DENY", explained
    assert "no policy is attached" in " ".join(explained["hints"]), explained

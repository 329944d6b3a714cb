"""Policies that change while a device is connected, felt by awsiotsdk in both versions of MQTT.

A change has arrived within a second, on the connection that is there; from then on every packet
feels it. A refusal ends a connection of MQTT 3.1.1; in MQTT 5 it has a code.
"""

import queue

import pytest
from awscrt import mqtt, mqtt5

import test_device_story_awsiotsdk as awsiotsdk
from device import allow, deny, document, make_device, soon

WITHIN_S = awsiotsdk.WITHIN_S
FELT_WITHIN_S = 1


class Client3(awsiotsdk.Client3):
    """Says in one queue what was answered, and that the connection was lost."""

    def __init__(self, device):
        self.outcomes = queue.Queue()
        super().__init__(device)

    def on_lost(self, **_):
        self.outcomes.put("lost")

    def is_answered(self, answer):
        answer.add_done_callback(lambda done: self.outcomes.put(done.exception() or "answered"))
        return self.outcomes.get(timeout=WITHIN_S) == "answered"


class Session3:
    """MQTT 3.1.1: whoever is refused connects anew."""

    def __init__(self, device):
        self.device = device
        self.connect()

    def connect(self):
        self.client = Client3(self.device)
        self.client.connect()

    def may_publish(self, topic):
        answer, _ = self.client.connection.publish(topic, "", mqtt.QoS.AT_LEAST_ONCE)
        return self.is_allowed(answer)

    def may_subscribe(self, topic):
        answer, _ = self.client.connection.subscribe(topic, mqtt.QoS.AT_LEAST_ONCE)
        return self.is_allowed(answer)

    def is_allowed(self, answer):
        is_allowed = self.client.is_answered(answer)
        if not is_allowed:
            self.close()
            self.connect()
        return is_allowed

    def close(self):
        self.client.close()


class Client5(awsiotsdk.Client5):
    """Counts its connections."""

    connections = 0

    def on_success(self, success):
        self.connections += 1
        super().on_success(success)


class Session5:
    """MQTT 5: one connection for everything."""

    def __init__(self, device):
        self.client = Client5(device)
        self.client.connect()

    def may_publish(self, topic):
        code = self.client.publish(topic, "", 1).reason_code
        assert code in (mqtt5.PubackReasonCode.SUCCESS, mqtt5.PubackReasonCode.NOT_AUTHORIZED)
        return code == mqtt5.PubackReasonCode.SUCCESS

    def may_subscribe(self, topic):
        wanted = mqtt5.Subscription(topic_filter=topic, qos=mqtt5.QoS.AT_LEAST_ONCE)
        asked = self.client.client.subscribe(mqtt5.SubscribePacket([wanted]))
        (code,) = asked.result(WITHIN_S).reason_codes
        assert code in (mqtt5.SubackReasonCode.GRANTED_QOS_1, mqtt5.SubackReasonCode.NOT_AUTHORIZED)
        return code == mqtt5.SubackReasonCode.GRANTED_QOS_1

    def close(self):
        self.client.close()
        assert self.client.connections == 1, "it stayed connected all the time"


@pytest.fixture
def device(server, tmp_path, name):
    """A device that may connect, and whatever else is found for it."""
    return make_device(server, tmp_path, name, allow("iot:Connect", f"client/{name}"))


@pytest.fixture(params=[Session3, Session5], ids=["3.1.1", "5"])
def session(request, device):
    session = request.param(device)
    yield session
    session.close()


@pytest.fixture
def news(iot, name):
    """A policy about `NAME/news` and its name, attached to nothing."""
    policy = f"{name}-news"
    iot.create_policy(policyName=policy, policyDocument=document(*about_news(name)))
    return policy


def about_news(name):
    return [
        allow(["iot:Publish", "iot:Receive"], f"topic/{name}/news"),
        allow("iot:Subscribe", f"topicfilter/{name}/news"),
    ]


@pytest.fixture
def expect(device, session, name):
    """Says what the device may do from now on, and sees that the server says and does so."""
    topic = f"{name}/news"

    def explained():
        return (
            device.decision("iot:Subscribe", f"topicfilter/{topic}") == "ALLOWED",
            device.decision("iot:Publish", f"topic/{topic}") == "ALLOWED",
        )

    def expect(subscribe, publish):
        soon(lambda: explained() == (subscribe, publish), FELT_WITHIN_S)
        assert (session.may_subscribe(topic), session.may_publish(topic)) == (subscribe, publish)

    return expect


def test_another_default_version_is_felt(iot, device, expect, news, name):
    iot.attach_policy(policyName=news, target=device.certificate_arn)
    expect(subscribe=True, publish=True)
    for denied in ["Publish", "Subscribe"]:
        statements = [*about_news(name), deny(f"iot:{denied}")]
        iot.create_policy_version(
            policyName=news, policyDocument=document(*statements), setAsDefault=True
        )
        expect(subscribe=denied != "Subscribe", publish=denied != "Publish")
    iot.set_default_policy_version(policyName=news, policyVersionId="1")
    expect(subscribe=True, publish=True)


def test_a_policy_that_comes_and_goes_is_felt(iot, device, expect, news, name):
    attached = {"policyName": news, "target": device.certificate_arn}
    expect(subscribe=False, publish=False)
    for _ in range(2):
        iot.attach_policy(**attached)
        expect(subscribe=True, publish=True)
        iot.detach_policy(**attached)
        expect(subscribe=False, publish=False)


def test_what_a_group_brings_and_takes_is_felt(iot, expect, news, name):
    parent, child = f"{name}-house", f"{name}-room"
    arn = iot.create_thing_group(thingGroupName=parent)["thingGroupArn"]
    iot.create_thing_group(thingGroupName=child, parentGroupName=parent)
    member = {"thingName": name, "thingGroupName": child}
    attached = {"policyName": news, "target": arn}
    iot.attach_policy(**attached)
    expect(subscribe=False, publish=False)
    iot.add_thing_to_thing_group(**member)
    expect(subscribe=True, publish=True)
    iot.detach_policy(**attached)
    expect(subscribe=False, publish=False)
    iot.attach_policy(**attached)
    expect(subscribe=True, publish=True)
    iot.remove_thing_from_thing_group(**member)
    expect(subscribe=False, publish=False)


def test_a_thing_that_is_detached_loses_what_its_group_brings(iot, device, expect, news, name):
    arn = iot.create_thing_group(thingGroupName=f"{name}-house")["thingGroupArn"]
    iot.attach_policy(policyName=news, target=arn)
    iot.add_thing_to_thing_group(thingName=name, thingGroupName=f"{name}-house")
    principal = {"thingName": name, "principal": device.certificate_arn}
    expect(subscribe=True, publish=True)
    iot.detach_thing_principal(**principal)
    expect(subscribe=False, publish=False)
    iot.attach_thing_principal(**principal)
    expect(subscribe=True, publish=True)

"""What policies allow over the wire: each action of MQTT, wildcards, and what wins over what.

How MQTT 3.1.1 and 5 say no differs: the first closes the connection, the second has reason codes.
"""

import pytest

from device import (
    allow,
    arn,
    deny,
    document,
    everything_on,
    logged,
    soon,
    tutorial_policy,
)
from mqtt_raw import CLOSED, CONNACK, DISCONNECT, PUBACK, SUBACK, V5, V311, Client, connect, publish
from mqtt_raw import subscribe as subscribe_packet

NOT_AUTHORIZED = 0x87
REFUSED = "AUTHORIZATION_FAILURE"
both_versions = pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])


def answer_to_connect(device, version, client_id=None, **more):
    with Client(device.server.mqtts_port, device.tls(), version=version) as client:
        return client.exchange(connect(client_id or device.name, version=version, **more))


def is_let_in(device, version=V5, client_id=None, **more):
    """Whether it may connect; if not, it was told so in the version's own way."""
    answer = answer_to_connect(device, version, client_id, **more)
    if answer is CLOSED:
        assert version == V311, "MQTT 5 says why"
        return False
    assert answer.kind == CONNACK and answer.code in (0, NOT_AUTHORIZED), answer
    assert answer.code == 0 or version == V5, "MQTT 3.1.1 is closed without CONNACK"
    return answer.code == 0


def may_publish(client, *topics):
    """Which of these topics an MQTT 5 client may publish to."""
    answers = {topic: client.publish(topic, b"", qos=1) for topic in topics}
    assert all(
        answer is not CLOSED and answer.kind == PUBACK for answer in answers.values()
    ), answers
    assert {answer.code for answer in answers.values()} <= {0, NOT_AUTHORIZED}, answers
    return [topic for topic, answer in answers.items() if answer.code == 0]


def may_subscribe(client, *filters):
    """Which of these filters, at most eight, an MQTT 5 client may subscribe to."""
    answer = client.exchange(subscribe_packet(*filters, version=V5))
    assert answer is not CLOSED and answer.kind == SUBACK, answer
    assert set(answer.codes) <= {0, NOT_AUTHORIZED}, answer
    return [one for one, code in zip(filters, answer.codes, strict=True) if code == 0]


# Connect


@both_versions
def test_connecting_needs_permission_for_the_client_id(server, make, version):
    device = make(allow("iot:Connect", "client/right-*"))
    assert is_let_in(device, version, "right-1")
    assert not is_let_in(device, version, "wrong-1")
    event = logged(server, eventType="Connect", status="Failure", clientId="wrong-1")
    assert event["reason"] == REFUSED, event
    assert event["principalId"] == device.certificate_id, event


@both_versions
def test_without_any_policy_nobody_connects(make, version):
    assert not is_let_in(make(), version)


@both_versions
def test_what_follows_a_refused_connect_counts_for_nothing(make, session, version):
    observer = session(make(*everything_on("*")))
    observer.subscribe("hasty/#")
    device = make(allow(["iot:Publish"], "topic/hasty/*"))
    with Client(device.server.mqtts_port, device.tls(), version=version) as hasty:
        hasty.send(connect(device.name, version=version), publish("hasty/x", "x", version=version))
        answer = hasty.read()
        assert answer is CLOSED or answer.code == NOT_AUTHORIZED
        assert answer is CLOSED or hasty.read() is CLOSED
    observer.ping()


# Publish


@both_versions
@pytest.mark.parametrize("qos", [0, 1])
def test_publishing_needs_permission_for_the_topic(server, make, session, name, version, qos):
    right, wrong = f"{name}/right", f"{name}/wrong"
    observer = session(make(*everything_on("*")))
    observer.subscribe(f"{name}/#")
    device = make(allow("iot:Connect"), allow("iot:Publish", f"topic/{right}"))
    client = session(device, version)
    answer = client.publish(right, b"yes", qos)
    assert qos == 0 or (answer.kind, answer.code) == (PUBACK, 0)
    assert observer.message() == (right, b"yes")
    client.send(publish(wrong, b"no", qos, version=version))
    if version == V5 and qos == 1:
        answer = client.read()
        assert (answer.kind, answer.code) == (PUBACK, NOT_AUTHORIZED)
        client.publish(right, b"still here", qos)
        assert observer.message() == (right, b"still here")
    else:
        assert client.is_closed(NOT_AUTHORIZED if version == V5 else None)
    observer.ping()
    event = logged(server, eventType="Publish-In", status="Failure", topicName=wrong)
    assert (event["reason"], event["clientId"]) == (REFUSED, device.name), event


# Subscribe


def test_subscribing_needs_permission_for_each_filter(server, make, session, name):
    right, wrong = f"{name}/right", f"{name}/wrong"
    topics = allow(["iot:Publish", "iot:Receive"], "topic/*")
    device = make(allow("iot:Connect"), topics, allow("iot:Subscribe", f"topicfilter/{right}"))
    client = session(device)
    assert may_subscribe(client, wrong, right) == [right]
    client.publish(wrong, b"no")
    client.publish(right, b"yes")
    assert client.message() == (right, b"yes")
    client.ping()
    event = logged(server, eventType="Subscribe", status="Failure", topicName=wrong)
    assert (event["reason"], event["clientId"]) == (REFUSED, device.name), event


def test_a_refused_filter_ends_a_connection_of_mqtt_3(server, make, session, name):
    right, wrong = f"{name}/right", f"{name}/wrong"
    device = make(allow("iot:Connect"), allow("iot:Subscribe", f"topicfilter/{right}"))
    session(device, V311).subscribe(right)
    client = session(device, V311)
    assert client.send(subscribe_packet(right, wrong)).is_closed()
    event = logged(server, eventType="Subscribe", status="Failure", topicName=wrong)
    assert (event["reason"], event["clientId"]) == (REFUSED, device.name), event


# Receive


@both_versions
def test_what_may_not_be_received_is_not_delivered(server, make, session, name, version):
    open_, secret = f"{name}/open", f"{name}/secret"
    publisher = session(make(*everything_on("*")))
    device = make(
        allow("iot:Connect"),
        allow("iot:Subscribe", f"topicfilter/{name}/*"),
        allow("iot:Receive", f"topic/{open_}"),
    )
    client = session(device, version)
    client.subscribe(f"{name}/#", qos=1)
    for qos in (0, 1):
        publisher.publish(secret, b"no", qos)
        publisher.publish(open_, b"yes", qos)
        assert client.message() == (open_, b"yes")
    client.ping()
    event = logged(server, eventType="Publish-Out", status="Failure", topicName=secret)
    assert (event["reason"], event["clientId"]) == (REFUSED, device.name), event


def test_receiving_is_asked_anew_after_a_policy_changed(make, session, name):
    device = make(*everything_on(f"{name}/*"))
    client, publisher = session(device), session(make(*everything_on("*")))
    client.subscribe(f"{name}/+")
    publisher.publish(f"{name}/x", b"before")
    assert client.message() == (f"{name}/x", b"before")
    device.set_policy(deny("iot:Receive", f"topic/{name}/x"))

    def is_cut_off():
        publisher.publish(f"{name}/x", b"probe")
        publisher.publish(f"{name}/y", b"marker")
        came = [client.message()[0]]
        if came == [f"{name}/x"]:
            came.append(client.message()[0])
        return came == [f"{name}/y"]

    assert soon(is_cut_off)


# RetainPublish, which also guards a Will that is to be retained


@both_versions
@pytest.mark.parametrize("qos", [0, 1])
def test_retaining_needs_more_than_publishing(make, session, name, version, qos):
    topic = f"{name}/kept"
    observer = session(make(*everything_on("*")))
    observer.subscribe(topic)
    client = session(make(*everything_on(f"{name}/*")), version)
    client.send(publish(topic, b"no", qos, retain=True, version=version))
    answer = client.read()
    if version == V311:
        assert answer is CLOSED
    else:
        assert answer is not CLOSED and answer.kind in (PUBACK, DISCONNECT) and answer.code >= 0x80
    observer.ping()


@both_versions
def test_a_will_to_be_retained_needs_more_than_publishing(make, name, version):
    device = make(*everything_on(f"{name}/*"))
    will = {"topic": f"{name}/will", "payload": b"gone"}
    assert is_let_in(device, version, will=will)
    answer = answer_to_connect(device, version, will=will | {"retain": True})
    if version == V311:
        assert answer is CLOSED
    else:
        assert answer is not CLOSED and answer.kind == CONNACK and answer.code >= 0x80


# The Will


@both_versions
def test_a_will_needs_permission_to_publish(make, name, version):
    device = make(allow("iot:Connect"), allow("iot:Publish", f"topic/{name}/will"))
    assert is_let_in(device, version, will={"topic": f"{name}/will"})
    assert not is_let_in(device, version, will={"topic": f"{name}/other"})


# Wildcards


def test_a_star_crosses_levels_and_a_question_mark_is_one_character(make, session):
    resources = ["topic/star/*", "topic/mid/*/end", "topic/one/?", "topic/two??"]
    client = session(make(allow("iot:Connect"), allow("iot:Publish", resources)))
    right = ["star/a", "star/a/b/c", "star/", "mid/a/end", "mid/a/b/end", "one/ü", "two/a"]
    wrong = ["star", "Star/a", "mid/end", "mid/a", "one/", "one/ab", "two/", "two", "xstar/a"]
    assert may_publish(client, *right, *wrong) == right


def test_the_wildcards_of_mqtt_are_letters_to_a_policy(make, session):
    resources = ["topicfilter/plus/+/x", "topicfilter/hash/#", "topicfilter/star/*/x"]
    client = session(make(allow("iot:Connect"), allow("iot:Subscribe", resources)))
    right = ["plus/+/x", "hash/#", "star/a/x", "star/+/x"]
    assert may_subscribe(client, *right, "plus/a/x", "hash/a", "star/#", "star/a/y") == right


def test_escapes_stand_for_the_characters_themselves(make, session):
    resources = ["topic/a${*}b", "topic/c${?}d", "topic/e${$}f"]
    client = session(make(allow("iot:Connect"), allow("iot:Publish", resources)))
    right = ["a*b", "c?d", "e$f"]
    assert may_publish(client, *right, "axb", "a/b", "cxd", "exf", "a${*}b") == right


@pytest.mark.parametrize("action", ["*", "iot:*", "iot:Pub*", "iot:Publis?", "IOT:publish"])
def test_actions_have_wildcards_and_no_case(make, session, action):
    client = session(make(allow("iot:Connect"), allow(action, "topic/x")))
    assert may_publish(client, "x", "y") == ["x"]


def test_another_action_is_no_permission(make, session):
    actions = ["iot:Subscribe", "iot:Receive", "iot:PublishX", "iot:RetainPublish"]
    client = session(make(allow("iot:Connect"), allow(actions, "*")))
    assert may_publish(client, "x") == []


# What wins over what


def test_a_deny_wins_wherever_it_stands(make, session):
    device = make(deny("iot:Publish", "topic/a/no"), allow("*"), deny("iot:Publish", "topic/b/no"))
    device.set_policy(deny("iot:Publish", "topic/c/*"))
    client = session(device)
    assert may_publish(client, "a/no", "a/yes", "b/no", "c/no", "c", "d") == ["a/yes", "c", "d"]


def test_permissions_of_several_policies_add_up(make, session):
    device = make(allow("iot:Connect"))
    device.set_policy(allow("iot:Publish", "topic/a"))
    device.set_policy(allow("iot:Publish", "topic/b"))
    assert may_publish(session(device), "a", "b", "c") == ["a", "b"]


def test_everything_but_an_action_or_a_resource(make, session):
    device = make(
        {"Effect": "Allow", "NotAction": ["iot:Subscribe"], "Resource": "*"},
        {"Effect": "Deny", "Action": "iot:Publish", "NotResource": arn(["topic/a/*", "topic/b"])},
    )
    client = session(device)
    assert may_publish(client, "a/x", "b", "c", "b/x") == ["a/x", "b"]
    assert may_subscribe(client, "a/x") == []


def test_an_allow_with_not_resource_leaves_that_out(make, session):
    statement = {"Effect": "Allow", "Action": "iot:Publish", "NotResource": arn("topic/secret/*")}
    client = session(make(allow("iot:Connect"), statement))
    assert may_publish(client, "a", "secret/a", "secret") == ["a", "secret"]


def test_only_the_default_version_of_a_policy_counts(make, session):
    device = make(allow("iot:Connect"))
    policy = device.set_policy(allow("iot:Publish", "topic/old"))
    client = session(device)
    text = document(allow("iot:Publish", "topic/new"))
    device.iot.create_policy_version(policyName=policy, policyDocument=text)
    assert may_publish(client, "old", "new") == ["old"]
    device.iot.set_default_policy_version(policyName=policy, policyVersionId="2")
    assert soon(lambda: may_publish(client, "old", "new") == ["new"])


def test_a_resource_of_another_account_or_region_is_none_of_ours(make, session):
    ours = arn("topic/x")
    others = [ours.replace("us-east-1", "eu-west-1"), ours.replace("000000000000", "111122223333")]
    statement = {"Effect": "Allow", "Action": "iot:Publish", "Resource": others}
    device = make(allow("iot:Connect"), statement)
    assert may_publish(session(device), "x") == []


def test_variables_need_the_version_that_has_them(make, session, name):
    resource = arn("topic/x/${iot:ClientId}")
    statements = [
        allow("iot:Connect"),
        {"Effect": "Allow", "Action": "iot:Publish", "Resource": resource},
    ]
    old = document(*statements).replace("2012-10-17", "2008-10-17")
    assert may_publish(session(make(old)), f"x/{name}") == []
    assert may_publish(session(make(*statements), client_id=name), f"x/{name}") == [f"x/{name}"]


# Changes while connected


@both_versions
def test_a_policy_detached_from_a_connected_device_stops_its_next_message(
    make, session, name, version
):
    device = make(*everything_on(f"{name}/*"))
    client = session(device, version)
    assert client.publish(f"{name}/x", b"", qos=1).code == 0
    device.detach_policies()

    def is_refused():
        answer = client.publish(f"{name}/x", b"", qos=1)
        return answer is CLOSED or answer.code == NOT_AUTHORIZED

    assert soon(is_refused)


def test_a_policy_attached_to_a_connected_device_is_felt(make, session):
    device = make(allow("iot:Connect"))
    client = session(device)
    assert may_publish(client, "x") == []
    device.set_policy(allow("iot:Publish", "topic/x"))
    assert soon(lambda: may_publish(client, "x") == ["x"])


# The policy that many tutorials show


@both_versions
def test_the_tutorial_policy_is_refused_at_connect_and_explained(server, make, version):
    device = make(tutorial_policy())
    assert not is_let_in(device, version)
    event = logged(server, eventType="Connect", status="Failure", clientId=device.name)
    assert event["reason"] == REFUSED, event
    explained = server.explain(device.name, "iot:Connect", arn(f"client/{device.name}"))
    assert explained["decision"] == "IMPLICIT_DENY", explained
    said = explained["explanation"] + " ".join(explained["hints"])
    assert "client/" in said and "topicfilter/" in said, explained
    filtered = server.explain(device.name, "iot:Subscribe", arn("topicfilter/x"))
    assert filtered["decision"] == "IMPLICIT_DENY", filtered
    assert "topicfilter/" in filtered["explanation"] + " ".join(filtered["hints"]), filtered
    assert device.decision("iot:Publish", "topic/x") == "ALLOWED"


def test_the_command_explains_for_people(server, make):
    device = make(tutorial_policy())
    assert not is_let_in(device)

    def said(action, resource):
        command = [
            "explain",
            "--client-id",
            device.name,
            "--action",
            action,
            "--resource",
            resource,
        ]
        result = server.command(*command, check=False)
        return result.stdout + result.stderr

    connecting = said("iot:Connect", f"client/{device.name}")
    assert "client/" in connecting and "topicfilter/" in connecting, connecting
    assert "topicfilter/" in said("iot:Subscribe", "topicfilter/x")
    assert f"{device.name}-0" in said("iot:Publish", "topic/x")


def test_an_explanation_names_the_policy_that_decided(server, make, session):
    device = make(allow("*"))
    denying = device.set_policy(deny("iot:Publish", "topic/secret", Sid="KeepOut"))
    session(device)
    explained = server.explain(device.name, "iot:Publish", arn("topic/secret"))
    assert explained["decision"] == "EXPLICIT_DENY", explained
    assert denying in explained["explanation"] and "KeepOut" in explained["explanation"], explained
    explained = server.explain(device.name, "iot:Publish", arn("topic/open"))
    assert explained["decision"] == "ALLOWED", explained
    assert f"{device.name}-0" in explained["explanation"], explained

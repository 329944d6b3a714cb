"""MQTT 3.1.1 and MQTT 5 byte by byte: what the standards ask, and where AWS does otherwise.

Clauses in brackets are those of the standards; what has none is AWS's own.
"""

import pytest

from device import logged
from mqtt_raw import (
    CLOSED,
    CONNACK,
    PING,
    PINGRESP,
    PUBLISH,
    SUBACK,
    V5,
    V311,
    Client,
    connect,
    disconnect,
    publish,
    subscribe,
)

CLIENT_ID_BYTES_MAX = 128
both_versions = pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])


def is_ended(client, code):
    """Whether a connection ends: MQTT 5 with `code`, MQTT 3.1.1 without a word."""
    return client.is_closed(code if client.version == V5 else None)


# CONNECT


@both_versions
def test_a_client_is_let_in_without_a_session(dial, name, version):
    answer = dial(version).connect(name)
    assert not answer.session_present
    assert version == V5 or answer.properties == {}


def test_connack_tells_what_the_server_does(join, dial, name):
    told = dial(V5).connect(name).properties
    assert told["receive_maximum"] == 100
    assert told["maximum_qos"] == 1
    assert told["maximum_packet_size"] == 149_504
    assert told["topic_alias_maximum"] == 8
    assert told["subscription_ids_available"] == 0
    assert told.get("wildcards_available", 1) == 1
    assert told.get("session_expiry", 0) == 0
    assert "assigned_client_id" not in told
    assert "response_information" not in told


@pytest.mark.parametrize(
    "asked, effective",
    [
        (0, 1200),
        (1, 30),
        (10, 30),
        (29, 30),
        (30, 30),
        (60, 60),
        (1200, 1200),
        (1201, 1200),
        (65535, 1200),
    ],
)
def test_the_server_says_how_long_it_keeps_a_silent_client(dial, name, asked, effective):
    told = dial(V5).connect(name, keep_alive=asked).properties
    assert told.get("server_keep_alive", asked) == effective


@both_versions
def test_the_first_packet_is_connect(dial, version):
    """[MQTT-3.1.0-1]"""
    assert dial(version).send(PING).read() is CLOSED
    assert dial(version).send(publish("a", version=version)).read() is CLOSED


@both_versions
def test_a_second_connect_ends_the_connection(server, join, name, version):
    """[MQTT-3.1.0-2]"""
    client = join(version, name)
    client.send(connect(name, version=version))
    assert is_ended(client, 0x82)
    event = logged(server, eventType="Disconnect", status="Failure", clientId=name)
    assert "CONNECT" in event["details"], event


def test_another_protocol_is_refused(dial):
    """[MQTT-3.1.2-1] [MQTT-3.1.2-2]"""
    wanted = connect("a")
    answer = dial().exchange(wanted.replace(b"MQTT\x04", b"MQTX\x04"))
    assert answer is CLOSED or answer.code in (0x01, 0x84), answer
    for level in (0, 6, 255):
        client = dial(V5 if level > V5 else V311)
        answer = client.exchange(wanted.replace(b"MQTT\x04", b"MQTT" + bytes([level])))
        assert answer is CLOSED or answer.code in (0x01, 0x84), answer


def test_a_reserved_flag_is_refused(dial):
    """[MQTT-3.1.2-3]"""
    wanted = connect("a")
    assert dial().send(wanted.replace(b"MQTT\x04\x02", b"MQTT\x04\x03")).read() is CLOSED


@both_versions
def test_an_id_of_as_many_bytes_as_there_may_be(dial, version):
    longest = "ü" * (CLIENT_ID_BYTES_MAX // 2)
    dial(version).connect(longest)
    answer = dial(version).exchange(connect(longest + "a", version=version))
    if version == V311:
        assert answer is CLOSED or answer.code == 0x02
    else:
        assert answer is not CLOSED and answer.code == 0x85


def test_the_server_names_a_client_of_mqtt_5_that_has_no_name(dial):
    """[MQTT-3.1.3-6]"""
    first, second = (dial(V5).connect("").properties["assigned_client_id"] for _ in range(2))
    assert first and second and first != second


def test_a_client_of_mqtt_3_may_have_no_name_if_it_keeps_nothing(dial):
    """[MQTT-3.1.3-7] [MQTT-3.1.3-8]"""
    assert not dial().connect("").session_present
    client = dial()
    answer = client.exchange(connect("", clean=False))
    assert (answer.kind, answer.code) == (CONNACK, 0x02)
    assert client.read() is CLOSED


@both_versions
def test_user_name_and_password_beside_a_certificate_are_ignored(dial, name, version):
    dial(version).connect(name, user_name="?SDK=PythonV2&Version=1.2.3")
    dial(version).connect(f"{name}-2", user_name="admin", password=b"\x00\xff")


@both_versions
def test_two_connections_may_not_have_the_same_id(server, join, name, version):
    """[MQTT-3.1.4-2] (3.1.1), [MQTT-3.1.4-3] (5)"""
    old = join(version, name)
    new = join(V5 if version == V311 else V311, name)
    assert is_ended(old, 0x8E)
    new.ping()
    event = logged(server, eventType="Disconnect", clientId=name)
    assert event["reason"] == "DUPLICATE_CLIENTID", event


def test_a_maximum_packet_size_is_at_least_512(dial, name):
    dial(V5).connect(name, props={"maximum_packet_size": 512})
    answer = dial(V5).exchange(connect(name, version=V5, props={"maximum_packet_size": 511}))
    assert answer is not CLOSED and answer.code >= 0x80


def test_a_session_of_mqtt_5_expires_within_bounds(dial, name):
    asked = {"session_expiry": 0xFFFF_FFFF}
    assert dial(V5).connect(name, props=asked).properties["session_expiry"] <= 604_800


# PINGREQ and DISCONNECT


@both_versions
def test_a_ping_is_answered(join, version):
    """[MQTT-3.12.4-1]"""
    client = join(version)
    client.send(PING, PING)
    assert [client.read().kind for _ in range(2)] == [PINGRESP, PINGRESP]


@both_versions
def test_nothing_counts_after_disconnect(join, name, version):
    """[MQTT-3.14.4-1] [MQTT-3.14.4-2]"""
    observer, client = join(version), join(version)
    observer.subscribe(name)
    client.send(disconnect(version), publish(name, b"late", version=version))
    assert client.read() is CLOSED
    observer.ping()


def test_a_session_without_expiry_gets_none_at_the_end(join):
    """[MQTT-3.14.2-2]"""
    client = join(V5)
    client.send(disconnect(V5, 0, {"session_expiry": 60}))
    assert client.is_closed(0x82)


# The Will


def with_will(name, **more):
    return {"will": {"topic": name, "payload": b"gone"} | more}


@both_versions
@pytest.mark.parametrize("qos", [0, 1])
def test_the_will_is_published_when_a_client_is_lost(server, join, name, version, qos):
    """[MQTT-3.1.2-8]"""
    observer = join(version)
    observer.subscribe(name, qos=1)
    client = join(version, f"{name}-lost", **with_will(name, qos=qos))
    client.drop()
    message = observer.read()
    assert (message.topic, message.payload, message.qos) == (name, b"gone", qos)
    event = logged(server, eventType="Disconnect", clientId=f"{name}-lost")
    assert event["reason"] == "CONNECTION_LOST", event


@both_versions
def test_the_will_is_published_after_an_error_of_the_client(join, name, version):
    observer = join(version)
    observer.subscribe(name)
    client = join(version, **with_will(name))
    client.send(b"\x00\x00")
    assert observer.message() == (name, b"gone")


@both_versions
def test_the_will_is_published_when_another_takes_over(join, name, version):
    observer = join(version)
    observer.subscribe(name)
    join(version, f"{name}-same", **with_will(name))
    join(version, f"{name}-same")
    assert observer.message() == (name, b"gone")


@both_versions
def test_the_will_is_not_published_after_disconnect(join, name, version):
    """[MQTT-3.1.2-10]"""
    observer = join(version)
    observer.subscribe(name)
    client = join(version, **with_will(name))
    client.send(disconnect(version))
    assert client.read() is CLOSED
    join(version, **with_will(name, payload=b"marker")).drop()
    assert observer.message() == (name, b"marker")


def test_a_client_of_mqtt_5_may_leave_with_its_will(join, name):
    """[MQTT-3.14.4-3]"""
    observer = join(V5)
    observer.subscribe(name)
    join(V5, **with_will(name)).send(disconnect(V5, 0x04))
    assert observer.message() == (name, b"gone")


def test_a_will_has_properties(join, name):
    observer, properties = join(V5), {"content_type": "text/plain", "user": [("a", "b")]}
    observer.subscribe(name)
    join(V5, **with_will(name, props=properties | {"will_delay": 0})).drop()
    assert observer.read().properties == properties


@both_versions
def test_a_refused_client_has_no_will(server, join, make, name, version):
    observer = join(version)
    observer.subscribe(name)
    other = make()
    with Client(server.mqtts_port, other.tls(), version=version) as client:
        client.send(connect("refused", version=version, **with_will(name)))
        assert version == V5 or client.read() is CLOSED
    logged(server, eventType="Connect", status="Failure", clientId="refused")
    observer.ping()


# Packets and the stream


@both_versions
def test_packets_may_come_in_pieces_or_together(join, name, version):
    """[MQTT-4.2.0-1]"""
    client = join(version)
    for byte in subscribe(name, version=version):
        client.send(bytes([byte]))
    assert client.read().kind == SUBACK
    sent = publish(name, b"x", version=version) * 3 + PING
    client.send(sent[:5])
    client.send(sent[5:])
    received = sorted(client.read().kind for _ in range(4))
    assert received == [PUBLISH, PUBLISH, PUBLISH, PINGRESP]


@both_versions
def test_an_identifier_may_be_used_again_once_it_is_free(join, name, version):
    """[MQTT-2.3.1-2] (3.1.1), [MQTT-2.2.1-3] (5)"""
    client = join(version)
    for _ in range(3):
        assert client.publish(name, b"x", 1, packet_id=65535).packet_id == 65535
        assert (
            client.exchange(subscribe(name + "/x", packet_id=65535, version=version)).packet_id
            == 65535
        )


@both_versions
def test_an_identifier_is_never_zero(join, name, version):
    """[MQTT-2.3.1-1] (3.1.1), [MQTT-2.2.1-2] (5)"""
    for sent in [
        publish(name, b"", 1, packet_id=0, version=version),
        subscribe(name, packet_id=0, version=version),
    ]:
        client = join(version)
        client.send(sent)
        answer = client.read()
        assert answer is CLOSED or answer.code in (0x81, 0x82)


def test_a_connect_may_say_much(dial, name):
    props = {
        "session_expiry": 0,
        "receive_maximum": 20,
        "maximum_packet_size": 100_000,
        "topic_alias_maximum": 10,
        "request_response_information": 1,
        "request_problem_information": 1,
        "user": [("a", "b")],
    }
    told = dial(V5).connect(name, props=props).properties
    assert "response_information" not in told


def test_a_receive_maximum_of_nothing_is_an_error(dial, name):
    """MQTT 5, 3.1.2.11.3"""
    answer = dial(V5).exchange(connect(name, version=V5, props={"receive_maximum": 0}))
    assert answer is CLOSED or answer.code in (0x81, 0x82)

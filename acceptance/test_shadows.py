"""Shadows over HTTPS by boto3, and what devices hear of them meanwhile."""

import json
import time

import pytest
from botocore.exceptions import ClientError

from device import allow, document, everything_on
from harness import Server
from mqtt_raw import V311

SHADOW_ACTIONS = ["iot:GetThingShadow", "iot:UpdateThingShadow", "iot:DeleteThingShadow"]


@pytest.fixture
def data(server):
    return server.client("iot-data")


def update(data, thing, body, **named):
    payload = body if isinstance(body, (str, bytes)) else json.dumps(body)
    answer = data.update_thing_shadow(thingName=thing, payload=payload, **named)
    return json.load(answer["payload"])


def get(data, thing, **named):
    return json.load(data.get_thing_shadow(thingName=thing, **named)["payload"])


def refused(call, **request):
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response
    return error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"], error["Error"]["Message"]


def test_a_shadow_lives_from_its_first_update_to_its_deletion(data, name):
    missing = f"No shadow exists with name: '{name}'"
    not_found = (404, "ResourceNotFoundException", missing)
    assert refused(data.get_thing_shadow, thingName=name) == not_found
    before = int(time.time())
    accepted = update(data, name, {"state": {"desired": {"on": True}}, "clientToken": "c"})
    assert accepted["state"] == {"desired": {"on": True}} and accepted["clientToken"] == "c"
    assert accepted["version"] == 1 and before <= accepted["timestamp"] <= time.time()
    update(data, name, {"state": {"reported": {"on": False, "level": 1.0}}})
    shadow = get(data, name)
    assert shadow["state"] == {
        "desired": {"on": True},
        "reported": {"on": False, "level": 1.0},
        "delta": {"on": True},
    }
    assert set(shadow["metadata"]) == {"desired", "reported"} and shadow["version"] == 2
    deleted = json.load(data.delete_thing_shadow(thingName=name)["payload"])
    assert deleted["version"] == 2 and set(deleted) == {"version", "timestamp"}
    assert refused(data.delete_thing_shadow, thingName=name) == not_found
    assert update(data, name, {"state": {}})["version"] == 3


def test_refusals_have_the_codes_of_the_model(data, name):
    update(data, name, {"state": {"desired": {"on": True}}})
    for payload, expected in (
        ("{", (400, "InvalidRequestException", "Invalid JSON")),
        ("{}", (400, "InvalidRequestException", "Missing required node: state")),
        ('{"state":{},"version":9}', (409, "ConflictException", "Version conflict")),
        (
            json.dumps({"state": {"desired": {"a": "x" * 9000}}}),
            (
                413,
                "RequestEntityTooLargeException",
                "The payload exceeds the maximum size allowed",
            ),
        ),
        (
            b'{"state":"\xff"}',
            (
                415,
                "UnsupportedDocumentEncodingException",
                "Unsupported documented encoding; supported encoding is UTF-8",
            ),
        ),
    ):
        assert refused(data.update_thing_shadow, thingName=name, payload=payload) == expected
    assert get(data, name)["version"] == 1


def test_named_shadows_are_listed_without_the_classic_one(data, name):
    update(data, name, {"state": {}})
    for shadow in ("b", "a", "$package"):
        update(data, name, {"state": {"reported": {}}}, shadowName=shadow)
    pages = data.list_named_shadows_for_thing(thingName=name, pageSize=2)
    assert pages["results"] == ["$package", "a"]
    rest = data.list_named_shadows_for_thing(thingName=name, nextToken=pages["nextToken"])
    assert rest["results"] == ["b"] and "nextToken" not in rest
    assert data.list_named_shadows_for_thing(thingName=f"{name}-other")["results"] == []


def test_a_subscriber_hears_what_was_done_over_https(data, make, session, name):
    device = make(*everything_on(f"$aws/things/{name}/shadow/*"))
    client = session(device, version=V311)
    client.subscribe(f"$aws/things/{name}/shadow/update/#")
    update(data, name, {"state": {"desired": {"on": True}}})
    heard = {}
    for _ in range(3):
        topic, payload = client.message()
        heard[topic.rpartition("/")[2]] = json.loads(payload)
    assert set(heard) == {"accepted", "documents", "delta"}
    assert heard["delta"]["state"] == {"on": True}
    assert heard["documents"]["current"]["state"] == {"desired": {"on": True}}


def test_a_policy_says_which_shadows_a_device_may_use_over_https(server, make, name):
    import requests

    device = make(
        allow(SHADOW_ACTIONS, [f"thing/{name}", f"thing/{name}/mine"]),
        allow("iot:ListNamedShadowsForThing", f"thing/{name}"),
    )

    def call(method, path, body=None):
        url = f"https://localhost:{server.https_port}{path}"
        files = {"cert": (device.certificate, device.key), "verify": device.root_ca}
        return requests.request(method, url, data=body, timeout=10, **files).status_code

    own, other = f"/things/{name}/shadow", "/things/other/shadow"
    assert call("POST", own, '{"state":{}}') == 200
    assert call("GET", own) == 200
    assert call("POST", f"{own}?name=mine", '{"state":{}}') == 200
    assert call("POST", f"{own}?name=theirs", '{"state":{}}') == 403
    assert call("POST", other, '{"state":{}}') == 403
    listing = "/api/things/shadow/ListNamedShadowsForThing"
    assert (call("GET", f"{listing}/{name}"), call("GET", f"{listing}/other")) == (200, 403)
    assert call("DELETE", own) == 200


def test_who_changed_a_shadow_is_for_keys_without_a_policy(tmp_path, name):
    server = Server(tmp_path / "data", "--set", "limits.shadow_history_versions_max=5").start()
    try:
        data = server.client("iot-data")
        for on in (True, False):
            update(data, name, {"state": {"desired": {"on": on}}})
        path = f"/_ferrite/v1/things/{name}/shadow/history"
        status, _, body = server.call("GET", path)
        versions = json.loads(body)["versions"]
        assert status == 200 and [one["version"] for one in versions] == [2, 1]
        assert versions[0]["changes"] == {"desired": {"on": False}}
        policy = tmp_path / "policy.json"
        policy.write_text(document(allow("iot:*")))
        key = server.create_access_key(policy=policy)
        assert server.call("GET", path, keys=key)[0] == 403
    finally:
        server.stop()


def test_what_settings_say_of_things_and_rates_binds_and_is_counted(tmp_path, name):
    settings = ["shadow.needs_thing=true", "limits.shadow_requests_per_thing_per_s=5"]
    server = Server(tmp_path / "data", *(f"--set={setting}" for setting in settings)).start()
    try:
        data = server.client("iot-data")
        not_found = (404, "ResourceNotFoundException", "Thing not found")
        request = {"thingName": name, "payload": '{"state":{"reported":{"on":1}}}'}
        assert refused(data.update_thing_shadow, **request) == not_found
        server.client("iot").create_thing(thingName=name)
        assert json.load(data.update_thing_shadow(**request)["payload"])["version"] == 1
        too_many = (429, "ThrottlingException", "Too Many Requests")
        answers = []
        while too_many not in answers and len(answers) < 1000:
            try:
                get(data, name)
            except ClientError as error:
                said = error.response
                status = said["ResponseMetadata"]["HTTPStatusCode"]
                answers.append((status, said["Error"]["Code"], said["Error"]["Message"]))
            else:
                answers.append(None)
        assert answers[-1] == too_many and len(answers) >= 4
        metrics = server.call("GET", "/metrics")[2].decode()
        for status in ("accepted", "rejected"):
            labels = f'operation="UpdateThingShadow",protocol="HTTP",status="{status}"'
            assert f"ferrite_shadow_requests_total{{{labels}}} 1" in metrics, metrics
    finally:
        server.stop()


def test_what_was_accepted_survives_a_kill(fresh, name):
    data = fresh.client("iot-data")
    for n in range(20):
        update(data, name, {"state": {"reported": {"n": n}}})
    fresh.kill()
    fresh.start()
    shadow = get(fresh.client("iot-data"), name)
    assert (shadow["state"]["reported"]["n"], shadow["version"]) == (19, 20)

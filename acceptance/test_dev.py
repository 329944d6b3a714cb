"""`--dev`: any key will do, everything can be emptied, and a banner says so."""

import pytest
import requests

from harness import ACCOUNT, Server, refused


@pytest.fixture
def dev(tmp_path):
    server = Server(tmp_path / "data", "--dev").start()
    yield server
    server.stop()


def test_any_key_is_accepted_and_a_banner_says_so(dev, name):
    iot = dev.client(keys=("testing", "testing"))
    iot.create_thing(thingName=name)
    assert dev.client(keys=("other", "secret")).describe_thing(thingName=name)["version"] == 1
    assert dev.client("sts", keys=("a", "b")).get_caller_identity()["Account"] == ACCOUNT
    assert "--dev" in dev.log()


def test_even_then_a_call_is_signed(dev):
    answer = requests.get(dev.url + "/things", timeout=5)
    assert answer.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"


def test_a_reset_empties_everything(dev, name):
    iot = dev.client(keys=("testing", "testing"))
    iot.create_thing(thingName=name)
    assert requests.post(dev.url + "/_ferrite/v1/reset", timeout=10).ok
    assert iot.list_things()["things"] == []
    iot.create_thing(thingName=name)


def test_a_page_in_a_browser_resets_nothing(dev, name):
    iot = dev.client(keys=("testing", "testing"))
    iot.create_thing(thingName=name)
    headers = {"origin": "https://example.org"}
    answer = requests.post(dev.url + "/_ferrite/v1/reset", headers=headers, timeout=10)
    assert answer.headers["x-amzn-ErrorType"] == "AccessDeniedException"
    assert iot.describe_thing(thingName=name)["version"] == 1


def test_without_it_there_is_no_reset(server, iot, name):
    iot.create_thing(thingName=name)
    assert not requests.post(server.url + "/_ferrite/v1/reset", timeout=10).ok
    status, _, _ = server.call("POST", "/_ferrite/v1/reset")
    assert status >= 400
    assert iot.describe_thing(thingName=name)["version"] == 1


def test_without_it_keys_matter(server):
    with refused("UnrecognizedClientException"):
        server.client(keys=("testing", "testing")).list_things()

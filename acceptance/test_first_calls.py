"""What infrastructure tools and SDKs ask before anything else, and the endpoints beside the API."""

import pytest
import requests

from documents import policy
from harness import ACCOUNT, refused

ENDPOINT_TYPES = ["iot:Data", "iot:Data-ATS", "iot:CredentialProvider", "iot:Jobs"]


@pytest.mark.parametrize("endpoint_type", [None, *ENDPOINT_TYPES])
def test_an_endpoint_is_a_bare_host(iot, endpoint_type):
    asked = {"endpointType": endpoint_type} if endpoint_type else {}
    address = iot.describe_endpoint(**asked)["endpointAddress"]
    assert address and not any(character in address for character in ":/ ")


def test_an_unknown_endpoint_is_refused(iot):
    with refused("InvalidRequestException"):
        iot.describe_endpoint(endpointType="iot:Nonsense")


def test_the_caller_is_asked_first_and_reads_its_own_writes(server, iot, name):
    assert server.client("sts").get_caller_identity()["Account"] == ACCOUNT
    document = policy()
    iot.create_policy(policyName=name, policyDocument=document)
    fetched = iot.get_policy(policyName=name)
    assert fetched["policyDocument"] == document
    assert iot.list_tags_for_resource(resourceArn=fetched["policyArn"])["tags"] == []
    pages = iot.get_paginator("list_policies").paginate()
    assert name in [policy["policyName"] for page in pages for policy in page["policies"]]


def test_health_and_readiness_need_no_signature(server):
    for path in ["/_ferrite/health", "/_ferrite/ready"]:
        assert requests.get(server.url + path, timeout=5).status_code == 200


def test_metrics_are_in_the_form_of_prometheus(server, iot, name):
    iot.create_thing(thingName=name)
    text = requests.get(server.url + "/metrics", timeout=5).text
    samples = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert any(line.startswith("ferrite_") for line in samples)
    for line in samples:
        float(line.rpartition(" ")[2])


def test_a_change_leaves_a_line_in_the_log(server, iot, name):
    iot.create_thing(thingName=name)
    with refused("ResourceAlreadyExistsException"):
        iot.create_thing(thingName=name, attributePayload={"attributes": {"a": "1"}})
    lines = [line for line in server.log(1000).splitlines() if name in line]
    assert any("CreateThing" in line for line in lines)
    assert any("ResourceAlreadyExistsException" in line for line in lines)
    assert server.keys()[1] not in server.log(100000)


def test_regions_live_side_by_side(server, name):
    regions = ["us-east-1", "eu-west-1", "ap-northeast-1"]
    for region in regions:
        thing = server.client(region=region).create_thing(thingName=name)
        assert thing["thingArn"] == f"arn:aws:iot:{region}:{ACCOUNT}:thing/{name}"
    server.client(region=regions[0]).delete_thing(thingName=name)
    assert server.client(region=regions[1]).describe_thing(thingName=name)["version"] == 1
    with refused("ResourceNotFoundException"):
        server.client(region="us-west-2").describe_thing(thingName=name)

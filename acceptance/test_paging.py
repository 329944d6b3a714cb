"""Paging in both of the models' styles, and tokens that are not what we gave out."""

import base64

import pytest

from documents import policy
from harness import refused

COUNT = 7


@pytest.fixture(scope="module")
def full(server):
    """A client of an account with seven things, certificates and policies."""
    iot = server.client()
    for number in range(COUNT):
        iot.create_thing(thingName=f"t{number}", attributePayload={"attributes": {"all": "x"}})
        iot.create_keys_and_certificate()
        iot.create_policy(policyName=f"p{number}", policyDocument=policy())
    return iot


@pytest.mark.parametrize("size", [1, 3, 7, 8])
@pytest.mark.parametrize(
    "operation, member, key",
    [
        ("list_things", "things", "thingName"),
        ("list_policies", "policies", "policyName"),
        ("list_certificates", "certificates", "certificateId"),
    ],
)
def test_pages_hold_everything_once(full, operation, member, key, size):
    paginator = full.get_paginator(operation)
    pages = list(paginator.paginate(PaginationConfig={"PageSize": size}))
    seen = [item[key] for page in pages for item in page[member]]
    assert len(seen) == len(set(seen)) == COUNT
    assert [len(page[member]) for page in pages][:-1] == [size] * (len(pages) - 1)
    assert "nextToken" not in pages[-1] and "nextMarker" not in pages[-1]


def test_an_exact_last_page_has_no_token(full):
    assert "nextToken" not in full.list_things(maxResults=COUNT)
    assert "nextMarker" not in full.list_certificates(pageSize=COUNT)
    assert "nextMarker" not in full.list_policies(pageSize=COUNT)


def test_a_filtered_list_has_pages_too(full):
    pages = full.get_paginator("list_things").paginate(
        attributeName="all", attributeValue="x", PaginationConfig={"PageSize": 2}
    )
    assert [thing["thingName"] for page in pages for thing in page["things"]] == [
        f"t{number}" for number in range(COUNT)
    ]


def test_certificates_are_listed_in_either_direction(full):
    def listed(ascending):
        pages = full.get_paginator("list_certificates").paginate(
            ascendingOrder=ascending, PaginationConfig={"PageSize": 2}
        )
        return [c["certificateId"] for page in pages for c in page["certificates"]]

    assert sorted(listed(True)) == sorted(listed(False))
    assert len(listed(True)) == COUNT


def test_attachments_are_paged(full):
    target = full.list_certificates(pageSize=1)["certificates"][0]["certificateArn"]
    for number in range(COUNT):
        full.attach_policy(policyName=f"p{number}", target=target)
        full.attach_thing_principal(thingName=f"t{number}", principal=target)
    policies, things, marker, token = [], [], {}, {}
    while marker is not None:
        page = full.list_attached_policies(target=target, pageSize=3, **marker)
        policies += [policy["policyName"] for policy in page["policies"]]
        marker = {"marker": page["nextMarker"]} if "nextMarker" in page else None
    while token is not None:
        page = full.list_principal_things(principal=target, maxResults=3, **token)
        things += page["things"]
        token = {"nextToken": page["nextToken"]} if "nextToken" in page else None
    assert sorted(policies) == [f"p{number}" for number in range(COUNT)]
    assert things == [f"t{number}" for number in range(COUNT)]


def forgeries(token):
    flipped = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
    return ["hello", "%", token[:-4], flipped, "A" + token, base64.b64encode(b"t3").decode()]


@pytest.mark.parametrize("number", range(6))
def test_a_forged_token_is_refused(server, full, number):
    raw = server.client(validate=False)
    forged = forgeries(full.list_things(maxResults=2)["nextToken"])[number]
    with refused("InvalidRequestException"):
        raw.list_things(maxResults=2, nextToken=forged)
    forged = forgeries(full.list_certificates(pageSize=2)["nextMarker"])[number]
    with refused("InvalidRequestException"):
        raw.list_certificates(pageSize=2, marker=forged)


def test_a_token_is_good_for_its_own_list_alone(server, full):
    things = full.list_things(maxResults=2)["nextToken"]
    filtered = full.list_things(maxResults=2, attributeName="all", attributeValue="x")["nextToken"]
    certificates = full.list_certificates(pageSize=2)["nextMarker"]
    with refused("InvalidRequestException"):
        full.list_things(nextToken=certificates)
    with refused("InvalidRequestException"):
        full.list_certificates(marker=things)
    with refused("InvalidRequestException"):
        full.list_things(nextToken=filtered)
    with refused("InvalidRequestException"):
        server.client(region="eu-west-1").list_things(nextToken=things)


@pytest.mark.parametrize("size", [0, 251])
def test_a_page_size_outside_of_the_model_is_refused(server, full, size):
    raw = server.client(validate=False)
    with refused("InvalidRequestException", saying="at 'maxResults' failed to satisfy constraint"):
        raw.list_things(maxResults=size)
    with refused("InvalidRequestException", saying="at 'pageSize' failed to satisfy constraint"):
        raw.list_policies(pageSize=size)

"""Every modelled operation, asked over HTTP: what the compatibility page says is true."""

import json

import pytest

import operations
import sigv4


@pytest.fixture(scope="module")
def states():
    return operations.documented()[1]


def test_the_page_opens_with_its_count():
    claimed, states = operations.documented()
    modelled = {
        (path.stem, name)
        for path in operations.MODELS
        for name in operations.service(path).operation_names
    }
    assert len(modelled) == 523
    assert set(states) == modelled
    assert claimed == sum(states.values())
    assert operations.COMPATIBILITY.read_text().lstrip("# ").startswith(f"{claimed} of 523")


def ask(server, path, name):
    model = operations.service(path)
    method, target, headers, body = operations.request(model, name)
    request = sigv4.sign(
        method,
        f"127.0.0.1:{server.port}",
        target,
        body,
        keys=server.keys(),
        service=model.signing_name,
        headers=headers,
    )
    return sigv4.send(server.port, request)


def wrong(server, path, name, is_built):
    """What is wrong with the answer to one operation, if anything is."""
    status, headers, body = ask(server, path, name)
    if is_built:
        return f"{name} is listed as built and answers 501" if status == 501 else None
    if status != 501:
        return f"{name} is listed as 501 and answers {status} {body[:200]!r}"
    document = json.loads(body)
    message = document.get("message") or document.get("Message") or ""
    if name not in message:
        return f"{name} answers 501 without its name: {message!r}"
    if not headers.get("x-amzn-errortype") and not document.get("__type"):
        return f"{name} answers 501 without a type"
    return None


@pytest.mark.parametrize("path", operations.MODELS, ids=lambda path: path.stem)
def test_each_operation_answers_as_listed(server, states, path):
    names = operations.service(path).operation_names
    problems = [wrong(server, path, name, states[path.stem, name]) for name in names]
    assert [problem for problem in problems if problem] == []


def test_an_unknown_operation_is_not_found(server):
    for method, target in [("GET", "/nonsense"), ("PATCH", "/things"), ("GET", "/")]:
        status, headers, _ = server.call(method, target)
        assert status in (403, 404, 405), (method, target, headers)

"""Every modelled operation as a request: the least input that is valid by the models."""

import json
import re
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlencode

from botocore.model import ServiceModel
from botocore.serialize import create_serializer

from harness import ACCOUNT, REGION, ROOT

MODELS = sorted((ROOT / "models").glob("*.json"))
COMPATIBILITY = ROOT / "docs" / "compatibility.md"

# What satisfies the patterns that nothing simpler does.
CANDIDATES = [
    "a",
    "1",
    "abc",
    "a-b",
    "a@b.cd",
    "1.0.0",
    "0" * 12,
    "0" * 16,
    "0" * 32,
    "0" * 64,
    "a" * 32,
    "A1B2C3D4E5",
    "00000000-0000-0000-0000-000000000000",
    "arn:aws:iam::000000000000:role/r",
    f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/x",
    f"arn:aws:greengrass:{REGION}:{ACCOUNT}:components:c:versions:1.0.0",
    f"arn:aws:greengrass:{REGION}:{ACCOUNT}:components:c",
    f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f:1",
    f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/00000000-0000-0000-0000-000000000000",
    "2024-01-01T00:00:00Z",
    "rate(1 minute)",
    "$aws/rules/a",
    "iot:Data",
    "https://example.com",
    "s3://bucket/key",
    "+12065550100",
    "00:00",
    "mi-abcdefghijklmnopq",
]


@cache
def service(path):
    """The service of one model file."""
    return ServiceModel(json.loads(Path(path).read_text()), Path(path).stem)


def python_pattern(pattern):
    """A pattern of the models, most of which are Java's, for `re`."""
    for java, python in [
        (r"\p{L}", "a-zA-Z"),
        (r"\p{N}", "0-9"),
        (r"\p{Z}", " "),
        (r"\p{M}", ""),
        (r"\p{S}", "+"),
        (r"\p{P}", "."),
        (r"\p{Graph}", "!-~"),
        (r"\p{Print}", " -~"),
        (r"\p{Alnum}", "a-zA-Z0-9"),
        (r"\p{ASCII}", r"[\x00-\x7f]"),
        (r"\p{C}", r"\x00"),
        (r"\z", r"\Z"),
        ("&&[^", "^"),
        (r"\w-", r"\w\-"),
    ]:
        pattern = pattern.replace(java, python)
    return re.compile(pattern)


def text(shape):
    """A string that the shape's bounds, values and pattern allow."""
    if shape.enum:
        return shape.enum[0]
    least = shape.metadata.get("min", 1)
    most = shape.metadata.get("max", 1 << 20)
    pattern = shape.metadata.get("pattern")
    sized = [candidate for candidate in CANDIDATES if least <= len(candidate) <= most]
    sized += [character * max(least, 1) for character in "a1A"]
    if pattern is None:
        return sized[0]
    compiled = python_pattern(pattern)
    for candidate in sized:
        if compiled.fullmatch(candidate):
            return candidate
    raise ValueError(f"nothing satisfies {shape.name}: {pattern}")


def value(shape):
    """The least value of a shape."""
    match shape.type_name:
        case "structure" if shape.metadata.get("union"):
            name, member = next(iter(shape.members.items()))
            return {name: value(member)}
        case "structure":
            return {name: value(shape.members[name]) for name in shape.required_members}
        case "list":
            return [value(shape.member)] * max(shape.metadata.get("min", 1), 1)
        case "map":
            return {text(shape.key): value(shape.value)} if shape.metadata.get("min", 0) else {}
        case "string":
            return text(shape)
        case "boolean":
            return False
        case "integer" | "long" | "float" | "double":
            return shape.metadata.get("min", 1)
        case "timestamp":
            return "2030-01-01T00:00:00Z"
        case "blob":
            return b"{}"
        case other:
            raise ValueError(f"{shape.name} is of the unknown type {other}")


def request(model, name):
    """One operation's request, not yet signed: method, target, headers, body."""
    operation = model.operation_model(name)
    protocol = model.metadata["protocol"]
    serializer = create_serializer(protocol, include_validation=False)
    parameters = value(operation.input_shape) if operation.input_shape else {}
    made = serializer.serialize_to_request(parameters, operation)
    query = urlencode(made["query_string"] or {}, doseq=True, quote_via=quote, safe="-_.~")
    target = made["url_path"] + ("?" + query if query else "")
    body = made["body"]
    body = body.encode() if isinstance(body, str) else bytes(body or b"")
    return made["method"], target, dict(made["headers"]), body


def documented():
    """`docs/compatibility.md`: how many it claims, and {(service, operation): is built}."""
    page = COMPATIBILITY.read_text()
    claimed = int(re.search(r"^(\d+) of 523 operations", page, re.M).group(1))
    states, heading = {}, ""
    for line in page.splitlines():
        if line.startswith("#"):
            heading = line.strip("# `")
        cells = [cell.strip(" `") for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) >= 2 and re.fullmatch(r"[A-Z]\w+", cells[0]):
            if cells[0] != "Operation":
                states[service_of(heading), cells[0]] = "501" not in cells[1]
    return claimed, states


def service_of(heading):
    """The model file that a heading means, whether it uses its file's, own or signing name."""
    wanted = re.sub(r"[^a-z0-9]", "", heading.lower())
    for path in MODELS:
        metadata = service(path).metadata
        known = [path.stem, metadata["serviceId"], metadata["signingName"], metadata["endpointPrefix"]]
        if wanted in [re.sub(r"[^a-z0-9]", "", name.lower()) for name in known]:
            return path.stem
    words = heading.replace("`", " ").replace("(", " ").replace(")", " ").split()
    return next((path.stem for path in MODELS if path.stem in words), heading)

"""Each policy variable and each condition key, over the wire: what it allows, and what it does not.

Names of thing groups, and what IAM policies know, do not apply to a device with a certificate.
"""

import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

import documents
from device import allow, arn, deny, everything_on, make_device, soon
from mqtt_raw import CLOSED, CONNACK, PUBACK, V5, V311, Client, connect

NOT_AUTHORIZED = 0x87
FIELDS = {
    "DistinguishedNameQualifier": NameOID.DN_QUALIFIER,
    "Country": NameOID.COUNTRY_NAME,
    "Organization": NameOID.ORGANIZATION_NAME,
    "OrganizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "State": NameOID.STATE_OR_PROVINCE_NAME,
    "CommonName": NameOID.COMMON_NAME,
    "SerialNumber": NameOID.SERIAL_NUMBER,
    "Title": NameOID.TITLE,
    "Surname": NameOID.SURNAME,
    "GivenName": NameOID.GIVEN_NAME,
    "Initials": NameOID.INITIALS,
    "Pseudonym": NameOID.PSEUDONYM,
    "GenerationQualifier": NameOID.GENERATION_QUALIFIER,
}
VALUES = {field: "NL" if field == "Country" else f"the-{field}" for field in FIELDS}


def connecting(device, client_id=None, server_name="localhost", version=V5, **more):
    """Whether a device may connect."""
    tls = device.tls()
    with Client(device.server.mqtts_port, tls, server_name, version) as client:
        answer = client.exchange(connect(client_id or device.name, version=version, **more))
    if version == V311:
        return answer is not CLOSED and answer.code == 0
    assert answer is not CLOSED and answer.kind == CONNACK, answer
    assert answer.code in (0, NOT_AUTHORIZED), answer
    return answer.code == 0


def publishing(device, *topics, client_id=None):
    """Which of these topics a device may publish to, on a connection of its own."""
    with Client(device.server.mqtts_port, device.tls(), version=V5) as client:
        client.connect(client_id or device.name)
        answers = {topic: client.publish(topic, b"", qos=1) for topic in topics}
    assert all(
        answer is not CLOSED and answer.kind == PUBACK for answer in answers.values()
    ), answers
    assert {answer.code for answer in answers.values()} <= {0, NOT_AUTHORIZED}, answers
    return [topic for topic, answer in answers.items() if answer.code == 0]


def publish_where(resource):
    """The statements of a policy that allows to connect, and to publish to `topic/…`."""
    return [allow("iot:Connect"), allow("iot:Publish", resource)]


def if_(operator, key, *values):
    return {"Condition": {operator: {key: list(values)}}}


# The client, and where it comes from and goes to


def test_the_client_id_as_a_variable(make, name):
    device = make(*publish_where("topic/x/${iot:ClientId}"))
    assert publishing(device, f"x/{name}", "x/other") == [f"x/{name}"]
    assert publishing(device, f"x/{name}", "x/other", client_id="other") == ["x/other"]


def test_the_client_id_as_a_key(make):
    device = make(allow("iot:Connect", **if_("StringLike", "iot:ClientId", "pump-*")))
    assert connecting(device, "pump-1")
    assert not connecting(device, "valve-1")


def test_a_client_id_with_wildcards_is_only_text_to_a_policy(make):
    device = make(*publish_where("topic/x/${iot:ClientId}/y"))
    assert publishing(device, "x/a/y", "x/*/y", client_id="*") == ["x/*/y"]


@pytest.mark.parametrize(
    "operator, addresses, is_allowed",
    [
        ("IpAddress", ["127.0.0.0/8"], True),
        ("IpAddress", ["10.0.0.0/8", "127.0.0.1"], True),
        ("IpAddress", ["10.0.0.0/8"], False),
        ("NotIpAddress", ["10.0.0.0/8"], True),
        ("NotIpAddress", ["127.0.0.0/8"], False),
    ],
)
def test_the_address_as_a_key(make, operator, addresses, is_allowed):
    device = make(allow("iot:Connect", **if_(operator, "aws:SourceIp", *addresses)))
    assert connecting(device) == is_allowed


def test_the_address_as_a_variable(make):
    device = make(*publish_where("topic/from/${aws:SourceIp}"))
    assert publishing(device, "from/127.0.0.1", "from/10.0.0.1") == ["from/127.0.0.1"]


def test_the_address_may_be_asked_of_every_action(make):
    device = make(
        allow("*"), deny("iot:Publish", "topic/x", **if_("IpAddress", "aws:SourceIp", "127.0.0.1"))
    )
    assert publishing(device, "x", "y") == ["y"]


def test_the_endpoint_that_was_asked_for(make):
    right = make(allow("iot:Connect", **if_("StringEquals", "iot:DomainName", "localhost")))
    assert connecting(right)
    assert not connecting(right, server_name=None), "without SNI there is no domain"
    wrong = make(allow("iot:Connect", **if_("StringEquals", "iot:DomainName", "example.org")))
    assert not connecting(wrong)


def test_the_endpoint_as_a_variable(make):
    device = make(*publish_where("topic/at/${iot:DomainName}"))
    assert publishing(device, "at/localhost", "at/example.org") == ["at/localhost"]


# The thing


def test_the_name_of_the_thing(make, name):
    device = make(allow("iot:Connect", "client/${iot:Connection.Thing.ThingName}"))
    assert connecting(device)
    assert not connecting(device, f"{name}-x"), "another client id is not bound to the thing"


def test_the_name_of_a_thing_that_is_not_attached(server, make, name):
    device = make(allow("iot:Connect", "client/${iot:Connection.Thing.ThingName}"), thing=False)
    assert not connecting(device)
    server.iot.create_thing(thingName=name)
    assert not connecting(device), "the thing exists, but has not this certificate"


def test_an_exclusive_thing_is_bound_whatever_the_client_id(make, name):
    device = make(
        *publish_where("topic/${iot:Connection.Thing.ThingName}"), principal_type="EXCLUSIVE_THING"
    )
    assert publishing(device, name, "other", client_id="other") == [name]


def test_the_type_of_the_thing(server, make, name):
    server.iot.create_thing_type(thingTypeName=f"pump-{name}")
    typed = make(
        *publish_where("topic/${iot:Connection.Thing.ThingTypeName}/x"),
        thingTypeName=f"pump-{name}",
    )
    assert publishing(typed, f"pump-{name}/x", "valve/x") == [f"pump-{name}/x"]
    untyped = make(*publish_where("topic/${iot:Connection.Thing.ThingTypeName}/x"))
    assert publishing(untyped, f"pump-{name}/x", "/x") == []


def test_an_attribute_of_the_thing(make):
    device = make(
        *publish_where("topic/${iot:Connection.Thing.Attributes[site]}/x"),
        attributePayload={"attributes": {"site": "north", "floor": "2"}},
    )
    assert publishing(device, "north/x", "2/x", "south/x") == ["north/x"]
    other = make(*publish_where("topic/${iot:Connection.Thing.Attributes[site]}/x"))
    assert publishing(other, "north/x", "/x") == []


def test_an_attribute_as_a_key(make):
    condition = if_("StringEquals", "iot:Connection.Thing.Attributes[site]", "north", "south")
    statement = allow("iot:Connect", **condition)
    assert connecting(make(statement, attributePayload={"attributes": {"site": "south"}}))
    assert not connecting(make(statement, attributePayload={"attributes": {"site": "east"}}))
    assert not connecting(make(statement))


def test_whether_the_thing_is_attached(make, name):
    attached = if_("Bool", "iot:Connection.Thing.IsAttached", "true")
    device = make(allow("iot:Connect", **attached))
    assert connecting(device)
    assert not connecting(device, f"{name}-x")
    device.iot.detach_thing_principal(thingName=name, principal=device.certificate_arn)
    assert soon(lambda: not connecting(device))
    device.iot.attach_thing_principal(thingName=name, principal=device.certificate_arn)
    assert soon(lambda: connecting(device))


def test_a_change_of_the_thing_reaches_a_connected_device(make, name):
    device = make(
        *publish_where("topic/${iot:Connection.Thing.Attributes[site]}/x"),
        attributePayload={"attributes": {"site": "north"}},
    )
    with Client(device.server.mqtts_port, device.tls(), version=V5) as client:
        client.connect(name)
        assert client.publish("north/x", b"", qos=1).code == 0
        device.iot.update_thing(
            thingName=name, attributePayload={"attributes": {"site": "south"}, "merge": True}
        )
        assert soon(lambda: client.publish("south/x", b"", qos=1).code == 0)
        assert client.publish("north/x", b"", qos=1).code == NOT_AUTHORIZED


# The certificate


def name_of(attributes):
    """A distinguished name of these pairs of an identifier and a value."""
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


def request(key, attributes):
    """A signing request with this subject, which the certificate will have too."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name_of(attributes))
    return documents.pem(builder.sign(key, hashes.SHA256()))


@pytest.fixture
def make_with_subject(make):
    """Makes a device whose certificate has these attributes in its subject."""

    def make_with_subject(attributes, *statements):
        key = documents.ec_key()
        return make(*statements, key=key, csr=request(key, attributes))

    return make_with_subject


@pytest.fixture(scope="module")
def rich(server, tmp_path_factory):
    """A connection of a device whose certificate has every field in its subject and its issuer."""
    key, folder = documents.ec_key(), tmp_path_factory.mktemp("rich")
    subject = name_of((oid, VALUES[field]) for field, oid in FIELDS.items())
    issuer = name_of((oid, VALUES[field].swapcase()) for field, oid in FIELDS.items())
    certificate = documents.issued(key, subject, issuer, documents.ec_key())
    device = make_device(
        server, folder, "rich", allow("iot:Connect"), key=key, certificate=certificate
    )
    for whose in ("Subject", "Issuer"):
        topics = [f"topic/{whose}/{f}/${{iot:Certificate.{whose}.{f}}}" for f in FIELDS]
        device.set_policy(allow("iot:Publish", topics))
    with Client(server.mqtts_port, device.tls(), version=V5) as client:
        client.connect("rich")
        yield client


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_the_subject(rich, field):
    check_field(rich, f"Subject/{field}", VALUES[field])


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_the_issuer(rich, field):
    check_field(rich, f"Issuer/{field}", VALUES[field].swapcase())


def check_field(client, topic, value):
    assert client.publish(f"{topic}/{value}", b"", qos=1).code == 0
    for other in ["other", "", value[1:], value + "x"]:
        assert client.publish(f"{topic}/{other}", b"", qos=1).code == NOT_AUTHORIZED


ALTERNATIVES = {
    "RFC822Name": (x509.RFC822Name("pump@example.org"), "pump@example.org"),
    "DNSName": (x509.DNSName("pump.example.org"), "pump.example.org"),
    "DirectoryName": (
        x509.DirectoryName(name_of([(NameOID.ORGANIZATION_NAME, "Works")])),
        "O=Works",
    ),
    "UniformResourceIdentifier": (x509.UniformResourceIdentifier("urn:pump:1"), "urn:pump:1"),
    "IPAddress": (x509.IPAddress(ipaddress.ip_address("192.0.2.7")), "192.0.2.7"),
}


@pytest.fixture(scope="module")
def alternative(server, tmp_path_factory):
    """A connection of a device whose certificate and issuer have alternative names of each kind."""
    key, folder = documents.ec_key(), tmp_path_factory.mktemp("alternative")
    names = [name for name, _ in ALTERNATIVES.values()]
    extensions = [x509.SubjectAlternativeName(names), x509.IssuerAlternativeName(names)]
    certificate = documents.issued(key, name_of([]), extensions=extensions)
    device = make_device(
        server, folder, "alternative", allow("iot:Connect"), key=key, certificate=certificate
    )
    for whose in ("Subject", "Issuer"):
        base = f"iot:Certificate.{whose}.AlternativeName"
        topics = [f"topic/{whose}/{kind}/${{{base}.{kind}}}" for kind in ALTERNATIVES]
        device.set_policy(allow("iot:Publish", topics))
    with Client(server.mqtts_port, device.tls(), version=V5) as client:
        client.connect("alternative")
        yield client


@pytest.mark.parametrize("kind", ALTERNATIVES)
@pytest.mark.parametrize("whose", ["Subject", "Issuer"])
def test_an_alternative_name(alternative, whose, kind):
    check_field(alternative, f"{whose}/{kind}", ALTERNATIVES[kind][1])


def test_a_certificate_of_this_server_has_its_issuer(make):
    device = make(*publish_where("topic/${iot:Certificate.Issuer.Organization}/x"))
    with open(device.certificate, "rb") as certificate:
        issuer = x509.load_pem_x509_certificate(certificate.read()).issuer
    (organization,) = issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert publishing(device, f"{organization.value}/x", "other/x") == [f"{organization.value}/x"]


def test_a_field_that_the_certificate_does_not_have_allows_nothing(make_with_subject):
    absent = [f for f in FIELDS if f != "CommonName"]
    device = make_with_subject(
        [(NameOID.COMMON_NAME, "poor")],
        *publish_where([f"topic/x/${{iot:Certificate.Subject.{f}}}" for f in absent]),
    )
    assert publishing(device, "x/", "x/x", "x/poor") == []


def test_a_field_with_several_values(make_with_subject):
    unit = NameOID.ORGANIZATIONAL_UNIT_NAME
    variable = "iot:Certificate.Subject.OrganizationalUnit"
    device = make_with_subject(
        [(unit, "first"), (unit, "second"), (NameOID.COMMON_NAME, "x")],
        *publish_where([f"topic/plain/${{{variable}}}", f"topic/one/${{{variable}.1}}"]),
        allow(
            "iot:Publish",
            "topic/any",
            **if_("ForAnyValue:StringEquals", f"{variable}.List", "second"),
        ),
        allow(
            "iot:Publish",
            "topic/all",
            **if_("ForAllValues:StringEquals", f"{variable}.List", "second"),
        ),
    )
    right = ["plain/first", "one/second", "any"]
    assert publishing(device, *right, "plain/second", "one/first", "all") == right


def test_characters_of_names_are_escaped(make_with_subject):
    device = make_with_subject(
        [(NameOID.COMMON_NAME, 'Smith, "J" <a=b;c>\\')],
        *publish_where("topic/x/${iot:Certificate.Subject.CommonName}"),
    )
    right = 'x/Smith\\, \\"J\\" \\<a\\=b\\;c\\>\\\\'
    assert publishing(device, right, 'x/Smith, "J" <a=b;c>\\') == [right]


@pytest.mark.parametrize("value", ["a*", "a$", "a+", "a?", "a#"])
def test_a_field_with_wildcards_is_not_substituted(make_with_subject, value):
    device = make_with_subject(
        [(NameOID.COMMON_NAME, value)],
        *publish_where("topic/x/${iot:Certificate.Subject.CommonName}"),
    )
    topics = ["x/a", "x/ab", *([f"x/{value}"] if value[1] not in "+#" else [])]
    assert publishing(device, *topics) == []


def test_the_serial_number(make):
    device = make(*publish_where("topic/x/${iot:Certificate.SerialNumber}"))
    with open(device.certificate, "rb") as certificate:
        number = x509.load_pem_x509_certificate(certificate.read()).serial_number
    length = (number.bit_length() + 7) // 8
    right = f"x/{number.to_bytes(length, 'big').hex()}"
    assert publishing(device, right, "x/1", "x/") == [right]


def test_which_variables_a_certificate_has(make_with_subject):
    def when(*keys):
        return if_("ForAllValues:StringEquals", "iot:Certificate.AvailableKeys", *keys)

    def if_any(key):
        return if_("ForAnyValue:StringEquals", "iot:Certificate.AvailableKeys", key)

    device = make_with_subject(
        [(NameOID.COMMON_NAME, "x")],
        allow("iot:Connect"),
        allow("iot:Publish", "topic/has", **if_any("iot:Certificate.Subject.CommonName")),
        allow("iot:Publish", "topic/has-not", **if_any("iot:Certificate.Subject.Title")),
        allow("iot:Publish", "topic/only", **when("iot:Certificate.Subject.CommonName")),
    )
    assert publishing(device, "has", "has-not", "only") == ["has"]


# Connect attributes and the Will


PERSISTENT = {V311: {"clean": False}, V5: {"props": {"session_expiry": 60}}}
WILL = {"will": {"topic": "the/will", "payload": b"gone"}}


@pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])
def test_connect_attributes_that_are_allowed(make, version):
    def device(operator, *attributes):
        condition = if_(operator, "iot:ConnectAttributes", *attributes)
        return make(allow("iot:Connect", **condition), allow("iot:Publish"))

    def ways(device):
        asked = {"clean": {}, "will": WILL, "persistent": PERSISTENT[version]}
        asked["both"] = WILL | PERSISTENT[version]
        return [way for way, more in asked.items() if connecting(device, version=version, **more)]

    assert ways(device("ForAllValues:StringEquals", "LastWill")) == ["clean", "will"]
    assert ways(device("ForAllValues:StringEquals", "PersistentConnect")) == ["clean", "persistent"]
    assert ways(device("ForAnyValue:StringEquals", "PersistentConnect")) == ["persistent", "both"]
    everything = ["clean", "will", "persistent", "both"]
    assert ways(device("ForAllValues:StringEquals", "LastWill", "PersistentConnect")) == everything


@pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])
@pytest.mark.parametrize("attribute, more", [("PersistentConnect", PERSISTENT), ("LastWill", None)])
def test_connect_attributes_that_are_denied(make, version, attribute, more):
    denied = if_("ForAnyValue:StringEquals", "iot:ConnectAttributes", attribute)
    device = make(allow("*"), deny("iot:Connect", **denied))
    assert connecting(device, version=version)
    assert not connecting(device, version=version, **(more[version] if more else WILL))


def test_a_plain_allow_allows_both_connect_attributes(make):
    device = make(*everything_on("*"))
    assert connecting(device, **WILL | PERSISTENT[V5])
    assert connecting(device, version=V311, **WILL | PERSISTENT[V311])


@pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])
def test_the_topic_of_the_will(make, version):
    right = if_("ArnEquals", "iot:LastWillTopic", arn("topic/the/will"))
    device = make(allow("iot:Connect", **right), allow("iot:Publish"))
    assert connecting(device, version=version, **WILL)
    assert not connecting(device, version=version, will={"topic": "another/will"})
    assert not connecting(device, version=version), "without a Will there is no topic"

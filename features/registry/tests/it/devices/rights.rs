//! What policies may ask of a connection.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::iot::op::{CreateThing, CreateThingType};
use serde_json::json;
use service::{BoundThing, PolicySource as _, Principal, Rights};

use super::{Certificate, House, PUMP, allow, knock, may_publish};

/// The keys with their values.
fn keys(rights: &Rights) -> BTreeMap<&str, Vec<&str>> {
    rights
        .context
        .iter()
        .map(|(key, values)| (key.as_str(), values.iter().map(String::as_str).collect()))
        .collect()
}

/// A house with the pump's certificate, which is active.
async fn with_pump() -> (House, Certificate) {
    let house = House::new().await;
    let pump = house.register(PUMP, "ACTIVE").await;
    (house, pump)
}

async fn create_lamp(house: &House, name: &str) {
    let request = json!({"thingTypeName": "Lamp"});
    house.server.call::<CreateThingType>(request).await.unwrap();
    let request = json!({
        "thingName": name,
        "thingTypeName": "Lamp",
        "attributePayload": {"attributes": {"site": "north", "a,b": "c"}},
    });
    house.server.call::<CreateThing>(request).await.unwrap();
}

#[tokio::test]
async fn the_connection_is_known_by_its_client_its_address_and_its_host() {
    let (house, pump) = with_pump().await;
    let principal = house.authenticate(&pump.knock(Some("iot.example.com"))).await.unwrap();
    let permissions = house.devices.permissions(&principal, Some("c1")).await.unwrap();
    let rights = permissions.rights();
    let keys = keys(&rights);
    assert_eq!(keys["iot:ClientId"], ["c1"]);
    assert_eq!(keys["aws:SourceIp"], ["192.0.2.1"]);
    assert_eq!(keys["iot:DomainName"], ["iot.example.com"]);
    assert_eq!(keys["iot:Connection.Thing.IsAttached"], ["false"]);
    assert!(!keys.contains_key("iot:Connection.Thing.ThingName"));
    assert_eq!(rights.thing, None);
    assert!(!rights.is_unlimited);
    assert!(rights.policies.is_empty());

    let permissions = house.connect(&pump, "c1").await;
    let rights = permissions.rights();
    assert!(!self::keys(&rights).contains_key("iot:DomainName"));
}

#[tokio::test]
#[rustfmt::skip]
async fn every_field_of_the_certificate_is_known_if_a_policy_asks_for_one() {
    let (house, pump) = with_pump().await;
    let ignorant = house.connect(&pump, "c1").await;
    assert!(keys(&ignorant.rights()).keys().all(|key| !key.starts_with("iot:Certificate.")));
    house.policy("p", &[&allow("${iot:Certificate.Subject.Title}")]).await;
    house.attach_policy("p", &pump).await;
    let permissions = house.connect(&pump, "c1").await;
    let rights = permissions.rights();
    let keys = keys(&rights);
    let expect: [(&str, &[&str]); 32] = [
        ("Subject.Country", &["DE", "FR"]),
        ("Subject.State", &["Hessen"]),
        ("Subject.Organization", &["Mill"]),
        ("Subject.OrganizationalUnit", &["Pumps", "North", "Hall 3", "d", "e", "sixth"]),
        ("Subject.CommonName", &[r#"pump\, \"1\""#]),
        ("Subject.SerialNumber", &["42"]),
        ("Subject.DistinguishedNameQualifier", &["q2"]),
        ("Subject.Title", &["t2"]),
        ("Subject.Surname", &["s2"]),
        ("Subject.GivenName", &["g2"]),
        ("Subject.Initials", &["i2"]),
        ("Subject.Pseudonym", &["p2"]),
        ("Subject.GenerationQualifier", &["IV"]),
        ("Subject.AlternativeName.DNSName", &["pump.mill.example", "p2.mill.example"]),
        ("Subject.AlternativeName.RFC822Name", &["pump@mill.example"]),
        ("Subject.AlternativeName.UniformResourceIdentifier", &["urn:pump:1"]),
        ("Subject.AlternativeName.IPAddress", &["192.0.2.7"]),
        ("Subject.AlternativeName.DirectoryName", &["O=Mill,CN=Pump"]),
        ("Issuer.Country", &["DE"]),
        ("Issuer.State", &["Bayern"]),
        ("Issuer.Organization", &["Mill"]),
        ("Issuer.OrganizationalUnit", &["Pumps"]),
        ("Issuer.CommonName", &["Mill CA"]),
        ("Issuer.SerialNumber", &["7"]),
        ("Issuer.DistinguishedNameQualifier", &["q"]),
        ("Issuer.Title", &["t"]),
        ("Issuer.Surname", &["s"]),
        ("Issuer.GivenName", &["g"]),
        ("Issuer.Initials", &["i"]),
        ("Issuer.Pseudonym", &["p"]),
        ("Issuer.GenerationQualifier", &["III"]),
        ("Issuer.AlternativeName.DNSName", &["ca.mill.example"]),
    ];
    for (field, values) in expect {
        assert_eq!(keys[&*format!("iot:Certificate.{field}")], values, "{field}");
    }
    assert_eq!(keys["iot:Certificate.SerialNumber"].len(), 1);
    let mut available = keys["iot:Certificate.AvailableKeys"].clone();
    available.sort_unstable();
    let mut names: Vec<String> = expect.iter().map(|(field, _)| format!("iot:Certificate.{field}")).collect();
    names.push("iot:Certificate.SerialNumber".to_owned());
    names.sort_unstable();
    assert_eq!(available, names);
}

#[tokio::test]
async fn what_a_certificate_says_is_known_also_if_nobody_shows_it() {
    let (house, pump) = with_pump().await;
    let shown = house.authenticate(&pump.knock(None)).await.unwrap();
    let absent = Arc::new(Principal { knock: knock("mqtts", None, None), ..(*shown).clone() });
    let shown = house.devices.permissions(&shown, Some("c1")).await.unwrap();
    let absent = house.devices.permissions(&absent, Some("c1")).await.unwrap();
    assert_eq!(keys(&shown.rights()), keys(&absent.rights()));
}

#[tokio::test]
async fn the_client_that_is_named_after_its_thing_is_bound_to_it() {
    let (house, pump) = with_pump().await;
    create_lamp(&house, "lamp").await;
    house.attach_thing("lamp", &pump, "NON_EXCLUSIVE_THING").await;

    let permissions = house.connect(&pump, "lamp").await;
    let rights = permissions.rights();
    assert_eq!(rights.thing, Some(BoundThing { name: "lamp".to_owned(), is_exclusive: false }));
    let known = keys(&rights);
    assert_eq!(known["iot:Connection.Thing.IsAttached"], ["true"]);
    assert_eq!(known["iot:Connection.Thing.ThingName"], ["lamp"]);
    assert_eq!(known["iot:Connection.Thing.ThingTypeName"], ["Lamp"]);
    assert_eq!(known["iot:Connection.Thing.Attributes[site]"], ["north"]);
    assert_eq!(known["iot:Connection.Thing.Attributes[a,b]"], ["c"]);

    let permissions = house.connect(&pump, "other").await;
    let rights = permissions.rights();
    assert_eq!(rights.thing, None);
    let known = keys(&rights);
    assert_eq!(known["iot:Connection.Thing.IsAttached"], ["false"]);
    assert!(!known.contains_key("iot:Connection.Thing.ThingName"));
}

#[tokio::test]
async fn a_thing_of_the_same_name_is_not_enough() {
    let (house, pump) = with_pump().await;
    create_lamp(&house, "lamp").await;
    let permissions = house.connect(&pump, "lamp").await;
    assert_eq!(permissions.rights().thing, None);
    assert_eq!(keys(&permissions.rights())["iot:Connection.Thing.IsAttached"], ["false"]);
}

#[tokio::test]
async fn an_exclusive_thing_is_bound_whatever_the_client_id() {
    let (house, pump) = with_pump().await;
    create_lamp(&house, "lamp").await;
    house.attach_thing("lamp", &pump, "EXCLUSIVE_THING").await;
    // With a policy that nobody has read yet, it takes the most steps to find everything.
    house.policy("p", &[&allow("${iot:Connection.Thing.ThingName}")]).await;
    house.attach_policy("p", &pump).await;
    for (client_id, is_attached) in [("other", "false"), ("lamp", "true")] {
        let permissions = house.connect(&pump, client_id).await;
        assert!(may_publish(&permissions, "lamp"));
        let rights = permissions.rights();
        assert_eq!(rights.thing, Some(BoundThing { name: "lamp".to_owned(), is_exclusive: true }));
        let known = keys(&rights);
        assert_eq!(known["iot:Connection.Thing.ThingName"], ["lamp"]);
        assert_eq!(known["iot:Connection.Thing.Attributes[site]"], ["north"]);
        assert_eq!(known["iot:Connection.Thing.IsAttached"], [is_attached]);
    }
}

#[tokio::test]
async fn messages_carry_what_the_type_of_the_thing_says() {
    let (house, pump) = with_pump().await;
    let carried = json!([
        {"userPropertyKey": "where", "thingAttribute": "site"},
        {"userPropertyKey": "client", "connectionAttribute": "iot:ClientId"},
        {"userPropertyKey": "floor", "thingAttribute": "floor"},
        {"userPropertyKey": "thing", "connectionAttribute": "iot:Thing.ThingName"},
    ]);
    let properties = json!({"mqtt5Configuration": {"propagatingAttributes": carried}});
    let request = json!({"thingTypeName": "Lamp", "thingTypeProperties": properties});
    house.server.call::<CreateThingType>(request).await.unwrap();
    let attributes = json!({"attributes": {"site": "north", "other": "x"}});
    let request =
        json!({"thingName": "lamp", "thingTypeName": "Lamp", "attributePayload": attributes});
    house.server.call::<CreateThing>(request).await.unwrap();
    let of = |rights: &Rights| {
        let carried = rights.user_properties.iter();
        carried.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    let stranger = house.connect(&pump, "lamp").await;
    assert_eq!(of(&stranger.rights()), Vec::<String>::new(), "the thing is not its own");
    house.attach_thing("lamp", &pump, "EXCLUSIVE_THING").await;
    let permissions = house.connect(&pump, "c1").await;
    assert_eq!(of(&permissions.rights()), ["where=north", "client=c1", "thing=lamp"]);
    let principal = house.authenticate(&pump.knock(None)).await.unwrap();
    let permissions = house.devices.permissions(&principal, None).await.unwrap();
    assert_eq!(of(&permissions.rights()), Vec::<String>::new(), "over HTTP it has no thing");
}

#[tokio::test]
async fn the_policies_of_the_certificate_decide() {
    let (house, pump) = with_pump().await;
    for name in ["a", "b"] {
        house.policy(name, &[&allow(name)]).await;
        house.attach_policy(name, &pump).await;
    }
    house.policy("c", &[&allow("c")]).await;
    let permissions = house.connect(&pump, "c1").await;
    let names: Vec<String> =
        permissions.rights().policies.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, ["a", "b"]);
    for (topic, expect) in [("a", true), ("b", true), ("c", false)] {
        assert_eq!(may_publish(&permissions, topic), expect, "{topic}");
    }
    assert!(!permissions.rights().depends_on_time);
}

#[tokio::test]
async fn connections_share_the_documents_of_a_policy() {
    let (house, pump) = with_pump().await;
    house.policy("a", &[&allow("a")]).await;
    house.attach_policy("a", &pump).await;
    let (first, second) = (house.connect(&pump, "c1").await, house.connect(&pump, "c2").await);
    let document = |rights: &Rights| Arc::as_ptr(&rights.policies[0].1);
    assert_eq!(document(&first.rights()), document(&second.rights()));
}

#[tokio::test]
async fn a_policy_that_asks_for_the_time_is_marked() {
    let (house, pump) = with_pump().await;
    let statement = r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{"DateLessThan":{"aws:CurrentTime":"2026-06-01"}}}"#;
    house.policy("t", &[statement]).await;
    house.attach_policy("t", &pump).await;
    let permissions = house.connect(&pump, "c1").await;
    assert!(permissions.rights().depends_on_time);
    assert!(may_publish(&permissions, "a"));
}

#[tokio::test]
async fn on_a_development_server_one_may_have_everything_or_a_policy() {
    let house = House::with(|settings| settings.is_dev = true).await;
    house.policy("p", &[&allow("${iot:ClientId}")]).await;
    let plain = knock("mqtt", None, None);
    let administrator = house.login(&plain, None).await.unwrap();
    let permissions = house.devices.permissions(&administrator, Some("c1")).await.unwrap();
    assert!(permissions.rights().is_unlimited);
    assert!(may_publish(&permissions, "anything"));

    let limited = house.login(&plain, Some("policy/p")).await.unwrap();
    let permissions = house.devices.permissions(&limited, Some("c1")).await.unwrap();
    let rights = permissions.rights();
    assert!(!rights.is_unlimited);
    let known = keys(&rights);
    assert_eq!(known["iot:ClientId"], ["c1"]);
    assert_eq!(known["aws:SourceIp"], ["192.0.2.1"]);
    assert_eq!(known.len(), 2);
    assert!(may_publish(&permissions, "c1"));
    assert!(!may_publish(&permissions, "c2"));
}

#[tokio::test]
async fn without_a_client_id_policies_find_neither_it_nor_a_thing() {
    let (house, pump) = with_pump().await;
    create_lamp(&house, "lamp").await;
    house.attach_thing("lamp", &pump, "EXCLUSIVE_THING").await;
    let allowed = ["${iot:ClientId}", "${iot:Certificate.SerialNumber}", "open"].map(allow);
    house.policy("p", &allowed.each_ref().map(|statement| &**statement)).await;
    house.attach_policy("p", &pump).await;
    let principal = house.authenticate(&pump.knock(None)).await.unwrap();
    let permissions = house.devices.permissions(&principal, None).await.unwrap();
    let rights = permissions.rights();
    let keys = keys(&rights);
    assert!(!keys.contains_key("iot:ClientId"));
    assert!(keys.keys().all(|key| !key.starts_with("iot:Connection.Thing.")));
    assert!(keys.contains_key("iot:Certificate.SerialNumber"));
    assert_eq!(rights.thing, None);
    assert!(may_publish(&permissions, "open"));
    assert!(!may_publish(&permissions, ""));
}

//! What policies may ask of a connection: the keys of the client, its certificate and its thing.

use policy::Document;
use service::Principal;

use crate::store::things::Thing;

/// Keys with their values, as [`service::Rights`] holds them.
pub(super) type Keys = Vec<(String, Vec<String>)>;

const CERTIFICATE: &str = "iot:Certificate.";
const THING: &str = "iot:Connection.Thing.";

/// What stays as it is for as long as the connection lasts.
pub(super) fn of_connection(principal: &Principal, client_id: Option<&str>) -> Keys {
    let knock = &principal.knock;
    let mut keys: Keys = client_id.iter().map(|id| one("iot:ClientId", *id)).collect();
    keys.push(one("aws:SourceIp", knock.peer.ip().to_canonical().to_string()));
    keys.extend(knock.server_name.as_deref().map(|name| one("iot:DomainName", name)));
    keys
}

/// Adds what the registered certificate says, if one of `policies` asks for it: few do, and it is
/// much to be held by each connection.
pub(super) fn add_certificate<'a>(
    keys: &mut Keys,
    pem: &str,
    mut policies: impl Iterator<Item = &'a Document>,
) {
    let is_known = keys.iter().any(|(key, _)| key.starts_with(CERTIFICATE));
    if !is_known && policies.any(|policy| policy.asks_for(CERTIFICATE)) {
        // It was read when it was registered; should it not be readable now, its fields are absent.
        keys.extend(pki::parse_pem_certificate(pem).iter().flat_map(of_certificate));
    }
}

/// What [`of_connection`] found when the keys were made.
pub(super) fn without_thing(keys: &[(String, Vec<String>)]) -> Keys {
    keys.iter().filter(|(key, _)| !key.starts_with(THING)).cloned().collect()
}

/// What the registry knows of the connection's thing.
pub(super) fn of_thing(thing: Option<&Thing>, is_attached: bool) -> Keys {
    let mut keys = vec![one(&format!("{THING}IsAttached"), is_attached.to_string())];
    let Some(thing) = thing else { return keys };
    keys.push(one(&format!("{THING}ThingName"), &*thing.name));
    let type_name = thing.type_name.as_deref();
    keys.extend(type_name.map(|name| one(&format!("{THING}ThingTypeName"), name)));
    let attributes = thing.attributes.iter();
    keys.extend(
        attributes.map(|(name, value)| one(&format!("{THING}Attributes[{name}]"), &**value)),
    );
    keys
}

fn of_certificate(certificate: &pki::Certificate) -> Keys {
    let fields = certificate.fields().into_iter();
    let mut keys: Keys =
        fields.map(|(field, values)| (format!("{CERTIFICATE}{field}"), values)).collect();
    let available = keys.iter().map(|(key, _)| key.clone()).collect();
    keys.push((format!("{CERTIFICATE}AvailableKeys"), available));
    keys
}

fn one(key: &str, value: impl Into<String>) -> (String, Vec<String>) {
    (key.to_owned(), vec![value.into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thing() -> Thing {
        let attributes = [("site".to_owned(), "north".to_owned())].into();
        Thing::new("lamp".to_owned(), "id".to_owned(), Some("Lamp".to_owned()), None, attributes)
    }

    #[test]
    fn a_thing_shows_its_name_its_type_and_its_attributes() {
        let expect = [
            ("iot:Connection.Thing.IsAttached", "true"),
            ("iot:Connection.Thing.ThingName", "lamp"),
            ("iot:Connection.Thing.ThingTypeName", "Lamp"),
            ("iot:Connection.Thing.Attributes[site]", "north"),
        ];
        assert_eq!(of_thing(Some(&thing()), true), expect.map(|(key, value)| one(key, value)));
        let nothing = [one("iot:Connection.Thing.IsAttached", "false")];
        assert_eq!(of_thing(None, false), nothing);
    }

    #[test]
    fn what_is_said_of_a_thing_can_be_taken_off() {
        let mut keys = vec![one("iot:ClientId", "c")];
        keys.extend(of_thing(Some(&thing()), true));
        assert_eq!(without_thing(&keys), [one("iot:ClientId", "c")]);
    }
}

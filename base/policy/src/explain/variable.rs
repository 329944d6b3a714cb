//! Why a policy variable has no value.

use super::{Hint, Miss, Nearness, is_nearly};
use crate::condition::Condition;
use crate::context::Context;

const THING: &str = "iot:Connection.Thing.";
const ATTRIBUTE: &str = "iot:Connection.Thing.Attributes[";
const CERTIFICATE: &str = "iot:Certificate.";

/// Variables that stand alone.
const SINGLE: [&str; 10] = [
    "iot:ClientId",
    "iot:DomainName",
    "aws:SourceIp",
    "aws:CurrentTime",
    "aws:EpochTime",
    "iot:Connection.Thing.ThingName",
    "iot:Connection.Thing.ThingTypeName",
    "iot:Connection.Thing.IsAttached",
    "iot:Certificate.SerialNumber",
    "iot:Certificate.AvailableKeys",
];
/// What a certificate may say of its subject and its issuer.
const FIELDS: [&str; 18] = [
    "DistinguishedNameQualifier",
    "Country",
    "Organization",
    "OrganizationalUnit",
    "State",
    "CommonName",
    "SerialNumber",
    "Title",
    "Surname",
    "GivenName",
    "Initials",
    "Pseudonym",
    "GenerationQualifier",
    "AlternativeName.RFC822Name",
    "AlternativeName.DNSName",
    "AlternativeName.DirectoryName",
    "AlternativeName.UniformResourceIdentifier",
    "AlternativeName.IPAddress",
];

/// A statement that cannot match for want of the variable `name`, which stands in `text`.
pub(super) fn hint(miss: &Miss<'_>, name: &str, text: &str) -> Hint {
    let why = why(name, miss.request.context);
    let (place, action) = (miss.place, miss.request.action);
    let sentence = format!("{place} allows {action} on {text}, but {why}");
    Hint { nearness: Nearness::Variable, sentence }
}

/// Why a condition cannot hold for want of a variable's value.
pub(super) fn unresolved(miss: &Miss<'_>, condition: &Condition) -> Option<String> {
    let context = miss.request.context;
    condition.missing_variables(context).next().map(|name| why(name, context))
}

fn why(name: &str, context: &dyn Context) -> String {
    let Some(known) = known().find(|known| is_form_of(name, known)) else {
        return unknown(name);
    };
    let reason = match &*known {
        _ if context.values(&known).is_some() => {
            "cannot be put in place: it has *, $, +, ? or #, or is too long, or there are fewer \
             values"
        }
        "iot:DomainName" => "has no value: the client names no host (SNI)",
        "iot:ClientId" => "has no value outside MQTT",
        ATTRIBUTE => "has no value: the connection's thing has no such attribute, or there is none",
        _ if known.starts_with(THING) => {
            "has no value: the connection has no thing with it. The client id must be the name of \
             a thing that has the certificate (aws iot attach-thing-principal), or the certificate \
             must be attached to a thing exclusively"
        }
        _ if known.starts_with(CERTIFICATE) => "has no value: the certificate does not have it",
        _ => "has no value",
    };
    format!("${{{name}}} {reason}")
}

fn unknown(name: &str) -> String {
    match known().find(|known| is_nearly(name, known)) {
        Some(meant) => format!("there is no variable ${{{name}}}; ${{{meant}}} may be meant"),
        None => format!("there is no variable ${{{name}}}"),
    }
}

/// Every variable of a device's policy; attributes by what their names begin with.
fn known() -> impl Iterator<Item = String> {
    let fields = ["Subject", "Issuer"]
        .into_iter()
        .flat_map(|whose| FIELDS.iter().map(move |field| format!("{CERTIFICATE}{whose}.{field}")));
    SINGLE.into_iter().map(str::to_owned).chain([ATTRIBUTE.to_owned()]).chain(fields)
}

/// Whether `name` is `known` in one of its forms: `….1`, `….List`, `…[name]`.
fn is_form_of(name: &str, known: &str) -> bool {
    let Some((start, rest)) = name.split_at_checked(known.len()) else { return false };
    let is_index = |rest: &str| {
        let suffix = rest.strip_prefix('.').unwrap_or_default();
        suffix.eq_ignore_ascii_case("List") || suffix.parse::<u8>().is_ok()
    };
    start.eq_ignore_ascii_case(known)
        && if known == ATTRIBUTE {
            rest.len() > 1 && rest.ends_with(']')
        } else {
            rest.is_empty() || known.starts_with(CERTIFICATE) && is_index(rest)
        }
}

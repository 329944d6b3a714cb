//! What a certificate says about its subject and its issuer, by the names that policies use.
//!
//! Values are as the certificate has them, except that special characters of distinguished names
//! are escaped. How many of them a policy may use, and which it may not, is for the policy.

use std::net::IpAddr;

use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::prelude::{
    AttributeTypeAndValue, GeneralName, ParsedExtension, X509Certificate, X509Name,
};

use crate::certificate::{Certificate, parse, serial_text};

/// Attributes of a distinguished name: object identifier, the name in policies, the short name.
const ATTRIBUTES: [(&str, &str, &str); 13] = [
    ("2.5.4.46", "DistinguishedNameQualifier", "dnQualifier"),
    ("2.5.4.6", "Country", "C"),
    ("2.5.4.10", "Organization", "O"),
    ("2.5.4.11", "OrganizationalUnit", "OU"),
    ("2.5.4.8", "State", "ST"),
    ("2.5.4.3", "CommonName", "CN"),
    ("2.5.4.5", "SerialNumber", "serialNumber"),
    ("2.5.4.12", "Title", "title"),
    ("2.5.4.4", "Surname", "SN"),
    ("2.5.4.42", "GivenName", "GN"),
    ("2.5.4.43", "Initials", "initials"),
    ("2.5.4.65", "Pseudonym", "pseudonym"),
    ("2.5.4.44", "GenerationQualifier", "generationQualifier"),
];

/// Characters of a distinguished name's value that get a backslash.
const ESCAPED: [char; 8] = [',', '"', '\\', '+', '=', '<', '>', ';'];

/// Fields that have a value, in the order in which the certificate first shows each.
#[derive(Default)]
struct Fields(Vec<(String, Vec<String>)>);

impl Certificate {
    /// The fields of the certificate that policies know, each with all its values in order:
    /// `Subject.CommonName`, `Issuer.AlternativeName.DNSName`, `SerialNumber` and so on. A field
    /// without a value is left out.
    pub fn fields(&self) -> Vec<(String, Vec<String>)> {
        let mut fields = Fields::default();
        if let Ok(x509) = parse(&self.der) {
            fields.add_name("Subject", x509.subject());
            fields.add_name("Issuer", x509.issuer());
            fields.add_alternative_names(&x509);
            fields.add("SerialNumber".to_owned(), serial_text(&x509));
        }
        fields.0
    }
}

impl Fields {
    fn add(&mut self, field: String, value: String) {
        match self.0.iter_mut().find(|(known, _)| *known == field) {
            Some((_, values)) => values.push(value),
            None => self.0.push((field, vec![value])),
        }
    }

    fn add_name(&mut self, whose: &str, name: &X509Name<'_>) {
        for attribute in name.iter_attributes() {
            let id = attribute.attr_type().to_id_string();
            let Some((_, field, _)) = ATTRIBUTES.iter().find(|(known, ..)| *known == id) else {
                continue;
            };
            if let Some(value) = text_of(attribute.attr_value()) {
                self.add(format!("{whose}.{field}"), escaped(&value));
            }
        }
    }

    fn add_alternative_names(&mut self, x509: &X509Certificate<'_>) {
        for extension in x509.iter_extensions() {
            let (whose, names) = match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(names) => ("Subject", &names.general_names),
                ParsedExtension::IssuerAlternativeName(names) => ("Issuer", &names.general_names),
                _ => continue,
            };
            for (kind, value) in names.iter().filter_map(alternative_name) {
                self.add(format!("{whose}.AlternativeName.{kind}"), value);
            }
        }
    }
}

fn alternative_name(name: &GeneralName<'_>) -> Option<(&'static str, String)> {
    Some(match name {
        GeneralName::RFC822Name(address) => ("RFC822Name", (*address).to_owned()),
        GeneralName::DNSName(name) => ("DNSName", (*name).to_owned()),
        GeneralName::DirectoryName(name) => ("DirectoryName", directory_name(name)),
        GeneralName::URI(uri) => ("UniformResourceIdentifier", (*uri).to_owned()),
        GeneralName::IPAddress(bytes) => ("IPAddress", address_text(bytes)?),
        _ => return None,
    })
}

fn address_text(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let address = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    address.ok().map(|address| address.to_string())
}

/// A name as RFC 4514 writes it: last part first, without spaces between.
fn directory_name(name: &X509Name<'_>) -> String {
    let mut parts: Vec<_> = name
        .iter_rdn()
        .map(|part| part.iter().map(attribute_text).collect::<Vec<_>>().join("+"))
        .collect();
    parts.reverse();
    parts.join(",")
}

fn attribute_text(attribute: &AttributeTypeAndValue<'_>) -> String {
    let id = attribute.attr_type().to_id_string();
    let known = ATTRIBUTES.iter().find(|(known, ..)| *known == id);
    let short = known.map_or(id.as_str(), |(_, _, short)| short);
    let value = text_of(attribute.attr_value()).unwrap_or_default();
    format!("{short}={}", escaped(&value))
}

/// The text of any of the string types that names have used over the years.
fn text_of(value: &Any<'_>) -> Option<String> {
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString => {
            String::from_utf8(value.data.to_vec()).ok()
        }
        // Teletex in theory, Latin-1 in every certificate that was ever seen.
        Tag::T61String => Some(value.data.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let (units, []) = value.data.as_chunks() else { return None };
            let units: Vec<_> = units.iter().copied().map(u16::from_be_bytes).collect();
            String::from_utf16(&units).ok()
        }
        Tag::UniversalString => {
            let (units, []) = value.data.as_chunks() else { return None };
            units.iter().copied().map(|unit| char::from_u32(u32::from_be_bytes(unit))).collect()
        }
        _ => None,
    }
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        if ESCAPED.contains(&character) {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

//! What policies can ask about a certificate.

use ferrite_pki::parse_pem_certificate;

use crate::openssl::{Openssl, P256};

fn fields(more: &[&str]) -> Vec<(String, Vec<String>)> {
    parse_pem_certificate(&Openssl::self_signed(P256, more)).unwrap().fields()
}

/// The values of one field, none if it has no value.
fn values(fields: &[(String, Vec<String>)], field: &str) -> Vec<String> {
    let found = fields.iter().find(|(known, _)| known == field);
    found.map(|(_, values)| values.clone()).unwrap_or_default()
}

#[test]
fn every_attribute_of_a_name_has_its_field() {
    let subject = "/dnQualifier=q/C=DE/O=Mill/OU=north/OU=south/ST=Bavaria/CN=pump/serialNumber=7\
                   /title=Dr/SN=Meyer/GN=Eva/initials=EM/pseudonym=em/generationQualifier=Jr\
                   /L=Munich";
    let expected = [
        ("DistinguishedNameQualifier", &["q"][..]),
        ("Country", &["DE"]),
        ("Organization", &["Mill"]),
        ("OrganizationalUnit", &["north", "south"]),
        ("State", &["Bavaria"]),
        ("CommonName", &["pump"]),
        ("SerialNumber", &["7"]),
        ("Title", &["Dr"]),
        ("Surname", &["Meyer"]),
        ("GivenName", &["Eva"]),
        ("Initials", &["EM"]),
        ("Pseudonym", &["em"]),
        ("GenerationQualifier", &["Jr"]),
    ];
    let mut expected: Vec<_> = ["Subject", "Issuer"]
        .into_iter()
        .flat_map(|whose| {
            expected.map(|(field, values)| {
                (format!("{whose}.{field}"), values.iter().map(|v| (*v).to_owned()).collect())
            })
        })
        .collect();
    expected.push(("SerialNumber".to_owned(), vec!["badcafe0".to_owned()]));
    assert_eq!(fields(&["-subj", subject, "-set_serial", "0xbadcafe0"]), expected);
}

#[test]
fn alternative_names_are_told_by_their_kind() {
    let openssl = Openssl::new();
    openssl.make_key(P256);
    let names = "email:a@example.com,DNS:one.example.com,DNS:two.example.com,\
                 URI:urn:dev:mac:0024befffe804ff1,IP:192.0.2.7,IP:2001:db8::7,dirName:directory,\
                 RID:1.2.3";
    let config = format!(
        "[req]\ndistinguished_name=dn\nx509_extensions=v3\nprompt=no\n[dn]\nCN=pump\n\
         [v3]\nsubjectAltName={names}\nissuerAltName=DNS:ca.example.com\n\
         [directory]\nC=DE\nO=Mill, north\nCN=pump\n"
    );
    openssl.write("openssl.cnf", &config);
    let pem = openssl.self_signed_with_key(&["-config", "openssl.cnf"]);
    let fields = parse_pem_certificate(&pem).unwrap().fields();
    let check = |field: &str, expected: &[&str]| assert_eq!(values(&fields, field), expected);
    check("Subject.AlternativeName.RFC822Name", &["a@example.com"]);
    check("Subject.AlternativeName.DNSName", &["one.example.com", "two.example.com"]);
    check("Subject.AlternativeName.UniformResourceIdentifier", &["urn:dev:mac:0024befffe804ff1"]);
    check("Subject.AlternativeName.IPAddress", &["192.0.2.7", "2001:db8::7"]);
    check("Subject.AlternativeName.DirectoryName", &["CN=pump,O=Mill\\, north,C=DE"]);
    check("Issuer.AlternativeName.DNSName", &["ca.example.com"]);
    assert!(fields.iter().all(|(field, _)| !field.contains("RegisteredID")), "{fields:?}");
}

#[test]
fn special_characters_of_names_are_escaped() {
    let subject = r#"/CN=a,b"c\\d\+e=f<g>h;i#j*k"#;
    let fields = fields(&["-subj", subject]);
    assert_eq!(values(&fields, "Subject.CommonName"), [r#"a\,b\"c\\d\+e\=f\<g\>h\;i#j*k"#]);
}

#[test]
fn names_in_old_string_types_are_read() {
    for (mask, text) in [("MASK:0x800", "Mühle 水"), ("MASK:0x4", "Mühle"), ("utf8only", "水")]
    {
        let openssl = Openssl::new();
        openssl.make_key(P256);
        let config = format!(
            "[req]\ndistinguished_name=dn\nprompt=no\nstring_mask={mask}\n[dn]\nO={text}\n"
        );
        openssl.write("openssl.cnf", &config);
        let pem = openssl.self_signed_with_key(&["-utf8", "-config", "openssl.cnf"]);
        let fields = parse_pem_certificate(&pem).unwrap().fields();
        assert_eq!(values(&fields, "Subject.Organization"), [text], "{mask}");
    }
}

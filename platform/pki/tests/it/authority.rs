//! The authority and the certificates that it makes with their keys.

use ferrite_pki::{Authority, PkiError, certificate_id, parse_pem_certificate};

use crate::openssl::{Openssl, RSA_2048};
use crate::{NOW, env};

/// The lines of `openssl x509 -text` that contain one of `parts`, without their indentation.
fn lines_with(text: &str, parts: &[&str]) -> Vec<String> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| parts.iter().any(|part| line.contains(part))).map(str::to_owned).collect()
}

#[test]
fn the_authority_is_a_root_that_may_sign_certificates() {
    let authority = Authority::create(&env()).unwrap();
    let openssl = Openssl::with(&[("ca.pem", authority.certificate_pem())]);
    let text = openssl.run("x509 -in ca.pem -noout -text -nameopt oneline");
    assert_eq!(
        lines_with(
            &text,
            &["Version", "Issuer", "Subject:", "Not ", "CA:TRUE", "Sign,", "Public-Key"]
        ),
        [
            "Version: 3 (0x2)",
            "Issuer: OU = Ferrite, O = Ferrite, CN = Ferrite Root CA",
            "Not Before: Jan  2 02:59:05 2026 GMT",
            "Not After : Dec 31 23:59:59 2049 GMT",
            "Subject: OU = Ferrite, O = Ferrite, CN = Ferrite Root CA",
            "Public-Key: (2048 bit)",
            "CA:TRUE",
            "Certificate Sign, CRL Sign",
        ]
    );
    openssl.run("verify -x509_strict -check_ss_sig -CAfile ca.pem ca.pem");
}

#[test]
fn a_certificate_with_new_keys_has_the_profile_of_aws_iot() {
    let env = env();
    let authority = Authority::create(&env).unwrap();
    let issued = authority.issue_with_new_key(&env).unwrap();
    let openssl = Openssl::with(&[
        ("ca.pem", authority.certificate_pem()),
        ("cert.pem", &issued.certificate.certificate_pem),
    ]);
    let text = openssl.run("x509 -in cert.pem -noout -text -nameopt oneline");
    let shown =
        ["Version", "Signature Algorithm", "Issuer", "Subject:", "Not ", "X509v3", "CA:FALSE"];
    assert_eq!(
        lines_with(&text, &[&shown[..], &["Digital"]].concat()),
        [
            "Version: 3 (0x2)",
            "Signature Algorithm: sha256WithRSAEncryption",
            "Issuer: OU = Ferrite, O = Ferrite, CN = Ferrite Root CA",
            "Not Before: Jan  2 02:59:05 2026 GMT",
            "Not After : Dec 31 23:59:59 2049 GMT",
            "Subject: CN = AWS IoT Certificate",
            "X509v3 extensions:",
            "X509v3 Authority Key Identifier:",
            "X509v3 Subject Key Identifier:",
            "X509v3 Basic Constraints: critical",
            "CA:FALSE",
            "X509v3 Key Usage: critical",
            "Digital Signature",
            "Signature Algorithm: sha256WithRSAEncryption",
        ]
    );
    openssl.run("verify -x509_strict -purpose sslclient -CAfile ca.pem cert.pem");
    assert_eq!(issued.certificate.not_before.secs(), NOW.secs() - 300);
    assert_eq!(issued.certificate.not_after.to_rfc3339(), "2049-12-31T23:59:59Z");
}

#[test]
fn the_keys_are_in_the_forms_that_devices_read() {
    let env = env();
    let issued = Authority::create(&env).unwrap().issue_with_new_key(&env).unwrap();
    assert!(issued.private_key_pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
    assert!(issued.public_key_pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
    let openssl = Openssl::with(&[
        ("key.pem", &issued.private_key_pem),
        ("cert.pem", &issued.certificate.certificate_pem),
    ]);
    assert!(openssl.run("rsa -in key.pem -check -noout").contains("RSA key ok"));
    assert_eq!(openssl.run("rsa -in key.pem -traditional"), issued.private_key_pem);
    assert_eq!(openssl.run("rsa -in key.pem -pubout"), issued.public_key_pem);
    assert_eq!(openssl.run("x509 -in cert.pem -noout -pubkey"), issued.public_key_pem);
}

#[test]
fn the_id_is_the_sha_256_fingerprint_in_lower_case() {
    let env = env();
    let issued = Authority::create(&env).unwrap().issue_with_new_key(&env).unwrap();
    let openssl = Openssl::with(&[("cert.pem", &issued.certificate.certificate_pem)]);
    let fingerprint = openssl.run("x509 -in cert.pem -noout -fingerprint -sha256");
    let hex = fingerprint.trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase();
    assert_eq!(issued.certificate.certificate_id, hex);
    let certificate = parse_pem_certificate(&issued.certificate.certificate_pem).unwrap();
    assert_eq!((certificate.id(), certificate_id(&certificate.der)), (hex.clone(), hex));
}

#[test]
fn two_certificates_never_share_a_serial_number() {
    let env = env();
    let authority = Authority::create(&env).unwrap();
    let serials = [0, 1].map(|_| {
        let issued = authority.issue_with_new_key(&env).unwrap();
        parse_pem_certificate(&issued.certificate.certificate_pem).unwrap().serial
    });
    assert_ne!(serials[0], serials[1]);
    assert!(serials.iter().all(|serial| serial.len() == 40 && serial.as_str() < "8"));
}

#[test]
fn an_authority_that_was_stored_goes_on_where_it_was() {
    let env = env();
    let created = Authority::create(&env).unwrap();
    let secret = created.to_secret_pem().unwrap();
    let loaded = Authority::load(created.certificate_pem(), &secret).unwrap();
    assert_eq!(loaded.certificate_pem(), created.certificate_pem());
    let issued = loaded.issue_with_new_key(&env).unwrap();
    let openssl = Openssl::with(&[
        ("ca.pem", created.certificate_pem()),
        ("cert.pem", &issued.certificate.certificate_pem),
    ]);
    openssl.run("verify -x509_strict -CAfile ca.pem cert.pem");
}

#[test]
fn an_operators_own_authority_can_sign() {
    let openssl = Openssl::new();
    openssl.make_key(RSA_2048);
    let certificate = openssl.self_signed_with_key(&["-subj", "/O=Mill/OU=A/OU=B/CN=Mill CA"]);
    openssl.run("rsa -in key.pem -traditional -out pkcs1.pem");
    for key in ["key.pem", "pkcs1.pem"] {
        let authority = Authority::load(&certificate, &openssl.read(key)).unwrap();
        let issued = authority.issue_with_new_key(&env()).unwrap();
        openssl.write("ca.pem", &certificate);
        openssl.write("cert.pem", &issued.certificate.certificate_pem);
        // The simulated clock and the one of OpenSSL differ.
        openssl.run("verify -no_check_time -CAfile ca.pem cert.pem");
    }
}

#[test]
fn an_authority_needs_its_own_certificate_and_key() {
    let env = env();
    let (one, other) = (Authority::create(&env).unwrap(), Authority::create(&env).unwrap());
    let device = one.issue_with_new_key(&env).unwrap();
    let (key, certificate) = (one.to_secret_pem().unwrap(), one.certificate_pem());
    let broken_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let wrong_label =
        PkiError::WrongLabel { expected: "PRIVATE KEY", found: "CERTIFICATE".to_owned() };
    let cases = [
        (certificate, other.to_secret_pem().unwrap(), PkiError::KeyMismatch),
        (
            &device.certificate.certificate_pem,
            device.private_key_pem.clone(),
            PkiError::NotAnAuthority,
        ),
        (certificate, broken_key.to_owned(), PkiError::MalformedPrivateKey),
        (certificate, certificate.to_owned(), wrong_label),
        ("", key, PkiError::MalformedPem),
    ];
    for (certificate, key, refusal) in cases {
        assert_eq!(Authority::load(certificate, &key).unwrap_err(), refusal);
    }
}

#[test]
fn nothing_secret_is_printed() {
    let env = env();
    let authority = Authority::create(&env).unwrap();
    let issued = authority.issue_with_new_key(&env).unwrap();
    let printed = format!("{authority:?} {issued:?}");
    assert!(!printed.contains("PRIVATE"), "{printed}");
}

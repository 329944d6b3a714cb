//! Certificates from signing requests.

use ferrite_pki::{Authority, Certificate, KeyKind, PkiError, parse_pem_certificate};

use crate::env;
use crate::openssl::{ED25519, Openssl, P256, P384, P521, RSA_1024, RSA_2048, RSA_PSS, SECP256K1};

/// Issues for `csr` and lets OpenSSL verify the certificate and compare it with the request.
fn issue_and_verify(authority: &Authority, csr: &str) -> Certificate {
    let issued = authority.issue_from_csr(csr, &env()).unwrap();
    let openssl = Openssl::with(&[
        ("ca.pem", authority.certificate_pem()),
        ("cert.pem", &issued.certificate_pem),
        ("csr.pem", csr),
    ]);
    openssl.run("verify -CAfile ca.pem cert.pem");
    for part in ["-subject", "-pubkey"] {
        assert_eq!(
            openssl.run(&format!("x509 -in cert.pem -noout {part}")),
            openssl.run(&format!("req -in csr.pem -noout {part}"))
        );
    }
    parse_pem_certificate(&issued.certificate_pem).unwrap()
}

#[test]
fn every_accepted_key_gets_a_certificate() {
    let authority = Authority::create(&env()).unwrap();
    let subject: &[&str] = &["-subj", "/CN=pump"];
    let pss: &[&str] = &["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"];
    let longest_salt: &[&str] = &["-sha512", "-sigopt", "rsa_padding_mode:pss"];
    let cases: [(&str, &[&str], KeyKind); 12] = [
        (RSA_2048, &["-sha256"], KeyKind::Rsa { bits: 2048 }),
        (RSA_2048, &["-sha512"], KeyKind::Rsa { bits: 2048 }),
        (RSA_2048, pss, KeyKind::Rsa { bits: 2048 }),
        (RSA_2048, longest_salt, KeyKind::Rsa { bits: 2048 }),
        (RSA_PSS, &[], KeyKind::Rsa { bits: 2048 }),
        (RSA_PSS, &["-sigopt", "rsa_pss_saltlen:digest"], KeyKind::Rsa { bits: 2048 }),
        (P256, &["-sha256"], KeyKind::P256),
        (P256, &["-sha512"], KeyKind::P256),
        (P384, &["-sha256"], KeyKind::P384),
        (P384, &["-sha384"], KeyKind::P384),
        (P521, &["-sha256"], KeyKind::P521),
        (P521, &["-sha512"], KeyKind::P521),
    ];
    for (kind, more, key) in cases {
        let csr = Openssl::request(kind, &[subject, more].concat());
        assert_eq!(issue_and_verify(&authority, &csr).key, key, "{kind} {more:?}");
    }
}

#[test]
fn the_subject_is_kept_as_it_was_written() {
    let authority = Authority::create(&env()).unwrap();
    let subjects = [
        "/",
        "/C=DE/ST=Bayern/L=München/O=Mühle/CN=pumpe-1",
        "/OU=first/OU=second/DC=example/DC=com/CN=pump",
        "/O=Mill/CN=pump+serialNumber=42+title=left",
        "/CN=AWS IoT Certificate",
    ];
    for subject in subjects {
        let csr = Openssl::request(P256, &["-utf8", "-multivalue-rdn", "-subj", subject]);
        issue_and_verify(&authority, &csr);
    }
}

#[test]
fn extensions_that_a_request_asks_for_are_left_out() {
    let authority = Authority::create(&env()).unwrap();
    let csr = Openssl::request(
        P256,
        &[
            "-subj",
            "/CN=pump",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "subjectAltName=DNS:mqtt.example.com",
        ],
    );
    let certificate = issue_and_verify(&authority, &csr);
    assert!(!certificate.is_ca);
    let openssl = Openssl::with(&[("cert.pem", &certificate.to_pem())]);
    assert!(!openssl.run("x509 -in cert.pem -noout -text").contains("mqtt.example.com"));
}

#[test]
fn one_request_gives_another_certificate_each_time() {
    let env = env();
    let authority = Authority::create(&env).unwrap();
    let csr = Openssl::request(P256, &["-subj", "/CN=pump"]);
    let ids = [0, 1].map(|_| authority.issue_from_csr(&csr, &env).unwrap().certificate_id);
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn requests_of_older_tools_and_with_text_around_are_read() {
    let authority = Authority::create(&env()).unwrap();
    let csr = Openssl::request(P256, &["-subj", "/CN=pump", "-text"]);
    assert!(csr.starts_with("Certificate Request:"));
    issue_and_verify(&authority, &csr);
    let windows = csr.replace('\n', "\r\n");
    assert!(authority.issue_from_csr(&windows, &env()).is_ok());
    let older = csr.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
    assert!(authority.issue_from_csr(&older, &env()).is_ok());
    // What a request proves is possession of its key, for which SHA-1 still serves.
    issue_and_verify(&authority, &Openssl::request(RSA_2048, &["-subj", "/CN=pump", "-sha1"]));
}

#[test]
fn requests_with_keys_or_signatures_that_are_not_accepted_are_refused_by_name() {
    let authority = Authority::create(&env()).unwrap();
    let subject: &[&str] = &["-subj", "/CN=pump"];
    let unsupported_key = |found: &str| PkiError::UnsupportedKey { found: found.to_owned() };
    let sha1 = PkiError::UnsupportedSignature { found: "1.2.840.10045.4.1".to_owned() };
    let cases: [(&str, &[&str], PkiError); 4] = [
        (RSA_1024, &[], PkiError::WeakKey { bits: 1024 }),
        (SECP256K1, &[], unsupported_key("EC on curve 1.3.132.0.10")),
        (ED25519, &[], unsupported_key("1.3.101.112")),
        (P256, &["-sha1"], sha1),
    ];
    for (kind, more, refusal) in cases {
        let csr = Openssl::request(kind, &[subject, more].concat());
        assert_eq!(authority.issue_from_csr(&csr, &env()).unwrap_err(), refusal, "{kind}");
    }
}

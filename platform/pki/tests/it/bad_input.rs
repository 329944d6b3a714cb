//! Input that is no certificate and no signing request.

use ferrite_pki::{Authority, Certificate, PkiError, parse_pem_certificate};
use proptest::prelude::*;

use crate::env;
use crate::openssl::{Openssl, P256};

const SUBJECT: &[&str] = &["-subj", "/CN=pump"];

fn block(label: &str, body: &str) -> String {
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

/// `pem` without its last `lines` lines.
fn cut(pem: &str, lines: usize) -> String {
    let kept = pem.lines().count() - lines;
    pem.lines().take(kept).map(|line| format!("{line}\n")).collect()
}

/// `pem` with one line of its body gone.
fn gap(pem: &str) -> String {
    pem.lines().enumerate().filter(|(n, _)| *n != 2).map(|(_, line)| format!("{line}\n")).collect()
}

/// `pem` with a bit of its last byte, which is the signature's, changed.
fn forged(label: &str, pem: &str) -> String {
    let mut der = pem::parse(pem).unwrap().into_contents();
    *der.last_mut().unwrap() ^= 1;
    pem::encode(&pem::Pem::new(label, der))
}

/// `pem` with a byte after the structure that it holds.
fn trailed(label: &str, pem: &str) -> String {
    let mut der = pem::parse(pem).unwrap().into_contents();
    der.push(0);
    pem::encode(&pem::Pem::new(label, der))
}

fn wrong_label(expected: &'static str, found: &str) -> PkiError {
    PkiError::WrongLabel { expected, found: found.to_owned() }
}

#[test]
fn what_is_no_certificate_is_refused_by_name() {
    let pem = Openssl::self_signed(P256, SUBJECT);
    let csr = Openssl::request(P256, SUBJECT);
    let key = block("PRIVATE KEY", "AAAA");
    let cases = [
        (String::new(), PkiError::MalformedPem),
        ("garbage".to_owned(), PkiError::MalformedPem),
        (cut(&pem, 1), PkiError::MalformedPem),
        (cut(&pem, 3), PkiError::MalformedPem),
        (format!("{pem}{}", cut(&pem, 1)), PkiError::MalformedPem),
        (block("CERTIFICATE", "§§§§"), PkiError::MalformedPem),
        (block("CERTIFICATE", ""), PkiError::NotACertificate),
        (block("CERTIFICATE", "AAAA"), PkiError::NotACertificate),
        (gap(&pem), PkiError::NotACertificate),
        (trailed("CERTIFICATE", &pem), PkiError::NotACertificate),
        (csr.replace("CERTIFICATE REQUEST", "CERTIFICATE"), PkiError::NotACertificate),
        (csr, wrong_label("CERTIFICATE", "CERTIFICATE REQUEST")),
        (key.clone(), wrong_label("CERTIFICATE", "PRIVATE KEY")),
        (format!("{pem}{pem}"), PkiError::SeveralBlocks { found: 2 }),
        (format!("{pem}{key}"), PkiError::SeveralBlocks { found: 2 }),
    ];
    for (text, refusal) in cases {
        assert_eq!(parse_pem_certificate(&text).unwrap_err(), refusal, "{text}");
    }
}

#[test]
fn what_is_no_request_is_refused_by_name() {
    let authority = Authority::create(&env()).unwrap();
    let csr = Openssl::request(P256, SUBJECT);
    let pem = Openssl::self_signed(P256, SUBJECT);
    let label = "CERTIFICATE REQUEST";
    let cases = [
        (String::new(), PkiError::MalformedPem),
        (cut(&csr, 1), PkiError::MalformedPem),
        (block(label, "AAAA"), PkiError::NotARequest),
        (gap(&csr), PkiError::NotARequest),
        (trailed(label, &csr), PkiError::NotARequest),
        (pem.replace("CERTIFICATE", label), PkiError::NotARequest),
        (pem, wrong_label(label, "CERTIFICATE")),
        (format!("{csr}{csr}"), PkiError::SeveralBlocks { found: 2 }),
        (forged(label, &csr), PkiError::BadSignature),
    ];
    for (text, refusal) in cases {
        assert_eq!(authority.issue_from_csr(&text, &env()).unwrap_err(), refusal, "{text}");
    }
}

#[test]
fn text_around_a_certificate_does_not_matter() {
    let pem = Openssl::self_signed(P256, SUBJECT);
    let certificate = parse_pem_certificate(&pem).unwrap();
    let dressed = [
        format!("\n\n  {pem}  \n"),
        format!("subject=CN = pump\nissuer=CN = pump\n{pem}goodbye"),
        pem.replace('\n', "\r\n"),
        format!("\u{feff}{pem}"),
        pem.trim_end().to_owned(),
    ];
    for text in dressed {
        assert_eq!(parse_pem_certificate(&text).unwrap(), certificate, "{text}");
    }
}

#[test]
fn no_damage_makes_the_readers_panic() {
    let authority = Authority::create(&env()).unwrap();
    let certificate = parse_pem_certificate(authority.certificate_pem()).unwrap();
    let csr = pem::parse(Openssl::request(P256, SUBJECT)).unwrap().into_contents();
    let damage = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4);
    let damaged = |der: &[u8], damage: &[(prop::sample::Index, u8)]| {
        let mut der = der.to_vec();
        for (place, byte) in damage {
            *place.get_mut(&mut der) = *byte;
        }
        der
    };
    proptest!(|(damage in damage, garbage: Vec<u8>, text: String)| {
        if let Ok(read) = Certificate::from_der(damaged(&certificate.der, &damage)) {
            Authority::check_signed_by(&read, &certificate);
        }
        let csr = pem::Pem::new("CERTIFICATE REQUEST", damaged(&csr, &damage));
        drop(authority.issue_from_csr(&pem::encode(&csr), &env()));
        prop_assert!(Certificate::from_der(garbage).is_err());
        prop_assert!(parse_pem_certificate(&text).is_err());
    });
}

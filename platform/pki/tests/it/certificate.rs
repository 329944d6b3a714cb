//! Certificates that clients bring.

use ferrite_pki::{Authority, KeyKind, PkiError, parse_pem_certificate};

use crate::env;
use crate::openssl::{ED25519, Openssl, P256, P384, P521, RSA_1024, RSA_2048, RSA_PSS, SECP256K1};

const SUBJECT: &[&str] = &["-subj", "/O=Mill/CN=pump"];

/// A device certificate of X.509 version 1, and the one of the authority that signed it.
fn version_1() -> (String, String) {
    let openssl = Openssl::new();
    openssl.make_key(RSA_2048);
    openssl.write("ca.pem", &openssl.self_signed_with_key(&["-subj", "/CN=Mill CA"]));
    openssl.run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out device.pem");
    openssl.run("req -new -key device.pem -subj /CN=pump -out csr.pem");
    openssl.run("x509 -req -in csr.pem -CA ca.pem -CAkey key.pem -CAcreateserial -out cert.pem");
    (openssl.read("cert.pem"), openssl.read("ca.pem"))
}

#[test]
fn a_certificate_shows_what_it_says() {
    let more = ["-set_serial", "0x0badcafe", "-addext", "basicConstraints=critical,CA:FALSE"];
    let pem = Openssl::self_signed(P256, &[SUBJECT, &more].concat());
    let certificate = parse_pem_certificate(&pem).unwrap();
    assert_eq!(certificate.subject, "O=Mill, CN=pump");
    assert_eq!(certificate.issuer, "O=Mill, CN=pump");
    assert_eq!(certificate.serial, "0badcafe");
    assert_eq!((certificate.version, certificate.is_ca), (3, false));
    assert_eq!(certificate.not_after.since(certificate.not_before).as_secs(), 30 * 86_400);
    assert_eq!(certificate.to_pem(), pem);
}

#[test]
fn every_accepted_algorithm_is_accepted() {
    let cases: [(&str, &[&str], KeyKind); 7] = [
        (RSA_2048, &["-sha256"], KeyKind::Rsa { bits: 2048 }),
        (RSA_2048, &["-sha384"], KeyKind::Rsa { bits: 2048 }),
        (RSA_2048, &["-sigopt", "rsa_padding_mode:pss"], KeyKind::Rsa { bits: 2048 }),
        (RSA_PSS, &["-sha512"], KeyKind::Rsa { bits: 2048 }),
        (P256, &["-sha256"], KeyKind::P256),
        (P384, &["-sha384"], KeyKind::P384),
        (P521, &["-sha512"], KeyKind::P521),
    ];
    for (kind, more, key) in cases {
        let pem = Openssl::self_signed(kind, &[SUBJECT, more].concat());
        assert_eq!(parse_pem_certificate(&pem).unwrap().key, key, "{kind} {more:?}");
    }
}

#[test]
fn version_1_is_accepted() {
    let (device, ca) = version_1();
    let (device, ca) =
        (parse_pem_certificate(&device).unwrap(), parse_pem_certificate(&ca).unwrap());
    assert_eq!((device.version, device.is_ca, device.key), (1, false, KeyKind::P256));
    assert!(ca.is_ca);
    assert!(Authority::check_signed_by(&device, &ca));
}

#[test]
fn algorithms_that_are_not_accepted_are_refused_by_name() {
    let unsupported_key = |found: &str| PkiError::UnsupportedKey { found: found.to_owned() };
    let unsupported = |found: &str| PkiError::UnsupportedSignature { found: found.to_owned() };
    let cases: [(&str, &[&str], PkiError); 6] = [
        (RSA_1024, &[], PkiError::WeakKey { bits: 1024 }),
        (SECP256K1, &[], unsupported_key("EC on curve 1.3.132.0.10")),
        (ED25519, &[], unsupported("1.3.101.112")),
        (RSA_2048, &["-sha1"], unsupported("1.2.840.113549.1.1.5")),
        (RSA_2048, &["-md5"], unsupported("1.2.840.113549.1.1.4")),
        (P256, &["-sha224"], unsupported("1.2.840.10045.4.3.1")),
    ];
    for (kind, more, refusal) in cases {
        let pem = Openssl::self_signed(kind, &[SUBJECT, more].concat());
        assert_eq!(parse_pem_certificate(&pem).unwrap_err(), refusal, "{kind} {more:?}");
    }
}

#[test]
fn a_signature_is_checked_against_the_authority_that_made_it() {
    let env = env();
    let (one, other) = (Authority::create(&env).unwrap(), Authority::create(&env).unwrap());
    let read = |pem: &str| parse_pem_certificate(pem).unwrap();
    let device = read(&one.issue_with_new_key(&env).unwrap().certificate.certificate_pem);
    let (one, other) = (read(one.certificate_pem()), read(other.certificate_pem()));
    assert!(Authority::check_signed_by(&device, &one));
    assert!(!Authority::check_signed_by(&device, &other));
    assert!(!Authority::check_signed_by(&device, &device));
    assert!(Authority::check_signed_by(&one, &one));
    let cases: [(&str, &[&str]); 6] = [
        (P384, &["-sha256"]),
        (P521, &["-sha512"]),
        (RSA_2048, &["-sha384"]),
        (RSA_2048, &["-sha256", "-sigopt", "rsa_padding_mode:pss"]),
        (RSA_2048, &["-sha384", "-sigopt", "rsa_padding_mode:pss"]),
        (RSA_PSS, &["-sha512", "-sigopt", "rsa_pss_saltlen:digest"]),
    ];
    for (kind, more) in cases {
        let own = read(&Openssl::self_signed(kind, &[SUBJECT, more].concat()));
        assert!(Authority::check_signed_by(&own, &own), "{kind} {more:?}");
    }
}

#[test]
fn a_certificate_tells_the_name_and_the_key_of_its_issuer() {
    let env = env();
    let (one, other) = (Authority::create(&env).unwrap(), Authority::create(&env).unwrap());
    let read = |pem: &str| parse_pem_certificate(pem).unwrap();
    let device = read(&one.issue_with_new_key(&env).unwrap().certificate.certificate_pem);
    let (one, other) = (read(one.certificate_pem()), read(other.certificate_pem()));
    assert_eq!(device.issuer_name(), one.subject_name());
    assert_eq!(other.issuer_name(), one.subject_name());
    assert_ne!(device.subject_name(), one.subject_name());
    assert!(device.names_key_of(&one));
    assert!(!device.names_key_of(&other));
    // One that says nothing of keys may have any.
    let (device, ca) = version_1();
    assert!(read(&device).names_key_of(&read(&ca)));
    assert!(read(&device).names_key_of(&one));
}

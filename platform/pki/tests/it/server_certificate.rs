//! Server certificates, as clients check them.

use ferrite_pki::{Authority, IssuedServer, PkiError, ServerCertificateRequest, ServerKeyKind};

use crate::openssl::Openssl;
use crate::{NOW, env};

/// Within the validity of certificates issued at the simulated [`NOW`].
const AT: &str = "1767323045";

fn request(names: &[&str], key: ServerKeyKind) -> ServerCertificateRequest {
    ServerCertificateRequest {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        addresses: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
        key,
    }
}

fn issue(names: &[&str], key: ServerKeyKind) -> (Openssl, IssuedServer) {
    let env = env();
    let authority = Authority::create(&env).unwrap();
    let issued = authority.issue_server(&request(names, key), &env).unwrap();
    let openssl = Openssl::with(&[
        ("ca.pem", authority.certificate_pem()),
        ("cert.pem", &issued.certificate_pem),
        ("key.pem", &issued.private_key_pem),
    ]);
    (openssl, issued)
}

#[test]
fn clients_accept_it_for_each_of_its_names() {
    let names = ["localhost", "A1-ats.iot.us-east-1.example.com", "*.jobs.example.com"];
    for kind in [ServerKeyKind::Rsa2048, ServerKeyKind::P256] {
        let (openssl, _) = issue(&names, kind);
        let accepts = |how: &str, name: &str| {
            let line = format!(
                "verify -x509_strict -purpose sslserver -attime {AT} -CAfile ca.pem {how} {name} \
                 cert.pem"
            );
            openssl.succeeds(&line)
        };
        assert!(accepts("-verify_hostname", "localhost"));
        assert!(accepts("-verify_hostname", "a1-ats.iot.us-east-1.example.com"));
        assert!(accepts("-verify_hostname", "a.jobs.example.com"));
        assert!(accepts("-verify_ip", "127.0.0.1"));
        assert!(accepts("-verify_ip", "::1"));
        assert!(!accepts("-verify_hostname", "example.com"));
        assert!(!accepts("-verify_hostname", "a.b.jobs.example.com"));
        assert!(!accepts("-verify_ip", "127.0.0.2"));
    }
}

#[test]
fn it_is_for_servers_alone_and_for_a_year_and_a_month() {
    let (openssl, issued) = issue(&["localhost"], ServerKeyKind::P256);
    let text = openssl.run("x509 -in cert.pem -noout -text -nameopt oneline");
    let shown =
        ["Version", "Signature Alg", "Subject:", "Public-Key", "CA:FALSE", "Digital", "Web "];
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| shown.iter().any(|part| line.contains(part)))
        .collect();
    assert_eq!(
        lines,
        [
            "Version: 3 (0x2)",
            "Signature Algorithm: sha256WithRSAEncryption",
            "Subject: CN = localhost",
            "Public-Key: (256 bit)",
            "CA:FALSE",
            "Digital Signature",
            "TLS Web Server Authentication",
            "Signature Algorithm: sha256WithRSAEncryption",
        ]
    );
    assert_eq!(issued.not_before.secs(), NOW.secs() - 300);
    assert_eq!(issued.not_after.secs() - issued.not_before.secs(), 397 * 86_400 - 1);
    assert!(
        !openssl.succeeds("verify -purpose sslclient -attime 1767323045 -CAfile ca.pem cert.pem")
    );
}

#[test]
fn the_key_belongs_to_the_certificate() {
    for kind in [ServerKeyKind::Rsa2048, ServerKeyKind::P256] {
        let (openssl, issued) = issue(&["localhost"], kind);
        let of_key = openssl.run("pkey -in key.pem -pubout");
        assert_eq!(of_key, openssl.run("x509 -in cert.pem -noout -pubkey"));
        assert!(!format!("{issued:?}").contains("PRIVATE"));
    }
}

#[test]
fn a_long_name_stays_out_of_the_common_name() {
    let long = format!("{}.example.com", "a".repeat(60));
    let (openssl, _) = issue(&[&long], ServerKeyKind::P256);
    let subject = openssl.run("x509 -in cert.pem -noout -subject");
    assert_eq!(subject.trim(), "subject=CN = Ferrite");
    let verified = format!("verify -attime {AT} -CAfile ca.pem -verify_hostname {long} cert.pem");
    assert!(openssl.succeeds(&verified));
}

#[test]
fn names_that_are_none_are_refused() {
    let env = env();
    let authority = Authority::create(&env).unwrap();
    let long_label = format!("{}.com", "a".repeat(64));
    let long_name = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(63)].join(".");
    for name in ["", "a b", "a..b", "*", "a.*.b", "*.*.b", "müller.de", &long_label, &long_name] {
        let refused = authority.issue_server(&request(&[name], ServerKeyKind::P256), &env);
        let error = refused.unwrap_err();
        assert_eq!(error, PkiError::BadServerName { name: name.to_owned() }, "{name}");
    }
    let nameless =
        ServerCertificateRequest { addresses: Vec::new(), ..request(&[], ServerKeyKind::P256) };
    assert_eq!(authority.issue_server(&nameless, &env).unwrap_err(), PkiError::NoServerName);
}

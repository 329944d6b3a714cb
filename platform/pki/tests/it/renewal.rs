//! The authority near its end, and what is made in its last year and after it.

use std::time::Duration;

use env::Env;
use ferrite_pki::{
    Authority, NOT_AFTER, RENEWED_BEFORE, ServerCertificateRequest, ServerKeyKind,
    parse_pem_certificate,
};
use types::Timestamp;

use crate::env;
use crate::openssl::{Openssl, RSA_2048};

/// 2049-06-01T00:00:00Z, which is in the last year of what was made long before.
const LAST_YEAR: Timestamp = Timestamp::from_secs(2_506_118_400);
/// 2050-06-01T00:00:00Z, after its end.
const AFTER: Timestamp = Timestamp::from_secs(2_537_654_400);

/// An authority that was made in 2026, at a clock that says 2049.
fn old_authority() -> (Env, Authority) {
    let env = env();
    let authority = Authority::create(&env).unwrap();
    env.clock.set(LAST_YEAR);
    (env, authority)
}

fn renew(authority: &Authority, env: &Env) -> Authority {
    authority.renewed(env).unwrap().expect("it is a root")
}

fn server_certificate(authority: &Authority, env: &Env) -> String {
    let request = ServerCertificateRequest {
        names: vec!["localhost".to_owned()],
        addresses: Vec::new(),
        key: ServerKeyKind::P256,
    };
    authority.issue_server(&request, env).unwrap().certificate_pem
}

#[test]
fn what_was_signed_before_and_after_verifies_by_the_old_root_and_the_new() {
    let env = env();
    let old = Authority::create(&env).unwrap();
    let before = old.issue_with_new_key(&env).unwrap().certificate.certificate_pem;
    env.clock.set(LAST_YEAR);
    let server_before = server_certificate(&old, &env);
    let new = renew(&old, &env);
    let after = new.issue_with_new_key(&env).unwrap().certificate.certificate_pem;
    let openssl = Openssl::with(&[
        ("old.pem", old.certificate_pem()),
        ("new.pem", new.certificate_pem()),
        ("before.pem", &before),
        ("after.pem", &after),
        ("server-before.pem", &server_before),
        ("server-after.pem", &server_certificate(&new, &env)),
    ]);
    let verifies = |root: &str, certificate: &str, at: Timestamp| {
        let at = at.secs();
        let line = format!("verify -x509_strict -attime {at} -CAfile {root}.pem {certificate}.pem");
        openssl.succeeds(&line)
    };
    for certificate in ["before", "after", "server-before", "server-after"] {
        assert!(verifies("old", certificate, LAST_YEAR), "{certificate}");
        assert!(verifies("new", certificate, LAST_YEAR), "{certificate}");
    }
    // The old root has ended, and so has what ended with it.
    assert!(verifies("new", "after", AFTER) && !verifies("old", "after", AFTER));
    assert!(!verifies("new", "before", AFTER));
    openssl.run("verify -x509_strict -check_ss_sig -CAfile new.pem new.pem");
}

#[test]
fn a_renewed_authority_differs_in_its_end_and_its_serial_number_alone() {
    let (env, old) = old_authority();
    let new = renew(&old, &env);
    let openssl =
        Openssl::with(&[("old.pem", old.certificate_pem()), ("new.pem", new.certificate_pem())]);
    let shown = |name: &str| {
        let text = openssl.run(&format!("x509 -in {name}.pem -noout -text -certopt no_sigdump"));
        let mut lines: Vec<_> = text.lines().map(str::trim).map(str::to_owned).collect();
        // The serial number stands in the line after its heading.
        let serial = lines.iter().position(|line| line == "Serial Number:").unwrap();
        lines.remove(serial + 1);
        let end = lines.iter().position(|line| line.starts_with("Not After")).unwrap();
        (lines.remove(end), lines)
    };
    let ((old_end, old_rest), (new_end, new_rest)) = (shown("old"), shown("new"));
    assert_eq!(old_end, "Not After : Dec 31 23:59:59 2049 GMT");
    assert_eq!(new_end, "Not After : Dec 31 23:59:59 2099 GMT");
    assert_eq!(old_rest, new_rest);
    let serial =
        |authority: &Authority| parse_pem_certificate(authority.certificate_pem()).unwrap().serial;
    assert_ne!(serial(&old), serial(&new));
}

#[test]
fn a_renewed_authority_is_stored_and_loaded_like_another() {
    let (env, old) = old_authority();
    let new = renew(&old, &env);
    let secret = old.to_secret_pem().unwrap();
    assert_eq!(new.to_secret_pem().unwrap(), secret);
    let loaded = Authority::load(new.certificate_pem(), &secret).unwrap();
    assert_eq!(loaded.not_after(), new.not_after());
    assert!(old.is_due(&env) && !loaded.is_due(&env));
}

#[test]
fn an_authority_is_due_a_year_before_its_end() {
    let env = env();
    let authority = Authority::create(&env).unwrap();
    let due = |at: Timestamp| {
        env.clock.set(at);
        authority.is_due(&env)
    };
    let year_s = i64::try_from(RENEWED_BEFORE.as_secs()).unwrap();
    let first = Timestamp::from_secs(NOT_AFTER.secs() - year_s + 1);
    assert!(!due(Timestamp::from_secs(first.secs() - 1)));
    assert!(due(first) && due(AFTER));
}

#[test]
fn an_operators_authority_with_a_near_end_gets_that_of_aws_iot() {
    let openssl = Openssl::new();
    openssl.make_key(RSA_2048);
    let certificate = openssl.self_signed_with_key(&["-subj", "/O=Mill/OU=A/OU=B/CN=Mill CA"]);
    let authority = Authority::load(&certificate, &openssl.read("key.pem")).unwrap();
    // It ends thirty days after the time of this machine.
    let days_s = 20 * 24 * 60 * 60;
    let env = Env::simulated(Timestamp::from_secs(authority.not_after().secs() - days_s), 1);
    assert!(authority.is_due(&env));
    let new = renew(&authority, &env);
    assert_eq!(new.not_after(), NOT_AFTER);
    openssl.write("old.pem", &certificate);
    openssl.write("new.pem", new.certificate_pem());
    openssl.write("cert.pem", &new.issue_with_new_key(&env).unwrap().certificate.certificate_pem);
    for root in ["old", "new"] {
        openssl.run(&format!("verify -no_check_time -CAfile {root}.pem cert.pem"));
    }
}

#[test]
fn an_authority_that_another_vouches_for_is_not_renewed() {
    let openssl = Openssl::new();
    openssl.make_key(RSA_2048);
    let root = openssl.self_signed_with_key(&["-subj", "/CN=Root"]);
    openssl.write("root.pem", &root);
    openssl.run("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out sub.key");
    openssl.write("ca.cnf", "basicConstraints = critical, CA:true\n");
    openssl.run("req -new -key sub.key -subj /CN=Sub -out sub.csr");
    openssl.run(
        "x509 -req -in sub.csr -CA root.pem -CAkey key.pem -days 9 -extfile ca.cnf -out sub.pem",
    );
    let authority = Authority::load(&openssl.read("sub.pem"), &openssl.read("sub.key")).unwrap();
    let env = env();
    env.clock.set(LAST_YEAR);
    assert!(authority.is_due(&env));
    assert!(authority.renewed(&env).unwrap().is_none());
}

#[test]
fn what_is_made_in_2049_and_later_is_made_for_longer() {
    let (env, old) = old_authority();
    let authority = renew(&old, &env);
    let ends = |at: Timestamp| {
        env.clock.set(at);
        let device = authority.issue_with_new_key(&env).unwrap().certificate;
        let server = parse_pem_certificate(&server_certificate(&authority, &env)).unwrap();
        let validity = server.not_after.since(server.not_before);
        assert_eq!(validity, Duration::from_secs(397 * 86_400 - 1));
        (device.not_after.to_rfc3339(), Authority::create(&env).unwrap().not_after().to_rfc3339())
    };
    let (century, never) = ("2099-12-31T23:59:59Z", "9999-12-31T23:59:59Z");
    for (at, end) in [
        ("2048-12-31T23:59:59Z", "2049-12-31T23:59:59Z"),
        ("2049-01-01T00:00:00Z", century),
        ("2098-12-31T23:59:59Z", century),
        ("2099-01-01T00:00:00Z", never),
    ] {
        let ends = ends(Timestamp::from_rfc3339(at).unwrap());
        assert_eq!(ends, (end.to_owned(), end.to_owned()), "{at}");
    }
}

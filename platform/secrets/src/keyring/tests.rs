//! Sealing, opening and tampering.

use proptest::prelude::*;

use super::*;

fn keyring() -> Keyring {
    Keyring::ephemeral(&Random::seeded(1))
}

/// `sealed` with one bit of its body changed.
fn tampered(sealed: &str) -> String {
    let (head, body) = sealed.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(body).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    format!("{head}.{}", URL_SAFE_NO_PAD.encode(bytes))
}

#[test]
fn what_is_sealed_opens_again_and_never_looks_the_same() {
    let (keys, random) = (keyring(), Random::system());
    let first = keys.seal("access-key", b"wJalr", &random);
    let second = keys.seal("access-key", b"wJalr", &random);
    assert_ne!(first, second);
    assert!(!first.contains("wJalr"));
    assert_eq!(keys.open("access-key", &first).unwrap(), b"wJalr");
    assert_eq!(keys.open("access-key", &second).unwrap(), b"wJalr");
}

#[test]
fn a_sealed_text_starts_with_its_format_and_the_id_of_its_key() {
    let keys = keyring();
    let sealed = keys.seal("ca-key", b"", &Random::system());
    assert!(sealed.starts_with(&format!("v1.{}.", keys.0.current.id)), "{sealed}");
}

#[test]
fn what_cannot_be_opened_is_refused_by_name() {
    let (keys, random) = (keyring(), Random::system());
    let sealed = keys.seal("access-key", b"wJalr", &random);
    let other = Keyring::ephemeral(&Random::seeded(2)).seal("access-key", b"wJalr", &random);
    let relabelled =
        other.replace(&Keyring::ephemeral(&Random::seeded(2)).0.current.id, &keys.0.current.id);
    let cases = [
        ("access-key", tampered(&sealed), "tampered"),
        ("ca-key", sealed.clone(), "tampered"),
        ("access-key", relabelled, "tampered"),
        ("access-key", other, "not in the key file"),
        ("access-key", sealed.replace("v1.", "v2."), "not a sealed secret"),
        ("access-key", sealed.rsplit_once('.').unwrap().0.to_owned(), "not a sealed secret"),
        ("access-key", format!("v1.{}.AAAA", keys.0.current.id), "not a sealed secret"),
        ("access-key", format!("{sealed}="), "not a sealed secret"),
        ("access-key", String::new(), "not a sealed secret"),
    ];
    for (purpose, text, reason) in cases {
        let refusal = keys.open(purpose, &text).unwrap_err().to_string();
        assert!(refusal.contains(reason), "{text}: {refusal}");
    }
}

#[test]
fn a_former_key_still_opens_what_it_sealed() {
    let (old, new) = (file::generate(&Random::seeded(1)), file::generate(&Random::seeded(2)));
    let sealed = Keyring::of(&old, &[]).seal("ca-key", b"secret", &Random::system());
    let rotated = Keyring::of(&new, std::slice::from_ref(&old));
    assert_eq!(rotated.open("ca-key", &sealed).unwrap(), b"secret");
    let resealed = rotated.seal("ca-key", b"secret", &Random::system());
    assert!(Keyring::of(&old, &[]).open("ca-key", &resealed).is_err());
}

#[test]
fn a_keyring_is_kept_by_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets.key");
    let sealed = Keyring::open_or_create(&path, &Random::system()).unwrap().seal(
        "ca-key",
        b"secret",
        &Random::system(),
    );
    let again = Keyring::open_or_create(&path, &Random::system()).unwrap();
    assert_eq!(again.open("ca-key", &sealed).unwrap(), b"secret");
}

#[test]
fn a_keyring_prints_no_key() {
    let keys = keyring();
    assert_eq!(
        format!("{keys:?}"),
        format!("Keyring {{ seals_with: {:?}, .. }}", keys.0.current.id)
    );
}

#[test]
fn a_page_token_is_good_for_its_scope_only() {
    let keys = keyring();
    let token = keys.page_token(b"ListThings 000000000000 us-east-1", b"thing-42");
    assert_eq!(token, keys.page_token(b"ListThings 000000000000 us-east-1", b"thing-42"));
    let open = |scope: &[u8], token: &str| keys.open_page_token(scope, token);
    assert_eq!(open(b"ListThings 000000000000 us-east-1", &token).unwrap(), b"thing-42");
    assert_eq!(open(b"ListThings 000000000000 eu-west-1", &token), None);
    assert_eq!(open(b"ListPolicies 000000000000 us-east-1", &token), None);
    assert_eq!(Keyring::ephemeral(&Random::seeded(2)).open_page_token(b"", &token), None);
}

#[test]
fn a_page_token_fits_the_marker_of_the_service_models() {
    let token = keyring().page_token(b"scope", &[0xff; 600]);
    assert!(token.len() <= 1024, "{}", token.len());
    assert!(token.chars().all(|c| c.is_ascii_alphanumeric()));
}

proptest! {
    #[test]
    fn page_tokens_round_trip_and_forged_ones_do_not_open(
        scope: Vec<u8>, key: Vec<u8>, forged in "[A-Z2-7]{0,64}", other in ".{0,32}",
    ) {
        let keys = keyring();
        let token = keys.page_token(&scope, &key);
        prop_assert_eq!(keys.open_page_token(&scope, &token), Some(key));
        if forged != token {
            prop_assert_eq!(keys.open_page_token(&scope, &forged), None);
        }
        prop_assert_eq!(keys.open_page_token(&scope, &other), None);
    }

    #[test]
    fn any_secret_round_trips(purpose: String, secret: Vec<u8>) {
        let sealed = keyring().seal(&purpose, &secret, &Random::system());
        prop_assert_eq!(keyring().open(&purpose, &sealed).unwrap(), secret);
    }
}

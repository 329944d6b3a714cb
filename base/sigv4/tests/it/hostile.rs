//! Replays the fuzzer's corpus, and the shapes that cost the most.

use std::path::Path;
use std::time::Duration;

use sigv4::{Payload, Request, SigningKey};

use super::signing_time;

/// The fuzz target: the first line is method, path and query, then headers, then the body.
/// `fuzz/fuzz_targets/sigv4_canonical.rs` calls the same functions.
fn replay(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut lines = text.split('\n');
    let mut first = lines.next().unwrap_or("").splitn(3, ' ');
    let mut part = || first.next().unwrap_or("");
    let (method, raw_path, raw_query) = (part(), part(), part());
    let headers: Vec<(&str, &[u8])> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.as_bytes()))
        .collect();
    let payload = Payload::Bytes(b"");
    let request = Request { method, raw_path, raw_query, headers: &headers, payload };
    if let Ok(Some(authorization)) = sigv4::parse(&request) {
        let key = SigningKey::derive("secret", "20150830", "us-east-1", "iot");
        let week = Duration::from_secs(604_800);
        let verdict = sigv4::verify(&request, &authorization, &key, signing_time(), week);
        assert!(verdict.is_err(), "nobody signed this");
    }
}

#[test]
fn the_corpus_neither_panics_nor_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/sigv4_canonical");
    let entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(entries.len() >= 5, "the corpus is there");
    for path in entries {
        replay(&std::fs::read(path).unwrap());
    }
}

#[test]
fn long_hostile_requests_are_refused() {
    let date = "x-amz-date:20150830T123600Z\nhost:a:1\nauthorization:AWS4-HMAC-SHA256 ";
    let scope = "Credential=A/20150830/r/iot/aws4_request,Signature=";
    let (zeros, names) = ("0".repeat(64), (0..99).map(|i| format!(";h{i}")).collect::<String>());
    for (path, query) in [
        ("/..".repeat(20_000), "+=&".repeat(20_000)),
        ("/%".repeat(30_000), "%".repeat(60_000)),
        ("/a".repeat(20_000) + &"/..".repeat(20_000), "a=1&".repeat(20_000)),
    ] {
        let headers = format!("{date}{scope}{zeros},SignedHeaders=host{names}");
        replay(format!("GET {path} {query}\n{headers}").as_bytes());
    }
}

//! Reads and verifies any request; `base/sigv4/tests/it/hostile.rs` describes the input.
#![no_main]

use std::time::Duration;

use sigv4::{Payload, Request, SigningKey};
use types::Timestamp;

libfuzzer_sys::fuzz_target!(|text: &str| {
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
        let (now, week) = (Timestamp::from_secs(1_440_938_160), Duration::from_secs(604_800));
        assert!(sigv4::verify(&request, &authorization, &key, now, week).is_err());
    }
});

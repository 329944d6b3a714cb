//! How long a typical GET takes to verify; the aim is 5 µs.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use ferrite_sigv4::{Credentials, Payload, Request, Scope, SigningKey, parse, sign, verify};
use types::Timestamp;

fn verify_a_typical_get(c: &mut Criterion) {
    let now = Timestamp::from_secs(1_767_323_045);
    let date = "20260102";
    let sent: Vec<(&str, &[u8])> = vec![
        ("host", b"iot.us-east-1.amazonaws.com"),
        ("accept-encoding", b"identity"),
        ("user-agent", b"Boto3/1.40 md/Botocore#1.40 ua/2.1 os/linux lang/python#3.12"),
    ];
    let credentials =
        Credentials { access_key_id: "AKID", secret_access_key: "s", session_token: None };
    let scope = Scope { region: "us-east-1", service: "iot" };
    let request = Request {
        method: "GET",
        raw_path: "/things",
        raw_query: "maxResults=25&thingTypeName=lamp",
        headers: &sent,
        payload: Payload::Bytes(b""),
    };
    let added = sign(&request, &credentials, &scope, now);
    let mut headers = sent.clone();
    headers.extend(added.iter().map(|(name, value)| (*name, value.as_bytes())));
    let request = Request { headers: &headers, ..request };
    let key = SigningKey::derive("s", date, "us-east-1", "iot");
    c.bench_function("verify a typical GET", |b| {
        b.iter(|| {
            let authorization = parse(black_box(&request)).ok().flatten().expect("signed");
            verify(&request, &authorization, &key, now, Duration::from_secs(300)).is_ok()
        });
    });
    c.bench_function("derive a signing key", |b| {
        b.iter(|| SigningKey::derive(black_box("secret"), "20260102", "us-east-1", "iot"));
    });
}

criterion_group!(benches, verify_a_typical_get);
criterion_main!(benches);

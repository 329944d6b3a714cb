//! How many keys and certificates one core makes. Bars: 15 RSA keys and 2,000 EC requests a second.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use env::Env;
use ferrite_pki::{Authority, DeviceKey, parse_pem_certificate};
use types::Timestamp;

/// A request for a P-256 key, signed with SHA-256.
const EC_REQUEST: &str = include_str!("../tests/fixtures/p256.csr.pem");

fn issue(c: &mut Criterion) {
    let env = Env::simulated(Timestamp::from_secs(1_767_323_045), 1);
    let authority = Authority::create(&env).expect("an authority can be made");
    let key = DeviceKey::generate().expect("a key can be made");
    let mut group = c.benchmark_group("issue");
    group.throughput(Throughput::Elements(1));
    group.sample_size(30);
    group.bench_function("rsa_2048_key", |b| b.iter(DeviceKey::generate));
    group.bench_function("with_pooled_key", |b| {
        b.iter(|| authority.issue_with_key(black_box(&key), &env));
    });
    group.bench_function("from_ec_csr", |b| {
        b.iter(|| authority.issue_from_csr(black_box(EC_REQUEST), &env));
    });
    group.finish();
    let pem = authority.certificate_pem().to_owned();
    c.bench_function("parse_pem_certificate", |b| {
        b.iter(|| parse_pem_certificate(black_box(&pem)));
    });
}

criterion_group!(benches, issue);
criterion_main!(benches);

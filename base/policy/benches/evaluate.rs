//! How long a decision takes: the aims are 2 µs for a typical device and 50 µs for ten policies.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ferrite_policy::{ContextMap, Dialect, Document, Request, evaluate};

const DEVICE: &str = r#"{"Version":"2012-10-17","Statement":[
 {"Effect":"Allow","Action":"iot:Connect","Resource":"arn:aws:iot:us-east-1:123456789012:client/${iot:Connection.Thing.ThingName}"},
 {"Effect":"Allow","Action":["iot:Publish","iot:Receive"],"Resource":"arn:aws:iot:us-east-1:123456789012:topic/devices/${iot:Connection.Thing.ThingName}/*"},
 {"Effect":"Allow","Action":"iot:Subscribe","Resource":"arn:aws:iot:us-east-1:123456789012:topicfilter/devices/${iot:Connection.Thing.ThingName}/*"}]}"#;

/// A document of about 2048 characters in which nothing matches until its end is tried.
fn long() -> String {
    let mut text = String::from(r#"{"Version":"2012-10-17","Statement":["#);
    for i in 0..10 {
        let comma = if i == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"Effect":"Allow","Action":["iot:Publish","iot:Receive"],"Resource":["arn:aws:iot:us-east-1:123456789012:topic/site/{i}/*/in","arn:aws:iot:us-east-1:123456789012:topic/site/{i}/*"]}}"#
        )
        .expect("a string takes all text");
    }
    text + "]}"
}

fn decide(c: &mut Criterion) {
    let parse = |text: &str| Document::parse(text, Dialect::Iot).expect("the document is valid");
    let context = ContextMap::new()
        .with("iot:ClientId", "lamp-1")
        .with("iot:Connection.Thing.ThingName", "lamp-1");
    let device = parse(DEVICE);
    let request = Request {
        action: "iot:Publish",
        resource: "arn:aws:iot:us-east-1:123456789012:topic/devices/lamp-1/state",
        context: &context,
    };
    c.bench_function("a device's own policy", |b| {
        b.iter(|| evaluate(black_box(&[("p", &device)]), &request).is_allowed());
    });
    let long = parse(&long());
    let documents = [("p", &long); 10];
    let request = Request {
        resource: "arn:aws:iot:us-east-1:123456789012:topic/other/1/2/3/state",
        ..request
    };
    c.bench_function("ten long policies, none of which matches", |b| {
        b.iter(|| evaluate(black_box(&documents), &request).is_allowed());
    });
    c.bench_function("read a device's own policy", |b| {
        b.iter(|| Document::parse(black_box(DEVICE), Dialect::Iot).is_ok());
    });
}

criterion_group!(benches, decide);
criterion_main!(benches);

//! What the engine adds to an operation: route, bind, validate, respond.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use ferrite_gateway::offline::round_trip;

fn engine(c: &mut Criterion) {
    let answer = Bytes::from_static(br#"{"thingName":"lamp","thingArn":"arn:aws:iot:us-east-1:000000000000:thing/lamp","thingId":"0b0ae9a3-6ab0-4c9b-8b6c-6d3e5a0ce4e1"}"#);
    let requests: [(&str, &[u8]); 3] = [
        ("DescribeThing", b"\0GET /things/lamp\n\n"),
        (
            "CreateThing",
            b"\0POST /things/lamp\n\n{\"attributePayload\":{\"attributes\":{\"model\":\"m1\",\"serial\":\"s-123456\",\"site\":\"north\"}}}",
        ),
        ("ListThings", b"\0GET /things?maxResults=25&attributeName=site&attributeValue=north\n\n"),
    ];
    for (name, request) in requests {
        c.bench_function(name, |b| b.iter(|| round_trip(request, answer.clone()).unwrap()));
    }
}

criterion_group!(benches, engine);
criterion_main!(benches);

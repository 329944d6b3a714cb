//! How long it takes to merge an update into a document of 4 kB and to find what differs: the bar
//! is 10 µs. Reading the record and writing the new one come on top.

#[allow(dead_code, reason = "a benchmark needs less than a shadow")]
#[path = "../src/document.rs"]
mod document;
#[allow(dead_code, reason = "a benchmark needs less than a shadow")]
#[path = "../src/json.rs"]
mod json;
#[allow(dead_code, reason = "a benchmark needs less than a shadow")]
#[path = "../src/times.rs"]
mod times;

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

use self::document::{Document, Patch};
use self::json::{Members, Node};

/// Groups of settings in each section; both together are about 4 kB.
const GROUPS: usize = 12;

/// A section, in which every `n`-th group of settings has another value.
fn section(differs: usize) -> Members<'static> {
    let mut text = String::from("{");
    for group in 0..GROUPS {
        let comma = if group == 0 { "" } else { "," };
        let value = if group % differs == 0 { 20 } else { 21 };
        write!(
            text,
            r#"{comma}"group{group:02}":{{"target":{value},"unit":"celsius","mode":"automatic","limits":[1,2.5,{group}],"window":{{"from":"06:30","to":"22:15"}},"enabled":true}}"#
        )
        .expect("a string takes what is written");
    }
    text.push('}');
    match json::parse(text.leak(), 1_700_000_000) {
        Ok(Node::Object(members)) => members,
        _ => unreachable!("the section is an object"),
    }
}

fn documents(c: &mut Criterion) {
    let document = Document { desired: section(3), reported: section(usize::MAX) };
    let mut record = String::new();
    document.write_state(&mut record);
    let patch = Patch::Sections { desired: None, reported: Some(Some(section(2))) };
    c.bench_function("merge 2 kB into a document of 4 kB, and its delta", |b| {
        b.iter_batched_ref(
            || document.clone(),
            |document| {
                document.apply(black_box(&patch));
                document.difference().is_empty()
            },
            BatchSize::SmallInput,
        );
    });
    let mut times = String::new();
    document.write_times(&mut times);
    c.bench_function("read a document of 4 kB", |b| {
        b.iter(|| Document::read(black_box(&record), black_box(&times)));
    });
    c.bench_function("write a document of 4 kB", |b| {
        b.iter(|| {
            let mut out = String::new();
            document.write_state(&mut out);
            document.difference().write(&mut out);
            document.write_times(&mut out);
            out
        });
    });
}

criterion_group!(benches, documents);
criterion_main!(benches);

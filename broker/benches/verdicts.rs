//! How long a session asks whether its client may publish: the bars are 1 µs once the verdict is
//! known, and 50 µs the first time, for a client with ten policies.

#[allow(dead_code, unused_imports, reason = "a benchmark needs less than a session or its tests")]
#[path = "../src/verdicts.rs"]
mod verdicts;

/// As in the crate, whose tests of verdicts are read here too.
mod fixture {
    use types::{Tenant, TenantId};

    pub(crate) fn tenant(id: TenantId) -> Tenant {
        let account = "123456789012".parse().expect("an account");
        let region = "us-east-1".parse().expect("a region");
        Tenant { id, account, region }
    }
}

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use policy::{Dialect, Document};
use service::{Permissions, Rights};
use types::{TenantId, Timestamp};

use self::verdicts::{Action, Asker, Verdicts};

const POLICIES: usize = 10;
/// Statements of each policy; with them a document is about as long as it may be.
const STATEMENTS: usize = 6;

/// A policy in which every pattern has a variable, and the last one of the last policy decides.
fn document(policy: usize) -> String {
    let mut text = String::from(r#"{"Version":"2012-10-17","Statement":["#);
    for statement in 0..STATEMENTS {
        let comma = if statement == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"Effect":"Allow","Action":["iot:Publish","iot:Receive"],"Resource":["arn:aws:iot:us-east-1:123456789012:topic/site/{policy}/*/${{iot:ClientId}}/{statement}","arn:aws:iot:us-east-1:123456789012:topic/site/${{iot:Connection.Thing.ThingName}}/{policy}/{statement}"],"Condition":{{"StringEquals":{{"iot:DomainName":"h"}}}}}}"#
        )
        .expect("a string takes all text");
    }
    text + "]}"
}

fn permissions() -> Arc<Permissions> {
    let policy = |number| {
        let text = document(number);
        let document = Document::parse(&text, Dialect::Iot).expect("the document is valid");
        (format!("p{number}"), Arc::new(document))
    };
    let one = |key: &str, value: &str| (key.to_owned(), vec![value.to_owned()]);
    let context = vec![
        one("iot:ClientId", "lamp-1"),
        one("aws:SourceIp", "192.0.2.1"),
        one("iot:DomainName", "h"),
        one("iot:Connection.Thing.IsAttached", "true"),
        one("iot:Connection.Thing.ThingName", "lamp-1"),
    ];
    let policies = (0..POLICIES).map(policy).collect();
    Arc::new(Permissions::new(Rights { policies, context, ..Rights::default() }))
}

fn ask(c: &mut Criterion) {
    let tenant = fixture::tenant(TenantId(1));
    let asker = Asker { tenant: &tenant, now: Timestamp::from_secs(1_767_323_045) };
    let permissions = permissions();
    let new = || Verdicts::new(Arc::clone(&permissions));
    let topics = ["site/9/a/lamp-1/5", "site/9/b/lamp-1/5"];
    assert!(new().allow(Action::Publish, topics[0], &asker), "the last statement decides");

    let mut session = new();
    c.bench_function("ten policies, a topic in a row", |b| {
        b.iter(|| session.allow(Action::Publish, black_box(topics[0]), &asker));
    });
    c.bench_function("ten policies, two topics in turn", |b| {
        b.iter(|| topics.map(|topic| session.allow(Action::Publish, black_box(topic), &asker)));
    });
    c.bench_function("ten policies, a new session", |b| {
        b.iter_batched(
            new,
            |mut session| session.allow(Action::Publish, black_box(topics[0]), &asker),
            BatchSize::SmallInput,
        );
    });
    c.bench_function("ten policies, a new session, and nothing allows it", |b| {
        b.iter_batched(
            new,
            |mut session| session.allow(Action::Publish, black_box("site/10/x/other/5"), &asker),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, ask);
criterion_main!(benches);

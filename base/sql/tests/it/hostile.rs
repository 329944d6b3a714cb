//! Replays the fuzzer's corpora, and the shapes that cost the most.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use sql::{Answers, Halt, Payload, Request, Statement, Template, Version};

const MESSAGE: &[u8] = br#"{"a":[1,2.5,"x",{"b":null}],"b":"text","c":{"d":true},"e":-1E3}"#;

fn corpus(name: &str, replay: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let entries = fs::read_dir(folder).expect("the corpus is there");
    let mut replayed = 0;
    for entry in entries {
        let path = entry.expect("the corpus can be listed").path();
        replay(&fs::read(path).expect("an input can be read"));
        replayed += 1;
    }
    assert!(replayed >= 4, "{name} has inputs");
}

/// As `fuzz/fuzz_targets/sql_statement.rs`.
fn statement(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for version in [Version::V2015, Version::V2016] {
        let Ok(statement) = Statement::parse(text, version) else { continue };
        let (payload, answers) = (Payload::read(MESSAGE), Answers::new());
        if let Ok(outcome) = super::evaluate(&statement, &payload, &answers) {
            drop(outcome.output.map(|output| output.to_bytes()));
        }
    }
}

/// As `fuzz/fuzz_targets/sql_template.rs`.
fn template(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let statement = Statement::parse("SELECT * FROM 't'", Version::V2016).expect("it is one");
    let Ok(template) = Template::parse(text, &statement) else { return };
    let (payload, answers) = (Payload::read(MESSAGE), Answers::new());
    drop(template.fill(&super::message(&payload), &[], &answers));
}

/// As `fuzz/fuzz_targets/sql_protobuf.rs`: two bytes say how long the descriptors are, the rest is
/// the message.
fn protobuf(input: &[u8]) {
    let Some((length, rest)) = input.split_at_checked(2) else { return };
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    let Some((descriptors, bytes)) = rest.split_at_checked(length) else { return };
    let text = "SELECT VALUE decode(*, 'proto', 'b', 'k', 'reading', 'Reading')";
    let statement = Statement::parse(text, Version::V2016).expect("it is one");
    let request = Request::Descriptor { bucket: "b".into(), key: "k".into() };
    let answers = Answers::from([(request, Ok(descriptors.to_vec()))]);
    let payload = Payload::read(bytes);
    if let Ok(outcome) = super::evaluate(&statement, &payload, &answers) {
        drop(outcome.output.map(|output| output.to_bytes()));
    }
}

#[test]
fn the_corpora_do_not_panic() {
    corpus("sql_statement", statement);
    corpus("sql_template", template);
    corpus("sql_protobuf", protobuf);
}

#[test]
fn deep_and_wide_texts_are_bounded() {
    for text in [
        "(".repeat(100_000),
        "[".repeat(100_000),
        "{'a':".repeat(50_000),
        "NOT ".repeat(50_000),
        "-".repeat(100_000),
        "1+".repeat(50_000),
        "a.".repeat(50_000),
        "abs(".repeat(50_000),
        "CASE a WHEN 1 THEN ".repeat(20_000),
        "(SELECT VALUE a FROM ".repeat(20_000),
    ] {
        statement(format!("SELECT {text}").as_bytes());
        template(format!("${{{text}}}").as_bytes());
    }
    let items = vec!["a"; 50_000].join(",");
    statement(format!("SELECT {items}").as_bytes());
}

/// What `sql` gives for `payload`, if it takes no longer than anyone would wait.
fn soon(sql: &str, payload: &str) -> Result<usize, Halt> {
    let statement = Statement::parse(sql, Version::V2016).expect("the statement is one");
    let (payload, answers) = (Payload::read(payload.as_bytes()), Answers::new());
    #[allow(clippy::disallowed_methods, reason = "how long it takes is the question")]
    let start = Instant::now();
    let outcome = super::evaluate(&statement, &payload, &answers)
        .map(|outcome| outcome.output.map_or(0, |output| output.to_bytes().len()));
    assert!(start.elapsed() < Duration::from_secs(20), "{sql}");
    outcome
}

#[test]
fn selects_in_selects_end() {
    let long = format!(r#"{{"a":[{}0]}}"#, "1,".repeat(60_000));
    let too_much = Err(Halt::TooLarge { what: "the work of the statement" });
    assert_eq!(soon("SELECT VALUE (SELECT VALUE (SELECT VALUE 1 FROM a) FROM a)", &long), too_much);
    assert_eq!(soon("SELECT (SELECT VALUE x FROM a AS x WHERE x IN a) AS x", &long), too_much);
    let ones = vec!["1"; 1000].join(",");
    let of_ones =
        (0..4).fold("1".to_owned(), |inner, _| format!("(SELECT VALUE {inner} FROM [{ones}])"));
    assert_eq!(soon(&format!("SELECT {of_ones} AS x"), "{}"), too_much);
    let all = vec!["a"; 2000].join(",");
    assert_eq!(soon(&format!("SELECT VALUE [{all}]"), &long), too_much);
    // Once over all of it is no work.
    assert_eq!(soon("SELECT VALUE (SELECT VALUE x FROM a AS x WHERE x = 1)", &long), Ok(120_001));
}

#[test]
fn texts_that_grow_end() {
    let long = format!(r#"{{"t":"{}"}}"#, "a".repeat(100_000));
    let too_large = Err(Halt::TooLarge { what: "a text that the statement makes" });
    for sql in [
        "SELECT VALUE replace(t, 'a', t)",
        "SELECT VALUE replace(t, '', t)",
        "SELECT VALUE regexp_replace(t, 'a', t)",
        "SELECT VALUE regexp_replace(t, '', '$0bbbbbbbbbbbbbbbbbbbb')",
        "SELECT VALUE t + t + t + t + t + t + t + t + t + t + t",
        "SELECT VALUE concat(t, t, t, t, t, t, t, t, t, t, t)",
    ] {
        assert_eq!(soon(sql, &long), too_large, "{sql}");
    }
}

#[test]
fn patterns_that_explode_end() {
    let long = format!(r#"{{"t":"{}"}}"#, "a".repeat(20_000));
    for (sql, length) in [
        ("SELECT VALUE regexp_matches(t, '(a*)*b')", 5),
        ("SELECT VALUE regexp_matches(t, '(a|a)*$')", 4),
        ("SELECT VALUE regexp_matches(t, '((a{1,100}){1,100}){1,100}')", 0),
        ("SELECT VALUE time_to_epoch(t, t)", 0),
        ("SELECT VALUE parse_time(t, 1)", 0),
    ] {
        assert_eq!(soon(sql, &long), Ok(length), "{sql}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// The library that decodes panics of some descriptors; such panics are caught.
    #[test]
    fn damaged_descriptors_and_messages_do_not_panic(
        damages in vec((any::<Index>(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        let mut input = include_bytes!("../../../../fuzz/corpus/sql_protobuf/every-field").to_vec();
        for (at, byte, kind) in damages {
            let at = 2 + at.index(input.len() - 2);
            match kind {
                0 => input[at] = byte,
                1 => input[at] ^= 1 << (byte % 8),
                _ => input.insert(at, byte),
            }
        }
        protobuf(&input);
    }
}

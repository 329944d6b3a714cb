//! Documents without a server: for the fuzzer, and the replay of its corpus.

use serde_json::Value;
use service::Limits;

use crate::document::Document;
use crate::json::parse;
use crate::messages::{self, Version};
use crate::request::Update;
use crate::store;

/// Takes each line of `data` for the body of an update of one shadow, one after the other; how many
/// of them are accepted.
///
/// # Panics
///
/// If what is JSON and what is not is said otherwise by a general parser, if a document is not read
/// as it was written, or if an update that is made again changes anything.
pub fn update(data: &[u8]) -> u64 {
    let limits = Limits::default();
    let (mut record, mut version) = (None::<String>, 0);
    for (body, now) in data.split(|byte| *byte == b'\n').zip(1..) {
        check_json(body);
        let Ok(update) = Update::read(body, now, &limits) else { continue };
        version += 1;
        let text = updated(record.as_deref(), &update, version, now);
        let again = updated(Some(&text), &update, version, now);
        assert_eq!(text, again, "an update that is made again changes nothing");
        record = Some(text);
    }
    version
}

/// The record of what an update makes of another record's document.
fn updated(record: Option<&str>, update: &Update<'_>, version: u64, now: i64) -> String {
    let record: Option<store::Record<'_>> =
        record.map(|text| serde_json::from_str(text).expect("a record is read as it was written"));
    let document = record.as_ref().map(store::Record::document).transpose();
    let mut document = document.expect("a document is read as it was written").unwrap_or_default();
    document.apply(&update.patch);
    let (text, _) = store::text(&document, version, now);
    let after = Version { document, version, timestamp: now };
    let said = [
        Some(messages::accepted(update, &after)),
        messages::delta(&after, update.client_token.as_deref()),
        Some(messages::documents(record.as_ref(), &after, None)),
    ];
    for text in said.into_iter().flatten() {
        parse(&text, 0).expect("what is told is JSON");
        check_json(text.as_bytes());
    }
    check_read(&text, &after.document);
    text
}

/// Holds that the record of `document` is read as it was written.
fn check_read(text: &str, document: &Document<'_>) {
    let record: store::Record<'_> = serde_json::from_str(text).expect("a record is JSON");
    let read = record.document().expect("a record has a document");
    assert_eq!(read, *document);
}

/// Holds that what is taken for JSON is JSON. Numbers that a machine cannot calculate with are, and
/// so is what is nested too deep for a general parser, which says nothing of the rest then.
fn check_json(body: &[u8]) {
    let Ok(text) = std::str::from_utf8(body) else { return };
    match serde_json::from_str::<Value>(text) {
        Ok(_) => assert!(parse(text, 0).is_ok(), "{text}"),
        Err(error) => {
            let why = error.to_string();
            let is_beyond = why.starts_with("number out of range") || why.starts_with("recursion");
            assert!(is_beyond || parse(text, 0).is_err(), "{text}: {why}");
        }
    }
}

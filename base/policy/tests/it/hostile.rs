//! Replays the fuzzer's corpus, and the shapes that cost the most.

use std::path::Path;

use policy::{ContextMap, Dialect, Document, Request, evaluate, hints};

/// The fuzz target; `fuzz/fuzz_targets/policy_document.rs` calls the same functions.
fn replay(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let context = ContextMap::new().with("iot:ClientId", text);
    let request = Request { action: "iot:Publish", resource: text, context: &context };
    for dialect in [Dialect::Iot, Dialect::Iam] {
        if let Ok(document) = Document::parse(text, dialect) {
            let decision = evaluate(&[("p", &document)], &request);
            assert!(!decision.to_string().is_empty());
            assert_eq!(hints(&[("p", &document)], &request).is_empty(), decision.is_allowed());
        }
    }
}

#[test]
fn the_corpus_does_not_panic() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/policy_document");
    let entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(entries.len() >= 5, "the corpus is there");
    for path in entries {
        replay(&std::fs::read(path).unwrap());
    }
}

#[test]
fn deep_and_wide_documents_are_bounded() {
    replay("[".repeat(100_000).as_bytes());
    let members: String = (0..20_000).map(|i| format!(r#""m{i}":0,"#)).collect();
    replay(format!(r#"{{{members}"Statement":[]}}"#).as_bytes());
    let stars = "*a".repeat(1_000);
    replay(
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Deny","Action":"*","Resource":"arn:{stars}${{iot:ClientId}}"}}}}"#
        )
        .as_bytes(),
    );
}

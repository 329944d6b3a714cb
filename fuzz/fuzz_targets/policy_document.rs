//! Reads and evaluates any text as a policy document.
#![no_main]

use policy::{ContextMap, Dialect, Document, Request, evaluate, hints};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let context = ContextMap::new().with("iot:ClientId", text);
    let request = Request { action: "iot:Publish", resource: text, context: &context };
    for dialect in [Dialect::Iot, Dialect::Iam] {
        if let Ok(document) = Document::parse(text, dialect) {
            let decision = evaluate(&[("p", &document)], &request);
            assert!(!decision.to_string().is_empty());
            assert_eq!(hints(&[("p", &document)], &request).is_empty(), decision.is_allowed());
        }
    }
});

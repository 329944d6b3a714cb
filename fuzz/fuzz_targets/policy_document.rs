//! Reads and evaluates any text as a policy document.
#![no_main]

use policy::{ContextMap, Dialect, Document, Request, evaluate};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let context = ContextMap::new().with("iot:ClientId", text);
    let request = Request { action: "iot:Publish", resource: text, context: &context };
    for dialect in [Dialect::Iot, Dialect::Iam] {
        if let Ok(document) = Document::parse(text, dialect) {
            assert!(!evaluate(&[("p", &document)], &request).to_string().is_empty());
        }
    }
});

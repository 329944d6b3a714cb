//! Reads any text as a statement, and evaluates it for a message.
#![no_main]

use sql::{Answers, Message, Payload, Properties, Statement, Version};

const MESSAGE: &[u8] = br#"{"a":[1,2.5,"x",{"b":null}],"b":"text","c":{"d":true},"e":-1E3}"#;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (payload, answers) = (Payload::read(MESSAGE), Answers::new());
    let message = Message {
        payload: &payload,
        topic: "a/b/c",
        client_id: Some("client"),
        principal: None,
        source_ip: None,
        account: "123456789012",
        trace_id: None,
        now_ms: 1_481_825_251_155,
        properties: Properties::default(),
        seed: [7; 16],
    };
    for version in [Version::V2015, Version::V2016] {
        let Ok(statement) = Statement::parse(text, version) else { continue };
        let outcome = statement.evaluate(&message, &answers);
        assert_eq!(outcome, statement.evaluate(&message, &answers));
        if let Ok(outcome) = outcome {
            drop(outcome.output.map(|output| output.to_bytes()));
        }
    }
});

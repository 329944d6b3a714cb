//! Reads any text as a template, and fills it for a message.
#![no_main]

use sql::{Answers, Message, Payload, Properties, Statement, Template, Version};

const MESSAGE: &[u8] = br#"{"a":[1,2.5,"x",{"b":null}],"b":"text","c":{"d":true},"e":-1E3}"#;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let statement = Statement::parse("SELECT * FROM 't'", Version::V2016).expect("it is one");
    let Ok(template) = Template::parse(text, &statement) else { return };
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
    let filled = template.fill(&message, &[], &answers);
    if let Some(constant) = template.constant() {
        assert_eq!(filled.as_deref(), Ok(constant));
    }
});

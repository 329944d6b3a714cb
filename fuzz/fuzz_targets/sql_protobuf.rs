//! Decodes any bytes as Protocol Buffers: two bytes say how long the descriptors are, the rest is the
//! message. The library that decodes panics of some descriptors, which is caught; what is not caught
//! ends the run.
#![no_main]

use std::sync::Once;

use sql::{Answers, Message, Payload, Properties, Request, Statement, Version};

static QUIET: Once = Once::new();

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    // The fuzzer's own hook ends the run before a panic can be caught.
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let Some((length, rest)) = input.split_at_checked(2) else { return };
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    let Some((descriptors, bytes)) = rest.split_at_checked(length) else { return };
    let text = "SELECT VALUE decode(*, 'proto', 'b', 'k', 'reading', 'Reading')";
    let statement = Statement::parse(text, Version::V2016).expect("it is one");
    let request = Request::Descriptor { bucket: "b".into(), key: "k".into() };
    let answers = Answers::from([(request, Ok(descriptors.to_vec()))]);
    let payload = Payload::read(bytes);
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
    if let Ok(outcome) = statement.evaluate(&message, &answers) {
        let output = outcome.output.expect("there is no condition").to_bytes();
        assert!(Payload::read(&output).is_json());
    }
});

//! How long a message takes, with reading and writing: the aims are 1 µs for a condition and a field
//! of 256 bytes, and 5 µs for ten functions.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ferrite_sql::{Answers, Message, Payload, Properties, Statement, Version};

/// 256 bytes, as a device reports.
const PAYLOAD: &str = r#"{"deviceId":"sensor-0042-munich","site":"plant-7/hall-3/line-12","temp":57.25,"humidity":41.5,"pressure":1013.2,"battery":87,"rssi":-61,"charging":false,"location":{"lat":52.520008,"lon":13.4049},"tags":["hvac","roof"],"firmware":"1.4.2+build77","seq":182}"#;

const TRANSFORM: &str = "SELECT upper(deviceId) AS id, concat(site, '/', deviceId) AS path, \
 round(temp) AS temp, abs(rssi) AS rssi, substring(deviceId, 0, 6) AS kind, \
 get(tags, 0) AS tag, length(site) AS length, regexp_replace(firmware, '\\+build([0-9]+)', '-$1') AS firmware, \
 topic(2) AS line, cast(battery AS String) AS battery FROM 'a/+/t'";

fn evaluate(statement: &Statement, answers: &Answers, bytes: &[u8]) -> Option<Vec<u8>> {
    let payload = Payload::read(bytes);
    let message = Message {
        payload: &payload,
        topic: "a/b/t",
        client_id: Some("sensor-0042-munich"),
        principal: None,
        source_ip: None,
        account: "123456789012",
        trace_id: None,
        now_ms: 1_481_825_251_155,
        properties: Properties::default(),
        seed: [7; 16],
    };
    let outcome = statement.evaluate(&message, answers).expect("nothing is asked of outside");
    outcome.output.map(|output| output.to_bytes())
}

fn messages(c: &mut Criterion) {
    assert_eq!(PAYLOAD.len(), 256);
    let answers = Answers::new();
    let parse = |sql| Statement::parse(sql, Version::V2016).expect("the statement is one");
    for (name, sql, expected) in [
        ("a field and a condition", "SELECT temp FROM 'a/+/t' WHERE temp > 50", "{\"temp\":57.25}"),
        (
            "ten functions",
            TRANSFORM,
            r#"{"id":"SENSOR-0042-MUNICH","path":"plant-7/hall-3/line-12/sensor-0042-munich","temp":57,"rssi":61,"kind":"sensor","tag":"hvac","length":22,"firmware":"1.4.2-77","line":"b","battery":"87"}"#,
        ),
    ] {
        let statement = parse(sql);
        let given =
            evaluate(&statement, &answers, PAYLOAD.as_bytes()).expect("the condition is met");
        assert_eq!(String::from_utf8(given).expect("JSON is text"), expected);
        c.bench_function(name, |b| {
            b.iter(|| evaluate(&statement, &answers, black_box(PAYLOAD.as_bytes())));
        });
    }
}

criterion_group!(benches, messages);
criterion_main!(benches);

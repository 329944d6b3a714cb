//! What statements give, row by row, as `tests/conformance/*.txt` say; their README has the form.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sql::{Answers, Halt, Message, Output, Payload, Properties, Request, Statement, Version};

/// Fewer rows than this are not the table.
const ROWS_MIN: usize = 600;

/// What holds for the rows below.
#[derive(Default)]
struct Setting {
    source: String,
    payload: Vec<u8>,
    values: Vec<(String, String)>,
    answers: Answers,
}

#[test]
fn every_row_of_the_tables_gives_what_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let (mut rows, mut wrong) = (0, Vec::new());
    for entry in fs::read_dir(folder).expect("the tables are there") {
        let path = entry.expect("the tables can be listed").path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let text = fs::read_to_string(&path).expect("a table can be read");
            let name = path.file_name().expect("a file has a name").to_string_lossy();
            rows += check(&name, &text, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{} of {rows} rows:\n{}", wrong.len(), wrong.join("\n"));
    assert!(rows >= ROWS_MIN, "{rows} rows are not the table");
}

fn check(file: &str, text: &str, wrong: &mut Vec<String>) -> usize {
    let (mut setting, mut rows) = (Setting::default(), 0);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{file}:{}", number + 1);
        let (key, value) = line.split_once(':').expect(&place);
        let value = value.trim();
        match key {
            "source" => {
                let payload = b"{}".to_vec();
                setting = Setting { source: value.to_owned(), payload, ..Setting::default() };
            }
            "payload" => setting.payload = bytes(value),
            "answer" => setting.answer(value),
            "1" | "2" | "12" => {
                assert!(!setting.source.is_empty(), "{place}: a row names its source");
                let (sql, expected) = value.rsplit_once(" => ").expect("a row has a result");
                for version in versions(key) {
                    rows += 1;
                    let given = setting.given(sql.trim(), version);
                    if !agrees(&given, expected.trim()) {
                        wrong.push(format!("{place} {}: {sql} => {given}", version.name()));
                    }
                }
            }
            key => setting.values.push((key.to_owned(), value.to_owned())),
        }
    }
    rows
}

fn versions(key: &str) -> Vec<Version> {
    let all = [('1', Version::V2015), ('2', Version::V2016)];
    all.into_iter().filter(|(digit, _)| key.contains(*digit)).map(|(_, version)| version).collect()
}

fn bytes(text: &str) -> Vec<u8> {
    match text.strip_prefix("base64:") {
        Some(encoded) => STANDARD.decode(encoded).expect("base64 in a table"),
        None => text.as_bytes().to_vec(),
    }
}

/// An error by a part of what it says, anything else to the letter.
fn agrees(given: &str, expected: &str) -> bool {
    if expected.starts_with("wants ") {
        return given.starts_with(expected);
    }
    match expected.split_once(':') {
        Some((kind @ ("parse error" | "fails"), part)) => {
            given.starts_with(kind) && given.contains(part.trim())
        }
        _ => given == expected,
    }
}

impl Setting {
    fn answer(&mut self, line: &str) {
        let (request, answer) = line.rsplit_once(" => ").expect("a request has an answer");
        let mut words = request.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (kind, name, rest) = (word(), word(), word());
        let role = "role".to_owned();
        let request = match kind.as_str() {
            "lambda" => Request::Lambda { function: name, payload: rest.into_bytes() },
            "dynamodb" => {
                let pairs = rest.split(' ').map(|pair| pair.split_once('=').expect("name=value"));
                let keys = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
                Request::DynamoDb { table: name, keys: keys.collect(), role }
            }
            "shadow" => match name.split_once('/') {
                Some((thing, shadow)) => Request::ThingShadow {
                    thing: thing.to_owned(),
                    shadow: Some(shadow.to_owned()),
                    role,
                },
                None => Request::ThingShadow { thing: name, shadow: None, role },
            },
            "registry" => Request::RegistryData { operation: name, thing: rest, role },
            "secret" => Request::Secret { id: name, role },
            "descriptor" => Request::Descriptor { bucket: name, key: rest },
            "predict" => Request::Prediction { model: name, role, record: rest },
            other => unreachable!("an answer to {other}"),
        };
        let answer = match answer.strip_prefix("fails:") {
            Some(reason) => Err(reason.trim().to_owned()),
            None => Ok(bytes(answer)),
        };
        self.answers.insert(request, answer);
    }

    fn value(&self, key: &str) -> Option<&str> {
        let mut values = self.values.iter().rev();
        values.find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn given(&self, sql: &str, version: Version) -> String {
        let lower = sql.to_ascii_lowercase();
        let is_statement = ["select ", "set "].iter().any(|word| lower.starts_with(word));
        let text = if is_statement { sql.to_owned() } else { format!("SELECT VALUE ({sql})") };
        let statement = match Statement::parse(&text, version) {
            Ok(statement) => statement,
            Err(error) => return format!("parse error: {error}"),
        };
        let payload = Payload::read(&self.payload);
        let data = self.value("correlation-data").map(bytes);
        let user: Vec<(&str, &str)> = self
            .values
            .iter()
            .filter(|(key, _)| key == "user")
            .map(|(_, pair)| pair.split_once('=').expect("key=value"))
            .collect();
        let properties = Properties {
            payload_is_utf8: self.value("utf8").is_some(),
            content_type: self.value("content-type"),
            response_topic: self.value("response-topic"),
            correlation_data: data.as_deref(),
            user: &user,
        };
        let message = Message {
            payload: &payload,
            topic: self.value("topic").unwrap_or("a/b/c"),
            client_id: self.value("client"),
            principal: self.value("principal"),
            source_ip: self.value("source-ip").map(|ip| ip.parse().expect("an address")),
            account: "123456789012",
            trace_id: self.value("trace"),
            now_ms: self.value("now").map_or(0, |now| now.parse().expect("a number")),
            properties,
            seed: [7; 16],
        };
        match statement.evaluate(&message, &self.answers) {
            Err(Halt::Wanted(request)) => format!("wants {request:?}"),
            Err(Halt::Failed { function, reason }) => format!("fails: {function}: {reason}"),
            Err(Halt::NotJson) => "fails: not JSON".to_owned(),
            Err(Halt::TooLarge { what }) => format!("fails: {what} too large"),
            Ok(outcome) => match outcome.output {
                None => "no match".to_owned(),
                Some(Output::Value(value)) if value.is_undefined() => "Undefined".to_owned(),
                Some(output) => String::from_utf8(output.to_bytes()).unwrap_or_else(|error| {
                    format!("base64:{}", STANDARD.encode(error.as_bytes()))
                }),
            },
        }
    }
}

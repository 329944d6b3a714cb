//! Secrets in what is told of a trial: three stars stand in their place.
//!
//! A secret is hidden wherever it stands as it is, and in every expression that it is a part of.
//! What a statement makes of it otherwise, such as `encode(…, 'base64')`, is in what goes out.

use serde_json::Value;
use sql::{Answers, Request, Step};

/// What stands for a secret.
pub(super) const MASK: &str = "***";
/// What is shorter is hidden where it stands alone: it would be found everywhere.
const FOUND_BYTES_MIN: usize = 4;
/// How an expression begins that is a secret.
const CALL: &str = "get_secret(";

/// Secrets that a trial was given, the longest first.
pub(super) struct Masks(Vec<String>);

impl Masks {
    /// The secrets among `answers`, and all that stands in them.
    pub(super) fn of(answers: &Answers) -> Self {
        let mut texts = Vec::new();
        for (request, answer) in answers {
            if let (Request::Secret { .. }, Ok(answer)) = (request, answer) {
                collect(&serde_json::from_slice(answer).unwrap_or_default(), &mut texts);
            }
        }
        texts.retain(|text| !text.is_empty());
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Self(texts)
    }

    /// Hides them in `told`.
    pub(super) fn hide(&self, told: &mut Value) {
        match told {
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide(item)),
            Value::Object(members) => members.values_mut().for_each(|member| self.hide(member)),
            Value::String(text) => self.0.iter().for_each(|secret| hide_one(secret, text)),
            _ => {}
        }
    }
}

/// The value of an expression, as it may be told: whether a condition is met is no secret.
pub(super) fn value_of(step: &Step) -> Option<&str> {
    let value = step.value.as_deref()?;
    let is_plain = matches!(value, "true" | "false" | "null");
    Some(if step.expression.contains(CALL) && !is_plain { MASK } else { value })
}

/// The texts and numbers of a value, and of those texts that are objects.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(members) => members.values().for_each(|member| collect(member, texts)),
        Value::Number(number) => texts.push(number.to_string()),
        Value::String(text) => match serde_json::from_str(text) {
            Ok(object @ Value::Object(_)) => {
                collect(&object, texts);
                texts.push(escaped(text));
            }
            _ => texts.push(text.clone()),
        },
        _ => {}
    }
}

fn hide_one(secret: &str, text: &mut String) {
    let quoted = Value::from(secret).to_string();
    if text == secret {
        MASK.clone_into(text);
    } else if text.contains(&quoted) {
        *text = text.replace(&quoted, &Value::from(MASK).to_string());
    }
    for found in [secret, &escaped(secret)] {
        if found.len() >= FOUND_BYTES_MIN && text.contains(found) {
            *text = text.replace(found, MASK);
        }
    }
}

/// The text as it stands within a text of JSON.
fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(secret: &str, told: Value, expect: Value) {
        let request = Request::Secret { id: "s".into(), role: "r".into() };
        let answer = json!({ "SecretString": secret }).to_string().into_bytes();
        let masks = Masks::of(&Answers::from([(request, Ok(answer))]));
        let mut told = told;
        masks.hide(&mut told);
        assert_eq!(told, expect);
    }

    #[test]
    fn a_secret_is_hidden_wherever_it_stands() {
        check("word", json!({"h": ["Bearer word", "x"]}), json!({"h": ["Bearer ***", "x"]}));
        check(
            "a\"b\\c",
            json!([r#"{"k":"a\"b\\c"}"#, "a\"b\\c!"]),
            json!([r#"{"k":"***"}"#, "***!"]),
        );
        check(
            "ab",
            json!(["ab", "table", r#"{"t":"ab"}"#]),
            json!(["***", "table", r#"{"t":"***"}"#]),
        );
        check("", json!(["", "x"]), json!(["", "x"]));
    }

    #[test]
    fn what_stands_in_a_secret_is_hidden_too() {
        let secret = r#"{"user":"mill","pin":12345,"more":{"key":"k1"}}"#;
        let output = r#"{"s":{"user":"mill","pin":12345,"more":{"key":"k1"}},"k":"k1"}"#;
        let expect = r#"{"s":{"user":"***","pin":***,"more":{"key":"***"}},"k":"***"}"#;
        check(secret, json!([output]), json!([expect]));
        let as_text = json!({ "s": secret }).to_string();
        check(secret, json!([as_text]), json!([r#"{"s":"***"}"#]));
    }

    #[test]
    fn an_expression_with_a_secret_tells_only_whether_it_is_true() {
        let told = |expression: &str, value: Option<&str>| {
            let (expression, value) = (expression.to_owned(), value.map(str::to_owned));
            value_of(&Step { expression, value }).map(str::to_owned)
        };
        let call = "get_secret('s', 'SecretString', 'r')";
        assert_eq!(told(call, Some("\"word\"")).as_deref(), Some(MASK));
        assert_eq!(
            told(&format!("encode({call}, 'base64')"), Some("\"d\"")).as_deref(),
            Some(MASK)
        );
        assert_eq!(told(&format!("({call} = key)"), Some("false")).as_deref(), Some("false"));
        assert_eq!(told(call, None), None);
        assert_eq!(told("key", Some("\"x\"")).as_deref(), Some("\"x\""));
    }
}

//! A rule's statement, as the API takes it.

use bytestring::ByteString;
use model::iot::TopicRulePayload;
use mqtt::TopicFilter;
use service::ApiError;
use sql::{Statement, Version};

/// What FROM may not name: such messages are for one rule alone.
const BASIC_INGEST: &str = "$aws/rules/";

/// Reads the statement of a definition, or says where it is wrong.
pub(crate) fn read(payload: &TopicRulePayload) -> Result<Statement, ApiError> {
    let version = version(payload.aws_iot_sql_version.as_deref())?;
    let statement = Statement::parse(&payload.sql, version);
    let statement = statement.map_err(|error| parse_error(&format!("{error}.")))?;
    statement.topic().map_or(Ok(()), check_filter)?;
    Ok(statement)
}

/// The version of SQL that a rule names; `2015-10-08` where it names none.
fn version(name: Option<&str>) -> Result<Version, ApiError> {
    let Some(name) = name else { return Ok(Version::V2015) };
    Version::named(name).ok_or_else(|| {
        ApiError::invalid(format!(
            "{name} is not a version of SQL: awsIotSqlVersion is 2015-10-08, 2016-03-23 or beta."
        ))
    })
}

fn check_filter(text: &str) -> Result<(), ApiError> {
    if text.starts_with(BASIC_INGEST) {
        let message = format!("FROM cannot name {text}: messages to a rule need no FROM.");
        return Err(parse_error(&message));
    }
    let filter = TopicFilter::parse(ByteString::from(text));
    let filter = filter.map_err(|error| parse_error(&format!("FROM '{text}': {error}.")))?;
    if filter.share().is_some() {
        let message = format!("FROM '{text}': a rule has no part in shared subscriptions.");
        return Err(parse_error(&message));
    }
    Ok(())
}

fn parse_error(message: &str) -> ApiError {
    ApiError::new("SqlParseException", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, version: Option<&str>, expect: Result<Option<&str>, &str>) {
        let payload = TopicRulePayload {
            sql: sql.to_owned(),
            aws_iot_sql_version: version.map(str::to_owned),
            ..TopicRulePayload::default()
        };
        let read = read(&payload);
        let found = read.as_ref().map(Statement::topic).map_err(|error| error.code);
        assert_eq!(found, expect, "{sql}");
    }

    #[test]
    fn the_filter_is_what_from_names() {
        check("SELECT * FROM 'a/+/b'", None, Ok(Some("a/+/b")));
        check("SELECT * FROM '$aws/things/+'", Some("beta"), Ok(Some("$aws/things/+")));
        check("SELECT *", Some("2016-03-23"), Ok(None));
    }

    #[test]
    fn what_nothing_could_be_heard_by_is_refused() {
        for filter in ["", "a/#/b", "a+", "$aws/rules/r/a", "$share/g/a"] {
            check(&format!("SELECT * FROM '{filter}'"), None, Err("SqlParseException"));
        }
        check("SELEC * FRM", None, Err("SqlParseException"));
        check("SELECT * FROM 'a'", Some("2016-03-24"), Err(ApiError::INVALID));
    }
}

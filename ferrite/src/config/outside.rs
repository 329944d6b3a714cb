//! What rules reach outside of the server: `[functions."NAME"]`, `[targets.SERVICE]`, `outbound`.

use std::path::PathBuf;

use anyhow::bail;
use figment::Figment;
use figment::value::Value;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{explain, values};

/// Sections whose names the user gives, or that others check.
pub(super) const FUNCTIONS: &str = "functions.";
pub(super) const TARGETS: &str = "targets.";

/// Services that have a section under `targets`.
const SERVICES: [&str; 10] = [
    "s3",
    "dynamodb",
    "sqs",
    "sns",
    "kinesis",
    "firehose",
    "cloudwatch",
    "logs",
    "secretsmanager",
    "sts",
];
const PLACE: [&str; 3] = ["backend", "endpoint", "region"];
const CREDENTIALS: [&str; 5] =
    ["access_key_id", "secret_access_key", "session_token", "profile", "credentials_file"];
const LOCAL: [&str; 7] = [
    "objects_synced",
    "buckets_max",
    "tables_max",
    "streams_max",
    "stream_bytes_max",
    "stream_age_max_s",
    "metrics_max",
];
/// Settings that are secrets.
const SECRET: [&str; 4] = ["secret", "secret_access_key", "session_token", "text"];
/// Of the server's environment, what functions may have, and where the Lambda API's keys may stand.
const PASSED_ON: [&str; 8] = [
    "PATH",
    "HOME",
    "LANG",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
];

/// What may be sent to URLs that somebody configured.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Outbound {
    /// What may be reached although it is not public.
    #[serde(deserialize_with = "values::list")]
    allow: Vec<String>,
    /// Certificates that are trusted besides the system's.
    #[serde(deserialize_with = "values::path_or_none")]
    ca_file: Option<PathBuf>,
}

impl Outbound {
    /// As the client has it.
    pub(crate) fn settings(&self) -> outbound::Settings {
        let (allow, ca_file) = (self.allow.clone(), self.ca_file.clone());
        outbound::Settings { allow, ca_file, ..outbound::Settings::default() }
    }
}

/// Reads the sections of functions and of what stands for AWS's services.
pub(super) fn places(
    figment: &Figment,
    variables: &[(String, String)],
) -> anyhow::Result<rules::Places> {
    let passed_on = |(name, _): &&(String, String)| PASSED_ON.contains(&name.as_str());
    Ok(rules::Places {
        functions: section(figment, FUNCTIONS)?,
        targets: section(figment, TARGETS)?,
        environment: variables.iter().filter(passed_on).cloned().collect(),
    })
}

/// A section that may be missing.
fn section<T: DeserializeOwned + Default>(figment: &Figment, prefix: &str) -> anyhow::Result<T> {
    let name = prefix.trim_end_matches('.');
    if figment.find_value(name).is_err() {
        return Ok(T::default());
    }
    figment.extract_inner(name).map_err(|error| anyhow::anyhow!("{}", explain(&error)))
}

/// Whether `name` is in a section of this module; an error if it is there by mistake.
pub(super) fn is_ours(name: &str) -> anyhow::Result<bool> {
    if name.starts_with(FUNCTIONS) {
        return Ok(true);
    }
    let Some(rest) = name.strip_prefix(TARGETS) else { return Ok(false) };
    let is_known = match rest.split('.').collect::<Vec<_>>().as_slice() {
        ["assume_roles"]
        | ["roles", ..]
        | ["dynamodb", "tables", ..]
        | ["sns", "webhooks", ..]
        | ["secretsmanager", "secrets", ..] => true,
        ["local", key] => LOCAL.contains(key),
        ["credentials", key] => CREDENTIALS.contains(key),
        [service, key] => {
            SERVICES.contains(service) && (PLACE.contains(key) || CREDENTIALS.contains(key))
        }
        _ => false,
    };
    if is_known {
        return Ok(true);
    }
    bail!(
        "unknown setting `{name}`; under targets there are {} with {} and what credentials have, \
         credentials with {}, local with {}, roles, assume_roles, dynamodb.tables, \
         secretsmanager.secrets and sns.webhooks",
        SERVICES.join(", "),
        PLACE.join(", "),
        CREDENTIALS.join(", "),
        LOCAL.join(", "),
    )
}

/// The value of a setting of these sections that came as text: a number, a flag, a list or text.
/// Secrets are text, whatever they look like.
pub(super) fn value(name: &str, text: &str) -> Value {
    if name.rsplit('.').next().is_some_and(|key| SECRET.contains(&key)) {
        return Value::from(text);
    }
    text.parse().unwrap_or_else(|_| Value::from(text))
}

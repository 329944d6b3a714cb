//! Each kind of action: what AWS demands of its members.

use std::fmt;

use bytestring::ByteString;
use model::iot::{
    Action, CloudwatchMetricAction, DynamoDBAction, RepublishAction, SnsAction, SqsAction,
};
use mqtt::{TopicName, slashes};
use serde_json::Value;
use service::{ApiError, Limits};
use sql::Statement;
use types::Arn;

use super::http;
use crate::{actions, template};

/// The kinds of action that work.
pub(crate) const BUILT: [&str; 12] = [
    "republish",
    "lambda",
    "http",
    "s3",
    "dynamoDB",
    "dynamoDBv2",
    "sqs",
    "sns",
    "kinesis",
    "firehose",
    "cloudwatchMetric",
    "cloudwatchLogs",
];

/// Members that are taken as they are, templates or not.
const NOT_TEMPLATES: [&str; 6] =
    ["roleArn", "cannedAcl", "messageFormat", "separator", "signingRegion", "serviceName"];
/// What the `operation` of a `dynamoDB` action may be.
const DYNAMO_OPERATIONS: [&str; 3] = ["INSERT", "UPDATE", "DELETE"];
/// What messages to reserved topics begin with, once their `$$` is one `$`.
const RESERVED: &str = "$aws/";

/// Which action of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// One of its actions, from 1.
    Action(usize),
    /// Its error action.
    Error,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action(number) => write!(f, "Action {number}"),
            Self::Error => f.write_str("The error action"),
        }
    }
}

/// Refuses an action that could not be run.
pub(super) fn check(
    place: Place,
    action: &Action,
    statement: &Statement,
    limits: &Limits,
) -> Result<(), ApiError> {
    let written = serde_json::to_value(action).map_err(ApiError::internal)?;
    let (kind, members) = only_kind(place, &written)?;
    if !BUILT.contains(&kind.as_str()) {
        return Err(not_built(place, kind));
    }
    check_strings(kind, "", members, statement)?;
    check_kind(place, action, limits)
}

/// The one kind that an action is of, and its members.
fn only_kind(place: Place, action: &Value) -> Result<(&String, &Value), ApiError> {
    let mut kinds = action.as_object().into_iter().flatten();
    let first = kinds.next().ok_or_else(|| {
        ApiError::invalid(format!("{place} does nothing: it has to have exactly one type."))
    })?;
    if let Some((second, _)) = kinds.next() {
        return Err(ApiError::invalid(format!(
            "{place} is {} and {second}: an action has exactly one type.",
            first.0
        )));
    }
    Ok(first)
}

fn not_built(place: Place, kind: &str) -> ApiError {
    let message = format!(
        "{place} is {kind}, which is not implemented by this version of Ferrite; {} are.",
        BUILT.join(", ")
    );
    ApiError::new("NotImplementedException", message)
}

/// Checks every text of an action: its templates, and ARNs of roles.
fn check_strings(
    path: &str,
    member: &str,
    value: &Value,
    statement: &Statement,
) -> Result<(), ApiError> {
    match value {
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            check_strings(&format!("{path}.{name}"), name, value, statement)
        }),
        Value::Array(items) => {
            items.iter().try_for_each(|item| check_strings(path, member, item, statement))
        }
        Value::String(text) if member == "roleArn" => check_role(path, text),
        Value::String(text) if !NOT_TEMPLATES.contains(&member) => {
            check_roles(path, actions::template(path, text, statement)?.roles())
        }
        _ => Ok(()),
    }
}

/// Refuses functions that could only fail for every message.
pub(super) fn check_roles(path: &str, roles: &[String]) -> Result<(), ApiError> {
    roles.iter().try_for_each(|role| check_role(&format!("The role of a function in {path}"), role))
}

fn check_role(path: &str, text: &str) -> Result<(), ApiError> {
    let is_role = |arn: Arn<'_>| arn.service == "iam" && arn.resource.starts_with("role/");
    if Arn::parse(text).is_ok_and(is_role) {
        return Ok(());
    }
    Err(ApiError::invalid(format!("{path} is not the ARN of a role: {text}")))
}

fn check_kind(place: Place, action: &Action, limits: &Limits) -> Result<(), ApiError> {
    if let Some(republish) = &action.republish {
        check_republish(republish, limits)?;
    }
    if let Some(lambda) = &action.lambda {
        check_arn("lambda.functionArn", &lambda.function_arn, "lambda", "function:")?;
    }
    if let Some(http) = &action.http {
        http::check(place, http)?;
    }
    if let Some(s3) = &action.s3 {
        check_filled("s3.bucketName", &s3.bucket_name)?;
        check_filled("s3.key", &s3.key)?;
    }
    if let Some(dynamo) = &action.dynamo_db {
        check_dynamo(dynamo)?;
    }
    if let Some(dynamo) = &action.dynamo_d_bv2 {
        check_filled("dynamoDBv2.putItem.tableName", &dynamo.put_item.table_name)?;
    }
    if let Some(sqs) = &action.sqs {
        check_sqs(sqs)?;
    }
    if let Some(sns) = &action.sns {
        check_sns(sns)?;
    }
    if let Some(kinesis) = &action.kinesis {
        check_filled("kinesis.streamName", &kinesis.stream_name)?;
    }
    if let Some(firehose) = &action.firehose {
        check_filled("firehose.deliveryStreamName", &firehose.delivery_stream_name)?;
    }
    if let Some(metric) = &action.cloudwatch_metric {
        check_metric(metric)?;
    }
    if let Some(logs) = &action.cloudwatch_logs {
        check_filled("cloudwatchLogs.logGroupName", &logs.log_group_name)?;
    }
    Ok(())
}

/// Checks a topic that is the same for every message; others show when they are published.
fn check_republish(action: &RepublishAction, limits: &Limits) -> Result<(), ApiError> {
    let given = &action.topic;
    let refused = |why: &str| ApiError::invalid(format!("republish.topic {given}: {why}"));
    // `$$` stands for `$`, which otherwise begins a template.
    let topic = match given.strip_prefix("$$") {
        Some(rest) => format!("${rest}"),
        None if given.starts_with('$') && !given.starts_with("${") => {
            return Err(refused("topics that begin with $ are reserved: write $$ for it."));
        }
        None => given.clone(),
    };
    let parts: Vec<&str> = topic.split('/').collect();
    if let [first, "things", _, "jobs" | "defender", ..] = parts.as_slice()
        && *first == RESERVED.trim_end_matches('/')
    {
        return Err(refused("messages cannot be republished to topics of jobs and of Defender."));
    }
    if !template::is_constant(given) {
        return Ok(());
    }
    TopicName::parse(ByteString::from(topic.as_str()))
        .map_err(|error| refused(&format!("{error}.")))?;
    if !topic.starts_with(RESERVED) {
        let (bytes, most) = (topic.len(), limits.mqtt_topic_bytes_max);
        if bytes > most || slashes(&topic) > limits.mqtt_topic_slashes_max {
            return Err(refused("the topic is too long, or has too many slashes."));
        }
    }
    Ok(())
}

fn check_dynamo(action: &DynamoDBAction) -> Result<(), ApiError> {
    check_filled("dynamoDB.tableName", &action.table_name)?;
    check_filled("dynamoDB.hashKeyField", &action.hash_key_field)?;
    check_filled("dynamoDB.hashKeyValue", &action.hash_key_value)?;
    if action.range_key_field.is_some() != action.range_key_value.is_some() {
        return Err(ApiError::invalid(
            "dynamoDB.rangeKeyField and dynamoDB.rangeKeyValue come together.",
        ));
    }
    let operation = action.operation.as_deref().filter(|text| template::is_constant(text));
    match operation.filter(|text| !DYNAMO_OPERATIONS.contains(text)) {
        Some(other) => Err(ApiError::invalid(format!(
            "dynamoDB.operation is INSERT, UPDATE or DELETE, not {other}"
        ))),
        None => Ok(()),
    }
}

fn check_sqs(action: &SqsAction) -> Result<(), ApiError> {
    let url = &action.queue_url;
    check_filled("sqs.queueUrl", url)?;
    if !template::is_constant(url) {
        return Ok(());
    }
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(ApiError::invalid(format!("sqs.queueUrl is not a URL: {url}")));
    }
    check_no_fifo("sqs.queueUrl", url)
}

fn check_sns(action: &SnsAction) -> Result<(), ApiError> {
    check_arn("sns.targetArn", &action.target_arn, "sns", "")?;
    check_no_fifo("sns.targetArn", &action.target_arn)
}

fn check_metric(action: &CloudwatchMetricAction) -> Result<(), ApiError> {
    check_filled("cloudwatchMetric.metricNamespace", &action.metric_namespace)?;
    check_filled("cloudwatchMetric.metricName", &action.metric_name)?;
    check_filled("cloudwatchMetric.metricUnit", &action.metric_unit)?;
    check_number("cloudwatchMetric.metricValue", &action.metric_value)?;
    action
        .metric_timestamp
        .as_deref()
        .map_or(Ok(()), |timestamp| check_number("cloudwatchMetric.metricTimestamp", timestamp))
}

fn check_filled(member: &str, text: &str) -> Result<(), ApiError> {
    if text.trim().is_empty() {
        return Err(ApiError::invalid(format!("{member} is empty.")));
    }
    Ok(())
}

fn check_number(member: &str, text: &str) -> Result<(), ApiError> {
    let is_number = text.parse::<f64>().is_ok_and(f64::is_finite);
    if is_number || !template::is_constant(text) {
        return Ok(());
    }
    Err(ApiError::invalid(format!("{member} is not a number: {text}")))
}

fn check_no_fifo(member: &str, text: &str) -> Result<(), ApiError> {
    if text.ends_with(".fifo") {
        return Err(ApiError::invalid(format!(
            "{member} is FIFO, which rules do not serve: {text}"
        )));
    }
    Ok(())
}

fn check_arn(member: &str, text: &str, service: &str, resource: &str) -> Result<(), ApiError> {
    let is_of = |arn: Arn<'_>| arn.service == service && arn.resource.starts_with(resource);
    if !template::is_constant(text) || Arn::parse(text).is_ok_and(is_of) {
        return Ok(());
    }
    Err(ApiError::invalid(format!("{member} is not an ARN of {service}: {text}")))
}

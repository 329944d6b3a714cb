//! What actions must be.

use serde_json::{Value, json};
use testing::Server;

use crate::{ROLE, STATEMENT, create, get, refusal, server};

/// Each kind that works, as little of it as there can be.
fn least() -> Vec<Value> {
    vec![
        json!({"republish": {"roleArn": ROLE, "topic": "a/${topic()}"}}),
        json!({"lambda": {"functionArn": "arn:aws:lambda:us-east-1:000000000000:function:f:live"}}),
        json!({"http": {"url": "https://example.com/a"}}),
        json!({"s3": {"roleArn": ROLE, "bucketName": "b", "key": "k"}}),
        json!({"dynamoDB": {"roleArn": ROLE, "tableName": "t", "hashKeyField": "id",
            "hashKeyValue": "${id}"}}),
        json!({"dynamoDBv2": {"roleArn": ROLE, "putItem": {"tableName": "t"}}}),
        json!({"sqs": {"roleArn": ROLE, "queueUrl": "https://sqs.us-east-1.amazonaws.com/1/q"}}),
        json!({"sns": {"roleArn": ROLE, "targetArn": "arn:aws:sns:us-east-1:000000000000:t"}}),
        json!({"kinesis": {"roleArn": ROLE, "streamName": "s"}}),
        json!({"firehose": {"roleArn": ROLE, "deliveryStreamName": "s", "separator": ","}}),
        json!({"cloudwatchMetric": {"roleArn": ROLE, "metricNamespace": "n", "metricName": "m",
            "metricValue": "${v}", "metricUnit": "None"}}),
        json!({"cloudwatchLogs": {"roleArn": ROLE, "logGroupName": "g"}}),
    ]
}

async fn create_with(server: &Server, action: &Value) -> Result<Value, service::ApiError> {
    create(server, "r", json!({"sql": STATEMENT, "actions": [action]})).await
}

/// `action` with `value` at `path`, or without it if that is null.
fn changed(action: &Value, path: &str, value: Value) -> Value {
    let mut action = action.clone();
    let (parent, member) = path.rsplit_once('/').unwrap();
    let parent = action.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Value::Null => parent.remove(member),
        value => parent.insert(member.to_owned(), value),
    };
    action
}

#[tokio::test]
async fn each_kind_that_works_is_kept_as_it_is() {
    let server = server().await;
    for (number, action) in least().into_iter().enumerate() {
        let name = format!("r{number}");
        let payload = json!({"sql": STATEMENT, "actions": [action], "errorAction": action});
        create(&server, &name, payload).await.unwrap();
        let rule = &get(&server, &name).await.unwrap()["rule"];
        assert_eq!((&rule["actions"][0], &rule["errorAction"]), (&action, &action));
    }
}

#[tokio::test]
async fn an_action_is_of_exactly_one_kind() {
    let server = server().await;
    let both = json!({
        "republish": {"roleArn": ROLE, "topic": "a"}, "kinesis": {"roleArn": ROLE, "streamName": "s"},
    });
    for wrong in [json!({}), both] {
        let (code, message) = refusal(create_with(&server, &wrong).await);
        assert_eq!(code, "InvalidRequestException");
        assert!(message.starts_with("Action 1 "), "{message}");
        let of_error = json!({"sql": STATEMENT, "actions": [], "errorAction": wrong});
        let (code, message) = refusal(create(&server, "r", of_error).await);
        assert_eq!(code, "InvalidRequestException");
        assert!(message.starts_with("The error action "), "{message}");
    }
}

#[tokio::test]
async fn a_kind_that_does_not_work_yet_says_so_by_name() {
    let server = server().await;
    let later = [
        json!({"cloudwatchAlarm": {"roleArn": ROLE, "alarmName": "a", "stateReason": "r",
            "stateValue": "OK"}}),
        json!({"stepFunctions": {"roleArn": ROLE, "stateMachineName": "m"}}),
        json!({"iotEvents": {"roleArn": ROLE, "inputName": "i"}}),
        json!({"kafka": {"destinationArn": "arn:aws:iot:us-east-1:1:ruledestination/vpc/x",
            "topic": "t", "clientProperties": {}}}),
    ];
    for action in later {
        let kind = action.as_object().unwrap().keys().next().unwrap().clone();
        let (code, message) = refusal(create_with(&server, &action).await);
        assert_eq!(code, "NotImplementedException");
        assert!(message.contains(&kind) && message.contains("republish, lambda"), "{message}");
    }
}

/// What is refused, and what the refusal names.
fn refused() -> Vec<(Value, &'static str)> {
    let all = least();
    let of = |kind: &str| all.iter().find(|action| action.get(kind).is_some()).unwrap();
    let (republish, http, dynamo) = (of("republish"), of("http"), of("dynamoDB"));
    let with_batches = json!({"maxBatchSize": 5});
    vec![
        (changed(republish, "/republish/topic", json!("a/+")), "republish.topic"),
        (changed(republish, "/republish/topic", json!("")), "republish.topic"),
        (changed(republish, "/republish/topic", json!("$aws/things/t/shadow/update")), "$$"),
        (changed(republish, "/republish/topic", json!("a/b/c/d/e/f/g/h/i")), "slashes"),
        (changed(republish, "/republish/topic", json!("$$aws/things/${t}/jobs/get")), "jobs"),
        (changed(republish, "/republish/roleArn", json!("my-role")), "roleArn"),
        (changed(of("lambda"), "/lambda/functionArn", json!("f")), "lambda.functionArn"),
        (changed(of("s3"), "/s3/key", json!("")), "s3.key"),
        (changed(of("s3"), "/s3/key", json!("")), "s3.key"),
        (changed(dynamo, "/dynamoDB/operation", json!("insert")), "dynamoDB.operation"),
        (changed(dynamo, "/dynamoDB/rangeKeyField", json!("at")), "dynamoDB.rangeKey"),
        (changed(of("sqs"), "/sqs/queueUrl", json!("q")), "sqs.queueUrl"),
        (changed(of("sqs"), "/sqs/queueUrl", json!("https://a/q.fifo")), "FIFO"),
        (changed(of("sns"), "/sns/targetArn", json!("arn:aws:sqs:us-east-1:1:t")), "sns.targetArn"),
        (changed(of("sns"), "/sns/targetArn", json!("arn:aws:sns:us-east-1:1:t.fifo")), "FIFO"),
        (
            changed(of("cloudwatchMetric"), "/cloudwatchMetric/metricValue", json!("many")),
            "cloudwatchMetric.metricValue",
        ),
        (changed(http, "/http/url", json!("http://example.com/")), "https://"),
        (changed(http, "/http/url", json!("https://[::1]/")), "IPv6"),
        (changed(http, "/http/url", json!("https://a:b@example.com/")), "password"),
        (changed(http, "/http/url", json!("https:///a")), "http.url"),
        (changed(http, "/http/url", json!("https://example.com/${a}")), "http.confirmationUrl"),
        (changed(http, "/http/confirmationUrl", json!("https://example.org/")), "does not begin"),
        (changed(http, "/http/headers", json!([{"key": "a b", "value": "c"}])), "a b"),
        (changed(http, "/http/headers", json!([{"key": "a", "value": "b\nc"}])), "http.headers"),
        (
            changed(
                http,
                "/http/auth",
                json!({"sigv4":
            {"signingRegion": "", "serviceName": "x", "roleArn": ROLE}}),
            ),
            "sigv4",
        ),
        (json!({"error": changed(http, "/http/batchConfig", with_batches)}), "batches"),
        (json!({"error": changed(http, "/http/enableBatching", json!(true))}), "batches"),
    ]
}

#[tokio::test]
async fn what_could_never_work_is_refused_by_name() {
    let server = server().await;
    for (action, named) in refused() {
        let result = match action.get("error") {
            Some(action) => {
                let payload = json!({"sql": STATEMENT, "actions": [], "errorAction": action});
                create(&server, "r", payload).await
            }
            None => create_with(&server, &action).await,
        };
        let (code, message) = refusal(result);
        assert_eq!(code, "InvalidRequestException", "{action}");
        assert!(message.contains(named), "{action}: {message}");
    }
}

#[tokio::test]
async fn what_may_be_right_for_some_message_is_taken() {
    let server = server().await;
    let all = least();
    let of = |kind: &str| all.iter().find(|action| action.get(kind).is_some()).unwrap();
    let http = changed(of("http"), "/http/url", json!("https://${host}.example.com/a/${b}"));
    let taken = [
        changed(of("republish"), "/republish/topic", json!("$$aws/things/${t}/shadow/update")),
        changed(of("republish"), "/republish/topic", json!("$$aws/things/t/shadow/name/n/update")),
        changed(of("republish"), "/republish/topic", json!("${topic}")),
        changed(of("lambda"), "/lambda/functionArn", json!("${f}")),
        changed(of("sqs"), "/sqs/queueUrl", json!("${q}")),
        changed(of("dynamoDB"), "/dynamoDB/operation", json!("${o}")),
        changed(&http, "/http/confirmationUrl", json!("https://${host}.example.com/")),
        changed(&http, "/http/confirmationUrl", json!("https://plant.example.com/a/")),
        changed(of("http"), "/http/batchConfig", json!({"maxBatchSize": 5})),
        changed(of("http"), "/http/headers", json!([{"key": "x-a", "value": "${b}"}])),
    ];
    for (number, action) in taken.iter().enumerate() {
        let payload = json!({"sql": STATEMENT, "actions": [action]});
        create(&server, &format!("r{number}"), payload).await.unwrap();
    }
}

#[tokio::test]
async fn a_template_that_cannot_be_read_is_refused_with_its_member() {
    let server = server().await;
    let all = least();
    let of = |kind: &str| all.iter().find(|action| action.get(kind).is_some()).unwrap();
    let header = json!([{"key": "x-a", "value": "${"}]);
    for (action, member) in [
        (changed(of("republish"), "/republish/topic", json!("a/${topic(")), "republish.topic"),
        (changed(of("s3"), "/s3/key", json!("a/${}")), "s3.key"),
        (changed(of("dynamoDBv2"), "/dynamoDBv2/putItem/tableName", json!("${a +}")), "tableName"),
        (changed(of("http"), "/http/headers", header), "http.headers.value"),
    ] {
        let (code, message) = refusal(create_with(&server, &action).await);
        assert_eq!(code, "SqlParseException", "{action}");
        assert!(message.contains(member), "{message}");
    }
    let of_rule = json!({
        "sql": "SET @kind = a SELECT * FROM 'a'", "awsIotSqlVersion": "2016-03-23",
        "actions": [changed(of("s3"), "/s3/key", json!("${@kind}"))],
    });
    create(&server, "r", of_rule).await.unwrap();
}

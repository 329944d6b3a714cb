//! `aws` back ends against moto's server, where one is named: `FERRITE_TEST_MOTO=http://host:port`.

use std::fmt::Debug;

use bytes::Bytes;
use ferrite_targets::{
    AttributeValue, Binary, DeleteItem, GetItem, Item, ItemKey, KinesisRecord, LogEvent, Publish,
    PutItem, PutLogEvents, PutMetricData, PutObject, PutRecord, PutRecordBatch, PutRecords,
    SecretValue, SendMessage, TargetError, UpdateItem,
};
use serde_json::{Value, json};

use crate::harness::{Bench, START, caller};

/// A bench whose services are all at moto's, or none.
async fn moto(more: &str) -> Option<(Bench, Peer)> {
    #[allow(clippy::disallowed_methods, reason = "a test asks the environment for its peer")]
    let Ok(endpoint) = std::env::var("FERRITE_TEST_MOTO") else {
        println!("SKIPPED: no AWS to call: set FERRITE_TEST_MOTO to the URL of a moto_server");
        return None;
    };
    let place = format!(r#"{{"backend":"aws","endpoint":"{endpoint}"}}"#);
    let names = [
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
    let places: Vec<String> = names.iter().map(|name| format!(r#""{name}":{place}"#)).collect();
    let settings = format!(
        r#"{{{},"credentials":{{"access_key_id":"AKIAIOSFODNN7EXAMPLE","secret_access_key":"secret"}}{more}}}"#,
        places.join(",")
    );
    let bench = Bench::with(&settings).await;
    bench.env.clock.set(env::Clock::system().now());
    let tag = u32::from_le_bytes(env::Random::system().bytes());
    Some((bench, Peer { endpoint, tag }))
}

/// Makes and looks at what is in moto, by its own simplest requests.
struct Peer {
    endpoint: String,
    /// Tells the names of this test from those of the one before.
    tag: u32,
}

impl Peer {
    fn name(&self, name: &str) -> String {
        format!("{name}-{:08x}", self.tag)
    }

    async fn json(&self, service: &str, version: &str, target: &str, body: Value) -> Value {
        let headers = [
            ("content-type", format!("application/x-amz-json-{version}")),
            ("x-amz-target", target.to_owned()),
        ];
        let answer = self.send("POST", "/", service, &headers, body.to_string()).await;
        serde_json::from_str(&answer).unwrap_or(Value::String(answer))
    }

    async fn query(&self, service: &str, form: &str) -> String {
        let headers = [("content-type", "application/x-www-form-urlencoded".to_owned())];
        self.send("POST", "/", service, &headers, form.to_owned()).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        service: &str,
        headers: &[(&'static str, String)],
        body: String,
    ) -> String {
        let allow = vec!["127.0.0.0/8".to_owned()];
        let settings = outbound::Settings { allow, ..outbound::Settings::default() };
        let client = outbound::Client::new(&settings, &env::Env::system()).unwrap();
        let url = outbound::Url::parse(&format!("{}{path}", self.endpoint)).unwrap();
        let mut request = outbound::Request::post(url, body.into());
        request.method = method.parse().unwrap();
        let credential =
            format!("AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/{service}/aws4_request");
        let authorization = format!("{credential}, SignedHeaders=host, Signature=0");
        request.headers.insert("authorization", authorization.parse().unwrap());
        for (name, value) in headers {
            request.headers.insert(*name, value.parse().unwrap());
        }
        let response = client.send(request).await.unwrap();
        String::from_utf8_lossy(&response.body).into_owned()
    }
}

fn refused<T: Debug>(outcome: Result<T, TargetError>) -> (String, Option<u16>, bool) {
    let error = outcome.unwrap_err();
    println!("{error}");
    (error.code, error.status, error.is_transient)
}

#[tokio::test]
async fn s3_puts_and_gets_objects() {
    let Some((bench, peer)) = moto("").await else { return };
    let bucket = peer.name("ferrite-bucket");
    peer.send("PUT", &format!("/{bucket}"), "s3", &[], String::new()).await;
    for key in ["plain.json", "a b/ü+%2F/..//x=1&y'()*!~"] {
        let put = PutObject {
            bucket: bucket.clone(),
            key: key.into(),
            body: Bytes::from_static(b"{\"t\":1}"),
            content_type: None,
            canned_acl: Some("public-read".into()),
        };
        bench.targets.s3().put_object(&caller(), put).await.unwrap();
        let read = bench.targets.s3().get_object(&caller(), &bucket, key).await.unwrap();
        assert_eq!(read.as_deref(), Some(&b"{\"t\":1}"[..]), "{key}");
    }
    let listed =
        peer.send("GET", &format!("/{bucket}?list-type=2"), "s3", &[], String::new()).await;
    assert!(listed.contains("<Key>a b/ü+%2F/..//x=1&amp;y'()*!~</Key>"), "{listed}");
    let acl =
        peer.send("GET", &format!("/{bucket}/plain.json?acl"), "s3", &[], String::new()).await;
    assert!(acl.contains("AllUsers"), "{acl}");
    let absent = bench.targets.s3().get_object(&caller(), &bucket, "absent").await;
    assert_eq!(absent.unwrap(), None);
    let put =
        PutObject { bucket: "no-such-bucket".into(), key: "k".into(), ..PutObject::default() };
    let outcome = bench.targets.s3().put_object(&caller(), put).await;
    let text = outcome.as_ref().unwrap_err().to_string();
    assert!(text.starts_with("The specified bucket does not exist (Service: Amazon S3; Status Code: 404; Error Code: NoSuchBucket; Request ID: "), "{text}");
    assert_eq!(refused(outcome), ("NoSuchBucket".into(), Some(404), false));
}

#[tokio::test]
async fn dynamodb_puts_updates_gets_and_deletes_items() {
    let Some((bench, peer)) = moto("").await else { return };
    let name = peer.name("readings");
    let table = json!({
        "TableName": name,
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "at", "AttributeType": "N"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    peer.json("dynamodb", "1.0", "DynamoDB_20120810.CreateTable", table).await;
    let item: Item = serde_json::from_value(json!({
        "id": {"S": "d1"}, "at": {"N": "17"}, "name": {"M": {"l": {"L": [{"N": "1.5"}, {"BOOL": true}, {"NULL": true}]}}},
    }))
    .unwrap();
    let mut item = item;
    item.insert("raw".into(), AttributeValue::B(Binary(Bytes::from_static(&[0, 255]))));
    let dynamodb = bench.targets.dynamodb();
    let put = PutItem { table: name.clone(), item: item.clone(), keys: vec![] };
    dynamodb.put_item(&caller(), put).await.unwrap();
    let key: ItemKey = ["id", "at"].map(|name| (name.to_owned(), item[name].clone())).to_vec();
    let get = GetItem { table: name.clone(), key: key.clone() };
    assert_eq!(dynamodb.get_item(&caller(), get.clone()).await.unwrap(), Some(item.clone()));
    let set: Item =
        serde_json::from_value(json!({"name": {"S": "x"}, "size": {"N": "3"}})).unwrap();
    let update = UpdateItem { table: name.clone(), key: key.clone(), set: set.clone() };
    dynamodb.update_item(&caller(), update).await.unwrap();
    item.extend(set);
    assert_eq!(dynamodb.get_item(&caller(), get.clone()).await.unwrap(), Some(item));
    dynamodb.delete_item(&caller(), DeleteItem { table: name.clone(), key }).await.unwrap();
    assert_eq!(dynamodb.get_item(&caller(), get).await.unwrap(), None);
    let put = PutItem { table: "absent".into(), ..PutItem::default() };
    let outcome = dynamodb.put_item(&caller(), put).await;
    assert_eq!(refused(outcome), ("ResourceNotFoundException".into(), Some(400), false));
}

#[tokio::test]
async fn sqs_sends_messages() {
    let Some((bench, peer)) = moto("").await else { return };
    let name = peer.name("orders");
    let made = peer.json("sqs", "1.0", "AmazonSQS.CreateQueue", json!({"QueueName": name})).await;
    let queue_url = made["QueueUrl"].as_str().unwrap().to_owned();
    let body = "{\"ü\": \"a&b <c>\"}".to_owned();
    let send = SendMessage { queue_url: queue_url.clone(), body: body.clone() };
    let id = bench.targets.sqs().send_message(&caller(), send).await.unwrap();
    let got =
        peer.json("sqs", "1.0", "AmazonSQS.ReceiveMessage", json!({"QueueUrl": queue_url})).await;
    assert_eq!(got["Messages"][0]["Body"], body);
    assert_eq!(got["Messages"][0]["MessageId"], id.0);
    let queue_url = queue_url.replace("orders", "absent");
    let outcome =
        bench.targets.sqs().send_message(&caller(), SendMessage { queue_url, body }).await;
    let (code, status, is_transient) = refused(outcome);
    assert!(code.contains("QueueDoesNotExist") || code.contains("NonExistentQueue"), "{code}");
    assert_eq!((status, is_transient), (Some(400), false));
}

#[tokio::test]
async fn sns_publishes_messages() {
    let Some((bench, peer)) = moto("").await else { return };
    let (name, queue_name) = (peer.name("alarms"), peer.name("queue"));
    let queue =
        peer.json("sqs", "1.0", "AmazonSQS.CreateQueue", json!({"QueueName": queue_name})).await;
    let made =
        peer.query("sns", &format!("Action=CreateTopic&Version=2010-03-31&Name={name}")).await;
    let arn = made.split("<TopicArn>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let queue_arn = arn.replace(":sns:", ":sqs:").replace(&name, &queue_name);
    let form = format!(
        "Action=Subscribe&Version=2010-03-31&TopicArn={arn}&Protocol=sqs&Endpoint={queue_arn}&Attributes.entry.1.key=RawMessageDelivery&Attributes.entry.1.value=true"
    );
    peer.query("sns", &form).await;
    for (message, is_structured) in
        [("a&b=c ü\n", false), (r#"{"default":"d","sqs":"for sqs"}"#, true)]
    {
        let publish = Publish { target_arn: arn.clone(), message: message.into(), is_structured };
        let id = bench.targets.sns().publish(&caller(), publish).await.unwrap();
        assert!(!id.0.is_empty());
        let url = queue["QueueUrl"].clone();
        let got =
            peer.json("sqs", "1.0", "AmazonSQS.ReceiveMessage", json!({"QueueUrl": url})).await;
        assert_eq!(got["Messages"][0]["Body"], if is_structured { "for sqs" } else { message });
        let receipt = got["Messages"][0]["ReceiptHandle"].clone();
        peer.json(
            "sqs",
            "1.0",
            "AmazonSQS.DeleteMessage",
            json!({"QueueUrl": url, "ReceiptHandle": receipt}),
        )
        .await;
    }
    let publish = Publish {
        target_arn: arn.replace("alarms", "absent"),
        message: "m".into(),
        is_structured: false,
    };
    let (code, status, is_transient) =
        refused(bench.targets.sns().publish(&caller(), publish).await);
    assert_eq!((code.as_str(), status, is_transient), ("NotFound", Some(404), false));
}

#[tokio::test]
async fn kinesis_puts_records() {
    let Some((bench, peer)) = moto("").await else { return };
    let target = |name: &str| format!("Kinesis_20131202.{name}");
    let name = peer.name("line");
    peer.json(
        "kinesis",
        "1.1",
        &target("CreateStream"),
        json!({"StreamName": name, "ShardCount": 1}),
    )
    .await;
    let record = |data: &'static [u8]| KinesisRecord {
        partition_key: "k ü".into(),
        data: Bytes::from_static(data),
    };
    let kinesis = bench.targets.kinesis();
    let put = PutRecord { stream: name.clone(), record: record(b"one") };
    let place = kinesis.put_record(&caller(), put).await.unwrap();
    assert_eq!(place.shard_id, "shardId-000000000000");
    let put = PutRecords { stream: name.clone(), records: vec![record(b"two"), record(&[0, 255])] };
    let places = kinesis.put_records(&caller(), put).await.unwrap();
    assert!(places.len() == 2 && places.iter().all(|place| place.is_ok()));
    let shard =
        json!({"StreamName": name, "ShardId": place.shard_id, "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = peer.json("kinesis", "1.1", &target("GetShardIterator"), shard).await;
    let iterator = json!({"ShardIterator": iterator["ShardIterator"]});
    let got = peer.json("kinesis", "1.1", &target("GetRecords"), iterator).await;
    let data: Vec<&str> =
        got["Records"].as_array().unwrap().iter().map(|it| it["Data"].as_str().unwrap()).collect();
    assert_eq!(data, ["b25l", "dHdv", "AP8="]);
    let put = PutRecord { stream: "absent".into(), record: record(b"x") };
    let outcome = kinesis.put_record(&caller(), put).await;
    assert_eq!(refused(outcome), ("ResourceNotFoundException".into(), Some(400), false));
}

#[tokio::test]
async fn firehose_puts_records() {
    let Some((bench, peer)) = moto("").await else { return };
    peer.send("PUT", "/firehose-bucket", "s3", &[], String::new()).await;
    let name = peer.name("lake");
    let stream = json!({
        "DeliveryStreamName": name, "DeliveryStreamType": "DirectPut",
        "S3DestinationConfiguration": {"RoleARN": "arn:aws:iam::123456789012:role/r", "BucketARN": "arn:aws:s3:::firehose-bucket"},
    });
    peer.json("firehose", "1.1", "Firehose_20150804.CreateDeliveryStream", stream).await;
    let firehose = bench.targets.firehose();
    let id = firehose.put_record(&caller(), &name, Bytes::from_static(b"one\n")).await.unwrap();
    assert!(!id.is_empty());
    let records = vec![Bytes::from_static(b"two\n"), Bytes::from_static(b"three\n")];
    let put = PutRecordBatch { stream: name.clone(), records };
    let ids = firehose.put_record_batch(&caller(), put).await.unwrap();
    assert!(ids.len() == 2 && ids.iter().all(|id| id.is_ok()));
    let outcome = firehose.put_record(&caller(), "absent", Bytes::new()).await;
    assert_eq!(refused(outcome), ("ResourceNotFoundException".into(), Some(400), false));
}

#[tokio::test]
async fn cloudwatch_puts_metrics() {
    let Some((bench, peer)) = moto("").await else { return };
    for timestamp in [None, Some(bench.env.clock.now())] {
        let put = PutMetricData {
            namespace: "Line/1".into(),
            name: "speed & co".into(),
            value: -1.5e-3,
            unit: "Count".into(),
            timestamp,
        };
        bench.targets.cloudwatch().put_metric_data(&caller(), put).await.unwrap();
    }
    let form = "Action=ListMetrics&Version=2010-08-01&Namespace=Line%2F1";
    let listed = peer.query("monitoring", form).await;
    assert!(listed.contains("speed &amp; co"), "{listed}");
    let put = PutMetricData {
        namespace: "Line".into(),
        name: "x".into(),
        value: f64::NAN,
        unit: "Count".into(),
        timestamp: None,
    };
    let outcome = bench.targets.cloudwatch().put_metric_data(&caller(), put).await;
    println!("moto on NaN: {outcome:?}");
}

#[tokio::test]
async fn logs_puts_events_and_makes_the_stream() {
    let Some((bench, peer)) = moto("").await else { return };
    let target = |name: &str| format!("Logs_20140328.{name}");
    let group = &peer.name("/ferrite/rules");
    peer.json("logs", "1.1", &target("CreateLogGroup"), json!({"logGroupName": group})).await;
    let now = bench.env.clock.now();
    let events = vec![LogEvent { timestamp: now, message: "zwölf".into() }];
    let put = |group: &str| PutLogEvents {
        group: group.into(),
        stream: "s1".into(),
        events: events.clone(),
    };
    bench.targets.logs().put_log_events(&caller(), put(group)).await.unwrap();
    bench.targets.logs().put_log_events(&caller(), put(group)).await.unwrap();
    let asked = json!({"logGroupName": group, "logStreamName": "s1"});
    let got = peer.json("logs", "1.1", &target("GetLogEvents"), asked).await;
    assert_eq!(got["events"].as_array().unwrap().len(), 2, "{got}");
    assert_eq!(got["events"][0]["message"], "zwölf");
    let outcome = bench.targets.logs().put_log_events(&caller(), put("/absent")).await;
    assert_eq!(refused(outcome), ("ResourceNotFoundException".into(), Some(400), false));
    let old = PutLogEvents {
        events: vec![LogEvent {
            timestamp: START.plus(std::time::Duration::ZERO),
            message: "x".into(),
        }],
        ..put(group)
    };
    println!(
        "moto on events of {START:?}: {:?}",
        bench.targets.logs().put_log_events(&caller(), old).await
    );
}

#[tokio::test]
async fn secretsmanager_has_the_current_version_of_secrets() {
    let Some((bench, peer)) = moto("").await else { return };
    let target = |name: &str| format!("secretsmanager.{name}");
    let name = peer.name("mill/key");
    let secret = json!({"Name": name, "SecretString": "{\"key\":\"old\"}"});
    peer.json("secretsmanager", "1.1", &target("CreateSecret"), secret).await;
    let secret = json!({"SecretId": name, "SecretString": "{\"key\":\"wörd\"}"});
    let put = peer.json("secretsmanager", "1.1", &target("PutSecretValue"), secret).await;
    let secrets = bench.targets.secretsmanager();
    for id in [&name, put["ARN"].as_str().unwrap()] {
        let secret = secrets.get_secret_value(&caller(), id).await.unwrap();
        assert_eq!(*secret, SecretValue::Text("{\"key\":\"wörd\"}".to_owned().into()));
    }
    let name = peer.name("mill/bytes");
    let secret = json!({"Name": name, "SecretBinary": "AP8B"});
    peer.json("secretsmanager", "1.1", &target("CreateSecret"), secret).await;
    let secret = secrets.get_secret_value(&caller(), &name).await.unwrap();
    assert_eq!(*secret, SecretValue::Binary("AP8B".to_owned().into()));
    let outcome = secrets.get_secret_value(&caller(), "absent").await;
    // AWS says 400, moto 404.
    let (code, _, is_transient) = refused(outcome);
    assert_eq!((code.as_str(), is_transient), ("ResourceNotFoundException", false));
}

#[tokio::test]
async fn a_role_is_assumed() {
    let Some((bench, peer)) = moto(r#","assume_roles":true"#).await else { return };
    let name = peer.name("roles");
    peer.json("sqs", "1.0", "AmazonSQS.CreateQueue", json!({"QueueName": name})).await;
    let mut caller = caller();
    caller.role_arn = Some("arn:aws:iam::123456789012:role/rules".into());
    let queue_url = format!("http://127.0.0.1/123456789012/{name}");
    let send = SendMessage { queue_url, body: "x".into() };
    bench.targets.sqs().send_message(&caller, send).await.unwrap();
}

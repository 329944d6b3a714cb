//! Local queues, topics, metrics and logs.

use ferrite_targets::{
    AttributeValue, Item, LogEvent, Publish, PutItem, PutLogEvents, PutMetricData, PutObject,
    SendMessage, Service,
};
use types::Timestamp;

use crate::harness::{Bench, caller, stream};

#[tokio::test]
async fn a_message_to_a_queue_is_in_its_stream() {
    let bench = Bench::start().await;
    let queue_url = "https://sqs.us-east-1.amazonaws.com/123456789012/orders".to_owned();
    let send = SendMessage { queue_url: queue_url.clone(), body: "{\"a\":1}".into() };
    let id = bench.targets.sqs().send_message(&caller(), send).await.unwrap();
    let page = bench.targets.read_local(&stream(Service::Sqs, "orders"), 0, 10).await.unwrap();
    assert_eq!((&page.records[0].label, &page.records[0].data[..]), (&id.0, &b"{\"a\":1}"[..]));
    let send = SendMessage { queue_url, body: "a\0b".into() };
    let refused = bench.targets.sqs().send_message(&caller(), send).await.unwrap_err();
    assert_eq!(refused.code, "InvalidMessageContents");
}

#[tokio::test]
async fn a_message_to_a_topic_is_in_its_stream() {
    let bench = Bench::start().await;
    let publish = Publish {
        target_arn: "arn:aws:sns:us-east-1:123456789012:alarms".into(),
        message: r#"{"default":"plain","http":"for http"}"#.into(),
        is_structured: true,
    };
    let id = bench.targets.sns().publish(&caller(), publish).await.unwrap();
    let page = bench.targets.read_local(&stream(Service::Sns, "alarms"), 0, 10).await.unwrap();
    assert_eq!((&page.records[0].label, &page.records[0].data[..]), (&id.0, &b"for http"[..]));
}

#[tokio::test]
async fn there_are_as_many_metrics_as_the_settings_allow() {
    let bench = Bench::with(r#"{"local":{"metrics_max":2}}"#).await;
    let put = |name: &str| PutMetricData {
        namespace: "Line".into(),
        name: name.into(),
        value: 1.5,
        unit: "Count".into(),
        timestamp: None,
    };
    for name in ["a", "b", "a"] {
        bench.targets.cloudwatch().put_metric_data(&caller(), put(name)).await.unwrap();
    }
    let refused =
        bench.targets.cloudwatch().put_metric_data(&caller(), put("c")).await.unwrap_err();
    assert_eq!((refused.code.as_str(), refused.is_transient), ("LimitExceeded", false));
}

#[tokio::test]
async fn logs_are_told_in_order_to_whoever_listens() {
    let bench = Bench::start().await;
    let event = |s: i64, message: &str| LogEvent {
        timestamp: Timestamp::from_secs(s),
        message: message.into(),
    };
    let put = |events| PutLogEvents { group: "rules".into(), stream: "s".into(), events };
    let events = vec![event(2, "later"), event(1, "earlier")];
    bench.targets.logs().put_log_events(&caller(), put(events)).await.unwrap();
    let expect = put(vec![event(1, "earlier"), event(2, "later")]);
    assert_eq!(*bench.logged.lock().unwrap(), [expect]);
    for events in [vec![], vec![event(1, "")], vec![event(1, &"x".repeat(1 << 20))]] {
        let refused =
            bench.targets.logs().put_log_events(&caller(), put(events)).await.unwrap_err();
        assert_eq!(refused.code, "InvalidParameterException");
    }
    assert_eq!(bench.logged.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_reset_begins_anew() {
    let bench = Bench::start().await;
    let put_all = async || {
        let object = PutObject { bucket: "bucket".into(), key: "k".into(), ..PutObject::default() };
        bench.targets.s3().put_object(&caller(), object).await.unwrap();
        let queue_url = "https://sqs/1/orders".to_owned();
        let send = SendMessage { queue_url, body: "x".into() };
        bench.targets.sqs().send_message(&caller(), send).await.unwrap();
        let item = Item::from([("id".to_owned(), AttributeValue::S("a".into()))]);
        let put = PutItem { table: "tab".into(), item, keys: vec!["id".into()] };
        bench.targets.dynamodb().put_item(&caller(), put).await.unwrap();
    };
    put_all().await;
    bench.store.wipe().await.unwrap();
    bench.targets.wipe().await.unwrap();
    assert_eq!(bench.targets.s3().local_buckets().await.unwrap(), [""; 0]);
    let tables = bench.targets.dynamodb().local_tables(&caller(), None, 9).await.unwrap();
    assert_eq!(tables, (Vec::new(), false));
    put_all().await;
    let streams = bench.targets.local_streams(caller().tenant.id, None, 9).await.unwrap();
    assert_eq!(streams, (vec![stream(Service::Sqs, "orders")], false));
    let page = bench.targets.read_local(&streams.0[0], 0, 9).await.unwrap();
    assert_eq!((page.records.len(), page.next_offset), (1, 1));
}

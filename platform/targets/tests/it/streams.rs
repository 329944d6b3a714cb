//! Local streams: appended, read from an offset, trimmed.

use std::time::Duration;

use bytes::Bytes;
use ferrite_targets::{
    KinesisRecord, PutRecord, PutRecordBatch, PutRecords, Service, StreamPage, StreamRecord,
    TargetError,
};
use store::{Options, Store, StoreUrl};

use crate::harness::{Bench, START, caller, stream, tenant};

async fn put(bench: &Bench, name: &str, data: String) -> Result<String, TargetError> {
    let record = KinesisRecord { partition_key: "k".into(), data: data.into() };
    let put = PutRecord { stream: name.into(), record };
    Ok(bench.targets.kinesis().put_record(&caller(), put).await?.sequence_number)
}

async fn read(bench: &Bench, name: &str, offset: u64, limit: usize) -> StreamPage {
    bench.targets.read_local(&stream(Service::Kinesis, name), offset, limit).await.unwrap()
}

fn texts(page: &StreamPage) -> Vec<String> {
    page.records.iter().map(|it| String::from_utf8(it.data.to_vec()).unwrap()).collect()
}

#[tokio::test]
async fn records_have_offsets_from_zero_on_without_gaps() {
    let bench = Bench::start().await;
    for n in 0..3 {
        assert_eq!(put(&bench, "line", n.to_string()).await.unwrap(), n.to_string());
    }
    let record = |offset: u64| StreamRecord {
        offset,
        time: START,
        label: "k".into(),
        data: offset.to_string().into(),
    };
    let all = StreamPage { records: vec![record(0), record(1), record(2)], next_offset: 3 };
    assert_eq!(read(&bench, "line", 0, 10).await, all);
    let page = StreamPage { records: vec![record(1)], next_offset: 2 };
    assert_eq!(read(&bench, "line", 1, 1).await, page);
    assert_eq!(read(&bench, "line", 3, 10).await, StreamPage { records: vec![], next_offset: 3 });
    assert_eq!(read(&bench, "line", 9, 10).await, StreamPage { records: vec![], next_offset: 9 });
    assert_eq!(read(&bench, "other", 0, 10).await, StreamPage::default());
}

#[tokio::test]
async fn what_is_appended_at_once_is_all_there_in_the_order_of_the_answers() {
    let bench = Bench::start().await;
    let mut all = tokio::task::JoinSet::new();
    for n in 0..500 {
        let targets = bench.targets.clone();
        all.spawn(async move {
            let record = KinesisRecord { partition_key: "k".into(), data: n.to_string().into() };
            let name = format!("s{}", n % 3);
            let put = PutRecord { stream: name.clone(), record };
            let place = targets.kinesis().put_record(&caller(), put).await.unwrap();
            (name, place.sequence_number.parse::<u64>().unwrap(), n.to_string())
        });
    }
    let mut told = all.join_all().await;
    told.sort();
    let mut found = Vec::new();
    for name in ["s0", "s1", "s2"] {
        let page = read(&bench, name, 0, 1000).await;
        let pairs = page.records.iter().map(|it| it.offset).zip(texts(&page));
        found.extend(pairs.map(|(offset, text)| (name.to_owned(), offset, text)));
    }
    assert_eq!(found, told);
}

#[tokio::test]
async fn a_batch_is_appended_as_one() {
    let bench = Bench::start().await;
    let record = |n: usize| KinesisRecord { partition_key: n.to_string(), data: Bytes::new() };
    let records = (0..500).map(record).collect();
    let put = PutRecords { stream: "line".into(), records };
    let places = bench.targets.kinesis().put_records(&caller(), put).await.unwrap();
    let numbers = places.into_iter().map(|place| place.unwrap().sequence_number);
    assert!(numbers.eq((0..500).map(|n| n.to_string())));
    let records = vec![Bytes::from_static(b"a\n"), Bytes::from_static(b"b\n")];
    let put = PutRecordBatch { stream: "line".into(), records };
    let ids = bench.targets.firehose().put_record_batch(&caller(), put).await.unwrap();
    assert_eq!(ids.into_iter().map(|id| id.unwrap()).collect::<Vec<_>>(), ["0", "1"]);
    let page = bench.targets.read_local(&stream(Service::Firehose, "line"), 0, 9).await.unwrap();
    assert_eq!(texts(&page), ["a\n", "b\n"]);
}

#[tokio::test]
async fn the_oldest_go_when_a_stream_is_too_large() {
    let bench = Bench::with(r#"{"local":{"stream_bytes_max":10000}}"#).await;
    for n in 0..100 {
        put(&bench, "line", format!("{n:0>983}")).await.unwrap();
    }
    // A record counts for 1,000 bytes: 16, a label of one, and 983.
    let page = read(&bench, "line", 0, 1000).await;
    let offsets: Vec<u64> = page.records.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, (offsets[0]..100).collect::<Vec<_>>());
    assert!((9..=11).contains(&offsets.len()), "{offsets:?}");
    // Old offsets begin with what is still there, and the next goes on.
    assert_eq!(page.next_offset, 100);
    assert_eq!(put(&bench, "line", "x".into()).await.unwrap(), "100");
}

#[tokio::test]
async fn large_batches_are_trimmed_as_fast_as_they_come() {
    let bench = Bench::with(r#"{"local":{"stream_bytes_max":1000000}}"#).await;
    for _ in 0..20 {
        let data = Bytes::from(vec![b'x'; 100_000]);
        let records = vec![KinesisRecord { partition_key: "k".into(), data }; 40];
        let put = PutRecords { stream: "line".into(), records };
        bench.targets.kinesis().put_records(&caller(), put).await.unwrap();
    }
    put(&bench, "line", "x".into()).await.unwrap();
    let mut left = 0;
    let mut next = 0;
    loop {
        let page = read(&bench, "line", next, 1000).await;
        if page.records.is_empty() {
            break;
        }
        left += page.records.len();
        next = page.next_offset;
    }
    assert_eq!(next, 801);
    assert!((9..=60).contains(&left), "{left}");
}

#[tokio::test]
async fn what_is_too_old_is_not_shown_and_then_gone() {
    let bench = Bench::with(r#"{"local":{"stream_age_max_s":60}}"#).await;
    put(&bench, "line", "old".into()).await.unwrap();
    bench.env.clock.advance(Duration::from_secs(30));
    put(&bench, "line", "new".into()).await.unwrap();
    bench.env.clock.advance(Duration::from_secs(31));
    assert_eq!(texts(&read(&bench, "line", 0, 10).await), ["new"]);
    bench.env.clock.advance(Duration::from_secs(60));
    let page = read(&bench, "line", 0, 10).await;
    assert_eq!((texts(&page).len(), page.next_offset), (0, 2));
    assert_eq!(put(&bench, "line", "newest".into()).await.unwrap(), "2");
    bench.env.clock.set(START);
    // The clock shows all that there is: the old ones went with the append.
    assert_eq!(texts(&read(&bench, "line", 0, 10).await), ["new", "newest"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_nobody_appends_to_is_trimmed_as_well() {
    let bench = Bench::with(r#"{"local":{"stream_age_max_s":60}}"#).await;
    for n in 0..50 {
        put(&bench, "line", n.to_string()).await.unwrap();
    }
    bench.env.clock.advance(Duration::from_secs(61));
    tokio::time::sleep(Duration::from_secs(601)).await;
    bench.env.clock.set(START);
    // The newest stays: it tells where the stream goes on.
    assert_eq!(texts(&read(&bench, "line", 0, 100).await), ["49"]);
    assert_eq!(put(&bench, "line", "x".into()).await.unwrap(), "50");
}

#[tokio::test]
async fn a_stream_goes_on_after_a_restart() {
    let settings = r#"{"local":{"stream_bytes_max":200}}"#;
    let directory = tempfile::TempDir::new().unwrap();
    let env = env::Env::simulated(START, 1);
    let url = StoreUrl::Sqlite { directory: directory.path().join("store") };
    let store = Store::open(Options { url }, &env).await.unwrap();
    let bench = Bench::on(settings, store, directory, env);
    for n in 0..10 {
        put(&bench, "line", format!("{n}")).await.unwrap();
    }
    let before = read(&bench, "line", 0, 100).await;
    let bench = bench.restart(settings).await;
    assert_eq!(read(&bench, "line", 0, 100).await, before);
    for n in 10..20 {
        assert_eq!(put(&bench, "line", format!("{n}")).await.unwrap(), n.to_string());
    }
    let after = read(&bench, "line", 0, 100).await;
    assert_eq!(after.records.len(), before.records.len());
    assert_eq!(after.next_offset, 20);
    bench.store.close().await;
}

#[tokio::test]
async fn two_servers_append_to_one_stream() {
    let one = Bench::start().await;
    let other =
        Bench::on("{}", one.store.clone(), tempfile::TempDir::new().unwrap(), one.env.clone());
    let mut offsets = Vec::new();
    for n in 0..10 {
        offsets.push(put(&one, "line", format!("a{n}")).await.unwrap());
        offsets.push(put(&other, "line", format!("b{n}")).await.unwrap());
    }
    let expect: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    assert_eq!(offsets, expect);
    assert_eq!(texts(&read(&one, "line", 0, 100).await)[..4], ["a0", "b0", "a1", "b1"]);
}

#[tokio::test]
async fn there_are_as_many_streams_as_the_settings_allow_and_the_others_go_on() {
    let bench = Bench::with(r#"{"local":{"streams_max":2}}"#).await;
    let mut all = tokio::task::JoinSet::new();
    for name in ["a", "b", "c", "a", "b", "c"] {
        let targets = bench.targets.clone();
        all.spawn(async move {
            let put = PutRecord {
                stream: name.into(),
                record: KinesisRecord { partition_key: "k".into(), data: Bytes::new() },
            };
            targets
                .kinesis()
                .put_record(&caller(), put)
                .await
                .map_err(|error| (error.code, error.is_transient))
        });
    }
    let refused: Vec<_> = all.join_all().await.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused, vec![("LimitExceeded".to_owned(), false); 2]);
    let (streams, _) = bench.targets.local_streams(caller().tenant.id, None, 10).await.unwrap();
    assert_eq!(streams.len(), 2);
    let (others, _) = bench.targets.local_streams(tenant(2).tenant.id, None, 10).await.unwrap();
    assert_eq!(others, []);
    let (rest, _) =
        bench.targets.local_streams(caller().tenant.id, Some(&streams[0]), 10).await.unwrap();
    assert_eq!(rest, streams[1..]);
}

#[tokio::test]
async fn a_commit_that_fails_is_told_to_all_and_leaves_nothing() {
    let bench = Bench::start().await;
    put(&bench, "line", "a".into()).await.unwrap();
    bench.store.faults().unwrap().set_full(true);
    let error = put(&bench, "line", "b".into()).await.unwrap_err();
    assert_eq!((error.message.as_str(), error.is_transient), ("The disk is full.", true));
    bench.store.faults().unwrap().set_full(false);
    assert_eq!(put(&bench, "line", "c".into()).await.unwrap(), "1");
    assert_eq!(texts(&read(&bench, "line", 0, 10).await), ["a", "c"]);
}

#[tokio::test]
async fn what_no_stream_takes_is_refused() {
    let bench = Bench::start().await;
    for name in ["", "a b", "a/b", &"s".repeat(129)] {
        assert_eq!(put(&bench, name, "x".into()).await.unwrap_err().code, "ValidationException");
    }
    let large = "x".repeat((1 << 20) + 1);
    assert_eq!(put(&bench, "line", large).await.unwrap_err().code, "ValidationException");
    let put = PutRecordBatch { stream: "line".into(), records: vec![Bytes::new(); 501] };
    let refused = bench.targets.firehose().put_record_batch(&caller(), put).await;
    assert_eq!(refused.unwrap_err().code, "ValidationException");
}

#[tokio::test]
async fn a_page_is_bounded_by_its_bytes_and_the_next_goes_on() {
    let bench = Bench::start().await;
    for _ in 0..5 {
        put(&bench, "line", "x".repeat(700_000)).await.unwrap();
    }
    let first = read(&bench, "line", 0, 1000).await;
    assert_eq!((first.records.len(), first.next_offset), (2, 2));
    assert_eq!(read(&bench, "line", 4, 1000).await.next_offset, 5);
}

#[tokio::test]
async fn more_than_may_wait_waits_its_turn() {
    let bench = Bench::start().await;
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let targets = bench.targets.clone();
        all.spawn(async move {
            let record =
                KinesisRecord { partition_key: "k".into(), data: vec![b'x'; 1 << 19].into() };
            let put = PutRecords { stream: "line".into(), records: vec![record; 2] };
            targets.kinesis().put_records(&caller(), put).await.unwrap().len()
        });
    }
    assert_eq!(all.join_all().await.into_iter().sum::<usize>(), 200);
    assert_eq!(read(&bench, "line", 199, 10).await.next_offset, 200);
}

//! `ferrite targets`: what stands for AWS's services here, and what rules sent there.
#![allow(clippy::print_stdout, reason = "commands answer on the terminal")]

use std::thread::park_timeout;
use std::time::Duration;

use serde_json::Value;

use crate::client::{self, encode};
use crate::config::Config;

const PATH: &str = "/_ferrite/v1/targets";
/// How often `tail --follow` looks for more.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// `ferrite targets`.
#[derive(clap::Subcommand)]
pub(crate) enum Targets {
    /// List streams, tables and buckets
    List,
    /// Print the records of a queue, a topic or a stream
    Tail {
        /// Such as sqs/alarms, sns/alarms, kinesis/readings, firehose/readings
        stream: String,
        /// From this one on
        #[arg(long, default_value_t = 0)]
        offset: u64,
        /// Wait for more
        #[arg(long)]
        follow: bool,
    },
    /// Print the items of a table
    Items {
        /// The table
        table: String,
    },
    /// List the objects of a bucket
    Objects {
        /// The bucket
        bucket: String,
        /// Whose keys begin so
        #[arg(long, default_value = "")]
        prefix: String,
    },
}

/// Runs one of them.
pub(crate) fn run(config: &Config, command: Targets) -> anyhow::Result<()> {
    match command {
        Targets::List => list(config),
        Targets::Tail { stream, offset, follow } => tail(config, &stream, offset, follow),
        Targets::Items { table } => items(config, &table),
        Targets::Objects { bucket, prefix } => objects(config, &bucket, &prefix),
    }
}

fn list(config: &Config) -> anyhow::Result<()> {
    let answer = client::call(config, "GET", PATH, &Value::Null)?;
    for stream in all(&answer, "streams") {
        println!("{}/{}", text(stream, "service"), text(stream, "name"));
    }
    for table in all(&answer, "tables") {
        println!("dynamodb/{}", text(table, "name"));
    }
    for bucket in all(&answer, "buckets") {
        println!("s3/{}", bucket.as_str().unwrap_or_default());
    }
    Ok(())
}

fn tail(config: &Config, stream: &str, mut offset: u64, follow: bool) -> anyhow::Result<()> {
    let (service, name) = stream.split_once('/').unwrap_or(("sqs", stream));
    loop {
        let path = format!("{PATH}/{service}/{}?limit=250&offset={offset}", encode(name));
        let answer = client::call(config, "GET", &path, &Value::Null)?;
        let mut count = 0;
        for record in all(&answer, "records") {
            let data = record.get("data").and_then(Value::as_str);
            let data = data.unwrap_or_else(|| text(record, "dataBase64"));
            println!("{}  {data}", record.get("offset").unwrap_or(&Value::Null));
            count += 1;
        }
        offset = answer.get("nextOffset").and_then(Value::as_u64).unwrap_or(offset);
        match (count, follow) {
            (0, false) => return Ok(()),
            (0, true) => park_timeout(LOOK_EVERY),
            _ => {}
        }
    }
}

fn items(config: &Config, table: &str) -> anyhow::Result<()> {
    let mut after = String::new();
    loop {
        let path = format!("{PATH}/dynamodb/{}?limit=250{after}", encode(table));
        let answer = client::call(config, "GET", &path, &Value::Null)?;
        for item in all(&answer, "items") {
            println!("{item}");
        }
        match answer.get("next").and_then(Value::as_str) {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(()),
        }
    }
}

fn objects(config: &Config, bucket: &str, prefix: &str) -> anyhow::Result<()> {
    let mut after = String::new();
    loop {
        let (bucket, prefix) = (encode(bucket), encode(prefix));
        let path = format!("{PATH}/s3/{bucket}?prefix={prefix}{after}");
        let answer = client::call(config, "GET", &path, &Value::Null)?;
        for object in all(&answer, "objects") {
            println!("{}  {}", text(object, "key"), object.get("bytes").unwrap_or(&Value::Null));
            after = format!("&after={}", encode(text(object, "key")));
        }
        if answer.get("hasMore") != Some(&Value::Bool(true)) {
            return Ok(());
        }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn all<'a>(answer: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    answer.get(name).and_then(Value::as_array).into_iter().flatten()
}

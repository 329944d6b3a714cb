//! Kinesis: data streams.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::aws::{Call, is_transient_code};
use crate::{Backend, Caller, Service, TargetError, Targets};

const SERVICE: Service = Service::Kinesis;
const JSON: &str = "application/x-amz-json-1.1";
/// Bytes of a record with its partition key, as of Kinesis.
const RECORD_BYTES_MAX: usize = 1 << 20;
/// Characters of a partition key, as of Kinesis.
const PARTITION_KEY_CHARS_MAX: usize = 256;
/// Records of one request, as of Kinesis.
const RECORDS_MAX: usize = 500;
/// The one shard that a local stream has.
const LOCAL_SHARD: &str = "shardId-000000000000";

/// Puts a record into a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutRecord {
    /// Which stream.
    pub stream: String,
    /// The record.
    pub record: KinesisRecord,
}

/// Puts records into a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutRecords {
    /// Which stream.
    pub stream: String,
    /// The records.
    pub records: Vec<KinesisRecord>,
}

/// A record of a data stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KinesisRecord {
    /// What decides on its shard.
    pub partition_key: String,
    /// What.
    pub data: Bytes,
}

/// Where a record is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RecordPlace {
    /// In which shard.
    pub shard_id: String,
    /// And where in it. A local stream's is the offset.
    pub sequence_number: String,
}

/// Data streams, wherever they are.
#[derive(Clone, Copy)]
pub struct Kinesis<'t>(pub(crate) &'t Targets);

impl Kinesis<'_> {
    /// Puts a record; it is safe when this returns.
    pub async fn put_record(
        &self,
        caller: &Caller,
        put: PutRecord,
    ) -> Result<RecordPlace, TargetError> {
        if self.0.backend(SERVICE) == Backend::Local {
            let first = self.append(caller, &put.stream, vec![put.record]).await?;
            return Ok(local_place(first));
        }
        let wire = WireRecord::of(&put.record);
        let body = Wire { stream_name: &put.stream, record: Some(wire), records: None };
        let call = Call::json(SERVICE, JSON, "Kinesis_20131202.PutRecord", &body);
        let response = self.0.aws().send(caller, call).await?;
        Ok(serde_json::from_slice(&response.body).unwrap_or_default())
    }

    /// Puts records; each has its own outcome, in their order.
    pub async fn put_records(
        &self,
        caller: &Caller,
        put: PutRecords,
    ) -> Result<Vec<Result<RecordPlace, TargetError>>, TargetError> {
        let count = put.records.len();
        if self.0.backend(SERVICE) == Backend::Local {
            check_count(count)?;
            let first = self.append(caller, &put.stream, put.records).await?;
            return Ok((first..).take(count).map(|offset| Ok(local_place(offset))).collect());
        }
        let records = put.records.iter().map(WireRecord::of).collect();
        let body = Wire { stream_name: &put.stream, record: None, records: Some(records) };
        let call = Call::json(SERVICE, JSON, "Kinesis_20131202.PutRecords", &body);
        let response = self.0.aws().send(caller, call).await?;
        let answer: WireOutcomes = serde_json::from_slice(&response.body).unwrap_or_default();
        let mut outcomes = answer.records.into_iter().map(WireOutcome::into_result);
        let untold = || Err(TargetError::unanswered(SERVICE, "A record has no outcome."));
        Ok((0..count).map(|_| outcomes.next().unwrap_or_else(untold)).collect())
    }

    async fn append(
        &self,
        caller: &Caller,
        stream: &str,
        records: Vec<KinesisRecord>,
    ) -> Result<u64, TargetError> {
        check_stream(stream)?;
        records.iter().try_for_each(check_record)?;
        let records = records.into_iter().map(|record| (record.partition_key, record.data));
        let streams = &self.0.local().streams;
        streams.append(SERVICE, caller.tenant.id, stream, records.collect()).await
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Wire<'a> {
    stream_name: &'a str,
    #[serde(flatten)]
    record: Option<WireRecord<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<Vec<WireRecord<'a>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WireRecord<'a> {
    data: String,
    partition_key: &'a str,
}

impl<'a> WireRecord<'a> {
    fn of(record: &'a KinesisRecord) -> Self {
        Self { data: STANDARD.encode(&record.data), partition_key: &record.partition_key }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct WireOutcomes {
    records: Vec<WireOutcome>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct WireOutcome {
    #[serde(flatten)]
    place: RecordPlace,
    error_code: Option<String>,
    error_message: Option<String>,
}

impl WireOutcome {
    fn into_result(self) -> Result<RecordPlace, TargetError> {
        let Some(code) = self.error_code else { return Ok(self.place) };
        let message = self.error_message.unwrap_or_default();
        let is_transient = is_transient_code(&code);
        Err(TargetError { is_transient, ..TargetError::refused(SERVICE, &code, message) })
    }
}

fn local_place(offset: u64) -> RecordPlace {
    RecordPlace { shard_id: LOCAL_SHARD.to_owned(), sequence_number: offset.to_string() }
}

fn check_stream(stream: &str) -> Result<(), TargetError> {
    let is_known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if (1..=128).contains(&stream.len()) && stream.bytes().all(is_known) {
        return Ok(());
    }
    Err(invalid(
        "1 validation error detected: Value at 'streamName' failed to satisfy constraint: Member \
         must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
    ))
}

fn check_record(record: &KinesisRecord) -> Result<(), TargetError> {
    let chars = record.partition_key.chars().count();
    if !(1..=PARTITION_KEY_CHARS_MAX).contains(&chars) {
        return Err(invalid(
            "1 validation error detected: Value at 'partitionKey' failed to satisfy constraint: \
             Member must have length between 1 and 256",
        ));
    }
    if record.data.len() + record.partition_key.len() > RECORD_BYTES_MAX {
        return Err(invalid(
            "1 validation error detected: Value at 'data' failed to satisfy constraint: Member \
             must have length less than or equal to 1048576",
        ));
    }
    Ok(())
}

fn check_count(count: usize) -> Result<(), TargetError> {
    if (1..=RECORDS_MAX).contains(&count) {
        return Ok(());
    }
    Err(invalid(
        "1 validation error detected: Value at 'records' failed to satisfy constraint: Member must \
         have length between 1 and 500",
    ))
}

fn invalid(message: &str) -> TargetError {
    TargetError::refused(SERVICE, "ValidationException", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str) -> KinesisRecord {
        KinesisRecord { partition_key: key.into(), data: Bytes::from_static(b"hi") }
    }

    #[test]
    fn one_record_and_several_are_what_the_wire_has() {
        let one = record("k");
        let wire = Wire { stream_name: "s", record: Some(WireRecord::of(&one)), records: None };
        let json = r#"{"StreamName":"s","Data":"aGk=","PartitionKey":"k"}"#;
        assert_eq!(serde_json::to_string(&wire).unwrap(), json);
        let records = Some(vec![WireRecord::of(&one)]);
        let wire = Wire { stream_name: "s", record: None, records };
        let json = r#"{"StreamName":"s","Records":[{"Data":"aGk=","PartitionKey":"k"}]}"#;
        assert_eq!(serde_json::to_string(&wire).unwrap(), json);
    }

    #[test]
    fn each_record_has_its_outcome() {
        let json = r#"{"FailedRecordCount":1,"Records":[
            {"SequenceNumber":"7","ShardId":"s"},
            {"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"slow"}]}"#;
        let read: WireOutcomes = serde_json::from_str(json).unwrap();
        let mut outcomes = read.records.into_iter().map(WireOutcome::into_result);
        let place = RecordPlace { shard_id: "s".into(), sequence_number: "7".into() };
        assert_eq!(outcomes.next().unwrap().unwrap(), place);
        let error = outcomes.next().unwrap().unwrap_err();
        assert!(error.is_transient);
        assert_eq!(error.message, "slow");
    }

    #[test]
    fn a_record_has_a_partition_key() {
        assert!(check_record(&record("k")).is_ok());
        assert!(check_record(&record("")).is_err());
        assert!(check_record(&record(&"k".repeat(257))).is_err());
    }
}

//! Firehose: delivery streams.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::aws::{Call, is_transient_code};
use crate::{Backend, Caller, Service, TargetError, Targets};

const SERVICE: Service = Service::Firehose;
const JSON: &str = "application/x-amz-json-1.1";
/// Bytes of a record, as of Firehose.
const RECORD_BYTES_MAX: usize = 1000 * 1024;
/// Records of one request, as of Firehose.
const RECORDS_MAX: usize = 500;

/// Puts records into a delivery stream: one by `PutRecord`, several by `PutRecordBatch`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutRecordBatch {
    /// Which delivery stream.
    pub stream: String,
    /// The records, separators included.
    pub records: Vec<Bytes>,
}

/// Delivery streams, wherever they are.
#[derive(Clone, Copy)]
pub struct Firehose<'t>(pub(crate) &'t Targets);

impl Firehose<'_> {
    /// Puts one record, which is safe when this returns; its id.
    pub async fn put_record(
        &self,
        caller: &Caller,
        stream: &str,
        data: Bytes,
    ) -> Result<String, TargetError> {
        if self.0.backend(SERVICE) == Backend::Local {
            let first = self.append(caller, stream, vec![data]).await?;
            return Ok(first.to_string());
        }
        let record = Some(WireRecord::of(&data));
        let body = Wire { delivery_stream_name: stream, record, records: None };
        let call = Call::json(SERVICE, JSON, "Firehose_20150804.PutRecord", &body);
        let response = self.0.aws().send(caller, call).await?;
        let answer: WireOutcome = serde_json::from_slice(&response.body).unwrap_or_default();
        Ok(answer.record_id.unwrap_or_default())
    }

    /// Puts records; each has its own outcome, which is its id, in their order.
    pub async fn put_record_batch(
        &self,
        caller: &Caller,
        put: PutRecordBatch,
    ) -> Result<Vec<Result<String, TargetError>>, TargetError> {
        let count = put.records.len();
        if self.0.backend(SERVICE) == Backend::Local {
            check_count(count)?;
            let first = self.append(caller, &put.stream, put.records).await?;
            return Ok((first..).take(count).map(|offset| Ok(offset.to_string())).collect());
        }
        let records = Some(put.records.iter().map(WireRecord::of).collect());
        let body = Wire { delivery_stream_name: &put.stream, record: None, records };
        let call = Call::json(SERVICE, JSON, "Firehose_20150804.PutRecordBatch", &body);
        let response = self.0.aws().send(caller, call).await?;
        let answer: WireOutcomes = serde_json::from_slice(&response.body).unwrap_or_default();
        let mut outcomes = answer.request_responses.into_iter().map(WireOutcome::into_result);
        let untold = || Err(TargetError::unanswered(SERVICE, "A record has no outcome."));
        Ok((0..count).map(|_| outcomes.next().unwrap_or_else(untold)).collect())
    }

    async fn append(
        &self,
        caller: &Caller,
        stream: &str,
        records: Vec<Bytes>,
    ) -> Result<u64, TargetError> {
        check_stream(stream)?;
        if records.iter().any(|record| record.len() > RECORD_BYTES_MAX) {
            let message = "1 validation error detected: Value at 'record.data' failed to satisfy \
                           constraint: Member must have length less than or equal to 1024000";
            return Err(TargetError::refused(SERVICE, "ValidationException", message));
        }
        let records = records.into_iter().map(|data| (String::new(), data)).collect();
        self.0.local().streams.append(SERVICE, caller.tenant.id, stream, records).await
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Wire<'a> {
    delivery_stream_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<WireRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<Vec<WireRecord>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WireRecord {
    data: String,
}

impl WireRecord {
    fn of(data: &Bytes) -> Self {
        Self { data: STANDARD.encode(data) }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct WireOutcomes {
    request_responses: Vec<WireOutcome>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct WireOutcome {
    record_id: Option<String>,
    error_code: Option<String>,
    error_message: Option<String>,
}

impl WireOutcome {
    fn into_result(self) -> Result<String, TargetError> {
        let Some(code) = self.error_code else { return Ok(self.record_id.unwrap_or_default()) };
        let message = self.error_message.unwrap_or_default();
        let is_transient = is_transient_code(&code);
        Err(TargetError { is_transient, ..TargetError::refused(SERVICE, &code, message) })
    }
}

fn check_stream(stream: &str) -> Result<(), TargetError> {
    let is_known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if (1..=64).contains(&stream.len()) && stream.bytes().all(is_known) {
        return Ok(());
    }
    let message = "1 validation error detected: Value at 'deliveryStreamName' failed to satisfy \
                   constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
    Err(TargetError::refused(SERVICE, "ValidationException", message))
}

fn check_count(count: usize) -> Result<(), TargetError> {
    if (1..=RECORDS_MAX).contains(&count) {
        return Ok(());
    }
    let message = "1 validation error detected: Value at 'records' failed to satisfy constraint: \
                   Member must have length between 1 and 500";
    Err(TargetError::refused(SERVICE, "ValidationException", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_record_and_several_are_what_the_wire_has() {
        let data = Bytes::from_static(b"hi\n");
        let record = Some(WireRecord::of(&data));
        let wire = Wire { delivery_stream_name: "s", record, records: None };
        let json = r#"{"DeliveryStreamName":"s","Record":{"Data":"aGkK"}}"#;
        assert_eq!(serde_json::to_string(&wire).unwrap(), json);
        let records = Some(vec![WireRecord::of(&data)]);
        let wire = Wire { delivery_stream_name: "s", record: None, records };
        let json = r#"{"DeliveryStreamName":"s","Records":[{"Data":"aGkK"}]}"#;
        assert_eq!(serde_json::to_string(&wire).unwrap(), json);
    }

    #[test]
    fn each_record_has_its_outcome() {
        let json = r#"{"FailedPutCount":1,"RequestResponses":[{"RecordId":"a"},
            {"ErrorCode":"ServiceUnavailableException","ErrorMessage":"Slow down."}]}"#;
        let read: WireOutcomes = serde_json::from_str(json).unwrap();
        let mut outcomes = read.request_responses.into_iter().map(WireOutcome::into_result);
        assert_eq!(outcomes.next().unwrap().unwrap(), "a");
        assert!(outcomes.next().unwrap().unwrap_err().is_transient);
    }
}

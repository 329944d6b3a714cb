//! Firehose: what is selected becomes a record of a delivery stream, or each element of it one.

use bytes::Bytes;
use model::iot::FirehoseAction;
use serde_json::{Value, json};
use service::{ApiError, BoxFuture};
use sql::{Halt, Payload, Statement, Template};
use targets::{Caller, PutRecordBatch, TargetError, Targets};

use super::target::{TargetCall, TargetRequest, caller};
use super::{Action, Call, Selected, template};
use crate::engine::log::Resources;

/// Records of one batch.
const RECORDS_MAX: usize = 500;

/// A Firehose action.
pub(crate) struct Firehose {
    role_arn: String,
    stream: Template,
    separator: String,
    batch_mode: bool,
}

impl Firehose {
    /// Reads the action.
    pub(crate) fn compile(
        action: &FirehoseAction,
        statement: &Statement,
    ) -> Result<Self, ApiError> {
        let stream = &action.delivery_stream_name;
        Ok(Self {
            role_arn: action.role_arn.clone(),
            stream: template("firehose.deliveryStreamName", stream, statement)?,
            separator: action.separator.clone().unwrap_or_default(),
            batch_mode: action.batch_mode.unwrap_or(false),
        })
    }

    /// One record, or one for each element of an array in batch mode.
    fn records(&self, payload: &Bytes) -> Result<Vec<Bytes>, String> {
        let separated = |data: &[u8]| Bytes::from([data, self.separator.as_bytes()].concat());
        if self.batch_mode
            && let Some(sql::Value::Array(items)) = Payload::read(payload).value()
        {
            if items.len() > RECORDS_MAX {
                return Err(format!("the batch has more than {RECORDS_MAX} records"));
            }
            let records = items.iter().map(|item| separated(item.to_json().as_bytes()));
            return Ok(records.collect());
        }
        Ok(vec![separated(payload)])
    }
}

impl Action for Firehose {
    fn name(&self) -> &'static str {
        "FirehoseAction"
    }

    fn call(&self, selected: &Selected<'_>) -> Result<Box<dyn Call>, Halt> {
        let stream = selected.text(&self.stream)?;
        let resource = stream.clone();
        let records = self.records(&selected.payload);
        Ok(Box::new(TargetCall {
            request: records.map(|records| PutRecordBatch { stream, records }),
            caller: caller(selected, &self.role_arn),
            details: format!("Action: firehose, Stream: {resource}"),
            resource,
            failure: "Failed to put record to Firehose",
        }))
    }
}

impl TargetRequest for PutRecordBatch {
    fn send<'a>(
        &'a self,
        targets: &'a Targets,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<(), TargetError>> {
        Box::pin(async move {
            let firehose = targets.firehose();
            if let [record] = self.records.as_slice() {
                return firehose.put_record(caller, &self.stream, record.clone()).await.map(drop);
            }
            // Records that are taken are put once more if others fail: at least once.
            let outcomes = firehose.put_record_batch(caller, self.clone()).await?;
            outcomes.into_iter().collect::<Result<Vec<_>, _>>().map(drop)
        })
    }

    fn resources(&self) -> Resources {
        vec![("DeliveryStreamName", self.stream.clone())]
    }

    fn inputs(&self) -> Value {
        let records = self.records.iter().map(|record| String::from_utf8_lossy(record));
        json!({ "stream": self.stream, "records": records.collect::<Vec<_>>() })
    }
}

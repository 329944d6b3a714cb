//! Kinesis: what is selected becomes a record of a data stream.

use model::iot::KinesisAction;
use serde_json::{Value, json};
use service::{ApiError, BoxFuture};
use sql::{Halt, Statement, Template};
use targets::{Caller, KinesisRecord, PutRecord, TargetError, Targets};

use super::target::{TargetCall, TargetRequest, caller};
use super::{Action, Call, Selected, template};
use crate::engine::log::Resources;

/// A Kinesis action.
pub(crate) struct Kinesis {
    role_arn: String,
    stream: Template,
    partition_key: Option<Template>,
}

impl Kinesis {
    /// Reads the action.
    pub(crate) fn compile(action: &KinesisAction, statement: &Statement) -> Result<Self, ApiError> {
        let key = action.partition_key.as_ref();
        let key = key.map(|key| template("kinesis.partitionKey", key, statement));
        Ok(Self {
            role_arn: action.role_arn.clone(),
            stream: template("kinesis.streamName", &action.stream_name, statement)?,
            partition_key: key.transpose()?,
        })
    }
}

impl Action for Kinesis {
    fn name(&self) -> &'static str {
        "KinesisAction"
    }

    fn call(&self, selected: &Selected<'_>) -> Result<Box<dyn Call>, Halt> {
        let stream = selected.text(&self.stream)?;
        let partition_key = match &self.partition_key {
            Some(key) => selected.text(key)?,
            // The reference does not say; one of chance spreads records over the shards.
            None => selected.heard.trace_id(),
        };
        let resource = stream.clone();
        let details = format!("Action: kinesis, Stream: {stream}, Key: \"{partition_key}\"");
        let request = if partition_key.is_empty() {
            Err("the partition key is empty".to_owned())
        } else {
            let record = KinesisRecord { partition_key, data: selected.payload.clone() };
            Ok(PutRecord { stream, record })
        };
        Ok(Box::new(TargetCall {
            request,
            caller: caller(selected, &self.role_arn),
            resource,
            details,
            failure: "Failed to put record to Kinesis",
        }))
    }
}

impl TargetRequest for PutRecord {
    fn send<'a>(
        &'a self,
        targets: &'a Targets,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<(), TargetError>> {
        Box::pin(async move { targets.kinesis().put_record(caller, self.clone()).await.map(drop) })
    }

    fn resources(&self) -> Resources {
        let key = self.record.partition_key.clone();
        vec![("StreamName", self.stream.clone()), ("PartitionKey", key)]
    }

    fn inputs(&self) -> Value {
        json!({
            "stream": self.stream,
            "partitionKey": self.record.partition_key,
            "data": String::from_utf8_lossy(&self.record.data),
        })
    }
}

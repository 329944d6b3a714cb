//! CloudWatch metrics: what templates give becomes a value of a metric.

use model::iot::CloudwatchMetricAction;
use serde_json::{Value, json};
use service::{ApiError, BoxFuture};
use sql::{Halt, Statement, Template};
use targets::{Caller, PutMetricData, TargetError, Targets};
use types::Timestamp;

use super::target::{TargetCall, TargetRequest, caller};
use super::{Action, Call, Selected, template};
use crate::engine::log::Resources;

/// A `cloudwatchMetric` action.
pub(crate) struct CloudwatchMetric {
    role_arn: String,
    namespace: Template,
    name: Template,
    value: Template,
    unit: Template,
    timestamp: Option<Template>,
}

impl CloudwatchMetric {
    /// Reads the action.
    pub(crate) fn compile(
        action: &CloudwatchMetricAction,
        statement: &Statement,
    ) -> Result<Self, ApiError> {
        let read =
            |name: &str, text: &str| template(&format!("cloudwatchMetric.{name}"), text, statement);
        let timestamp = action.metric_timestamp.as_ref();
        Ok(Self {
            role_arn: action.role_arn.clone(),
            namespace: read("metricNamespace", &action.metric_namespace)?,
            name: read("metricName", &action.metric_name)?,
            value: read("metricValue", &action.metric_value)?,
            unit: read("metricUnit", &action.metric_unit)?,
            timestamp: timestamp.map(|text| read("metricTimestamp", text)).transpose()?,
        })
    }
}

impl Action for CloudwatchMetric {
    fn name(&self) -> &'static str {
        "CloudwatchMetricAction"
    }

    fn call(&self, selected: &Selected<'_>) -> Result<Box<dyn Call>, Halt> {
        let (namespace, name) = (selected.text(&self.namespace)?, selected.text(&self.name)?);
        let (value, unit) = (selected.text(&self.value)?, selected.text(&self.unit)?);
        let timestamp = self.timestamp.as_ref().map(|text| selected.text(text)).transpose()?;
        let details = format!("Action: cloudwatchMetric, Namespace: {namespace}, Metric: {name}");
        let resource = name.clone();
        let request = || -> Result<PutMetricData, String> {
            let value = value.trim().parse::<f64>().ok().filter(|value| value.is_finite());
            let value = value.ok_or("the metric's value is not a number")?;
            let timestamp = timestamp.filter(|text| !text.is_empty());
            let timestamp = timestamp.map(|text| seconds(&text)).transpose()?;
            Ok(PutMetricData { namespace, name, value, unit, timestamp })
        };
        Ok(Box::new(TargetCall {
            request: request(),
            caller: caller(selected, &self.role_arn),
            resource,
            details,
            failure: "Failed to put the metric to CloudWatch",
        }))
    }
}

/// Seconds since 1970.
fn seconds(text: &str) -> Result<Timestamp, String> {
    let seconds = text.trim().parse::<i64>().ok();
    let millis = seconds.and_then(|seconds| seconds.checked_mul(1000));
    millis.map(Timestamp::from_millis).ok_or_else(|| "the timestamp is not in seconds".to_owned())
}

impl TargetRequest for PutMetricData {
    fn send<'a>(
        &'a self,
        targets: &'a Targets,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<(), TargetError>> {
        Box::pin(async move { targets.cloudwatch().put_metric_data(caller, self.clone()).await })
    }

    fn resources(&self) -> Resources {
        vec![("MetricNamespace", self.namespace.clone()), ("MetricName", self.name.clone())]
    }

    fn inputs(&self) -> Value {
        json!({
            "namespace": self.namespace,
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "timestamp": self.timestamp.map(Timestamp::secs),
        })
    }
}

//! Metrics of local CloudWatch: a gauge each in Ferrite's own, as many as the settings allow.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use metrics::{counter, gauge};

use crate::{Caller, PutMetricData, Service, TargetError};

/// The metrics that are shown.
pub(crate) struct Gauges {
    metrics_max: usize,
    shown: Mutex<HashSet<[String; 5]>>,
}

impl Gauges {
    pub(crate) fn new(metrics_max: u32) -> Self {
        Self { metrics_max: metrics_max as usize, shown: Mutex::default() }
    }

    /// Shows a value.
    pub(crate) fn put(&self, caller: &Caller, put: &PutMetricData) -> Result<(), TargetError> {
        let labels = labels(caller, put);
        self.admit(&labels)?;
        let [account, region, namespace, metric, unit] = labels;
        gauge!(
            "ferrite_cloudwatch_metric",
            "account" => account,
            "region" => region,
            "namespace" => namespace,
            "metric" => metric,
            "unit" => unit
        )
        .set(put.value);
        counter!("ferrite_cloudwatch_values_total").increment(1);
        Ok(())
    }

    /// A name that a device chooses must not fill the memory, here and of whoever reads.
    fn admit(&self, labels: &[String; 5]) -> Result<(), TargetError> {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.contains(labels) {
            return Ok(());
        }
        if shown.len() >= self.metrics_max {
            let message = format!(
                "There are {} metrics, and the setting targets.local.metrics_max allows no more",
                shown.len()
            );
            return Err(TargetError::refused(Service::CloudWatch, "LimitExceeded", message));
        }
        shown.insert(labels.clone());
        Ok(())
    }
}

fn labels(caller: &Caller, put: &PutMetricData) -> [String; 5] {
    [
        caller.tenant.account.to_string(),
        caller.tenant.region.to_string(),
        put.namespace.clone(),
        put.name.clone(),
        put.unit.clone(),
    ]
}

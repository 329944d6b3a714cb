//! CloudWatch: metrics.

use types::Timestamp;

use crate::aws::Call;
use crate::{Backend, Caller, Service, TargetError, Targets};

const SERVICE: Service = Service::CloudWatch;
/// What a metric may be counted in.
const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

/// Puts a value of a metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PutMetricData {
    /// Whose metric: `Factory/Line1` …
    pub namespace: String,
    /// Which metric.
    pub name: String,
    /// The value.
    pub value: f64,
    /// `Count`, `Seconds`, `None` …
    pub unit: String,
    /// When; now, if it is not said.
    pub timestamp: Option<Timestamp>,
}

/// Metrics, wherever they are.
#[derive(Clone, Copy)]
pub struct CloudWatch<'t>(pub(crate) &'t Targets);

impl CloudWatch<'_> {
    /// Puts a value. A local one is shown until the next, and lost with the process.
    pub async fn put_metric_data(
        &self,
        caller: &Caller,
        put: PutMetricData,
    ) -> Result<(), TargetError> {
        if self.0.backend(SERVICE) == Backend::Local {
            check(&put)?;
            return self.0.local().metrics.put(caller, &put);
        }
        let value = put.value.to_string();
        let timestamp = put.timestamp.map(Timestamp::to_rfc3339);
        let mut parameters = vec![
            ("Action", "PutMetricData"),
            ("Version", "2010-08-01"),
            ("Namespace", &put.namespace),
            ("MetricData.member.1.MetricName", &put.name),
            ("MetricData.member.1.Value", &value),
            ("MetricData.member.1.Unit", &put.unit),
        ];
        if let Some(timestamp) = &timestamp {
            parameters.push(("MetricData.member.1.Timestamp", timestamp));
        }
        self.0.aws().send(caller, Call::query(SERVICE, &parameters)).await.map(|_| ())
    }
}

fn check(put: &PutMetricData) -> Result<(), TargetError> {
    let refused = |message: String| TargetError::refused(SERVICE, "InvalidParameterValue", message);
    if !(1..=255).contains(&put.namespace.len()) || put.namespace.starts_with("AWS/") {
        return Err(refused(
            "The value for parameter Namespace is invalid: it has 1 to 255 characters and does \
             not begin with 'AWS/'."
                .to_owned(),
        ));
    }
    if !(1..=255).contains(&put.name.len()) {
        let message = "The parameter MetricData.member.1.MetricName is required.";
        return Err(TargetError::refused(SERVICE, "MissingParameter", message));
    }
    if !put.value.is_finite() {
        return Err(refused(
            "The value for parameter MetricData.member.1.Value is invalid: it is no number."
                .to_owned(),
        ));
    }
    if !UNITS.contains(&put.unit.as_str()) {
        let units = UNITS.join(", ");
        return Err(refused(format!(
            "The parameter MetricData.member.1.Unit must be a value in the set [ {units} ]."
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_has_a_name_a_number_and_a_unit() {
        let good = PutMetricData {
            namespace: "Line".into(),
            name: "speed".into(),
            value: 1.5,
            unit: "Count".into(),
            timestamp: None,
        };
        assert!(check(&good).is_ok());
        let code = |put: PutMetricData| check(&put).unwrap_err().code;
        assert_eq!(code(PutMetricData { name: String::new(), ..good.clone() }), "MissingParameter");
        for wrong in [
            PutMetricData { namespace: "AWS/IoT".into(), ..good.clone() },
            PutMetricData { value: f64::NAN, ..good.clone() },
            PutMetricData { unit: "Apples".into(), ..good },
        ] {
            assert_eq!(code(wrong), "InvalidParameterValue");
        }
    }
}

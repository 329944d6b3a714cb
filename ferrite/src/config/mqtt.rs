//! The settings of MQTT: who serves it, its dialect, and single points over that.

use mqtt::QoS;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use service::{Dialect, RefusalV311};

use super::values;

/// How MQTT is served.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Mqtt {
    /// Threads for connections; 0 is one per core.
    #[serde(deserialize_with = "values::count")]
    pub(crate) workers: usize,
    dialect: Base,
    #[serde(deserialize_with = "max_qos")]
    max_qos: Option<QoS>,
    #[serde(deserialize_with = "values::flag")]
    reason_strings: bool,
    #[serde(deserialize_with = "refusal")]
    refuse_v311: Option<RefusalV311>,
    #[serde(deserialize_with = "values::flag")]
    payload_format_checked: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Base {
    Aws,
    Standard,
}

impl Mqtt {
    /// How it is spoken.
    pub(crate) fn dialect(&self) -> Dialect {
        let base = match self.dialect {
            Base::Aws => Dialect::aws(),
            Base::Standard => Dialect::standard(),
        };
        Dialect {
            qos_max: self.max_qos.unwrap_or(base.qos_max),
            gives_reason_strings: self.reason_strings,
            refusal_v311: self.refuse_v311.unwrap_or(base.refusal_v311),
            checks_payload_format: self.payload_format_checked,
            ..base
        }
    }
}

/// A QoS, or nothing for the dialect's own.
fn max_qos<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<QoS>, D::Error> {
    let text = values::scalar(deserializer)?;
    match text.as_str() {
        "" => Ok(None),
        "0" => Ok(Some(QoS::AtMostOnce)),
        "1" => Ok(Some(QoS::AtLeastOnce)),
        "2" => Ok(Some(QoS::ExactlyOnce)),
        other => Err(D::Error::custom(format!("`{other}` is not 0, 1 or 2"))),
    }
}

/// `close`, `answer`, or nothing for the dialect's own.
fn refusal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RefusalV311>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.as_str() {
        "" => Ok(None),
        "close" => Ok(Some(RefusalV311::Close)),
        "answer" => Ok(Some(RefusalV311::Answer)),
        other => Err(D::Error::custom(format!("`{other}` is neither close nor answer"))),
    }
}

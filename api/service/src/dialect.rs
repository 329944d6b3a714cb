//! How MQTT is spoken where AWS IoT and the standards differ.

use mqtt::QoS;

/// What the operator chose of the two, and of what either leaves open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Whether the standards are kept where AWS deviates from them.
    pub is_standard: bool,
    /// The highest QoS of a message and of a subscription.
    pub qos_max: QoS,
    /// Whether clients of MQTT 5 are told in words why something was refused.
    pub gives_reason_strings: bool,
    /// What a client of MQTT 3.1.1 gets that may not do what it asks for.
    pub refusal_v311: RefusalV311,
    /// Whether a payload that is said to be UTF-8 has to be.
    pub checks_payload_format: bool,
}

/// How a client of MQTT 3.1.1 learns that it may not connect or subscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalV311 {
    /// Its connection is closed.
    Close,
    /// CONNACK has return code 5, SUBACK 0x80 for the filter.
    Answer,
}

impl Dialect {
    /// As AWS IoT speaks.
    pub fn aws() -> Self {
        Self {
            is_standard: false,
            qos_max: QoS::AtLeastOnce,
            gives_reason_strings: true,
            refusal_v311: RefusalV311::Close,
            checks_payload_format: false,
        }
    }

    /// As the standards have it.
    pub fn standard() -> Self {
        Self {
            is_standard: true,
            qos_max: QoS::ExactlyOnce,
            refusal_v311: RefusalV311::Answer,
            ..Self::aws()
        }
    }
}

impl Default for Dialect {
    fn default() -> Self {
        Self::aws()
    }
}

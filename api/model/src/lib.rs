//! The ten services of AWS IoT as types and tables, generated from `models/` at build time.
//!
//! Each module has a struct per shape, an enum per set of values, the marker types of its
//! operations in `op`, and its tables in `SERVICE`. Nothing generated is committed.

pub mod spec;
mod values;

pub use spec::{Operation, OperationSpec, Service, ServiceId};
pub use values::{Blob, Iso8601, Sensitive};

macro_rules! services {
    ($($(#[$doc:meta])* $module:ident => $file:literal),* $(,)?) => {
        $($(#[$doc])*
        #[allow(clippy::all, missing_docs, non_camel_case_types, reason = "generated from the model")]
        pub mod $module {
            include!(concat!(env!("OUT_DIR"), "/", $file));
        })*

        /// Every service, in the order of `ServiceId`.
        pub static SERVICES: [&Service; ServiceId::COUNT] = [$(&$module::SERVICE),*];
    };
}

services! {
    /// AWS IoT's control plane.
    iot => "iot.rs",
    /// AWS IoT's data plane: publish, shadows, retained messages.
    iot_data => "iot_data.rs",
    /// The devices' side of jobs.
    iot_jobs_data => "iot_jobs_data.rs",
    /// Secure tunneling.
    tunneling => "tunneling.rs",
    /// LoRaWAN and Sidewalk.
    wireless => "wireless.rs",
    /// Greengrass V2.
    greengrass => "greengrass.rs",
    /// IoT Events: detector and alarm models.
    iot_events => "iot_events.rs",
    /// IoT Events: messages and detectors.
    iot_events_data => "iot_events_data.rs",
    /// IoT Analytics.
    analytics => "analytics.rs",
    /// Device Advisor.
    device_advisor => "device_advisor.rs",
}

/// Every operation of every service.
pub fn operations() -> impl Iterator<Item = &'static OperationSpec> {
    SERVICES.iter().flat_map(|service| service.operations)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Kind;

    #[test]
    fn all_operations_of_the_models_are_here() {
        assert_eq!(operations().count(), 523);
        for (i, service) in SERVICES.iter().enumerate() {
            assert_eq!(service.id as usize, i, "{}", service.name);
        }
    }

    #[test]
    fn every_pattern_compiles() {
        let mut patterns = 0;
        let mut broken = Vec::new();
        for shape in SERVICES.iter().flat_map(|s| s.shapes) {
            if let Kind::String { pattern: Some(pattern), .. } = shape.kind {
                patterns += 1;
                if let Err(error) = regex::Regex::new(pattern.regex) {
                    broken.push(format!("{}: {error}", shape.name));
                }
            }
        }
        assert!(broken.is_empty(), "{}", broken.join("\n"));
        assert_eq!(patterns, 215);
    }

    #[test]
    fn rewritten_patterns_match_as_java_does() {
        let matches = |service: &Service, name: &str, text: &str| {
            let shape = service.shapes.iter().find(|s| s.name == name).unwrap();
            let Kind::String { pattern: Some(pattern), .. } = shape.kind else { panic!("{name}") };
            pattern.is_match(text)
        };
        let iot = &iot::SERVICE;
        assert!(matches(iot, "ThingName", "a:b_c-1"));
        assert!(!matches(iot, "ThingName", "a b"));
        assert!(!matches(iot, "ThingName", "a\n"));
        assert!(matches(iot, "AttributeValue", "[x]=1"));
        assert!(matches(iot, "TagKey", "Größe 1"));
        assert!(!matches(iot, "PolicyName", "١"), "Java's \\w is ASCII");
        assert!(matches(&analytics::SERVICE, "ChannelName", "_a__b"));
        assert!(!matches(&analytics::SERVICE, "ChannelName", "__a"));
        assert!(matches(&wireless::SERVICE, "ISODateTimeString", "2026-01-02T03:04:05Z"));
    }
}

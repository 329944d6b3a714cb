//! Every bound, by name.
//!
//! What a message or resource may be has AWS's bounds; rates and quotas are generous. A bound whose
//! name ends in `_per_s` is a rate, and 0 stands for none.

mod declare;

pub use declare::{LimitError, Profile};

use declare::limits;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// The longest packet that MQTT can say the length of, its fixed header included.
const MQTT_PACKET_BYTES: usize = 268_435_460;
/// The longest string that MQTT can say the length of.
const MQTT_STRING_BYTES: usize = 65_535;
/// The longest that a wait for somebody else may be set to.
const YEAR_S: u64 = 365 * 86_400;

limits! {
    attributes_without_type_max: usize = 3, relaxed 50;
    attributes_max: usize = 50, relaxed 1000;
    attributes_bytes_max: usize = 47 * KIB, relaxed MIB;
    searchable_attributes_max: usize = 3, relaxed 50;
    propagating_attributes_max: usize = 20, relaxed 100;
    /// How long a thing type has been deprecated before it can be deleted. What a client is told
    /// too early says five minutes, whatever is set here: Terraform tries again on that text alone.
    thing_type_deprecated_s_min: u64 = 300, within 0..=YEAR_S;
    /// Characters of a policy document, white space not counted.
    policy_chars_max: usize = 2048, relaxed 64 * KIB;
    policy_versions_max: usize = 5, relaxed 100;
    policies_per_target_max: usize = 10, relaxed 100;
    /// Of each action that TestAuthorization is asked about.
    tested_resources_max: usize = 100, relaxed 10_000;
    policies_per_thing_group_max: usize = 2, relaxed 100;
    /// Groups from a root to the lowest below it, both counted.
    thing_group_depth_max: usize = 7, relaxed 16, within 1..=16;
    /// Direct children of one thing group.
    thing_group_children_max: usize = 100, relaxed 100_000;
    thing_groups_per_thing_max: usize = 10, relaxed 50;
    /// Of one account in one region.
    dynamic_thing_groups_max: usize = 100, relaxed 10_000;
    tags_max: usize = 50, relaxed 1000;
    /// Of one account in one region.
    ca_certificates_per_subject_max: usize = 10, relaxed 100;
    /// Requests that may wait for an RSA key to be made; more are throttled.
    certificate_keys_waiting_max: usize = 64;
    /// How long each of them waits for its turn; then it is throttled.
    certificate_keys_wait_s: u64 = 10, within 1..=YEAR_S;
    http_body_bytes_max: usize = 2 * MIB, relaxed MQTT_PACKET_BYTES;
    /// Of all requests together.
    http_bodies_bytes_max: usize = 256 * MIB, relaxed 1024 * MIB;
    http_header_bytes_max: usize = 64 * KIB, within 8 * KIB..=16 * MIB;
    /// From the first byte of a request to its last.
    http_request_s: u64 = 30, within 1..=YEAR_S;
    /// From the end of a request, or the start of the connection, to the last byte of the next
    /// request's head.
    http_idle_s: u64 = 60, within 1..=YEAR_S;
    http_connections_max: usize = 20_000;
    /// Requests that may run at once.
    http_requests_max: usize = 1024;
    /// Of one door, from the accepted connection to the end of its TLS handshake.
    door_handshakes_max: usize = 10_000;
    /// For the header of the PROXY protocol and the TLS handshake together.
    door_handshake_s: u64 = 10, within 1..=YEAR_S;
    signature_skew_s: u64 = 300, within 1..=YEAR_S;
    access_keys_per_account_max: usize = 100;
    accounts_max: usize = 1000;
    regions_per_account_max: usize = 64;
    audit_records_max: u64 = 100_000;
    device_log_entries_max: usize = 10_000;
    mqtt_client_id_bytes_max: usize = 128, relaxed MQTT_STRING_BYTES, within 1..=MQTT_STRING_BYTES;
    mqtt_topic_bytes_max: usize = 256, relaxed MQTT_STRING_BYTES, within 1..=MQTT_STRING_BYTES;
    mqtt_topic_slashes_max: usize = 7, relaxed MQTT_STRING_BYTES, within 0..=MQTT_STRING_BYTES;
    mqtt_payload_bytes_max: usize = 128 * KIB, relaxed MQTT_PACKET_BYTES,
        within 1..=MQTT_PACKET_BYTES;
    /// Of a whole packet, its fixed header included.
    mqtt_packet_bytes_max: usize = 149_504, relaxed MQTT_PACKET_BYTES,
        within KIB..=MQTT_PACKET_BYTES;
    /// The least that a client may say it takes.
    mqtt_client_packet_bytes_min: u32 = 512, relaxed 1;
    /// Names and values of one packet's user properties together.
    mqtt_user_properties_bytes_max: usize = 8 * KIB, relaxed MQTT_PACKET_BYTES,
        within 0..=MQTT_PACKET_BYTES;
    mqtt_content_type_bytes_max: usize = 256, relaxed MQTT_STRING_BYTES,
        within 0..=MQTT_STRING_BYTES;
    mqtt_correlation_data_bytes_max: usize = 8 * KIB, relaxed MQTT_STRING_BYTES,
        within 0..=MQTT_STRING_BYTES;
    mqtt_message_expiry_s_max: u32 = 604_800, relaxed u32::MAX;
    mqtt_subscriptions_per_request_max: usize = 8, relaxed MQTT_STRING_BYTES;
    mqtt_subscriptions_per_connection_max: usize = 10_000, aws 50, relaxed 1_000_000;
    /// Messages that may await their acknowledgement, each way.
    mqtt_inflight_max: u16 = 100;
    /// 0 is no aliases.
    mqtt_topic_alias_max: u16 = 8, within 0..=u16::MAX;
    /// From the accepted connection to the whole of its CONNECT, the handshake included.
    mqtt_connect_s: u64 = 10, within 1..=YEAR_S;
    mqtt_keep_alive_s_min: u16 = 30, relaxed 1;
    mqtt_keep_alive_s_max: u16 = 1200, relaxed u16::MAX;
    mqtt_connections_max: usize = 500_000;
    /// Of one account in one region.
    mqtt_connections_per_account_max: usize = 500_000;
    /// Of one account in one region.
    mqtt_connects_per_s: u32 = 0, aws 3000, within 0..=u32::MAX;
    mqtt_connects_per_client_per_s: u32 = 0, aws 1, within 0..=u32::MAX;
    /// Of one connection, each way.
    mqtt_publishes_per_s: u32 = 0, aws 100, within 0..=u32::MAX;
    /// Of one connection, each way.
    mqtt_bytes_per_s: u32 = 0, aws 512 * 1024, within 0..=u32::MAX;
    /// Of one account in one region.
    mqtt_subscriptions_per_s: u32 = 0, aws 3000, within 0..=u32::MAX;
    /// Of one account.
    mqtt_shared_groups_max: usize = 10_000, aws 100;
    mqtt_shared_subscriptions_per_group_max: usize = 10_000, aws 100;
    mqtt_share_name_chars_max: usize = 128, relaxed MQTT_STRING_BYTES;
    /// Of sessions that name no expiry, as those of MQTT 3.1.1.
    mqtt_session_expiry_s_default: u32 = 3600;
    mqtt_session_expiry_s_max: u32 = 604_800, aws 3600, relaxed u32::MAX;
    /// Persistent sessions of a tenant.
    mqtt_sessions_max: usize = 500_000;
    /// Messages that wait for one persistent session.
    mqtt_queue_messages_max: usize = 100_000;
    /// Bytes that wait for one persistent session.
    mqtt_queue_bytes_max: usize = 256 * MIB, relaxed 1024 * MIB;
    /// Messages that waited, to one session that is back.
    mqtt_queue_drain_per_s: u32 = 0, aws 10, within 0..=u32::MAX;
    /// How long a message that was sent to a persistent session is sent again; then it is dropped.
    /// 0 is until it is acknowledged or the session ends.
    mqtt_retry_s_v311: u32 = 0, aws 3600, within 0..=u32::MAX;
    mqtt_retry_s_v5: u32 = 0, aws 960, within 0..=u32::MAX;
    /// Retained messages of a tenant; more are refused, and those that are there can be replaced.
    mqtt_retained_messages_max: u64 = 500_000;
    /// Messages that wait for a slow subscriber; more are dropped, the newest first.
    mqtt_waiting_messages_max: usize = 10_000;
    /// Bytes that wait for a slow subscriber.
    mqtt_waiting_bytes_max: usize = 16 * MIB, relaxed 512 * MIB;
    /// Both sections of a shadow as JSON without white space, metadata not counted.
    shadow_document_bytes_max: usize = 8 * KIB, relaxed MIB;
    /// Containers within one another in a section of a shadow, the section counted.
    shadow_depth_max: usize = 8, relaxed 100, within 1..=100;
    shadow_client_token_bytes_max: usize = 64, relaxed KIB;
    /// Requests of one connection that are not answered yet when another one comes.
    shadow_requests_under_way_max: usize = 100, aws 10;
    /// Requests to shadows of one account in one region, over HTTP and MQTT.
    shadow_requests_per_s: u32 = 0, aws 4000, within 0..=u32::MAX;
    /// Requests to the shadows of one thing.
    shadow_requests_per_thing_per_s: u32 = 0, aws 20, within 0..=u32::MAX;
    /// Versions of a shadow that can be asked for later; 0 is none.
    shadow_history_versions_max: usize = 0, within 0..=100_000;
    /// How long they can be; 0 is until there are too many.
    shadow_history_s_max: u64 = 0, within 0..=10 * YEAR_S;
    /// Of one account in one region.
    topic_rules_max: usize = 10_000, aws 1000, relaxed 100_000;
    /// Of a rule's whole definition, as JSON.
    topic_rule_bytes_max: usize = 128 * KIB, relaxed MIB;
    /// Of one account in one region.
    rule_destinations_max: usize = 10_000, aws 1000, relaxed 100_000;
    /// Messages that no action of a rule has taken, kept for it.
    rule_dead_letters_max: usize = 10_000, relaxed 1_000_000;
    /// How long a destination of rules may take to confirm that it wants messages.
    rule_destination_confirm_s: u64 = 259_200, within 1..=YEAR_S;
    /// Rules that are evaluated for messages, of one account in one region. A message that is one too
    /// many waits for the rule in the journal, or is lost to it if it is not there.
    rule_evaluations_per_s: u32 = 0, aws 20_000, within 0..=u32::MAX;
    /// Calls of each operation that changes rules or their destinations, of one account in one region.
    topic_rule_changes_per_s: u32 = 0, aws 5, within 0..=u32::MAX;
    /// Calls of DeleteTopicRule, of one account in one region.
    topic_rule_deletes_per_s: u32 = 0, aws 20, within 0..=u32::MAX;
    /// Rules that metrics name; all others are counted together.
    rules_measured_max: usize = 1000, relaxed 100_000, within 0..=1_000_000;
    /// How long a connection by WebSocket may last.
    websocket_s: u64 = 86_400, within 1..=YEAR_S;
    /// Of one message of a WebSocket, which may hold several packets.
    websocket_message_bytes_max: usize = 256 * KIB, relaxed 2 * MQTT_PACKET_BYTES;
    /// Calls of each operation on connections, of one account in one region.
    connection_calls_per_s: u32 = 0, aws 100, within 0..=u32::MAX;
    /// Calls of each operation on connections that are about one client.
    connection_calls_per_client_per_s: u32 = 0, aws 1, within 0..=u32::MAX;
    /// Of one account in one region.
    direct_messages_per_s: u32 = 0, aws 20_000, within 0..=u32::MAX;
    /// Entries of a list's page where the request names no number.
    page_default: u32 = 25;
    page_max: u32 = 250;
}

impl Limits {
    /// Whether the bounds agree with each other.
    pub fn check(&self) -> Result<(), LimitError> {
        let pairs = [
            (
                ("mqtt_keep_alive_s_min", self.mqtt_keep_alive_s_min.into()),
                ("mqtt_keep_alive_s_max", self.mqtt_keep_alive_s_max.into()),
            ),
            (
                ("mqtt_session_expiry_s_default", self.mqtt_session_expiry_s_default.into()),
                ("mqtt_session_expiry_s_max", self.mqtt_session_expiry_s_max.into()),
            ),
            (("page_default", self.page_default.into()), ("page_max", self.page_max.into())),
        ];
        for ((lower, lower_value), (upper, upper_value)) in pairs {
            if lower_value > upper_value {
                return Err(LimitError::Reversed { lower, lower_value, upper, upper_value });
            }
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of(Profile::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_change_what_they_name_and_nothing_else() {
        let of = |profile| {
            let limits = Limits::of(profile);
            let (subscriptions, slashes) =
                (limits.mqtt_subscriptions_per_connection_max, limits.mqtt_topic_slashes_max);
            (subscriptions, slashes, limits.mqtt_publishes_per_s, limits.tags_max)
        };
        assert_eq!(of(Profile::Default), (10_000, 7, 0, 50));
        assert_eq!(of(Profile::Aws), (50, 7, 100, 50));
        assert_eq!(of(Profile::Relaxed), (1_000_000, 65_535, 0, 1000));
    }

    #[test]
    fn every_profile_agrees_with_itself_and_can_be_written_down() {
        for profile in [Profile::Default, Profile::Aws, Profile::Relaxed] {
            let limits = Limits::of(profile);
            assert_eq!(limits.check(), Ok(()));
            let mut again = Limits::default();
            let shown = format!("{limits:?}");
            let fields = shown.strip_prefix("Limits { ").and_then(|rest| rest.strip_suffix(" }"));
            for field in fields.unwrap().split(", ") {
                let (name, value) = field.split_once(": ").unwrap();
                assert_eq!(again.set(name, value), Ok(()), "{name}");
            }
            assert_eq!(again, limits);
        }
    }

    #[test]
    fn a_bound_can_be_set_within_its_range_only() {
        let set = |name, value| {
            let mut limits = Limits::default();
            limits.set(name, value).map_err(|error| error.to_string()).map(|()| limits)
        };
        assert_eq!(set("mqtt_inflight_max", "20").unwrap().mqtt_inflight_max, 20);
        assert_eq!(set("mqtt_publishes_per_s", "0").unwrap(), Limits::default());
        let refused = |value: &str, least, most| {
            Err(format!("`{value}` is not a whole number from {least} to {most}"))
        };
        for value in ["0", "65536", "-1", "1.5", "many", ""] {
            assert_eq!(set("mqtt_inflight_max", value), refused(value, 1, 65_535));
        }
        assert_eq!(set("mqtt_topic_bytes_max", "65536"), refused("65536", 1, 65_535));
        assert_eq!(set("mqtt_connect_s", "0"), refused("0", 1, 31_536_000));
        assert_eq!(set("mqtt_inflight", "1"), Err("there is no such bound".to_owned()));
    }

    #[test]
    fn bounds_that_contradict_each_other_are_named() {
        let limits = Limits { page_default: 300, ..Limits::default() };
        let error = limits.check().unwrap_err().to_string();
        assert_eq!(error, "`page_default` is 300, above `page_max`, which is 250");
    }
}

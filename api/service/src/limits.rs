//! Every bound, by name.
//!
//! What a message or resource may be has AWS's bounds; rates and quotas are generous.

/// The bounds of one server.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields say it")]
pub struct Limits {
    pub attributes_without_type_max: usize,
    pub attributes_max: usize,
    pub attributes_bytes_max: usize,
    /// Characters of a policy document, white space not counted.
    pub policy_chars_max: usize,
    pub policy_versions_max: usize,
    pub policies_per_target_max: usize,
    pub tags_max: usize,
    pub http_body_bytes_max: usize,
    /// Of all requests together.
    pub http_bodies_bytes_max: usize,
    pub http_header_bytes_max: usize,
    /// From the first byte of a request to its last.
    pub http_request_s: u64,
    /// From the end of a request, or the start of the connection, to the last byte of the next
    /// request's head.
    pub http_idle_s: u64,
    pub http_connections_max: usize,
    /// Requests that may run at once.
    pub http_requests_max: usize,
    pub signature_skew_s: u64,
    pub access_keys_per_account_max: usize,
    pub accounts_max: usize,
    pub regions_per_account_max: usize,
    pub audit_records_max: u64,
    pub device_log_entries_max: usize,
    pub mqtt_client_id_bytes_max: usize,
    pub mqtt_topic_bytes_max: usize,
    pub mqtt_topic_slashes_max: usize,
    pub mqtt_payload_bytes_max: usize,
    /// Of a whole packet, its fixed header included.
    pub mqtt_packet_bytes_max: usize,
    /// The least that a client may say it takes.
    pub mqtt_client_packet_bytes_min: u32,
    /// Names and values of one packet's user properties together.
    pub mqtt_user_properties_bytes_max: usize,
    pub mqtt_content_type_bytes_max: usize,
    pub mqtt_correlation_data_bytes_max: usize,
    pub mqtt_message_expiry_s_max: u32,
    pub mqtt_subscriptions_per_request_max: usize,
    pub mqtt_subscriptions_per_connection_max: usize,
    /// Messages that may await their acknowledgement, each way.
    pub mqtt_inflight_max: u16,
    pub mqtt_topic_alias_max: u16,
    /// From the accepted connection to the whole of its CONNECT, the handshake included.
    pub mqtt_connect_s: u64,
    pub mqtt_keep_alive_s_min: u16,
    pub mqtt_keep_alive_s_max: u16,
    pub mqtt_connections_max: usize,
    /// Retained messages of a tenant; more are refused, and those that are there can be replaced.
    pub mqtt_retained_messages_max: u64,
    /// Messages that wait for a slow subscriber; more are dropped, the newest first.
    pub mqtt_waiting_messages_max: usize,
    /// Bytes that wait for a slow subscriber.
    pub mqtt_waiting_bytes_max: usize,
    /// How long a connection by WebSocket may last.
    pub websocket_s: u64,
    /// Of one message of a WebSocket, which may hold several packets.
    pub websocket_message_bytes_max: usize,
    /// Entries of a list's page where the request names no number.
    pub page_default: u32,
    pub page_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attributes_without_type_max: 3,
            attributes_max: 50,
            attributes_bytes_max: 47 * 1024,
            policy_chars_max: 2048,
            policy_versions_max: 5,
            policies_per_target_max: 10,
            tags_max: 50,
            http_body_bytes_max: 2 * 1024 * 1024,
            http_bodies_bytes_max: 256 * 1024 * 1024,
            http_header_bytes_max: 64 * 1024,
            http_request_s: 30,
            http_idle_s: 60,
            http_connections_max: 20_000,
            http_requests_max: 1024,
            signature_skew_s: 300,
            access_keys_per_account_max: 100,
            accounts_max: 1000,
            regions_per_account_max: 64,
            audit_records_max: 100_000,
            device_log_entries_max: 10_000,
            mqtt_client_id_bytes_max: 128,
            mqtt_topic_bytes_max: 256,
            mqtt_topic_slashes_max: 7,
            mqtt_payload_bytes_max: 128 * 1024,
            mqtt_packet_bytes_max: 149_504,
            mqtt_client_packet_bytes_min: 512,
            mqtt_user_properties_bytes_max: 8 * 1024,
            mqtt_content_type_bytes_max: 256,
            mqtt_correlation_data_bytes_max: 8 * 1024,
            mqtt_message_expiry_s_max: 604_800,
            mqtt_subscriptions_per_request_max: 8,
            mqtt_subscriptions_per_connection_max: 10_000,
            mqtt_inflight_max: 100,
            mqtt_topic_alias_max: 8,
            mqtt_connect_s: 10,
            mqtt_keep_alive_s_min: 30,
            mqtt_keep_alive_s_max: 1200,
            mqtt_connections_max: 500_000,
            mqtt_retained_messages_max: 500_000,
            mqtt_waiting_messages_max: 10_000,
            mqtt_waiting_bytes_max: 16 * 1024 * 1024,
            websocket_s: 86_400,
            websocket_message_bytes_max: 256 * 1024,
            page_default: 25,
            page_max: 250,
        }
    }
}

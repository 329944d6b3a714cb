//! The properties of MQTT 5, in the order in which their structs name them.

use bytestring::ByteString;

use super::sink::{Count, Sink};
use crate::properties::{
    AckProperties, AuthProperties, ConnackProperties, ConnectProperties, DisconnectProperties,
    PublishProperties, SubscribeProperties, UserProperties,
};
use crate::property as id;

/// A set of properties that can be written, without its length.
pub(super) trait Properties {
    fn write<S: Sink>(&self, sink: &mut S);

    /// Whether nothing would be written.
    fn is_empty(&self) -> bool {
        let mut count = Count::default();
        self.write(&mut count);
        count.0 == 0
    }

    /// Writes them behind their length.
    fn write_section<S: Sink>(&self, sink: &mut S) {
        let mut count = Count::default();
        self.write(&mut count);
        sink.length(count.0);
        self.write(sink);
    }
}

impl<P: Properties> Properties for Option<Box<P>> {
    fn write<S: Sink>(&self, sink: &mut S) {
        if let Some(properties) = self {
            properties.as_ref().write(sink);
        }
    }
}

impl Properties for ConnectProperties {
    fn write<S: Sink>(&self, sink: &mut S) {
        u32(sink, id::SESSION_EXPIRY_INTERVAL, self.session_expiry_s);
        u16(sink, id::RECEIVE_MAXIMUM, self.receive_maximum);
        u32(sink, id::MAXIMUM_PACKET_SIZE, self.maximum_packet_size);
        u16(sink, id::TOPIC_ALIAS_MAXIMUM, self.topic_alias_maximum);
        boolean(sink, id::REQUEST_RESPONSE_INFORMATION, self.request_response_information);
        boolean(sink, id::REQUEST_PROBLEM_INFORMATION, self.request_problem_information);
        string(sink, id::AUTHENTICATION_METHOD, &self.authentication_method);
        binary(sink, id::AUTHENTICATION_DATA, self.authentication_data.as_deref());
        self.user_properties.write(sink);
    }
}

impl Properties for ConnackProperties {
    fn write<S: Sink>(&self, sink: &mut S) {
        u32(sink, id::SESSION_EXPIRY_INTERVAL, self.session_expiry_s);
        u16(sink, id::RECEIVE_MAXIMUM, self.receive_maximum);
        u8(sink, id::MAXIMUM_QOS, self.maximum_qos);
        boolean(sink, id::RETAIN_AVAILABLE, self.retain_available);
        u32(sink, id::MAXIMUM_PACKET_SIZE, self.maximum_packet_size);
        string(sink, id::ASSIGNED_CLIENT_IDENTIFIER, &self.assigned_client_id);
        u16(sink, id::TOPIC_ALIAS_MAXIMUM, self.topic_alias_maximum);
        string(sink, id::REASON_STRING, &self.reason_string);
        boolean(sink, id::WILDCARD_SUBSCRIPTION_AVAILABLE, self.wildcard_subscription_available);
        boolean(
            sink,
            id::SUBSCRIPTION_IDENTIFIERS_AVAILABLE,
            self.subscription_identifiers_available,
        );
        boolean(sink, id::SHARED_SUBSCRIPTION_AVAILABLE, self.shared_subscription_available);
        u16(sink, id::SERVER_KEEP_ALIVE, self.server_keep_alive_s);
        string(sink, id::RESPONSE_INFORMATION, &self.response_information);
        string(sink, id::SERVER_REFERENCE, &self.server_reference);
        string(sink, id::AUTHENTICATION_METHOD, &self.authentication_method);
        binary(sink, id::AUTHENTICATION_DATA, self.authentication_data.as_deref());
        self.user_properties.write(sink);
    }
}

/// The properties of a PUBLISH, whose expiry and alias are its sender's to say.
pub(super) struct Message<'a> {
    pub(super) message_expiry_s: Option<u32>,
    pub(super) topic_alias: Option<u16>,
    /// The rest.
    pub(super) properties: Option<&'a PublishProperties>,
}

impl Properties for Message<'_> {
    fn write<S: Sink>(&self, sink: &mut S) {
        u32(sink, id::MESSAGE_EXPIRY_INTERVAL, self.message_expiry_s);
        u16(sink, id::TOPIC_ALIAS, self.topic_alias);
        let Some(properties) = self.properties else { return };
        boolean(sink, id::PAYLOAD_FORMAT_INDICATOR, properties.payload_is_utf8);
        string(sink, id::RESPONSE_TOPIC, &properties.response_topic);
        binary(sink, id::CORRELATION_DATA, properties.correlation_data.as_deref());
        properties.user_properties.write(sink);
        for subscription_id in &properties.subscription_ids {
            sink.u8(id::SUBSCRIPTION_IDENTIFIER);
            sink.integer(*subscription_id);
        }
        string(sink, id::CONTENT_TYPE, &properties.content_type);
    }
}

/// The properties of a will.
pub(super) struct WillProperties<'a> {
    pub(super) delay_s: Option<u32>,
    pub(super) message: Message<'a>,
}

impl Properties for WillProperties<'_> {
    fn write<S: Sink>(&self, sink: &mut S) {
        u32(sink, id::WILL_DELAY_INTERVAL, self.delay_s);
        self.message.write(sink);
    }
}

impl Properties for AckProperties {
    fn write<S: Sink>(&self, sink: &mut S) {
        string(sink, id::REASON_STRING, &self.reason_string);
        self.user_properties.write(sink);
    }
}

impl Properties for SubscribeProperties {
    fn write<S: Sink>(&self, sink: &mut S) {
        if let Some(subscription_id) = self.subscription_id {
            sink.u8(id::SUBSCRIPTION_IDENTIFIER);
            sink.integer(subscription_id);
        }
        self.user_properties.write(sink);
    }
}

impl Properties for DisconnectProperties {
    fn write<S: Sink>(&self, sink: &mut S) {
        u32(sink, id::SESSION_EXPIRY_INTERVAL, self.session_expiry_s);
        string(sink, id::REASON_STRING, &self.reason_string);
        self.user_properties.write(sink);
        string(sink, id::SERVER_REFERENCE, &self.server_reference);
    }
}

impl Properties for AuthProperties {
    fn write<S: Sink>(&self, sink: &mut S) {
        string(sink, id::AUTHENTICATION_METHOD, &self.authentication_method);
        binary(sink, id::AUTHENTICATION_DATA, self.authentication_data.as_deref());
        string(sink, id::REASON_STRING, &self.reason_string);
        self.user_properties.write(sink);
    }
}

impl Properties for UserProperties {
    fn write<S: Sink>(&self, sink: &mut S) {
        for (name, value) in self {
            sink.u8(id::USER_PROPERTY);
            sink.string(name);
            sink.string(value);
        }
    }
}

fn u8<S: Sink>(sink: &mut S, id: u8, value: Option<u8>) {
    if let Some(value) = value {
        sink.u8(id);
        sink.u8(value);
    }
}

fn boolean<S: Sink>(sink: &mut S, id: u8, value: Option<bool>) {
    u8(sink, id, value.map(u8::from));
}

fn u16<S: Sink>(sink: &mut S, id: u8, value: Option<u16>) {
    if let Some(value) = value {
        sink.u8(id);
        sink.u16(value);
    }
}

fn u32<S: Sink>(sink: &mut S, id: u8, value: Option<u32>) {
    if let Some(value) = value {
        sink.u8(id);
        sink.u32(value);
    }
}

fn string<S: Sink>(sink: &mut S, id: u8, value: &Option<ByteString>) {
    if let Some(value) = value {
        sink.u8(id);
        sink.string(value);
    }
}

fn binary<S: Sink>(sink: &mut S, id: u8, value: Option<&[u8]>) {
    if let Some(value) = value {
        sink.u8(id);
        sink.binary(value);
    }
}

//! What follows the fixed header of each packet but PUBLISH.

use super::properties::{Message, Properties as _, WillProperties};
use super::sink::Sink;
use crate::packet::{
    Ack, Auth, Connack, Connect, Disconnect, Suback, Subscribe, SubscriptionOptions, Unsuback,
    Unsubscribe, Version, Will,
};
use crate::reason;

/// A packet after its fixed header.
pub(super) trait Body {
    fn write<S: Sink>(&self, version: Version, sink: &mut S);
}

/// PINGREQ and PINGRESP.
impl Body for () {
    fn write<S: Sink>(&self, _: Version, _: &mut S) {}
}

impl Body for Connect {
    fn write<S: Sink>(&self, _: Version, sink: &mut S) {
        sink.string("MQTT");
        sink.u8(match self.version {
            Version::V311 => 4,
            Version::V5 => 5,
        });
        sink.u8(connect_flags(self));
        sink.u16(self.keep_alive_s);
        if self.version == Version::V5 {
            self.properties.write_section(sink);
        }
        sink.string(&self.client_id);
        if let Some(will) = &self.will {
            write_will(will, self.version, sink);
        }
        if let Some(user_name) = &self.user_name {
            sink.string(user_name);
        }
        if let Some(password) = &self.password {
            sink.binary(password);
        }
    }
}

fn connect_flags(connect: &Connect) -> u8 {
    let will = connect
        .will
        .as_ref()
        .map_or(0, |will| 1 << 2 | (will.qos as u8) << 3 | u8::from(will.retain) << 5);
    let user_name = u8::from(connect.user_name.is_some()) << 7;
    let password = u8::from(connect.password.is_some()) << 6;
    user_name | password | will | u8::from(connect.clean) << 1
}

fn write_will<S: Sink>(will: &Will, version: Version, sink: &mut S) {
    if version == Version::V5 {
        let properties = will.properties.as_deref();
        let message = Message {
            message_expiry_s: properties.and_then(|found| found.message_expiry_s),
            topic_alias: None,
            properties,
        };
        WillProperties { delay_s: will.delay_s, message }.write_section(sink);
    }
    sink.string(&will.topic);
    sink.binary(&will.payload);
}

impl Body for Connack {
    fn write<S: Sink>(&self, version: Version, sink: &mut S) {
        sink.u8(self.session_present.into());
        sink.u8(self.code);
        if version == Version::V5 {
            self.properties.write_section(sink);
        }
    }
}

/// PUBACK, PUBREC, PUBREL and PUBCOMP, as short as they can be.
pub(super) struct AckBody<'a>(pub(super) &'a Ack);

impl Body for AckBody<'_> {
    fn write<S: Sink>(&self, version: Version, sink: &mut S) {
        let Self(ack) = self;
        sink.packet_id(ack.packet_id);
        let is_plain = ack.properties.is_empty();
        if version == Version::V311 || (is_plain && ack.code == reason::SUCCESS) {
            return;
        }
        sink.u8(ack.code);
        if !is_plain {
            ack.properties.write_section(sink);
        }
    }
}

impl Body for Subscribe {
    fn write<S: Sink>(&self, version: Version, sink: &mut S) {
        sink.packet_id(self.packet_id);
        if version == Version::V5 {
            self.properties.write_section(sink);
        }
        for subscription in &self.subscriptions {
            sink.string(&subscription.filter);
            sink.u8(option_bits(subscription.options, version));
        }
    }
}

fn option_bits(options: SubscriptionOptions, version: Version) -> u8 {
    let qos = options.qos as u8;
    if version == Version::V311 {
        return qos;
    }
    let no_local = u8::from(options.no_local) << 2;
    let retain_as_published = u8::from(options.retain_as_published) << 3;
    qos | no_local | retain_as_published | (options.retain_handling as u8) << 4
}

impl Body for Suback {
    fn write<S: Sink>(&self, version: Version, sink: &mut S) {
        sink.packet_id(self.packet_id);
        if version == Version::V5 {
            self.properties.write_section(sink);
        }
        sink.put(&self.codes);
    }
}

impl Body for Unsubscribe {
    fn write<S: Sink>(&self, version: Version, sink: &mut S) {
        sink.packet_id(self.packet_id);
        if version == Version::V5 {
            self.user_properties.write_section(sink);
        }
        for filter in &self.filters {
            sink.string(filter);
        }
    }
}

impl Body for Unsuback {
    fn write<S: Sink>(&self, version: Version, sink: &mut S) {
        sink.packet_id(self.packet_id);
        if version == Version::V5 {
            self.properties.write_section(sink);
            sink.put(&self.codes);
        }
    }
}

/// As short as it can be.
impl Body for Disconnect {
    fn write<S: Sink>(&self, version: Version, sink: &mut S) {
        let is_plain = self.properties.is_empty();
        if version == Version::V311 || (is_plain && self.code == reason::SUCCESS) {
            return;
        }
        sink.u8(self.code);
        if !is_plain {
            self.properties.write_section(sink);
        }
    }
}

/// As short as it can be.
impl Body for Auth {
    fn write<S: Sink>(&self, _: Version, sink: &mut S) {
        if self.code == reason::SUCCESS && self.properties.is_empty() {
            return;
        }
        sink.u8(self.code);
        self.properties.write_section(sink);
    }
}

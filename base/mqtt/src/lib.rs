//! The packets of MQTT 3.1.1 and MQTT 5, topic names and topic filters.
//!
//! Pure: bytes in, packets out, and back. What the standards forbid is refused here by name; what
//! a broker forbids beyond that (AWS's bounds on topics, QoS 2) is the broker's business.

#![warn(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod decode;
mod encode;
mod filter;
mod filters;
mod malformed;
mod packet;
mod properties;
mod property;
pub mod reason;
mod topic;

pub use decode::Decoder;
pub use decode::plain::{PLAIN_PUBACK_BYTES, Plain, PlainPublish};
pub use encode::{PublishHead, encode_publish, publish_len};
pub use filter::{HashMatch, InvalidFilter, TopicFilter};
pub use filters::{Filters, Holder};
pub use malformed::Malformed;
pub use packet::{
    Ack, Auth, Connack, Connect, Disconnect, Packet, PacketId, PacketType, Publish, QoS,
    RetainHandling, Suback, Subscribe, Subscription, SubscriptionOptions, Unsuback, Unsubscribe,
    Version, Will,
};
pub use properties::{
    AckProperties, AuthProperties, ConnackProperties, ConnectProperties, DisconnectProperties,
    PublishProperties, SubscribeProperties, UserProperties,
};
pub use topic::{InvalidTopic, TopicName, slashes};

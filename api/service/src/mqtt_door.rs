//! MQTT that comes through the gateway: who is let through, and to whom.
//!
//! Whoever speaks MQTT implements [`MqttDoor`]; the gateway passes on what it has checked and
//! never learns their name.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{BoxFuture, Permissions, Principal};

/// The bytes of one client, whatever carries them. Their end is the client's goodbye: one that is
/// lost ends with an error.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// Somebody who is known before the first byte of MQTT.
pub struct Visitor {
    /// Who.
    pub principal: Arc<Principal>,
    /// What it may do under whatever client id, kept current by whoever let it through.
    pub permissions: Arc<Permissions>,
}

/// Serves MQTT over what is no door of its own.
pub trait MqttDoor: Send + Sync {
    /// Serves one client until its connection ends.
    fn serve(
        self: Arc<Self>,
        stream: Box<dyn ByteStream>,
        visitor: Visitor,
    ) -> BoxFuture<'static, ()>;
}

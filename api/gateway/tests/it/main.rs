//! The engine against hostile bytes, and MQTT over WebSocket through pipes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod hostile;
mod websocket;

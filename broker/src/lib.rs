//! The MQTT device gateway and message broker.

//! The MQTT device gateway and message broker.
//!
//! A connection is one task on one thread; what it has for another goes into that one's bounded
//! mailbox. The broker knows nothing of certificates, policies' storage, shadows, jobs or rules:
//! it asks `service`'s [`Authenticator`](service::Authenticator) and
//! [`PolicySource`](service::PolicySource), whoever they are.

mod bounds;
mod broker;
mod connect;
mod connection;
mod delivery;
mod ending;
mod explain;
#[cfg(test)]
mod fixture;
mod https;
mod mailbox;
mod matches;
mod message;
mod metrics;
mod publish;
mod session;
mod space;
mod subscribe;
mod trie;
mod turn;
mod verdicts;
mod window;

pub use broker::Broker;
pub use explain::feature;
pub use https::OPERATIONS;

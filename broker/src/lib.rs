//! The MQTT device gateway and message broker.
//!
//! A connection is one task on one thread; what it has for another goes into that one's bounded
//! mailbox. The broker knows nothing of certificates, policies' storage, shadows, jobs or rules:
//! it asks `service`'s [`Authenticator`](service::Authenticator) and
//! [`PolicySource`](service::PolicySource), whoever they are.

mod batch;
mod bounds;
mod broker;
mod connect;
mod connection;
mod connections;
mod delivery;
mod departures;
mod direct;
mod ending;
mod exactly_once;
mod explain;
#[cfg(test)]
mod fixture;
mod groups;
mod http_message;
mod https;
mod keeping;
mod lifecycle;
mod mailbox;
mod matches;
mod message;
mod metrics;
mod owed;
mod pace;
mod persistent;
mod publish;
mod queue;
mod quotas;
mod receipts;
mod retained;
mod routing;
mod run;
mod samples;
mod session;
mod sessions;
mod shares;
mod space;
mod stored;
mod subscribe;
mod subscriptions;
mod timers;
mod told;
mod turn;
mod verdicts;
mod window;

pub use broker::Broker;
pub use explain::feature;

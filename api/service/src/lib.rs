//! What every feature is written against: the request's context, endpoints, errors, paging.
//!
//! A feature names nothing else of the outside: not the gateway that calls it, not the broker,
//! not its siblings.

mod access;
mod app;
mod audit;
mod cx;
mod device_log;
mod devices;
mod dialect;
mod endpoint;
mod error;
mod hooks;
pub mod kinds;
mod limits;
mod mqtt_door;
mod outbox;
mod paging;
mod rate;
mod raw;
mod record;
pub mod retry;
mod schedule;
pub mod tags;
mod tenants;

pub use access::{AccessKey, AccessKeys};
pub use app::{App, Settings};
pub use audit::{Audit, AuditRecord};
pub use cx::{Caller, Cx};
pub use device_log::{DeviceEvent, DeviceLog, DeviceStatus, LogBudget, LogLevel, RuleEvent};
pub use devices::{
    Authenticator, BoundThing, Knock, Login, Permissions, PolicySource, Principal, PrincipalKind,
    Refusal, Rights, Things, Wish,
};
pub use dialect::{Dialect, RefusalV311};
pub use endpoint::{Endpoint, Feature, Output};
pub use error::ApiError;
pub use hooks::{
    Answer, Audience, ClientState, HeardMessage, Hooks, OutgoingMessage, Publisher, Reach,
    ReservedMessage, ReservedTopic, Sender, Sessions, Slot, Tap,
};
pub use limits::{LimitError, Limits, Profile};
pub use mqtt_door::{ByteStream, MqttDoor, Visitor};
pub use outbox::{Outbox, Posted};
pub use paging::{Cursor, Listing, PageRequest};
pub use rate::{Bucket, SharedRate};
pub use raw::{Access, RawRequest, RawResponse, RawRoute, RouteMatch};
pub use record::{decode, encode};
pub use schedule::{Coming, OnDue, Schedule, Timer, TimerKind};
pub use tenants::Tenants;

/// A future that a table of endpoints can hold.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

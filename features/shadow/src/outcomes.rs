//! How requests end: how many of each, and what the device log says of those that are refused.

use metrics::{Counter, counter};
use service::{App, DeviceEvent, ReservedMessage, SharedRate};
use tokio::time::Instant;

use crate::name::ShadowName;
use crate::refusal::Refusal;

/// Entries of the device log that one client's requests may fill in a second.
const CLIENT_ENTRIES_PER_SECOND_MAX: u32 = 10;

/// What is asked of a shadow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Get,
    Update,
    Delete,
}

impl Asked {
    /// By the last level of its topic.
    pub(crate) fn of(message: &str) -> Option<Self> {
        match message {
            "get" => Some(Self::Get),
            "update" => Some(Self::Update),
            "delete" => Some(Self::Delete),
            _ => None,
        }
    }

    /// As AWS's operations, events and metrics call it.
    fn operation(self) -> &'static str {
        match self {
            Self::Get => "GetThingShadow",
            Self::Update => "UpdateThingShadow",
            Self::Delete => "DeleteThingShadow",
        }
    }
}

/// What requests came to.
pub(crate) struct Outcomes {
    get: Doors,
    update: Doors,
    delete: Doors,
    /// Keeps the refusals of one client from filling the device log.
    logged: SharedRate,
}

struct Doors {
    http: Ends,
    mqtt: Ends,
}

/// Handles that are looked up once.
struct Ends {
    accepted: Counter,
    rejected: Counter,
}

impl Outcomes {
    pub(crate) fn new() -> Self {
        Self {
            get: Doors::of(Asked::Get),
            update: Doors::of(Asked::Update),
            delete: Doors::of(Asked::Delete),
            logged: SharedRate::new(0, CLIENT_ENTRIES_PER_SECOND_MAX, Instant::now()),
        }
    }

    /// Counts a request over HTTP. What the device log has of it is the gateway's to say.
    pub(crate) fn over_http<T>(
        &self,
        asked: Asked,
        done: Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.doors(asked).http.count(done.is_ok());
        done
    }

    /// Counts a request over MQTT, and logs it if it was refused.
    pub(crate) fn over_mqtt<T>(
        &self,
        app: &App,
        (asked, name): (Asked, &ShadowName),
        message: &ReservedMessage,
        done: Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.doors(asked).mqtt.count(done.is_ok());
        if let Err(refusal) = &done {
            self.log(app, (asked, name), message, refusal);
        }
        done
    }

    fn doors(&self, asked: Asked) -> &Doors {
        match asked {
            Asked::Get => &self.get,
            Asked::Update => &self.update,
            Asked::Delete => &self.delete,
        }
    }

    fn log(
        &self,
        app: &App,
        (asked, name): (Asked, &ShadowName),
        message: &ReservedMessage,
        refusal: &Refusal,
    ) {
        let sender = &message.sender;
        let client = sender.client_id.as_deref().unwrap_or_default();
        if !self.logged.take_of(client, Instant::now()) {
            return;
        }
        let details = refusal.message.clone();
        app.device_log.record(DeviceEvent {
            account_id: Some(message.tenant.account.to_string()),
            region: Some(message.tenant.region.to_string()),
            client_id: sender.client_id.clone(),
            principal_id: sender.principal_id.clone(),
            topic_name: Some(message.topic.clone()),
            device_shadow_name: Some(name.label()),
            ..DeviceEvent::failure(asked.operation(), refusal.reason(), details)
        });
    }
}

impl Doors {
    fn of(asked: Asked) -> Self {
        let ends = |protocol| {
            let counter = |status| {
                counter!(
                    "ferrite_shadow_requests_total",
                    "operation" => asked.operation(), "protocol" => protocol, "status" => status
                )
            };
            Ends { accepted: counter("accepted"), rejected: counter("rejected") }
        };
        Self { http: ends("HTTP"), mqtt: ends("MQTT") }
    }
}

impl Ends {
    fn count(&self, is_accepted: bool) {
        let counter = if is_accepted { &self.accepted } else { &self.rejected };
        counter.increment(1);
    }
}

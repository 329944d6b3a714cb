//! What the clients of one account and region may do in a second, and calls that are about them.

use service::{ApiError, Limits, SharedRate};
use tokio::time::Instant;

/// The rates of one tenant.
#[derive(Debug)]
pub(crate) struct Quotas {
    pub(crate) connects: SharedRate,
    pub(crate) subscriptions: SharedRate,
    get_connection: SharedRate,
    delete_connection: SharedRate,
    list_subscriptions: SharedRate,
    direct_messages: SharedRate,
}

/// A call about a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    GetConnection,
    DeleteConnection,
    ListSubscriptions,
    SendDirectMessage,
}

impl Quotas {
    /// As `limits` have them.
    pub(crate) fn new(limits: &Limits) -> Self {
        let now = Instant::now();
        let calls = || {
            let (all, each) =
                (limits.connection_calls_per_s, limits.connection_calls_per_client_per_s);
            SharedRate::new(all, each, now)
        };
        let (connects, per_client) =
            (limits.mqtt_connects_per_s, limits.mqtt_connects_per_client_per_s);
        Self {
            connects: SharedRate::new(connects, per_client, now),
            subscriptions: SharedRate::new(limits.mqtt_subscriptions_per_s, 0, now),
            get_connection: calls(),
            delete_connection: calls(),
            list_subscriptions: calls(),
            direct_messages: SharedRate::new(limits.direct_messages_per_s, 0, now),
        }
    }

    /// Refuses a call about a client that comes too soon after others like it.
    pub(crate) fn check(&self, call: Call, client_id: &str) -> Result<(), ApiError> {
        let rate = match call {
            Call::GetConnection => &self.get_connection,
            Call::DeleteConnection => &self.delete_connection,
            Call::ListSubscriptions => &self.list_subscriptions,
            Call::SendDirectMessage => &self.direct_messages,
        };
        let now = Instant::now();
        let throttled = |why: String| Err(ApiError::new("ThrottlingException", why));
        if !rate.take_of_all(now) {
            return throttled(format!("{call:?} is called too often in this account."));
        }
        if !rate.take_of(client_id, now) {
            return throttled(format!("{call:?} is called too often for the client {client_id}."));
        }
        Ok(())
    }
}

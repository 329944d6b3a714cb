//! Hears what features publish, in place of the broker.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::Value;
use service::{ApiError, BoxFuture, OutgoingMessage, Publisher, Reach};
use types::Tenant;

use crate::Server;

/// Takes messages instead of the broker, for as long as it lives.
pub struct Ear {
    heard: Mutex<Vec<(Tenant, OutgoingMessage)>>,
    reach: Reach,
}

impl Publisher for Ear {
    fn reach(&self, _: &Tenant, _: &str) -> Reach {
        self.reach
    }

    fn publish<'a>(
        &'a self,
        tenant: &'a Tenant,
        message: OutgoingMessage,
    ) -> BoxFuture<'a, Result<(), ApiError>> {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push((tenant.clone(), message));
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Ear {
    /// Listens on `server`, which has no broker.
    pub fn at(server: &Server) -> Arc<Self> {
        Self::reaching(server, Reach::Kept)
    }

    /// Listens on `server` and says that so many would have messages.
    pub fn reaching(server: &Server, reach: Reach) -> Arc<Self> {
        let ear = Arc::new(Self { heard: Mutex::default(), reach });
        let publisher: Arc<dyn Publisher> = ear.clone();
        let publisher: Weak<dyn Publisher> = Arc::downgrade(&publisher);
        server.app().publisher.set(publisher);
        ear
    }

    /// What was published since the last look, and for whom.
    pub fn heard(&self) -> Vec<(Tenant, OutgoingMessage)> {
        std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The topics and contents of what was published since the last look, which have to be JSON.
    pub fn told(&self) -> Vec<(String, Value)> {
        let read = |(_, message): (Tenant, OutgoingMessage)| {
            let contents = serde_json::from_slice(&message.payload);
            (message.topic, contents.expect("a feature publishes JSON"))
        };
        self.heard().into_iter().map(read).collect()
    }
}

//! What actions and functions of rules reach beyond the message.

use std::sync::{Arc, OnceLock, Weak};

use service::App;
use sql::Request;
use types::Tenant;

use super::heard::Heard;
use crate::Outside;
use crate::live::Live;

/// The parts of the server, and of what is outside, that rules reach.
pub(crate) struct World {
    /// The server.
    pub(crate) app: Arc<App>,
    /// What is outside of it.
    pub(crate) outside: Outside,
    /// Rules and destinations as the API has them; made after the engine.
    pub(crate) live: OnceLock<Weak<Live>>,
}

impl World {
    /// Whether a destination wants messages of rules.
    pub(crate) fn may_send_to(&self, tenant: &Tenant, confirmation_url: &str) -> bool {
        let live = self.live.get().and_then(Weak::upgrade);
        live.is_some_and(|live| live.tenant(tenant.id).may_send_to(confirmation_url))
    }

    /// The answer to what a statement asks for, or why there is none.
    pub(crate) async fn answer(
        &self,
        _heard: &Heard,
        request: &Request,
    ) -> Result<Vec<u8>, String> {
        let _ = &self.app;
        Err(format!("{request:?} is not built yet"))
    }
}

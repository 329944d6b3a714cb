//! What actions and functions of rules reach beyond the message.

use std::sync::Arc;

use service::App;
use sql::Request;

use super::heard::Heard;
use crate::Outside;

/// The parts of the server, and of what is outside, that rules reach.
pub(crate) struct World {
    /// The server.
    pub(crate) app: Arc<App>,
    /// What is outside of it.
    pub(crate) outside: Outside,
}

impl World {
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

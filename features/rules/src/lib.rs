//! Topic rules: what is to be done with messages, and where they may be sent.
//!
//! Rules and destinations are kept by the API's operations, and held in memory, current with the
//! store, for whoever runs them.

mod actions;
mod confirmation;
mod courier;
mod destinations;
mod engine;
mod live;
mod rules;
mod statement;
mod store;
mod template;
mod validation;

pub use confirmation::{Courier, Question};

use std::sync::Arc;

use journal::Recovered;
use service::{ApiError, App, Feature, Hooks};

use crate::confirmation::Confirmations;
pub use crate::engine::Durability;
use crate::engine::Engine;
use crate::engine::ingest::BasicIngest;
use crate::engine::tap::RuleTap;
use crate::live::Live;

/// Topic rules, run.
pub struct Rules {
    live: Arc<Live>,
    engine: Arc<Engine>,
}

impl Rules {
    /// Starts to run the rules that the store has; `courier` asks destinations whether they want
    /// messages. Must be called inside the tokio runtime that is to run it.
    pub fn start(app: &Arc<App>, durability: Durability, courier: Arc<dyn Courier>) -> Self {
        Confirmations::start(app, courier);
        let engine = Engine::start(app, durability);
        let live = Live::start(app, &engine);
        app.taggable.add("rule", store::rules::key);
        Self { live, engine }
    }

    /// Goes on with the messages that waited for rules when the server started, and takes them out
    /// of what waited for anybody.
    ///
    /// # Errors
    ///
    /// The rules cannot be read.
    pub async fn recover(&self, waiting: &mut Recovered) -> Result<(), ApiError> {
        self.live.catch_up().await?;
        self.engine.recover(waiting);
        Ok(())
    }

    /// Everything that rules serve.
    pub fn feature(&self) -> Feature {
        let endpoints = [rules::endpoints(&self.live), destinations::endpoints(&self.live)];
        let endpoints = endpoints.into_iter().flatten().collect();
        let hooks = Hooks {
            reserved: vec![Arc::new(BasicIngest(Arc::clone(&self.engine)))],
            taps: vec![Arc::new(RuleTap(Arc::clone(&self.engine)))],
        };
        Feature { endpoints, raw_routes: vec![confirmation::link(&self.live)], hooks }
    }
}

/// Everything that rules serve, kept on disk, without what waits.
pub fn feature(app: &Arc<App>, courier: Arc<dyn Courier>) -> Feature {
    Rules::start(app, Durability::Disk, courier).feature()
}

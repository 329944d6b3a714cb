//! Topic rules: what is to be done with messages, and where they may be sent.
//!
//! Rules and destinations are kept by the API's operations, and held in memory, current with the
//! store, for whoever runs them.

mod actions;
mod bench;
mod browse;
mod confirmation;
mod courier;
mod dead_letters;
mod destinations;
mod engine;
mod live;
mod outside;
mod rates;
mod rules;
mod statement;
mod store;
mod template;
mod validation;

pub use confirmation::{Courier, Question};
pub use outside::{Outside, OutsideError, Places};

use std::sync::Arc;

use journal::Recovered;
use service::{ApiError, App, Endpoint, Feature, Hooks};

use crate::confirmation::Confirmations;
use crate::engine::Engine;
use crate::engine::ingest::BasicIngest;
use crate::engine::recent::RecentTap;
use crate::engine::tap::RuleTap;
pub use crate::engine::{Durability, RuleSettings};
use crate::live::Live;

/// Topic rules, run. Clones are the same.
#[derive(Clone)]
pub struct Rules {
    live: Arc<Live>,
    engine: Arc<Engine>,
}

impl Rules {
    /// Starts to run the rules that the store has. Must be called inside the tokio runtime that is
    /// to run them.
    pub fn start(app: &Arc<App>, settings: RuleSettings, outside: Outside) -> Self {
        Confirmations::start(app, Arc::clone(&outside.courier));
        let engine = Engine::start(app, settings, outside);
        let live = Live::start(app, &engine);
        engine.world.live.get_or_init(|| Arc::downgrade(&live));
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

    /// Empties what stands for AWS's services, after the store was emptied.
    ///
    /// # Errors
    ///
    /// Objects cannot be removed.
    pub async fn reset(&self) -> Result<(), ApiError> {
        self.engine.recount_all_dead_letters();
        self.engine.recent.clear();
        let wiped = self.engine.world.outside.targets.wipe().await;
        wiped.map_err(ApiError::internal)
    }

    /// Has functions of SQL ask the operations among `endpoints` that they need.
    pub fn ask<'e>(&self, endpoints: impl IntoIterator<Item = &'e Endpoint>) {
        self.engine.world.set_operations(endpoints);
    }

    /// Everything that rules serve.
    pub fn feature(&self) -> Feature {
        let endpoints = [rules::endpoints(&self.live), destinations::endpoints(&self.live)];
        let endpoints = endpoints.into_iter().flatten().collect();
        let hooks = Hooks {
            reserved: vec![Arc::new(BasicIngest(Arc::clone(&self.engine)))],
            taps: vec![
                Arc::new(RuleTap(Arc::clone(&self.engine))),
                Arc::new(RecentTap(Arc::clone(&self.engine))),
            ],
        };
        let mut raw_routes = vec![confirmation::link(&self.live)];
        raw_routes.push(bench::route(&self.engine));
        raw_routes.push(browse::route(&self.engine));
        raw_routes.extend(dead_letters::routes(&self.engine));
        Feature { endpoints, raw_routes, hooks }
    }
}

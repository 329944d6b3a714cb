//! Device shadows: what a thing should be and what it says that it is, kept while it is away.
//!
//! One shadow's changes come one after the other. What is accepted is durable, and told to whoever
//! subscribes, through whichever door it came.

mod document;
#[cfg(test)]
mod examples;
mod history;
mod json;
mod messages;
#[cfg(test)]
mod model;
mod name;
pub mod offline;
mod operations;
mod outcomes;
mod rates;
mod refusal;
mod request;
mod shadows;
mod store;
mod telling;
mod times;
mod topics;
mod turns;

use std::sync::Arc;

use service::{App, Feature, Hooks, Things};

use crate::shadows::Shadows;
use crate::topics::ShadowTopics;

/// Everything that shadows serve. Must be called inside the tokio runtime that is to run it.
pub fn feature(app: &Arc<App>) -> Feature {
    of(&Shadows::start(app, None))
}

/// The same, but a thing that `things` does not know has no shadow that could be read or updated.
pub fn feature_of_registered(app: &Arc<App>, things: Arc<dyn Things>) -> Feature {
    of(&Shadows::start(app, Some(things)))
}

fn of(shadows: &Arc<Shadows>) -> Feature {
    let endpoints = operations::endpoints(shadows);
    let hooks =
        Hooks { reserved: vec![Arc::new(ShadowTopics(Arc::clone(shadows)))], ..Hooks::default() };
    Feature { endpoints, raw_routes: vec![history::route()], hooks }
}

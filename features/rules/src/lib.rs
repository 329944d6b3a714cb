//! Topic rules: what is to be done with messages, and where they may be sent.
//!
//! Rules and destinations are kept by the API's operations, and held in memory, current with the
//! store, for whoever runs them.

mod confirmation;
mod destinations;
mod live;
mod rules;
mod statement;
mod store;
mod template;
mod validation;

pub use confirmation::{Courier, Question};

use std::sync::Arc;

use service::{App, Feature};

use crate::confirmation::Confirmations;
use crate::live::Live;

/// Everything that rules serve; `courier` asks destinations whether they want messages. Must be
/// called inside the tokio runtime that is to run it.
pub fn feature(app: &Arc<App>, courier: Arc<dyn Courier>) -> Feature {
    Confirmations::start(app, courier);
    let live = Live::start(app);
    app.taggable.add("rule", store::rules::key);
    let endpoints = [rules::endpoints(&live), destinations::endpoints(&live)];
    let endpoints = endpoints.into_iter().flatten().collect();
    Feature { endpoints, raw_routes: vec![confirmation::link(&live)], ..Feature::default() }
}

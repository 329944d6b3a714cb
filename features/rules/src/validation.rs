//! What a rule may be, beyond what the model says of its members.

mod actions;
mod http;

use model::iot::{Action, TopicRulePayload};
use service::{ApiError, Limits};

use crate::statement;
use actions::Place;
pub(crate) use http::check_url;

/// A definition that may be kept.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The filter that its statement names.
    pub(crate) topic_pattern: Option<String>,
    /// URLs that have to confirm, once each, before its `http` actions send there.
    pub(crate) confirmation_urls: Vec<String>,
}

/// Checks a whole definition.
pub(crate) fn check(payload: &TopicRulePayload, limits: &Limits) -> Result<Checked, ApiError> {
    let bytes = serde_json::to_vec(payload).map_err(ApiError::internal)?.len();
    if bytes > limits.topic_rule_bytes_max {
        return Err(ApiError::invalid(format!(
            "The rule has {bytes} bytes; it can have at most {}.",
            limits.topic_rule_bytes_max
        )));
    }
    let statement = statement::read(payload)?;
    actions::check_roles("sql", statement.roles())?;
    for (place, action) in places(payload) {
        actions::check(place, action, &statement, limits)?;
    }
    let mut confirmation_urls: Vec<String> =
        places(payload).filter_map(|(_, action)| http::confirmation_url(action)).collect();
    confirmation_urls.sort_unstable();
    confirmation_urls.dedup();
    let topic_pattern = statement.topic().map(str::to_owned);
    Ok(Checked { topic_pattern, confirmation_urls })
}

/// Each action, the error action last.
fn places(payload: &TopicRulePayload) -> impl Iterator<Item = (Place, &Action)> {
    let numbered = (1_usize..).zip(&payload.actions);
    let actions = numbered.map(|(number, action)| (Place::Action(number), action));
    actions.chain(payload.error_action.iter().map(|action| (Place::Error, action)))
}

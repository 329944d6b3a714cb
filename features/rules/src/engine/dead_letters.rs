//! What no action has taken, kept within bounds.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use metrics::counter;
use serde_json::value::RawValue;
use service::ApiError;
use store::Key;
use types::{Tenant, TenantId};

use super::Engine;
use super::heard::Heard;
use super::log::Happening;
use super::rule::Rule;
use crate::store::dead_letters::{self, DeadLetter};

/// Bits of an id that count what came in the same millisecond, by chance.
const CHANCE_BITS: u32 = 20;

/// What is answered where a rule has as many as it may.
const TOO_MANY: &str = "LimitExceededException";

/// How many dead letters rules have, as far as that was asked.
#[derive(Default)]
pub(crate) struct Counts(Mutex<HashMap<(TenantId, String), usize>>);

impl Engine {
    /// Keeps for a person what no action has taken; whether there is no more to do for it. The oldest
    /// are kept where there are too many, and the message is lost then.
    pub(super) async fn bury(&self, rule: &Rule, heard: &Heard, document: String) -> bool {
        let Err(error) = self.try_to_bury(rule, heard, document).await else { return true };
        let details = format!("its dead letter was not kept: {error}");
        self.tell(rule, heard, Happening::failure("DeadLetterFailure", details));
        error.code == TOO_MANY
    }

    async fn try_to_bury(
        &self,
        rule: &Rule,
        heard: &Heard,
        document: String,
    ) -> Result<(), ApiError> {
        let app = &self.world.app;
        let most = app.limits.rule_dead_letters_max;
        let count = self.dead_letters(&rule.tenant, &rule.name).await?;
        if count >= most {
            let message = format!("the rule has {most} dead letters already");
            return Err(ApiError::new(TOO_MANY, message));
        }
        let mut bytes = Vec::new();
        heard.encode(&mut bytes);
        let document = RawValue::from_string(document).map_err(ApiError::internal)?;
        let letter = DeadLetter::new(self.now(), document, STANDARD.encode(bytes));
        let key = dead_letters::key(&rule.tenant, &rule.name, self.next_id());
        dead_letters::put(app, key, &letter).await?;
        counter!("ferrite_rule_dead_letters_total").increment(1);
        self.count_dead_letters(&rule.tenant, &rule.name, |count| count + 1);
        Ok(())
    }

    /// A dead letter was taken at last.
    pub(crate) async fn dig_up(&self, rule: &Rule, key: Key) {
        match dead_letters::delete(&self.world.app, key).await {
            Ok(()) => {
                self.count_dead_letters(&rule.tenant, &rule.name, |count| count.saturating_sub(1));
            }
            Err(error) => tracing::warn!(rule = rule.name, %error, "a dead letter was not removed"),
        }
    }

    /// Forgets how many there are, after some were removed by somebody.
    pub(crate) fn recount_dead_letters(&self, tenant: &Tenant, rule: &str) {
        self.dead_letters.lock().remove(&(tenant.id, rule.to_owned()));
    }

    /// As [`Engine::recount_dead_letters`], for all rules.
    pub(crate) fn recount_all_dead_letters(&self) {
        self.dead_letters.lock().clear();
    }

    /// How many dead letters a rule has.
    async fn dead_letters(&self, tenant: &Tenant, rule: &str) -> Result<usize, ApiError> {
        let name = (tenant.id, rule.to_owned());
        if let Some(count) = self.dead_letters.lock().get(&name) {
            return Ok(*count);
        }
        let app = &self.world.app;
        let count =
            dead_letters::count(app, tenant, rule, app.limits.rule_dead_letters_max).await?;
        self.dead_letters.lock().insert(name, count);
        Ok(count)
    }

    fn count_dead_letters(&self, tenant: &Tenant, rule: &str, of: impl FnOnce(usize) -> usize) {
        if let Some(count) = self.dead_letters.lock().get_mut(&(tenant.id, rule.to_owned())) {
            *count = of(*count);
        }
    }

    /// The time, and a little chance.
    fn next_id(&self) -> u64 {
        let millis = u64::try_from(self.now().millis()).unwrap_or_default();
        let chance = u64::from(u32::from_be_bytes(self.world.app.env.random.bytes()));
        millis << CHANCE_BITS | chance >> (u32::BITS - CHANCE_BITS)
    }
}

impl Counts {
    fn lock(&self) -> MutexGuard<'_, HashMap<(TenantId, String), usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! How often shadows may be asked for, in an account and of one thing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use service::{Limits, SharedRate};
use tokio::time::Instant;
use types::TenantId;

use crate::refusal::Refusal;

/// The rates of all tenants, which are few.
pub(crate) struct Rates {
    account_per_s: u32,
    thing_per_s: u32,
    tenants: Mutex<HashMap<TenantId, Arc<SharedRate>>>,
}

impl Rates {
    /// As `limits` have them.
    pub(crate) fn new(limits: &Limits) -> Self {
        let Limits { shadow_requests_per_s, shadow_requests_per_thing_per_s, .. } = *limits;
        let (account_per_s, thing_per_s) = (shadow_requests_per_s, shadow_requests_per_thing_per_s);
        Self { account_per_s, thing_per_s, tenants: Mutex::default() }
    }

    /// Refuses a request that comes too soon after others. One that is refused for its thing's sake
    /// takes nothing from others of the account.
    pub(crate) fn take(&self, tenant: TenantId, thing: &str) -> Result<(), Refusal> {
        if self.account_per_s == 0 && self.thing_per_s == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let rate = self.of(tenant, now);
        let may = rate.take_of(thing, now) && rate.take_of_all(now);
        if may { Ok(()) } else { Err(Refusal::throttled()) }
    }

    fn of(&self, tenant: TenantId, now: Instant) -> Arc<SharedRate> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(SharedRate::new(self.account_per_s, self.thing_per_s, now));
        Arc::clone(tenants.entry(tenant).or_insert_with(new))
    }
}

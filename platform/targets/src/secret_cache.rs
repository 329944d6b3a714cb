//! Secrets that were read lately, so that not every message asks for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use types::{TenantId, Timestamp};

use crate::{Caller, SecretValue};

/// For how long a secret is taken for what it was: as long as AWS's rules engine does at most.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(15 * 60);
/// Secrets that are remembered; the oldest goes first.
const SECRETS_MAX: usize = 256;

/// What was read lately, by who asked for it.
#[derive(Default)]
pub(crate) struct SecretCache(Mutex<HashMap<Asked, Read>>);

#[derive(PartialEq, Eq, Hash)]
struct Asked {
    tenant: TenantId,
    role: Option<String>,
    secret_id: String,
}

struct Read {
    value: Arc<SecretValue>,
    at: Timestamp,
}

impl SecretCache {
    pub(crate) fn get(
        &self,
        caller: &Caller,
        secret_id: &str,
        now: Timestamp,
    ) -> Option<Arc<SecretValue>> {
        let all = self.lock();
        let read = all.get(&asked(caller, secret_id)).filter(|read| read.is_good(now))?;
        Some(Arc::clone(&read.value))
    }

    /// Remembers what was asked for at `at`.
    pub(crate) fn keep(
        &self,
        caller: &Caller,
        secret_id: &str,
        at: Timestamp,
        value: SecretValue,
    ) -> Arc<SecretValue> {
        let mut all = self.lock();
        let asked = asked(caller, secret_id);
        if all.len() >= SECRETS_MAX && !all.contains_key(&asked) {
            let oldest = all.values().map(|read| read.at).min().unwrap_or(at);
            all.retain(|_, read| read.is_good(at) && read.at > oldest);
        }
        let value = Arc::new(value);
        all.insert(asked, Read { value: Arc::clone(&value), at });
        value
    }

    pub(crate) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Asked, Read>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read {
    /// A clock that was set back makes nothing last longer.
    fn is_good(&self, now: Timestamp) -> bool {
        now >= self.at && now.since(self.at) < READ_AGAIN_AFTER
    }
}

fn asked(caller: &Caller, secret_id: &str) -> Asked {
    Asked {
        tenant: caller.tenant.id,
        role: caller.role_arn.clone(),
        secret_id: secret_id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use types::Tenant;

    use super::*;

    fn caller(tenant: u32, role: Option<&str>) -> Caller {
        let account = "123456789012".parse().unwrap();
        let region = "us-east-1".parse().unwrap();
        let tenant = Tenant { id: TenantId(tenant), account, region };
        Caller { tenant, role_arn: role.map(str::to_owned) }
    }

    fn value(text: &str) -> SecretValue {
        SecretValue::Text(text.to_owned().into())
    }

    #[test]
    fn a_secret_is_kept_for_a_while_and_for_whoever_asked() {
        let (cache, one) = (SecretCache::default(), caller(1, Some("r")));
        let at = Timestamp::from_secs;
        cache.keep(&one, "s", at(1000), value("word"));
        assert_eq!(*cache.get(&one, "s", at(1899)).unwrap(), value("word"));
        assert!(cache.get(&one, "s", at(1900)).is_none(), "a quarter of an hour later");
        assert!(cache.get(&one, "s", at(999)).is_none(), "the clock was set back");
        assert!(cache.get(&one, "other", at(1000)).is_none());
        assert!(cache.get(&caller(2, Some("r")), "s", at(1000)).is_none());
        assert!(cache.get(&caller(1, None), "s", at(1000)).is_none());
        cache.forget();
        assert!(cache.get(&one, "s", at(1000)).is_none());
    }

    #[test]
    fn the_oldest_goes_where_there_are_too_many() {
        let (cache, one) = (SecretCache::default(), caller(1, None));
        let at = |number: usize| Timestamp::from_secs(i64::try_from(number).unwrap());
        for number in 0..=SECRETS_MAX {
            cache.keep(&one, &number.to_string(), at(number), value("word"));
            cache.keep(&one, &number.to_string(), at(number), value("word"));
        }
        assert_eq!(cache.lock().len(), SECRETS_MAX);
        assert!(cache.get(&one, "0", at(SECRETS_MAX)).is_none());
        assert!(cache.get(&one, "1", at(SECRETS_MAX)).is_some());
    }
}

//! Access keys that are ready in memory.
//!
//! A key enters when it is looked up and leaves when the store's feed tells of a change, or at
//! once when this server changes it. While the feed cannot be read, nothing here is believed.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use service::AccessKey;

/// Keys kept; beyond that all are forgotten and looked up anew.
const KEYS_MAX: usize = 10_000;

/// The keys, and whether they may be believed.
#[derive(Default)]
pub(crate) struct Cache(RwLock<Known>);

#[derive(Default)]
struct Known {
    keys: HashMap<String, Arc<AccessKey>>,
    is_trusted: bool,
    generation: Generation,
}

/// Counts what was forgotten, so that what was read before is not remembered after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Generation(u64);

impl Cache {
    /// The key, or the generation that its reader is to remember it under.
    pub(crate) fn find(&self, id: &str) -> Result<Arc<AccessKey>, Generation> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = known.keys.get(id).filter(|_| known.is_trusted);
        found.cloned().ok_or(known.generation)
    }

    /// Keeps a key that was read since `generation`, unless something was forgotten meanwhile.
    pub(crate) fn remember(&self, key: &Arc<AccessKey>, generation: Generation) {
        self.change(|known| {
            if !known.is_trusted || known.generation != generation {
                return;
            }
            if known.keys.len() >= KEYS_MAX {
                known.keys.clear();
            }
            known.keys.insert(key.id.clone(), Arc::clone(key));
        });
    }

    /// Forgets one key.
    pub(crate) fn forget(&self, id: &str) {
        self.change(|known| {
            known.generation.0 += 1;
            known.keys.remove(id);
        });
    }

    /// Forgets everything, and whether to believe what comes from now on.
    pub(crate) fn forget_all(&self, is_trusted: bool) {
        self.change(|known| {
            known.generation.0 += 1;
            known.keys.clear();
            known.is_trusted = is_trusted;
        });
    }

    fn change(&self, act: impl FnOnce(&mut Known)) {
        act(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use types::{AccountId, Secret};

    use super::*;

    fn key(id: &str) -> Arc<AccessKey> {
        Arc::new(AccessKey {
            id: id.to_owned(),
            secret: Secret::from("s".to_owned()),
            account: AccountId::DEFAULT,
            arn: String::new(),
            user_id: String::new(),
            policy: None,
        })
    }

    fn trusted() -> Cache {
        let cache = Cache::default();
        cache.forget_all(true);
        cache
    }

    #[test]
    fn a_key_is_found_until_it_is_forgotten() {
        let cache = trusted();
        let generation = cache.find("a").unwrap_err();
        cache.remember(&key("a"), generation);
        assert_eq!(cache.find("a").unwrap().id, "a");
        cache.forget("a");
        assert!(cache.find("a").is_err());
    }

    #[test]
    fn what_was_read_before_a_change_is_not_remembered_after_it() {
        let cache = trusted();
        let generation = cache.find("a").unwrap_err();
        cache.forget("a");
        cache.remember(&key("a"), generation);
        assert!(cache.find("a").is_err());
    }

    #[test]
    fn nothing_is_believed_without_the_feed() {
        let cache = trusted();
        cache.remember(&key("a"), cache.find("a").unwrap_err());
        cache.forget_all(false);
        cache.remember(&key("a"), cache.find("a").unwrap_err());
        assert!(cache.find("a").is_err());
    }
}

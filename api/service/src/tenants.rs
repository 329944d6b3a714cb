//! Tenants: every (account, region) pair gets a number when it is first used.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use store::{Batch, Direction, Entry, Key, KeyRange, Store, TransactError, Versioned};
use types::{AccountId, Region, Tenant, TenantId};

use crate::{ApiError, kinds};

/// Tenants that are read at once.
const PAGE: u32 = 500;

/// Finds the numbers of tenants and gives out new ones.
pub struct Tenants {
    store: Store,
    regions_per_account_max: usize,
    known: RwLock<HashMap<(AccountId, Region), TenantId>>,
}

impl Tenants {
    /// With the numbers that `store` keeps.
    pub fn new(store: Store, regions_per_account_max: usize) -> Self {
        Self { store, regions_per_account_max, known: RwLock::default() }
    }

    /// The tenant of `account` in `region`; its number lasts for ever.
    pub async fn find(&self, account: AccountId, region: Region) -> Result<Tenant, ApiError> {
        let pair = (account, region);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&pair).copied();
        let id = match known {
            Some(id) => id,
            None => self.load(&pair).await?,
        };
        let (account, region) = pair;
        Ok(Tenant { id, account, region })
    }

    /// Every tenant that there is.
    pub async fn all(&self) -> Result<Vec<Tenant>, ApiError> {
        let range = KeyRange::prefix(&Key::new(TenantId::GLOBAL, kinds::TENANT));
        let (mut tenants, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.scan(range.clone(), after, PAGE, Direction::Forward).await?;
            for entry in &page.entries {
                tenants.extend(tenant_of(entry)?);
            }
            match page.entries.last().filter(|_| page.has_more) {
                Some(last) => after = Some(last.key.clone()),
                None => return Ok(tenants),
            }
        }
    }

    /// Forgets what it knows, after the store was emptied.
    pub fn forget(&self) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    async fn load(&self, pair: &(AccountId, Region)) -> Result<TenantId, ApiError> {
        let used = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            known.keys().filter(|(account, _)| *account == pair.0).count()
        };
        if used >= self.regions_per_account_max {
            return Err(ApiError::limit_exceeded("The account uses too many regions."));
        }
        let (account, region) = (pair.0.as_str(), pair.1.as_str());
        let key = Key::new(TenantId::GLOBAL, kinds::TENANT).text(account).text(region);
        let counter = Key::new(TenantId::GLOBAL, kinds::TENANT_COUNTER);
        let keys = [key.clone(), counter.clone()];
        let given = self.store.transact(&keys, |found| give_number(&key, &counter, found)).await;
        let id = match given {
            Ok(id) => id,
            Err(TransactError::Refused(error)) => return Err(error),
            Err(TransactError::Commit(error)) => return Err(error.into()),
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(pair.clone(), id);
        Ok(id)
    }
}

/// The tenant of a record, if its key can be read.
fn tenant_of(entry: &Entry) -> Result<Option<Tenant>, ApiError> {
    let found = Versioned { value: entry.value.clone(), version: entry.version };
    let id = TenantId(crate::decode(&found)?);
    let mut key = entry.key.reader();
    let (account, region) = (key.text(), key.text());
    let pair = account.zip(region).and_then(|(account, region)| {
        Some((account.parse::<AccountId>().ok()?, region.parse::<Region>().ok()?))
    });
    Ok(pair.map(|(account, region)| Tenant { id, account, region }))
}

fn give_number(
    key: &Key,
    counter: &Key,
    found: &[Option<Versioned>],
) -> Result<(Batch, TenantId), ApiError> {
    let number = |slot: usize| -> Result<Option<u32>, ApiError> {
        found.get(slot).and_then(Option::as_ref).map(crate::decode).transpose()
    };
    if let Some(id) = number(0)? {
        return Ok((Batch::new(), TenantId(id)));
    }
    let id = number(1)?.unwrap_or(0) + 1;
    let mut batch = Batch::new();
    batch.put(key.clone(), crate::encode(&id));
    batch.put(counter.clone(), crate::encode(&id));
    Ok((batch, TenantId(id)))
}

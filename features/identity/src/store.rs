//! Where accounts and access keys lie in the store.
//!
//! An account's record counts its keys, and every change of a key rewrites it under the condition
//! that nobody else did: bounds and the last root key hold under any race.

use service::{ApiError, kinds};
use store::{Batch, Direction, Key, KeyRange, Sequence, Store, Versioned};
use types::{AccountId, TenantId};

use crate::access_key::StoredKey;
use crate::account::Account;

/// An account as it was read, to be written back over exactly that.
pub(crate) struct Read<T> {
    pub(crate) record: T,
    version: Sequence,
}

pub(crate) fn account_key(id: AccountId) -> Key {
    Key::new(TenantId::GLOBAL, kinds::ACCOUNT).text(id.as_str())
}

pub(crate) fn access_key_key(id: &str) -> Key {
    Key::new(TenantId::GLOBAL, kinds::ACCESS_KEY).text(id)
}

/// The id of the access key that lies at `key`, if one may lie there.
pub(crate) fn access_key_id(key: &Key) -> Option<String> {
    let all = KeyRange::prefix(&Key::new(TenantId::GLOBAL, kinds::ACCESS_KEY));
    if all.contains(key) { key.reader().text() } else { None }
}

fn keys_of(account: AccountId) -> Key {
    Key::new(TenantId::GLOBAL, kinds::ACCOUNT_ACCESS_KEY).text(account.as_str())
}

pub(crate) async fn account(
    store: &Store,
    id: AccountId,
) -> Result<Option<Read<Account>>, ApiError> {
    read(store.get(&account_key(id)).await?)
}

pub(crate) async fn access_key(
    store: &Store,
    id: &str,
) -> Result<Option<Read<StoredKey>>, ApiError> {
    read(store.get(&access_key_key(id)).await?)
}

/// All accounts, by id.
pub(crate) async fn accounts(store: &Store, max: usize) -> Result<Vec<Account>, ApiError> {
    let range = KeyRange::prefix(&Key::new(TenantId::GLOBAL, kinds::ACCOUNT));
    let page = store.scan(range, None, bound(max), Direction::Forward).await?;
    let parse = |value: &[u8]| serde_json::from_slice(value).map_err(ApiError::internal);
    page.entries.iter().map(|entry| parse(&entry.value)).collect()
}

/// All access keys of an account, by id.
pub(crate) async fn access_keys(
    store: &Store,
    account: AccountId,
    max: usize,
) -> Result<Vec<StoredKey>, ApiError> {
    let range = KeyRange::prefix(&keys_of(account));
    let page = store.scan(range, None, bound(max), Direction::Forward).await?;
    let ids = page.entries.iter().filter_map(|entry| id_of(&entry.key));
    let keys: Vec<Key> = ids.map(|id| access_key_key(&id)).collect();
    let found = store.get_many(&keys).await?;
    found.iter().flatten().map(service::decode).collect()
}

/// The batch that creates `account` with its first key.
pub(crate) fn create_account(account: Account, key: &StoredKey) -> Batch {
    let mut batch = Batch::new();
    batch.require_absent(account_key(account.id));
    put_key(&mut batch, account, key);
    batch
}

/// The batch that adds `key` to its account.
pub(crate) fn add_key(account: Read<Account>, key: &StoredKey) -> Batch {
    let mut batch = Batch::new();
    batch.require_version(account_key(account.record.id), account.version);
    put_key(&mut batch, account.record, key);
    batch
}

/// The batch that removes `key` from its account.
pub(crate) fn remove_key(account: Read<Account>, key: &Read<StoredKey>) -> Batch {
    let (mut account, version) = (account.record, account.version);
    let mut batch = Batch::new();
    batch.require_version(account_key(account.id), version);
    batch.require_version(access_key_key(&key.record.id), key.version);
    account.access_keys = account.access_keys.saturating_sub(1);
    account.root_keys = account.root_keys.saturating_sub(usize::from(key.record.is_root()));
    batch.put(account_key(account.id), service::encode(&account));
    batch.delete(access_key_key(&key.record.id));
    batch.delete(keys_of(account.id).text(&key.record.id));
    batch
}

fn put_key(batch: &mut Batch, mut account: Account, key: &StoredKey) {
    account.access_keys += 1;
    account.root_keys += usize::from(key.is_root());
    batch.require_absent(access_key_key(&key.id));
    batch.put(account_key(account.id), service::encode(&account));
    batch.put(access_key_key(&key.id), service::encode(key));
    batch.put(keys_of(account.id).text(&key.id), Vec::new());
}

fn id_of(index: &Key) -> Option<String> {
    let mut fields = index.reader();
    fields.text()?;
    fields.text()
}

fn read<T: serde::de::DeserializeOwned>(
    found: Option<Versioned>,
) -> Result<Option<Read<T>>, ApiError> {
    let Some(found) = found else { return Ok(None) };
    Ok(Some(Read { record: service::decode(&found)?, version: found.version }))
}

fn bound(max: usize) -> u32 {
    u32::try_from(max).unwrap_or(u32::MAX)
}

//! Tables in Ferrite's store: a record for each table, one for each item.
//!
//! A table is made by the first item that is written to it. Its keys are those of the settings,
//! else those that the request names. Where neither knows them, each distinct item is kept, under
//! its hash: nothing is lost, and what is delivered twice is there once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use env::Clock;
use serde::{Deserialize, Serialize};
use store::{Batch, CommitError, Direction, Key, KeyRange, Sequence, Store};
use types::{TenantId, Timestamp};

use super::Kinds;
use super::number::{NumberError, canonical};
use crate::attribute_value::{AttributeValue, Item, ItemKey, item_bytes};
use crate::{KeyType, Service, TableSettings, TargetError};

/// What one tenant has tables of.
pub(crate) struct Tables {
    store: Store,
    kinds: Kinds,
    clock: Clock,
    declared: HashMap<String, TableSettings>,
    tables_max: u32,
    /// Tables that were read lately. What is written demands that they are still so.
    known: Mutex<HashMap<(TenantId, String), Known>>,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its keys, first the partition key; none, if items are kept under their hash.
    pub keys: Vec<TableKey>,
    /// When it was made.
    pub created: Timestamp,
}

/// An attribute that items are found by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableKey {
    /// The attribute's name.
    pub name: String,
    /// The type that it must have.
    #[serde(rename = "type")]
    pub key_type: KeyType,
}

/// Some of a table's items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemPage {
    /// The items.
    pub items: Vec<Item>,
    /// Where the next page begins, if there is one.
    pub next: Option<Vec<u8>>,
}

#[derive(Clone)]
struct Known {
    table: Arc<Table>,
    version: Sequence,
}

/// Tables that are remembered.
const KNOWN_MAX: usize = 4096;
/// Tries of a write that meets others.
const TRIES_MAX: u32 = 16;
/// Bytes of an item, as of DynamoDB.
const ITEM_BYTES_MAX: usize = 400 * 1024;
/// Bytes of a partition key and of a sort key, as of DynamoDB.
const KEY_BYTES_MAX: [usize; 2] = [2048, 1024];
/// Items of a page.
const PAGE_MAX: u32 = 1000;

const SERVICE: Service = Service::DynamoDb;

impl Tables {
    pub(crate) fn new(
        store: Store,
        kinds: Kinds,
        clock: Clock,
        declared: HashMap<String, TableSettings>,
        tables_max: u32,
    ) -> Self {
        Self { store, kinds, clock, declared, tables_max, known: Mutex::default() }
    }

    /// Writes an item, in the place of the one with its keys. `keys` are those of the table, if
    /// the caller knows them.
    pub(crate) async fn put(
        &self,
        tenant: TenantId,
        table: &str,
        item: &Item,
        keys: &[String],
    ) -> Result<(), TargetError> {
        check_item(item)?;
        let json = serde_json::to_vec(item).expect("an item is JSON");
        for _ in 0..TRIES_MAX {
            let known = self.table(tenant, table, keys, item).await?;
            let mut batch = Batch::new();
            // A table that was removed and made anew may have other keys.
            batch.require_version(self.table_key(tenant, table), known.version);
            batch.put(self.item_key(tenant, &known.table, item)?, json.clone());
            match self.store.commit(batch).await {
                Ok(_) => return Ok(()),
                Err(CommitError::Conflict(_)) => self.forget(tenant, table),
                Err(error) => return Err(TargetError::of_commit(SERVICE, error)),
            }
        }
        Err(TargetError::unavailable(SERVICE, "The table changes all the time."))
    }

    /// Sets attributes of the item with these keys, which is made if it is not there.
    pub(crate) async fn update(
        &self,
        tenant: TenantId,
        table: &str,
        key: &ItemKey,
        set: &Item,
    ) -> Result<(), TargetError> {
        let (names, key) = parts(key);
        let known = self.table(tenant, table, &names, &key).await?;
        check_no_key(&known.table, set)?;
        let record = self.key_of(tenant, &known.table, &key)?;
        let updated = self.store.transact(std::slice::from_ref(&record), |found| {
            let mut item = match found.first().and_then(Option::as_ref) {
                Some(found) => read_item(&found.value)?,
                None => key.clone(),
            };
            item.extend(set.clone());
            check_item(&item)?;
            let mut batch = Batch::new();
            batch.put(record.clone(), serde_json::to_vec(&item).expect("an item is JSON"));
            Ok((batch, ()))
        });
        updated.await.map_err(|error| match error {
            store::TransactError::Refused(error) => error,
            store::TransactError::Commit(error) => TargetError::of_commit(SERVICE, error),
        })
    }

    /// Removes the item with these keys, if it is there.
    pub(crate) async fn delete(
        &self,
        tenant: TenantId,
        table: &str,
        key: &ItemKey,
    ) -> Result<(), TargetError> {
        let (names, key) = parts(key);
        let known = self.table(tenant, table, &names, &key).await?;
        let mut batch = Batch::new();
        batch.delete(self.key_of(tenant, &known.table, &key)?);
        let deleted = self.store.commit(batch).await;
        deleted.map(|_| ()).map_err(|error| TargetError::of_commit(SERVICE, error))
    }

    /// The item with these keys, if it is there.
    pub(crate) async fn get(
        &self,
        tenant: TenantId,
        table: &str,
        key: &ItemKey,
    ) -> Result<Option<Item>, TargetError> {
        let known = self.existing(tenant, table).await?;
        let record = self.key_of(tenant, &known.table, &parts(key).1)?;
        let found = self.store.get(&record).await;
        let found = found.map_err(|error| TargetError::of_store(SERVICE, error))?;
        found.map(|found| read_item(&found.value)).transpose()
    }

    /// At most `limit` items of a table, from the place that the page before told.
    pub(crate) async fn scan(
        &self,
        tenant: TenantId,
        table: &str,
        after: Option<Vec<u8>>,
        limit: u32,
    ) -> Result<ItemPage, TargetError> {
        self.existing(tenant, table).await?;
        let range = KeyRange::prefix(&Key::new(tenant, self.kinds.item).text(table));
        let after = after.map(Key::from_bytes);
        if after.as_ref().is_some_and(|after| !range.contains(after)) {
            return Err(invalid("The provided starting key is invalid"));
        }
        let page = self.store.scan(range, after, limit.min(PAGE_MAX), Direction::Forward).await;
        let page = page.map_err(|error| TargetError::of_store(SERVICE, error))?;
        let last = page.entries.last().filter(|_| page.has_more);
        let next = last.map(|entry| entry.key.as_bytes().to_vec());
        let items = page.entries.iter().map(|entry| read_item(&entry.value));
        Ok(ItemPage { items: items.collect::<Result<_, _>>()?, next })
    }

    /// At most `limit` tables whose names are behind `after`, and whether there are more.
    pub(crate) async fn list(
        &self,
        tenant: TenantId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Table>, bool), TargetError> {
        let parent = Key::new(tenant, self.kinds.table);
        let after = after.map(|name| parent.clone().text(name));
        let range = KeyRange::prefix(&parent);
        let page = self.store.scan(range, after, limit.min(PAGE_MAX), Direction::Forward).await;
        let page = page.map_err(|error| TargetError::of_store(SERVICE, error))?;
        let tables = page.entries.iter().map(|entry| read_table(&entry.value));
        Ok((tables.collect::<Result<_, _>>()?, page.has_more))
    }

    fn table_key(&self, tenant: TenantId, table: &str) -> Key {
        Key::new(tenant, self.kinds.table).text(table)
    }

    fn item_key(&self, tenant: TenantId, table: &Table, item: &Item) -> Result<Key, TargetError> {
        let mut key = Key::new(tenant, self.kinds.item).text(&table.name);
        if table.keys.is_empty() {
            let json = serde_json::to_vec(item).expect("an item is JSON");
            return Ok(key.bytes(&store_hash(&json)));
        }
        for (table_key, bytes_max) in table.keys.iter().zip(KEY_BYTES_MAX) {
            key = key.bytes(&key_bytes(table_key, item, bytes_max)?);
        }
        Ok(key)
    }

    /// To be called when the store was wiped.
    pub(crate) fn forget_all(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Where the item with these keys is, if these are all keys that the table has.
    fn key_of(&self, tenant: TenantId, table: &Table, key: &Item) -> Result<Key, TargetError> {
        if table.keys.is_empty() || table.keys.len() != key.len() {
            return Err(invalid("The provided key element does not match the schema"));
        }
        self.item_key(tenant, table, key)
    }

    /// The table, which is made if it is not there.
    async fn table(
        &self,
        tenant: TenantId,
        name: &str,
        keys: &[String],
        item: &Item,
    ) -> Result<Known, TargetError> {
        for _ in 0..TRIES_MAX {
            if let Some(known) = self.find(tenant, name).await? {
                return Ok(known);
            }
            check_table_name(name)?;
            self.check_room(tenant).await?;
            let table = self.new_table(name, keys, item)?;
            // An item that is refused makes no table.
            self.item_key(tenant, &table, item)?;
            let mut batch = Batch::new();
            let key = self.table_key(tenant, name);
            batch.require_absent(key.clone());
            batch.put(key, serde_json::to_vec(&table).expect("a table is JSON"));
            match self.store.commit(batch).await {
                Ok(version) => {
                    tell_of(&table);
                    let known = Known { table: Arc::new(table), version };
                    self.remember(tenant, &known);
                    return Ok(known);
                }
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(TargetError::of_commit(SERVICE, error)),
            }
        }
        Err(TargetError::unavailable(SERVICE, "The table changes all the time."))
    }

    async fn existing(&self, tenant: TenantId, name: &str) -> Result<Known, TargetError> {
        let known = self.find(tenant, name).await?;
        known.ok_or_else(|| {
            let message = "Requested resource not found";
            TargetError::refused(SERVICE, "ResourceNotFoundException", message)
        })
    }

    async fn find(&self, tenant: TenantId, name: &str) -> Result<Option<Known>, TargetError> {
        let at_hand = (tenant, name.to_owned());
        let known =
            self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&at_hand).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let found = self.store.get(&self.table_key(tenant, name)).await;
        let found = found.map_err(|error| TargetError::of_store(SERVICE, error))?;
        let Some(found) = found else { return Ok(None) };
        let table = Arc::new(read_table(&found.value)?);
        let known = Known { table, version: found.version };
        self.remember(tenant, &known);
        Ok(Some(known))
    }

    fn remember(&self, tenant: TenantId, known: &Known) {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KNOWN_MAX {
            all.clear();
        }
        all.insert((tenant, known.table.name.clone()), known.clone());
    }

    fn forget(&self, tenant: TenantId, name: &str) {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&(tenant, name.to_owned()));
    }

    async fn check_room(&self, tenant: TenantId) -> Result<(), TargetError> {
        let range = KeyRange::prefix(&Key::new(tenant, self.kinds.table));
        let page = self.store.scan(range, None, self.tables_max, Direction::Forward).await;
        let page = page.map_err(|error| TargetError::of_store(SERVICE, error))?;
        if page.entries.len() < self.tables_max as usize {
            return Ok(());
        }
        let message = format!(
            "Subscriber limit exceeded: there are {} tables, and the setting \
             targets.local.tables_max allows no more",
            page.entries.len()
        );
        Err(TargetError::refused(SERVICE, "LimitExceededException", message))
    }

    fn new_table(&self, name: &str, keys: &[String], item: &Item) -> Result<Table, TargetError> {
        let keys = match self.declared.get(name) {
            Some(declared) => declared_keys(declared),
            None => keys.iter().map(|key| named_key(key, item)).collect::<Result<_, _>>()?,
        };
        Ok(Table { name: name.to_owned(), keys, created: self.clock.now() })
    }
}

fn tell_of(table: &Table) {
    if table.keys.is_empty() {
        tracing::warn!(
            table = table.name,
            "a local table has no known keys, so each distinct item is kept; declare them under \
             targets.dynamodb.tables before anything is written"
        );
    }
}

fn parts(key: &ItemKey) -> (Vec<String>, Item) {
    (key.iter().map(|(name, _)| name.clone()).collect(), key.iter().cloned().collect())
}

fn declared_keys(declared: &TableSettings) -> Vec<TableKey> {
    let hash = TableKey { name: declared.hash_key.clone(), key_type: declared.hash_key_type };
    let range = declared.range_key.clone();
    let range = range.map(|name| TableKey { name, key_type: declared.range_key_type });
    std::iter::once(hash).chain(range).collect()
}

/// A key as the first item has it.
fn named_key(name: &str, item: &Item) -> Result<TableKey, TargetError> {
    let key_type = match item.get(name) {
        Some(AttributeValue::S(_)) => KeyType::S,
        Some(AttributeValue::N(_)) => KeyType::N,
        Some(AttributeValue::B(_)) => KeyType::B,
        Some(other) => {
            let actual = type_of(other);
            return Err(invalid(format!(
                "One or more parameter values were invalid: the key {name} is of type S, N or B, \
                 not {actual}"
            )));
        }
        None => return Err(missing_key(name)),
    };
    Ok(TableKey { name: name.to_owned(), key_type })
}

fn key_bytes(key: &TableKey, item: &Item, bytes_max: usize) -> Result<Vec<u8>, TargetError> {
    let name = &key.name;
    let bytes = match (item.get(name), key.key_type) {
        (None, _) => return Err(missing_key(name)),
        (Some(AttributeValue::S(text)), KeyType::S) => text.as_bytes().to_vec(),
        (Some(AttributeValue::B(bytes)), KeyType::B) => bytes.0.to_vec(),
        (Some(AttributeValue::N(number)), KeyType::N) => {
            canonical(number).map_err(|error| bad_number(number, error))?.into_bytes()
        }
        (Some(other), expected) => {
            return Err(invalid(format!(
                "One or more parameter values were invalid: Type mismatch for key {name} \
                 expected: {expected:?} actual: {}",
                type_of(other)
            )));
        }
    };
    if bytes.is_empty() {
        return Err(invalid(format!(
            "One or more parameter values are not valid. The AttributeValue for a key attribute \
             cannot contain an empty string value. Key: {name}"
        )));
    }
    if bytes.len() > bytes_max {
        return Err(invalid(format!(
            "One or more parameter values were invalid: Size of key {name} has exceeded the \
             maximum size limit of {bytes_max} bytes"
        )));
    }
    Ok(bytes)
}

fn type_of(value: &AttributeValue) -> &'static str {
    match value {
        AttributeValue::S(_) => "S",
        AttributeValue::N(_) => "N",
        AttributeValue::B(_) => "B",
        AttributeValue::Bool(_) => "BOOL",
        AttributeValue::Null(_) => "NULL",
        AttributeValue::L(_) => "L",
        AttributeValue::M(_) => "M",
        AttributeValue::Ss(_) => "SS",
        AttributeValue::Ns(_) => "NS",
        AttributeValue::Bs(_) => "BS",
    }
}

fn check_item(item: &Item) -> Result<(), TargetError> {
    if item_bytes(item) > ITEM_BYTES_MAX {
        return Err(invalid("Item size has exceeded the maximum allowed size"));
    }
    for number in item.values().flat_map(AttributeValue::numbers) {
        canonical(number).map_err(|error| bad_number(number, error))?;
    }
    Ok(())
}

fn check_no_key(table: &Table, set: &Item) -> Result<(), TargetError> {
    match table.keys.iter().find(|key| set.contains_key(&key.name)) {
        Some(key) => Err(invalid(format!(
            "One or more parameter values were invalid: Cannot update attribute {}. This attribute \
             is part of the key",
            key.name
        ))),
        None => Ok(()),
    }
}

fn check_table_name(name: &str) -> Result<(), TargetError> {
    let is_known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if (3..=255).contains(&name.len()) && name.bytes().all(is_known) {
        return Ok(());
    }
    Err(invalid(
        "TableName must be at least 3 characters long and at most 255 characters long, and have \
         letters, digits, `_`, `-` and `.` alone",
    ))
}

fn missing_key(name: &str) -> TargetError {
    invalid(format!(
        "One or more parameter values were invalid: Missing the key {name} in the item"
    ))
}

fn bad_number(text: &str, error: NumberError) -> TargetError {
    invalid(match error {
        NumberError::NotANumber => {
            format!("The parameter cannot be converted to a numeric value: {text}")
        }
        NumberError::TooManyDigits => {
            "Attempting to store more than 38 significant digits in a Number".to_owned()
        }
        NumberError::Overflow => {
            "Number overflow. Attempting to store a number with magnitude larger than supported \
             range"
                .to_owned()
        }
        NumberError::Underflow => {
            "Number underflow. Attempting to store a number with magnitude smaller than supported \
             range"
                .to_owned()
        }
    })
}

fn invalid(message: impl Into<String>) -> TargetError {
    TargetError::refused(SERVICE, "ValidationException", message)
}

fn read_item(json: &[u8]) -> Result<Item, TargetError> {
    serde_json::from_slice(json).map_err(|error| {
        TargetError::unavailable(SERVICE, "An item cannot be read.").lasting().caused_by(error)
    })
}

fn read_table(json: &[u8]) -> Result<Table, TargetError> {
    serde_json::from_slice(json).map_err(|error| {
        TargetError::unavailable(SERVICE, "A table cannot be read.").lasting().caused_by(error)
    })
}

fn store_hash(json: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, json);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

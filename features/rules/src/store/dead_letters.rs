//! Dead letters: messages that no action of a rule has taken, kept for a person.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use service::{ApiError, App, encode, kinds};
use store::{Batch, Direction, Key, KeyRange};
use types::{Tenant, Timestamp};

use super::FORMAT;

/// A message that a rule's actions did not take.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeadLetter {
    v: u32,
    /// When it was given up.
    pub(crate) at: Timestamp,
    /// What error actions get.
    pub(crate) document: Box<RawValue>,
    /// The message, as the journal would keep it, in base64.
    pub(crate) message: String,
}

impl DeadLetter {
    /// What is given up now.
    pub(crate) fn new(at: Timestamp, document: Box<RawValue>, message: String) -> Self {
        Self { v: FORMAT, at, document, message }
    }
}

/// All dead letters of a rule.
pub(crate) fn of_rule(tenant: &Tenant, rule: &str) -> KeyRange {
    KeyRange::prefix(&Key::new(tenant.id, kinds::RULE_DEAD_LETTER).text(rule))
}

/// Where the dead letter `id` of a rule lies. Ids grow with time.
pub(crate) fn key(tenant: &Tenant, rule: &str, id: u64) -> Key {
    Key::new(tenant.id, kinds::RULE_DEAD_LETTER).text(rule).number(id)
}

/// The id in a key.
fn id(key: &Key) -> Option<u64> {
    let mut reader = key.reader();
    reader.text()?;
    reader.number()
}

/// Keeps a dead letter.
pub(crate) async fn put(app: &App, key: Key, letter: &DeadLetter) -> Result<(), ApiError> {
    let mut batch = Batch::new();
    batch.put(key, encode(letter));
    app.store.commit(batch).await?;
    Ok(())
}

/// Removes a dead letter.
pub(crate) async fn delete(app: &App, key: Key) -> Result<(), ApiError> {
    let mut batch = Batch::new();
    batch.delete(key);
    app.store.commit(batch).await?;
    Ok(())
}

/// The dead letter `id` of a rule.
pub(crate) async fn find(
    app: &App,
    tenant: &Tenant,
    rule: &str,
    id: u64,
) -> Result<Option<DeadLetter>, ApiError> {
    let found = app.store.get(&key(tenant, rule, id)).await?;
    found.map(|found| service::decode(&found)).transpose()
}

/// Dead letters of a rule with their ids, oldest first, those behind `after`; and whether there are
/// more.
pub(crate) async fn page(
    app: &App,
    tenant: &Tenant,
    rule: &str,
    after: Option<u64>,
    limit: u32,
) -> Result<(Vec<(u64, DeadLetter)>, bool), ApiError> {
    let after = after.map(|after| key(tenant, rule, after));
    let range = of_rule(tenant, rule);
    let page = app.store.scan(range, after, limit, Direction::Forward).await?;
    let mut letters = Vec::with_capacity(page.entries.len());
    for entry in &page.entries {
        let found = store::Versioned { value: entry.value.clone(), version: entry.version };
        if let Some(id) = id(&entry.key) {
            letters.push((id, service::decode(&found)?));
        }
    }
    Ok((letters, page.has_more))
}

/// How many dead letters a rule has, up to `most`.
pub(crate) async fn count(
    app: &App,
    tenant: &Tenant,
    rule: &str,
    most: usize,
) -> Result<usize, ApiError> {
    const PAGE: u32 = 1000;
    let (mut count, mut after) = (0, None);
    while count < most {
        let range = of_rule(tenant, rule);
        let page = app.store.scan(range, after, PAGE, Direction::Forward).await?;
        count += page.entries.len();
        match page.entries.last().filter(|_| page.has_more) {
            Some(last) => after = Some(last.key.clone()),
            None => break,
        }
    }
    Ok(count)
}

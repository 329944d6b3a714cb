//! Paging: opaque, tamper-evident tokens that seal the key to go on after.

use store::{Direction, Entry, Key, KeyRange};

use crate::{ApiError, Cx};

/// What a request asks of a list.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest<'a> {
    /// `nextToken` or `marker`.
    pub token: Option<&'a str>,
    /// `maxResults` or `pageSize`.
    pub limit: Option<i32>,
    /// Whether newest or last comes first.
    pub direction: Direction,
}

impl<'a> PageRequest<'a> {
    /// In the order of the keys.
    pub fn forward(token: &'a Option<String>, limit: Option<i32>) -> Self {
        Self::ordered(token, limit, true)
    }

    /// In the order of the keys, or the last first.
    pub fn ordered(token: &'a Option<String>, limit: Option<i32>, is_ascending: bool) -> Self {
        let direction = if is_ascending { Direction::Forward } else { Direction::Backward };
        Self { token: token.as_deref(), limit, direction }
    }
}

/// A page of records, and the token of the next page if there is one.
#[derive(Debug)]
pub struct Listing {
    /// The records.
    pub entries: Vec<Entry>,
    /// Omitted on the last page.
    pub next: Option<String>,
}

/// Where a list goes on that is not in the store.
#[derive(Debug)]
pub struct Cursor {
    /// What the last page ended with.
    pub after: Option<String>,
    /// Entries of a page.
    pub limit: usize,
    scope: Vec<u8>,
}

impl Cursor {
    /// The token of the page after the one that ends with `last`.
    pub fn token(&self, cx: &Cx, last: &str) -> String {
        cx.app.keyring.page_token(&self.scope, last.as_bytes())
    }
}

impl Cx {
    /// Where `request` goes on in a list of texts that is not in the store, with `default` entries
    /// where it names no number. A token serves only the same operation, tenant and `list`.
    pub fn cursor(
        &self,
        list: &str,
        request: PageRequest<'_>,
        default: u32,
    ) -> Result<Cursor, ApiError> {
        let asked = request.limit.and_then(|n| u32::try_from(n).ok());
        let limit = asked.unwrap_or(default).clamp(1, self.app.limits.page_max);
        let scope = format!("{}\0{}\0{list}", self.operation, self.tenant.id.0).into_bytes();
        let after = request.token.map(|token| self.open_token(&scope, token)).transpose()?;
        let after = after.map(|key| String::from_utf8(key.as_bytes().to_vec()));
        let after = after.transpose().map_err(ApiError::internal)?;
        Ok(Cursor { after, limit: limit as usize, scope })
    }

    /// One page of `range`. A token serves only the same operation, tenant and range.
    pub async fn page(
        &self,
        range: KeyRange,
        request: PageRequest<'_>,
    ) -> Result<Listing, ApiError> {
        let limits = &self.app.limits;
        let asked = request.limit.and_then(|n| u32::try_from(n).ok());
        let limit = asked.unwrap_or(limits.page_default).clamp(1, limits.page_max);
        let scope = self.token_scope(&range, request.direction);
        let after = match request.token {
            Some(token) => Some(self.open_token(&scope, token)?),
            None => None,
        };
        let page = self.store().scan(range, after, limit, request.direction).await?;
        let last = page.entries.last().filter(|_| page.has_more);
        let next = last.map(|e| self.app.keyring.page_token(&scope, e.key.as_bytes()));
        Ok(Listing { entries: page.entries, next })
    }

    fn open_token(&self, scope: &[u8], token: &str) -> Result<Key, ApiError> {
        let key = self.app.keyring.open_page_token(scope, token);
        key.map(Key::from_bytes).ok_or_else(|| {
            ApiError::invalid("The token is invalid: pass one that this list returned, unchanged.")
        })
    }

    fn token_scope(&self, range: &KeyRange, direction: Direction) -> Vec<u8> {
        let mut scope = self.operation.as_bytes().to_vec();
        scope.push(u8::from(matches!(direction, Direction::Backward)));
        scope.extend_from_slice(range.start.as_bytes());
        scope
    }
}

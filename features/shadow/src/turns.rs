//! Changes of one shadow come one after the other, so that many writers do not undo each other's
//! work: each reads what the one before has written.
//!
//! A turn is held while its change is committed. Other servers are not asked; the commit's
//! conditions decide between them.

use std::hash::{BuildHasher as _, RandomState};

use tokio::sync::{Mutex, MutexGuard};
use types::TenantId;

use crate::name::ShadowName;

/// More than there are changes at a time, so that two shadows rarely share one.
const TURNS: usize = 4096;

/// Whose turn it is, for each shadow.
pub(crate) struct Turns {
    turns: Box<[Mutex<()>]>,
    hasher: RandomState,
}

impl Turns {
    /// Waits for the turn of a change of this shadow; it lasts until the answer is dropped.
    pub(crate) async fn take(&self, tenant: TenantId, name: &ShadowName) -> MutexGuard<'_, ()> {
        let hash = self.hasher.hash_one((tenant, name));
        let index = usize::try_from(hash % TURNS as u64).unwrap_or_default();
        self.turns.get(index).expect("an index is below the number of turns").lock().await
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self { turns: (0..TURNS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }
}

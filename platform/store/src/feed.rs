//! What has changed lately, for the caches of this process.
//!
//! The embedded engines serve one process only, so the feed lives in memory: a cache that is
//! older than the feed reloads.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::{Key, Sequence};

/// Keys that the feed remembers.
const KEYS_MAX: usize = 65_536;

/// What has changed since a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// These keys, in commit order; ask again from `upto`.
    Since {
        /// The first key of a removed range stands for the range.
        keys: Vec<Key>,
        /// The newest commit that is included.
        upto: Sequence,
    },
    /// The feed no longer reaches back that far: reload, then ask again from `upto`.
    Lost {
        /// The newest commit.
        upto: Sequence,
    },
}

pub(crate) struct Feed {
    recent: Mutex<Recent>,
    newest: watch::Sender<Sequence>,
}

struct Recent {
    keys: VecDeque<(Sequence, Key)>,
    /// Changes up to this one may be missing.
    forgotten: Sequence,
}

impl Feed {
    pub(crate) fn new(start: Sequence) -> Self {
        let recent = Recent { keys: VecDeque::new(), forgotten: start };
        Self { recent: Mutex::new(recent), newest: watch::Sender::new(start) }
    }

    /// Adds a commit's keys and wakes whoever waits.
    pub(crate) fn push(&self, sequence: Sequence, keys: impl IntoIterator<Item = Key>) {
        self.push_all(sequence, keys.into_iter().map(|key| (sequence, key)));
    }

    /// Adds the keys of several commits, up to `newest`, and wakes whoever waits once for all.
    pub(crate) fn push_all(
        &self,
        newest: Sequence,
        keys: impl IntoIterator<Item = (Sequence, Key)>,
    ) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.keys.extend(keys);
        while recent.keys.len() > KEYS_MAX {
            if let Some((old, _)) = recent.keys.pop_front() {
                recent.forgotten = old;
            }
        }
        drop(recent);
        self.newest.send_replace(newest);
    }

    /// Makes every reader reload.
    pub(crate) fn lose(&self, sequence: Sequence) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.keys.clear();
        recent.forgotten = sequence;
        drop(recent);
        self.newest.send_replace(sequence);
    }

    pub(crate) fn newest(&self) -> Sequence {
        *self.newest.borrow()
    }

    pub(crate) fn since(&self, after: Sequence) -> Changes {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let upto = self.newest();
        if after < recent.forgotten {
            return Changes::Lost { upto };
        }
        let from = recent.keys.partition_point(|(sequence, _)| *sequence <= after);
        let keys = recent.keys.range(from..).map(|(_, key)| key.clone()).collect();
        Changes::Since { keys, upto }
    }

    pub(crate) async fn changed(&self, after: Sequence) {
        let mut newest = self.newest.subscribe();
        // An error means that the store is gone, and then nothing is waited for.
        drop(newest.wait_for(|sequence| *sequence > after).await);
    }
}

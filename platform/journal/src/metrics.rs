//! What the journal counts.

use metrics::{Counter, Gauge, counter, gauge};

use crate::Size;
use crate::group::Group;

pub(crate) struct Metrics {
    commits: Counter,
    entries_written: Counter,
    bytes: Gauge,
    live_bytes: Gauge,
    entries: Gauge,
}

impl Metrics {
    pub(crate) fn register() -> Self {
        Self {
            commits: counter!("ferrite_journal_commits_total"),
            entries_written: counter!("ferrite_journal_entries_written_total"),
            bytes: gauge!("ferrite_journal_bytes"),
            live_bytes: gauge!("ferrite_journal_live_bytes"),
            entries: gauge!("ferrite_journal_entries"),
        }
    }

    /// Counts a commit, and notes how large the journal is behind it.
    #[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
    pub(crate) fn count(&self, group: &Group, size: Size) {
        if group.must_be_safe() {
            self.commits.increment(1);
        }
        self.entries_written.increment(group.entries.len() as u64);
        self.bytes.set(size.bytes as f64);
        self.live_bytes.set(size.live_bytes as f64);
        self.entries.set(size.entries as f64);
    }
}

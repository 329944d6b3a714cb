//! Connections that were lost, and when each is tried again.

use std::collections::{BTreeSet, VecDeque};

/// Between two attempts of one connection.
const RETRY_NANOS: u64 = 100_000_000;

/// Who is without a connection.
#[derive(Default)]
pub(crate) struct Outage {
    down: BTreeSet<usize>,
    waiting: VecDeque<(u64, usize)>,
    since: u64,
    /// How many connections were lost and came back.
    pub(crate) overcome: u64,
}

impl Outage {
    /// A connection is lost, or could not be made again.
    pub(crate) fn lost(&mut self, conn: usize, now: u64) {
        if self.down.is_empty() {
            self.since = now;
        }
        self.down.insert(conn);
        self.waiting.push_back((now + RETRY_NANOS, conn));
    }

    /// A connection is there, perhaps again.
    pub(crate) fn is_over_for(&mut self, conn: usize) {
        self.overcome += u64::from(self.down.remove(&conn));
    }

    /// A connection whose next attempt is due.
    pub(crate) fn take_due(&mut self, now: u64) -> Option<usize> {
        let &(due, conn) = self.waiting.front()?;
        if due > now {
            return None;
        }
        self.waiting.pop_front();
        Some(conn)
    }

    /// For how many nanoseconds somebody has been without a connection.
    pub(crate) fn lasts(&self, now: u64) -> u64 {
        if self.down.is_empty() { 0 } else { now.saturating_sub(self.since) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_lasts_until_the_last_is_back() {
        let mut outage = Outage::default();
        outage.lost(3, 1_000);
        outage.lost(4, 2_000);
        assert_eq!(outage.take_due(RETRY_NANOS), None);
        assert_eq!(outage.take_due(RETRY_NANOS + 1_000), Some(3));
        assert_eq!(outage.take_due(RETRY_NANOS + 1_000), None);
        outage.lost(3, RETRY_NANOS + 1_000);
        outage.is_over_for(4);
        assert_eq!(outage.lasts(RETRY_NANOS + 2_000), RETRY_NANOS + 1_000);
        outage.is_over_for(3);
        assert_eq!((outage.lasts(RETRY_NANOS + 2_000), outage.overcome), (0, 2));
    }
}

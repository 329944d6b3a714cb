//! Log lines that come at most so often, however often their cause does.

use std::time::Duration;

use types::Timestamp;

/// The shortest time between two lines of one gate.
const INTERVAL: Duration = Duration::from_secs(10);

/// Lets one event in a while through and counts the others.
#[derive(Default)]
pub(crate) struct Quiet {
    last: Option<Timestamp>,
    held: u64,
}

impl Quiet {
    /// How many events the line to write now stands for, or nothing if none is due.
    pub(crate) fn due(&mut self, now: Timestamp) -> Option<u64> {
        self.held = self.held.saturating_add(1);
        let is_due = self.last.is_none_or(|last| now.since(last) >= INTERVAL);
        is_due.then(|| {
            self.last = Some(now);
            std::mem::take(&mut self.held)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_event_speaks_and_later_ones_are_summed_up() {
        let mut quiet = Quiet::default();
        let at = Timestamp::from_secs;
        assert_eq!(quiet.due(at(100)), Some(1));
        assert_eq!(quiet.due(at(101)), None);
        assert_eq!(quiet.due(at(109)), None);
        assert_eq!(quiet.due(at(110)), Some(3));
        assert_eq!(quiet.due(at(111)), None);
    }
}

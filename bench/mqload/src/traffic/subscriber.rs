//! One subscriber: what it still has to subscribe to, and the order in which messages reach it.

use std::collections::VecDeque;
use std::ops::Range;

use crate::mqtt;
use crate::options::Options;
use crate::plan::SubscriberPlan;
use crate::template::Stamp;

/// SUBSCRIBE packets without an answer at once.
const UNANSWERED_MAX: usize = 4;

/// A subscriber's side of its connection.
pub(crate) struct Subscriber {
    plan: SubscriberPlan,
    pending: VecDeque<String>,
    unanswered: usize,
    last: Vec<u32>,
    pub(crate) is_connected: bool,
    /// Whether it left by itself, or is about to.
    pub(crate) is_away: bool,
}

impl Subscriber {
    /// A subscriber that has not subscribed yet.
    pub(crate) fn new(plan: SubscriberPlan) -> Self {
        Self {
            pending: plan.filters.clone().into(),
            unanswered: 0,
            last: vec![0; plan.hears.len()],
            plan,
            is_connected: false,
            is_away: false,
        }
    }

    /// The publishers that it hears.
    pub(crate) fn hears(&self) -> Range<u32> {
        self.plan.hears.clone()
    }

    /// Has all subscriptions to be made again.
    pub(crate) fn start_over(&mut self) {
        self.pending = self.plan.filters.clone().into();
        self.unanswered = 0;
    }

    /// Takes a SUBACK.
    pub(crate) fn answered(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
    }

    /// Appends the next SUBSCRIBE packets; whether everything is subscribed to.
    pub(crate) fn subscribe(
        &mut self,
        options: &Options,
        next_pid: &mut u16,
        out: &mut Vec<u8>,
    ) -> bool {
        while self.unanswered < UNANSWERED_MAX && !self.pending.is_empty() {
            let count = self.pending.len().min(options.filters_per_packet);
            let filters: Vec<String> = self.pending.drain(..count).collect();
            *next_pid = next_pid.wrapping_add(1).max(1);
            mqtt::subscribe(out, *next_pid, &filters, options.sub_qos());
            self.unanswered += 1;
        }
        self.unanswered == 0 && self.pending.is_empty()
    }

    /// Takes a message that it did not have yet; whether it is newer than its publisher's last.
    pub(crate) fn is_in_order(&mut self, stamp: &Stamp) -> bool {
        if !self.plan.hears.contains(&stamp.publisher) {
            return true;
        }
        let last = &mut self.last[(stamp.publisher - self.plan.hears.start) as usize];
        let is_newer = stamp.seq > *last;
        *last = stamp.seq.max(*last);
        is_newer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_for_each_publisher() {
        let mut subscriber = Subscriber::new(SubscriberPlan { filters: Vec::new(), hears: 5..7 });
        let mut check = |publisher, seq, expect| {
            let stamp = Stamp { publisher, seq, nanos: 0 };
            assert_eq!(subscriber.is_in_order(&stamp), expect, "{publisher} {seq}");
        };
        check(5, 1, true);
        check(6, 1, true);
        check(5, 3, true);
        check(5, 2, false);
        check(5, 3, false);
        check(6, 2, true);
    }
}

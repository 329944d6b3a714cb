//! One publisher: what it may send, and what it sent that is not acknowledged yet.

use std::collections::VecDeque;

use crate::options::Options;
use crate::plan::PublisherPlan;
use crate::template::{Payload, Stamp};

/// A publisher's side of its connection.
pub(crate) struct Publisher {
    pub(crate) plan: PublisherPlan,
    number: u32,
    /// How many messages it has made.
    pub(crate) seq: u32,
    pid: u16,
    unacked: u64,
    pub(crate) undelivered: u64,
    next_topic: usize,
    /// 0 where topics are taken in turn.
    random: u64,
    /// When its next message is due, where a rate is given.
    pub(crate) due: u64,
    /// Whether it is in the list of those that may be able to send.
    pub(crate) is_ready: bool,
    pub(crate) is_connected: bool,
    outstanding: Option<VecDeque<Outstanding>>,
}

/// A message that is not acknowledged yet, as far as it takes to send it again.
struct Outstanding {
    pid: u16,
    topic: usize,
    stamp: Stamp,
}

impl Publisher {
    /// Publisher number `number`; it remembers what it sends if `is_tracked`.
    pub(crate) fn new(plan: PublisherPlan, number: u32, is_random: bool, is_tracked: bool) -> Self {
        let seed = 0x9e37_79b9_7f4a_7c15 ^ (u64::from(number) + 1);
        Self {
            plan,
            number,
            seq: 0,
            pid: 0,
            unacked: 0,
            undelivered: 0,
            next_topic: 0,
            random: if is_random { seed } else { 0 },
            due: 0,
            is_ready: false,
            is_connected: false,
            outstanding: is_tracked.then(VecDeque::new),
        }
    }

    /// Whether its windows are open.
    pub(crate) fn may_send(&self, options: &Options) -> bool {
        self.is_connected
            && (options.qos == 0 || self.unacked < options.inflight)
            && self.undelivered + self.plan.fan <= self.plan.undelivered_max
    }

    /// Takes the time of a message that is due by `now`, and sets that of the next.
    pub(crate) fn take_due(&mut self, now: u64, interval: u64) -> Option<u64> {
        let due = self.due;
        (due <= now).then(|| {
            self.due += interval;
            due
        })
    }

    /// Appends its next message, due at `nanos`.
    pub(crate) fn publish(&mut self, nanos: u64, payload: &Payload, out: &mut Vec<u8>) {
        let topic = self.pick_topic();
        self.seq += 1;
        self.pid = self.pid.wrapping_add(1).max(1);
        let stamp = Stamp { publisher: self.number, seq: self.seq, nanos };
        self.plan.topics[topic].append_stamped(out, self.pid, payload, &stamp);
        self.undelivered += self.plan.fan;
        self.unacked += 1;
        if let Some(outstanding) = &mut self.outstanding {
            outstanding.push_back(Outstanding { pid: self.pid, topic, stamp });
        }
    }

    fn pick_topic(&mut self) -> usize {
        let (topics, topic) = (self.plan.topics.len(), self.next_topic);
        self.next_topic = if topics > 1 && self.random != 0 {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            (self.random >> 16) as usize % topics
        } else {
            (topic + 1) % topics
        };
        topic
    }

    /// Takes a PUBACK; which message it is for, where that is remembered.
    pub(crate) fn acknowledged(&mut self, pid: u16) -> Option<u32> {
        let Some(outstanding) = &mut self.outstanding else {
            self.unacked = self.unacked.saturating_sub(1);
            return None;
        };
        let at = outstanding.iter().position(|sent| sent.pid == pid)?;
        let sent = outstanding.remove(at)?;
        self.unacked -= 1;
        Some(sent.stamp.seq)
    }

    /// Appends everything again that was not acknowledged, in order. At QoS 0 it is gone.
    pub(crate) fn send_again(&mut self, payload: &Payload, out: &mut Vec<u8>) {
        let Some(outstanding) = &self.outstanding else {
            (self.unacked, self.undelivered) = (0, 0);
            return;
        };
        for sent in outstanding {
            self.plan.topics[sent.topic].append_again(out, sent.pid, payload, &sent.stamp);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use clap::Parser;

    use super::*;
    use crate::mqtt::{Packet, decode};
    use crate::template::Template;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(line: &str) -> Options {
        Line::parse_from(["mqload"].into_iter().chain(line.split(' '))).options
    }

    fn publisher(payload: &Payload) -> Publisher {
        let topics = Rc::new(vec![Template::stamped("t", 1, payload)]);
        let plan = PublisherPlan { topics, fan: 2, undelivered_max: 6 };
        Publisher { is_connected: true, ..Publisher::new(plan, 3, false, true) }
    }

    /// The numbers of the messages in `wire`.
    fn sent(payload: &Payload, mut wire: &[u8]) -> Vec<u32> {
        let mut numbers = Vec::new();
        while let Some((packet, used)) = decode(wire).unwrap() {
            let Packet::Publish { payload: bytes, .. } = packet else { panic!() };
            numbers.push(payload.stamp(bytes).unwrap().seq);
            wire = &wire[used..];
        }
        numbers
    }

    #[test]
    fn a_publisher_stops_while_either_window_is_full() {
        let payload = Payload::made_up(16).unwrap();
        let options = options("--qos 1 --inflight 2");
        let mut publisher = publisher(&payload);
        let mut out = Vec::new();
        publisher.publish(0, &payload, &mut out);
        assert!(publisher.may_send(&options));
        publisher.publish(0, &payload, &mut out);
        assert!(!publisher.may_send(&options), "two are not acknowledged");
        publisher.acknowledged(1);
        publisher.publish(0, &payload, &mut out);
        publisher.acknowledged(2);
        assert!(!publisher.may_send(&options), "six deliveries are outstanding");
        publisher.undelivered -= 2;
        assert!(publisher.may_send(&options));
        publisher.is_connected = false;
        assert!(!publisher.may_send(&options));
    }

    #[test]
    fn what_was_not_acknowledged_is_sent_again_in_order() {
        let payload = Payload::made_up(16).unwrap();
        let mut publisher = publisher(&payload);
        let mut out = Vec::new();
        (0..4).for_each(|_| publisher.publish(0, &payload, &mut out));
        assert_eq!(publisher.acknowledged(2), Some(2));
        assert_eq!(publisher.acknowledged(2), None);
        out.clear();
        publisher.send_again(&payload, &mut out);
        assert_eq!(sent(&payload, &out), [1, 3, 4]);
    }

    #[test]
    fn a_late_publisher_sends_everything_that_is_due() {
        let payload = Payload::made_up(16).unwrap();
        let mut publisher = publisher(&payload);
        publisher.due = 10;
        let due: Vec<_> = std::iter::from_fn(|| publisher.take_due(30, 10)).collect();
        assert_eq!(due, [10, 20, 30]);
    }
}

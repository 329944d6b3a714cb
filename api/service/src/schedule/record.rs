//! A timer's record: its key sorts by kind and due time, its value says who holds it.

use serde::{Deserialize, Serialize};
use store::{Entry, Key, KeyRange, Sequence};
use types::{TenantId, Timestamp};

use super::{RETRY_FIRST, RETRY_MAX, SKEW_MAX, Timer, TimerKind};
use crate::{encode, kinds};

/// The format that this program writes, and the only one that it reads.
const FORMAT: u8 = 1;

/// What the store keeps under a timer's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    v: u8,
    /// As the timer has it: a long one is hashed in the key.
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<Hold>,
}

/// Why a due timer is left alone for now: it is claimed, or it failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Hold {
    /// Who claimed it; nobody, if it waits after a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// How often it was claimed so far.
    tries: u32,
    from: Timestamp,
    until: Timestamp,
}

/// A timer as it was found in the store.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) timer: Timer,
    pub(super) key: Key,
    pub(super) version: Sequence,
    pub(super) record: Record,
}

impl Record {
    pub(super) fn new(timer: &Timer) -> Self {
        Self { v: FORMAT, id: timer.id.clone(), hold: None }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Until when the timer is not to be touched, if that is so `now`. A hold that begins in the
    /// future was made before the clock was set back: nothing would tell when it ends.
    pub(super) fn held_until(&self, now: Timestamp) -> Option<Timestamp> {
        let hold = self.hold.as_ref()?;
        (hold.from <= now.plus(SKEW_MAX) && now < hold.until).then_some(hold.until)
    }

    /// As claimed by `owner`.
    pub(super) fn claimed(&self, owner: &str, from: Timestamp, until: Timestamp) -> Self {
        let tries = self.tries().saturating_add(1);
        let hold = Hold { owner: Some(owner.to_owned()), tries, from, until };
        Self { hold: Some(hold), ..self.clone() }
    }

    /// As put off after a failure, the longer the more often it was tried.
    pub(super) fn put_off(&self, now: Timestamp) -> Self {
        let tries = self.tries();
        let doubled = 1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX);
        let until = now.plus(RETRY_FIRST.saturating_mul(doubled).min(RETRY_MAX));
        Self { hold: Some(Hold { owner: None, tries, from: now, until }), ..self.clone() }
    }

    /// How often the timer was claimed so far.
    pub(super) fn tries(&self) -> u32 {
        self.hold.as_ref().map_or(0, |hold| hold.tries)
    }
}

/// Where `timer` is. Kinds lie apart, so that one that nobody serves is in nobody's way.
pub(super) fn key(timer: &Timer) -> Key {
    let due = u64::try_from(timer.due.millis()).unwrap_or(0);
    of_kind(timer.kind).number(due).number(timer.tenant.0.into()).text(&timer.id)
}

/// Where the timers of `kind` are.
pub(super) fn all_of(kind: TimerKind) -> KeyRange {
    KeyRange::prefix(&of_kind(kind))
}

fn of_kind(kind: TimerKind) -> Key {
    Key::new(TenantId::GLOBAL, kinds::TIMER).number(kind.0.into())
}

/// The timer of `entry`. One of a newer program is left to newer programs.
pub(super) fn read(entry: &Entry) -> Option<Found> {
    let found = parse(entry);
    if found.is_none() {
        tracing::warn!(key = ?entry.key, "a timer that cannot be read was left alone");
    }
    found
}

fn parse(entry: &Entry) -> Option<Found> {
    let record: Record = serde_json::from_slice(&entry.value).ok()?;
    let mut fields = entry.key.reader();
    let kind = TimerKind(u16::try_from(fields.number()?).ok()?);
    let due = Timestamp::from_millis(i64::try_from(fields.number()?).ok()?);
    let tenant = TenantId(u32::try_from(fields.number()?).ok()?);
    let timer = Timer { tenant, kind, id: record.id.clone(), due };
    let (key, version) = (entry.key.clone(), entry.version);
    (record.v == FORMAT).then_some(Found { timer, key, version, record })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn timer(id: &str) -> Timer {
        Timer { tenant: TenantId(7), kind: TimerKind::WILL_DELAY, id: id.to_owned(), due: NOW }
    }

    fn stored(timer: &Timer, record: &Record) -> Entry {
        Entry { key: key(timer), value: record.encode().into(), version: Sequence(3) }
    }

    #[test]
    fn a_timer_is_read_back_however_long_its_id() {
        for id in ["", "lamp", "a\0b", &"n".repeat(2_000)] {
            let timer = timer(id);
            let found = read(&stored(&timer, &Record::new(&timer))).unwrap();
            assert_eq!((found.timer, found.version), (timer, Sequence(3)));
        }
    }

    #[test]
    fn a_kind_sorts_by_due_time() {
        let later = Timer { due: NOW.plus(Duration::from_millis(1)), id: "a".into(), ..timer("b") };
        assert!(key(&timer("b")) < key(&later));
        assert!(all_of(TimerKind::WILL_DELAY).contains(&key(&later)));
        assert!(!all_of(TimerKind::SESSION_EXPIRY).contains(&key(&later)));
    }

    #[test]
    fn a_timer_of_another_format_is_left_alone() {
        let timer = timer("lamp");
        let newer = Record { v: FORMAT + 1, ..Record::new(&timer) };
        assert!(read(&stored(&timer, &newer)).is_none());
    }

    #[test]
    fn a_claim_holds_until_it_ends_or_the_clock_was_set_back_beyond_the_skew() {
        let until = NOW.plus(Duration::from_secs(30));
        let claimed = Record::new(&timer("lamp")).claimed("me", NOW, until);
        let held = |ms| claimed.held_until(Timestamp::from_millis(NOW.millis() + ms));
        assert_eq!(held(0), Some(until));
        assert_eq!(held(29_999), Some(until));
        assert_eq!(held(30_000), None);
        assert_eq!(held(-5_000), Some(until));
        assert_eq!(held(-5_001), None);
    }

    #[test]
    fn the_wait_doubles_with_each_failure_up_to_its_bound() {
        let mut record = Record::new(&timer("lamp"));
        let mut waits = Vec::new();
        for _ in 0..40 {
            record = record.claimed("me", NOW, NOW).put_off(NOW);
            waits.push(record.held_until(NOW).unwrap().since(NOW).as_secs());
        }
        assert_eq!(waits[..10], [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert!(waits[10..].iter().all(|wait| *wait == 300));
    }
}

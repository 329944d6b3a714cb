//! Rates: buckets of tokens that fill with time, up to what one second brings.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How finely tokens are counted: what one nanosecond brings of a rate of one a second.
const PARTS: i128 = 1_000_000_000;
/// Those whose tokens are counted at once, in each of two generations. One that finds no place is
/// not held to its own rate, only to that of all.
const NAMES_MAX: usize = 65_536;

/// The tokens of one rate. A new one is full.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    per_s: u32,
    /// In parts of a token; below 0 is debt.
    level: i128,
    filled: Instant,
}

impl Bucket {
    /// A bucket for `per_s` tokens a second; none where 0 says that there is no limit.
    pub fn new(per_s: u32, now: Instant) -> Option<Self> {
        (per_s > 0).then(|| Self { per_s, level: i128::from(per_s) * PARTS, filled: now })
    }

    /// Takes a token, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        let has_one = self.level >= PARTS;
        if has_one {
            self.level -= PARTS;
        }
        has_one
    }

    /// Takes `tokens`, more than there are if need be: then there is debt to wait off.
    pub fn spend(&mut self, tokens: usize, now: Instant) {
        self.fill(now);
        self.level -= i128::try_from(tokens).unwrap_or(i128::MAX / PARTS) * PARTS;
    }

    /// When there is no debt any more; none if there is none now.
    pub fn free_at(&mut self, now: Instant) -> Option<Instant> {
        self.fill(now);
        let debt = -self.level;
        if debt < 0 {
            return None;
        }
        let wait = debt / i128::from(self.per_s) + 1;
        Some(now + Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX)))
    }

    fn fill(&mut self, now: Instant) {
        let past = now.saturating_duration_since(self.filled).as_nanos();
        let most = i128::from(self.per_s) * PARTS;
        let gained = i128::try_from(past).unwrap_or(i128::MAX).saturating_mul(self.per_s.into());
        self.level = self.level.saturating_add(gained).min(most);
        self.filled = now;
    }
}

/// What everybody shares, and what each has for itself: a client, a thing.
#[derive(Debug)]
pub struct SharedRate {
    /// Of all together.
    all: Option<Mutex<Bucket>>,
    /// Of each.
    each: Option<Mutex<ByName>>,
}

/// Buckets by name. Whoever took nothing for a second has a full one, which need not be kept.
#[derive(Debug)]
struct ByName {
    per_s: u32,
    recent: HashMap<Box<str>, Bucket>,
    before: HashMap<Box<str>, Bucket>,
    turned: Instant,
}

impl SharedRate {
    /// So many a second of all, and of each; 0 is no limit.
    pub fn new(all_per_s: u32, each_per_s: u32, now: Instant) -> Self {
        let (recent, before) = (HashMap::new(), HashMap::new());
        let each = ByName { per_s: each_per_s, recent, before, turned: now };
        Self {
            all: Bucket::new(all_per_s, now).map(Mutex::new),
            each: (each_per_s > 0).then(|| Mutex::new(each)),
        }
    }

    /// Takes a token of all, if there is one.
    pub fn take_of_all(&self, now: Instant) -> bool {
        let Some(all) = &self.all else { return true };
        all.lock().unwrap_or_else(PoisonError::into_inner).take(now)
    }

    /// Takes a token of the one called `name`, if it has one.
    pub fn take_of(&self, name: &str, now: Instant) -> bool {
        let Some(each) = &self.each else { return true };
        each.lock().unwrap_or_else(PoisonError::into_inner).take(name, now)
    }
}

impl ByName {
    fn take(&mut self, name: &str, now: Instant) -> bool {
        if now.saturating_duration_since(self.turned) >= Duration::from_secs(1) {
            self.before = std::mem::take(&mut self.recent);
            self.turned = now;
        }
        if let Some(bucket) = self.recent.get_mut(name) {
            return bucket.take(now);
        }
        if self.recent.len() >= NAMES_MAX {
            return true;
        }
        let known = self.before.get(name).copied();
        let Some(mut bucket) = known.or_else(|| Bucket::new(self.per_s, now)) else { return true };
        let has_one = bucket.take(now);
        self.recent.insert(name.into(), bucket);
        has_one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut Bucket, now: Instant) -> usize {
        (0..1000).take_while(|_| bucket.take(now)).count()
    }

    #[test]
    fn a_bucket_holds_what_a_second_brings_and_fills_with_time() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut bucket = Bucket::new(100, start).unwrap();
        let table = [(0, 100), (0, 0), (9, 0), (10, 1), (510, 50), (510, 0), (3_600_000, 100)];
        for (ms, count) in table {
            assert_eq!(taken(&mut bucket, after(ms)), count, "after {ms} ms");
        }
    }

    #[test]
    fn a_slow_look_does_not_lose_parts_of_a_token() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1, start).unwrap();
        assert_eq!(taken(&mut bucket, start), 1);
        let looks = (1..=10).map(|tenth| bucket.take(start + Duration::from_millis(tenth * 100)));
        assert_eq!(looks.filter(|has_one| *has_one).count(), 1, "at the tenth");
    }

    #[test]
    fn no_limit_needs_no_bucket() {
        assert!(Bucket::new(0, Instant::now()).is_none());
    }

    #[test]
    fn debt_is_waited_off() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1000, start).unwrap();
        bucket.spend(999, start);
        assert_eq!(bucket.free_at(start), None);
        bucket.spend(1001, start);
        let free_at = bucket.free_at(start).unwrap();
        assert!(free_at > start + Duration::from_secs(1));
        assert!(bucket.free_at(free_at - Duration::from_millis(1)).is_some());
        assert_eq!(bucket.free_at(free_at), None);
    }

    #[test]
    fn time_that_goes_backward_brings_nothing() {
        let start = Instant::now() + Duration::from_secs(60);
        let mut bucket = Bucket::new(10, start).unwrap();
        assert_eq!(taken(&mut bucket, start), 10);
        assert_eq!(taken(&mut bucket, start - Duration::from_secs(30)), 0);
    }

    #[test]
    fn each_has_its_own_tokens_and_all_share_others() {
        let start = Instant::now();
        let rate = SharedRate::new(3, 1, start);
        assert_eq!(["a", "b", "a"].map(|id| rate.take_of(id, start)), [true, true, false]);
        let later = start + Duration::from_secs(1);
        assert_eq!(["a", "a"].map(|id| rate.take_of(id, later)), [true, false]);
        assert_eq!([(); 4].map(|()| rate.take_of_all(start)), [true, true, true, false]);
    }

    #[test]
    fn a_client_is_not_forgotten_before_its_second_is_over() {
        let start = Instant::now();
        let rate = SharedRate::new(0, 1, start);
        let after = |ms| start + Duration::from_millis(ms);
        assert!(rate.take_of("a", after(900)));
        assert!(rate.take_of("b", after(1000)), "the generations turn");
        assert!(!rate.take_of("a", after(1100)));
        assert!(rate.take_of("a", after(1900)));
    }

    #[test]
    fn so_many_are_counted_and_no_more() {
        let start = Instant::now();
        let rate = SharedRate::new(0, 1, start);
        for number in 0..NAMES_MAX + 100 {
            assert!(rate.take_of(&number.to_string(), start));
        }
        let each = rate.each.as_ref().unwrap().lock().unwrap();
        assert_eq!(each.recent.len(), NAMES_MAX);
    }
}

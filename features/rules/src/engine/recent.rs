//! Messages that came lately, and those that come while somebody waits for them: what rules are tried
//! on.
//!
//! What came lately is a sample, as the broker shows it, of all tenants together; the oldest goes.
//! Whoever waits hears as a rule would.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use mqtt::{HashMatch, TopicFilter};
use service::{ApiError, BoxFuture, HeardMessage, Tap};
use tokio::sync::mpsc;
use types::{Tenant, TenantId};

use super::Engine;
use super::heard::Heard;

/// Messages of each thread that are looked at in a second.
const SAMPLES_PER_S: u32 = 1000;
/// What is kept may take as much; and so may what comes for one who waits.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// A larger message is not kept: it would drive too many others out.
const PAYLOAD_BYTES_MAX: usize = BYTES_MAX / 4;
/// Who may wait at once.
const WAITERS_MAX: usize = 16;

/// Messages that came lately, and who waits for more.
pub(crate) struct Recent {
    messages_max: usize,
    kept: Mutex<Kept>,
    waiters: RwLock<Vec<Arc<Waiter>>>,
    /// How many there are, for whoever asks at each message.
    waiting: AtomicUsize,
}

#[derive(Default)]
struct Kept {
    messages: VecDeque<Sample>,
    bytes: usize,
}

/// A message, as the journal would have it: a copy, without anything around it.
struct Sample {
    tenant: TenantId,
    bytes: Bytes,
}

/// Somebody who waits for messages.
struct Waiter {
    tenant: TenantId,
    filter: TopicFilter,
    messages: mpsc::Sender<Bytes>,
    bytes_left: AtomicUsize,
}

/// Messages as they come, for as long as it is there.
pub(crate) struct Waiting<'r> {
    recent: &'r Recent,
    tenant: Tenant,
    waiter: Arc<Waiter>,
    messages: mpsc::Receiver<Bytes>,
}

/// What goes to [`Recent`].
pub(crate) struct RecentTap(pub(crate) Arc<Engine>);

impl Tap for RecentTap {
    fn wants(&self, tenant: &Tenant, topic: &str) -> bool {
        self.0.recent.is_awaited(tenant.id, topic)
    }

    fn hear(&self, message: &HeardMessage<'_>) -> Option<BoxFuture<'static, Result<(), ApiError>>> {
        if message.payload.len() <= PAYLOAD_BYTES_MAX {
            let heard = self.0.heard(message, message.topic);
            self.0.recent.hand_over(&heard);
        }
        None
    }

    fn samples_per_s(&self) -> u32 {
        if self.0.recent.messages_max == 0 { 0 } else { SAMPLES_PER_S }
    }

    fn sample(&self, message: &HeardMessage<'_>) {
        if message.payload.len() <= PAYLOAD_BYTES_MAX {
            self.0.recent.keep(&self.0.heard(message, message.topic));
        }
    }
}

impl Recent {
    /// Room for so many messages.
    pub(crate) fn new(messages_max: usize) -> Self {
        let (kept, waiters, waiting) = Default::default();
        Self { messages_max, kept, waiters, waiting }
    }

    /// Keeps a message, in the place of the oldest if there is no more room.
    fn keep(&self, heard: &Heard) {
        let sample = Sample { tenant: heard.tenant.id, bytes: encoded(heard) };
        let mut kept = self.kept();
        kept.bytes += sample.size();
        kept.messages.push_back(sample);
        while kept.messages.len() > self.messages_max || kept.bytes > BYTES_MAX {
            let Some(oldest) = kept.messages.pop_front() else { return };
            kept.bytes -= oldest.size();
        }
    }

    /// Up to `count` messages of `tenant` that `filter` matches: the latest, in their order.
    pub(crate) fn latest(&self, tenant: &Tenant, filter: &TopicFilter, count: usize) -> Vec<Heard> {
        // Read after the lock: whoever publishes waits for it.
        let of_tenant: Vec<Bytes> = {
            let kept = self.kept();
            let of_tenant = kept.messages.iter().rev().filter(|it| it.tenant == tenant.id);
            of_tenant.map(|it| it.bytes.clone()).collect()
        };
        let all = of_tenant.iter().filter_map(|bytes| decoded(bytes, tenant));
        let matching = all.filter(|heard| matches(filter, &heard.topic));
        let mut latest: Vec<Heard> = matching.take(count).collect();
        latest.reverse();
        latest
    }

    /// Has messages of `tenant` that `filter` matches wait for whoever asks, up to `count` of them.
    pub(crate) fn wait(
        &self,
        tenant: &Tenant,
        filter: &TopicFilter,
        count: usize,
    ) -> Result<Waiting<'_>, ApiError> {
        let (sender, messages) = mpsc::channel(count.max(1));
        let waiter = Arc::new(Waiter {
            tenant: tenant.id,
            filter: filter.clone(),
            messages: sender,
            bytes_left: AtomicUsize::new(BYTES_MAX),
        });
        let mut waiters = self.waiters.write().unwrap_or_else(PoisonError::into_inner);
        if waiters.len() >= WAITERS_MAX {
            let message = format!("{WAITERS_MAX} trials wait for messages already.");
            return Err(ApiError::new("ThrottlingException", message));
        }
        waiters.push(Arc::clone(&waiter));
        self.waiting.store(waiters.len(), Ordering::Release);
        Ok(Waiting { recent: self, tenant: tenant.clone(), waiter, messages })
    }

    /// Forgets what was kept.
    pub(crate) fn clear(&self) {
        *self.kept() = Kept::default();
    }

    fn is_awaited(&self, tenant: TenantId, topic: &str) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
            && self.waiters().iter().any(|waiter| waiter.wants(tenant, topic))
    }

    /// Leaves a message with whoever waits for it and has room.
    fn hand_over(&self, heard: &Heard) {
        let bytes = encoded(heard);
        for waiter in self.waiters().iter().filter(|it| it.wants(heard.tenant.id, &heard.topic)) {
            let take = |left: usize| left.checked_sub(bytes.len());
            let has_room =
                waiter.bytes_left.fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
            if has_room.is_ok() {
                // One that has all it asked for is gone soon.
                waiter.messages.try_send(bytes.clone()).unwrap_or_default();
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiters(&self) -> std::sync::RwLockReadGuard<'_, Vec<Arc<Waiter>>> {
        self.waiters.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    fn wants(&self, tenant: TenantId, topic: &str) -> bool {
        self.tenant == tenant && matches(&self.filter, topic)
    }
}

impl Waiting<'_> {
    /// The next message that comes.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        let bytes = self.messages.recv().await?;
        decoded(&bytes, &self.tenant)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiters = self.recent.waiters.write().unwrap_or_else(PoisonError::into_inner);
        waiters.retain(|waiter| !Arc::ptr_eq(waiter, &self.waiter));
        self.recent.waiting.store(waiters.len(), Ordering::Release);
    }
}

impl Sample {
    fn size(&self) -> usize {
        self.bytes.len() + size_of::<Self>()
    }
}

/// As AWS has it, in whichever dialect clients speak.
fn matches(filter: &TopicFilter, topic: &str) -> bool {
    filter.matches(topic, HashMatch::ChildrenOnly)
}

fn encoded(heard: &Heard) -> Bytes {
    /// What a head takes mostly, of what is not counted.
    const HEAD_BYTES: usize = 192;
    let mut bytes = Vec::with_capacity(heard.payload.len() + heard.topic.len() + HEAD_BYTES);
    heard.encode(&mut bytes);
    bytes.shrink_to_fit();
    bytes.into()
}

fn decoded(bytes: &Bytes, tenant: &Tenant) -> Option<Heard> {
    let whose = |number: u32| (number == tenant.id.0).then(|| tenant.clone());
    Heard::decode(bytes, whose).ok()
}

#[cfg(test)]
mod tests {
    use mqtt::QoS;
    use types::Timestamp;

    use super::*;

    fn tenant(number: u32) -> Tenant {
        Tenant {
            id: TenantId(number),
            account: "123456789012".parse().expect("an account"),
            region: "eu-west-1".parse().expect("a region"),
        }
    }

    fn heard(tenant: Tenant, topic: &str, payload: Bytes) -> Heard {
        Heard {
            tenant,
            topic: topic.into(),
            payload,
            qos: QoS::AtMostOnce,
            properties: None,
            client_id: Some("lamp".into()),
            principal: None,
            source_ip: None,
            at: Timestamp::from_millis(1),
            seed: [7; 16],
            hops: 0,
        }
    }

    fn filter(text: &str) -> TopicFilter {
        TopicFilter::parse(text.into()).expect("a filter")
    }

    fn topics(recent: &Recent, of: &Tenant, text: &str, count: usize) -> Vec<String> {
        recent.latest(of, &filter(text), count).into_iter().map(|it| it.topic).collect()
    }

    #[test]
    fn the_latest_that_match_are_there_in_their_order() {
        let (recent, of) = (Recent::new(4), tenant(1));
        for topic in ["a/0", "a/1", "b/2", "a/3", "a/4"] {
            recent.keep(&heard(of.clone(), topic, Bytes::new()));
        }
        assert_eq!(topics(&recent, &of, "a/+", 9), ["a/1", "a/3", "a/4"], "the oldest is gone");
        assert_eq!(topics(&recent, &of, "a/#", 2), ["a/3", "a/4"]);
        assert_eq!(topics(&recent, &tenant(2), "#", 9), [""; 0], "of another tenant there is none");
        recent.clear();
        assert_eq!(topics(&recent, &of, "#", 9), [""; 0]);
    }

    #[test]
    fn what_is_kept_has_a_bound_in_bytes_and_holds_nothing_else() {
        let (recent, of) = (Recent::new(1000), tenant(1));
        let read = Bytes::from(vec![0; 64 * 1024]);
        for number in 0..100 {
            recent.keep(&heard(of.clone(), &number.to_string(), read.slice(..60_000)));
        }
        let kept = recent.kept();
        assert_eq!(kept.bytes, kept.messages.iter().map(Sample::size).sum::<usize>());
        assert_eq!(kept.messages.len(), BYTES_MAX / kept.messages[0].size());
        drop(kept);
        assert!(read.try_into_mut().is_ok(), "nobody holds what was read");
    }

    #[tokio::test]
    async fn whoever_waits_has_what_matches_and_no_more_than_there_is_room_for() {
        let (recent, of) = (Recent::new(0), tenant(1));
        assert!(!recent.is_awaited(of.id, "a/1"));
        let mut waiting = recent.wait(&of, &filter("a/+"), 2).expect("there is room");
        let awaited = [(1, "a/1"), (2, "a/1"), (1, "b")];
        assert_eq!(
            awaited.map(|(id, topic)| recent.is_awaited(TenantId(id), topic)),
            [true, false, false]
        );
        for (number, topic) in [(1, "b"), (2, "a/1"), (1, "a/2"), (1, "a/3"), (1, "a/4")] {
            recent.hand_over(&heard(tenant(number), topic, Bytes::new()));
        }
        assert_eq!(waiting.next().await.expect("one came").topic, "a/2");
        assert_eq!(waiting.next().await.expect("another came").topic, "a/3");
        let large = Bytes::from(vec![0; PAYLOAD_BYTES_MAX - 1000]);
        for _ in 0..5 {
            recent.hand_over(&heard(of.clone(), "a/5", large.clone()));
            waiting.messages.try_recv().unwrap_or_default();
        }
        assert!(waiting.waiter.bytes_left.load(Ordering::Acquire) < large.len());
        drop(waiting);
        assert!(!recent.is_awaited(of.id, "a/1"), "nobody waits any more");
    }

    #[test]
    fn so_many_wait_at_once() {
        let (recent, of) = (Recent::new(0), tenant(1));
        let wait = || recent.wait(&of, &filter("a"), 1);
        let mut waiting: Vec<_> =
            (0..WAITERS_MAX).map(|_| wait().expect("there is room")).collect();
        assert_eq!(wait().err().expect("a refusal").code, "ThrottlingException");
        waiting.pop();
        assert!(wait().is_ok());
    }
}

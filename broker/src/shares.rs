//! A client's part in shared subscriptions: joining and leaving groups, and taking what waits in
//! them.

use std::sync::Arc;
use std::time::Duration;

use journal::Sequence;
use mqtt::{QoS, RetainHandling, SubscriptionOptions, TopicFilter};
use service::kinds;
use store::{Batch, Key};
use types::TenantId;

use crate::Broker;
use crate::groups::{Group, Member};
use crate::keeping::Keeping;
use crate::mailbox::{Delivery, Posted};
use crate::owed::Owed;
use crate::publish::leave;
use crate::queue::{Queue, QueueLimits, Queued, new_queue_id};
use crate::sessions::{GroupRecord, Sessions};
use crate::space::{Recipient, Space, Subscription};
use crate::stored;
use crate::subscriptions::Terms;
use crate::turn::with_lent;

/// How a group takes messages: whatever its members take.
const GROUP_OPTIONS: SubscriptionOptions = SubscriptionOptions {
    qos: QoS::ExactlyOnce,
    no_local: false,
    retain_as_published: true,
    retain_handling: RetainHandling::DoNotSend,
};
/// A member takes so many times as many stored messages a second as a session does, as on AWS.
const MEMBER_PACE: usize = 2;
/// Messages that are taken from a group's queue at once.
const BATCH_MAX: usize = 100;

impl Sessions {
    /// Makes `member` one of the group of `filter`.
    pub(crate) fn join(&self, space: &Space, filter: &TopicFilter, member: Member) -> Arc<Group> {
        self.join_with(space, filter, member, None)
    }

    /// As [`Sessions::join`], where `queue` is what waited in the group before the server started.
    pub(crate) fn join_with(
        &self,
        space: &Space,
        filter: &TopicFilter,
        member: Member,
        queue: Option<Arc<Queue>>,
    ) -> Arc<Group> {
        let is_session = matches!(member.to, Recipient::Session(_));
        let (group, is_new) = space.groups.join(filter, self.next_number(), member);
        if is_new {
            let to = Recipient::Group(Arc::clone(&group));
            let terms = Terms { options: GROUP_OPTIONS, id: None };
            space.subscribe([(filter, Subscription { to, terms })]);
        }
        if let Some(queue) = queue {
            group.set_queue(queue);
        } else if is_session && group.queue().is_none() {
            let (limits, journal) = (QueueLimits::new(&self.app.limits), self.app.journal.clone());
            let id = new_queue_id(&self.app.env.random);
            group.set_queue(Arc::new(Queue::new(id, journal, limits, Vec::new())));
            let key = group_key(space.tenant.id, filter.as_str());
            let record = GroupRecord::new(filter, id);
            self.write_soon(move |batch: &mut Batch| {
                batch.put(key, service::encode(&record));
            });
        }
        group
    }

    /// Takes the holder out of the group of `filter`.
    pub(crate) fn quit(&self, space: &Space, filter: &TopicFilter, holder: u64) {
        let (ended, queue) = space.groups.leave(filter.as_str(), holder);
        if let Some(group) = ended {
            space.unsubscribe([filter], group.number);
        }
        if let Some(queue) = queue {
            self.app.journal.forget(queue.id);
            let key = group_key(space.tenant.id, filter.as_str());
            self.write_soon(move |batch: &mut Batch| {
                batch.delete(key);
            });
        }
    }

    /// Ends these subscriptions of a holder.
    pub(crate) fn unsubscribe(&self, space: &Space, filters: &[TopicFilter], holder: u64) {
        let (shared, own): (Vec<_>, Vec<_>) =
            filters.iter().partition(|filter| filter.share().is_some());
        if !own.is_empty() {
            space.unsubscribe(own, holder);
        }
        for filter in shared {
            self.quit(space, filter, holder);
        }
    }
}

impl Broker {
    /// Hands what waits in `group` to those of its members that are there.
    pub(crate) fn drain(self: &Arc<Self>, group: &Arc<Group>) {
        let Some(queue) = group.queue().filter(|queue| queue.begin_draining()) else { return };
        let (broker, group) = (Arc::clone(self), Arc::clone(group));
        let work = async move {
            broker.drain_all(&group, &queue).await;
        };
        self.app.env.tasks.spawn("shared-queue", env::TaskKind::Transient, work);
    }

    async fn drain_all(&self, group: &Group, queue: &Arc<Queue>) {
        loop {
            let mut goes_on = true;
            while goes_on && queue.has_waiting() && group.online_count() > 0 {
                goes_on = self.drain_some(group, queue).await;
            }
            queue.end_draining();
            // Somebody may have come, or a message, who was told that this is under way.
            let may_go_on = goes_on && queue.has_waiting() && group.online_count() > 0;
            if !(may_go_on && queue.begin_draining()) {
                return;
            }
        }
    }

    /// Hands some over; whether it makes sense to go on.
    async fn drain_some(&self, group: &Group, queue: &Arc<Queue>) -> bool {
        let pace = MEMBER_PACE * self.app.limits.mqtt_queue_drain_per_s as usize;
        let most = pace.saturating_mul(group.online_count());
        let batch = queue.next_waiting(if pace == 0 { BATCH_MAX } else { most.min(BATCH_MAX) });
        let sequences: Vec<Sequence> = batch.iter().map(|unsent| unsent.sequence).collect();
        let bodies = match queue.journal().read(sequences.clone()).await {
            Ok(bodies) => bodies,
            Err(error) => {
                tracing::error!(%error, filter = group.filter.as_str(), "messages not read");
                return false;
            }
        };
        let (now, taken) = (self.app.env.clock.now(), sequences.len());
        for (sequence, body) in sequences.into_iter().zip(bodies) {
            let message = body.and_then(|body| stored::decode(&body).ok());
            let Some(message) = message.filter(|message| message.expiry_s(now).is_some()) else {
                queue.acknowledge(sequence);
                continue;
            };
            let delivery = Delivery::new(Arc::new(message), QoS::ExactlyOnce, false);
            let Some((to, delivery)) = group.choose(&delivery) else { return true };
            if !self.hand_over(queue, sequence, &to, delivery) {
                return false;
            }
        }
        if pace > 0 {
            // As much of a second as is due to so many.
            let ms = taken.saturating_mul(1000) / most.max(1);
            tokio::time::sleep(Duration::from_millis(ms as u64)).await;
        }
        true
    }

    /// Hands a message of a group's queue to one member: it goes into the queue of a session, and
    /// stays in the group's until anybody else has acknowledged it.
    fn hand_over(
        &self,
        queue: &Arc<Queue>,
        sequence: Sequence,
        to: &Recipient,
        mut delivery: Delivery,
    ) -> bool {
        match to {
            Recipient::Client(client) if delivery.qos == QoS::AtMostOnce => {
                with_lent(&self.metrics, |lent| {
                    leave(client, delivery, &mut lent.turn(self.app.env.clock.now()).1);
                });
                queue.acknowledge(sequence);
            }
            Recipient::Client(client) => {
                let queued = Arc::clone(queue);
                queue.hand_out(sequence);
                delivery.queued = Some(Box::new(Queued {
                    queue: queued,
                    sequence,
                    packet_id: None,
                    is_again: false,
                }));
                match client.mailbox.offer(delivery) {
                    Posted::Waits => {}
                    Posted::Wake(waker) => waker.wake(),
                    Posted::Dropped | Posted::Gone => {
                        queue.give_back(sequence);
                        return false;
                    }
                }
            }
            Recipient::Session(session) => {
                queue.hand_out(sequence);
                let message = Arc::clone(&delivery.message);
                let mut keeping = Keeping::default();
                with_lent(&self.metrics, |lent| {
                    let (_, mut turn) = lent.turn(self.app.env.clock.now());
                    session.take(delivery, &mut keeping, &mut turn);
                });
                if keeping.parts() == 0 {
                    queue.acknowledge(sequence);
                    return true;
                }
                let owed = Owed::to_queue(queue, sequence);
                if !keeping.write(&message, Some(owed)) {
                    queue.give_back(sequence);
                    return false;
                }
            }
            Recipient::Group(_) => {}
        }
        true
    }
}

/// Where the queue of a group is noted.
pub(crate) fn group_key(tenant: TenantId, filter: &str) -> Key {
    Key::new(tenant, kinds::SHARED_GROUP).text(filter)
}

//! Shared subscriptions: of each message one member of a group gets a copy.
//!
//! Members that are there take turns. While none is, a group with a persistent session among its
//! members keeps messages of QoS 1 and 2, and hands them to whoever comes first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytestring::ByteString;
use mqtt::{QoS, SubscriptionOptions, TopicFilter};

use crate::keeping::Keeping;
use crate::mailbox::Delivery;
use crate::publish::leave;
use crate::queue::Queue;
use crate::space::Recipient;
use crate::subscriptions::Held;
use crate::turn::Turn;

/// The groups of a space, by the text of their filters, `$share` and name included.
#[derive(Default)]
pub(crate) struct Groups(Mutex<HashMap<ByteString, Arc<Group>>>);

/// Those who share a subscription.
pub(crate) struct Group {
    /// What distinguishes it from every other recipient; never 0.
    pub(crate) number: u64,
    pub(crate) filter: TopicFilter,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    all: Vec<Member>,
    /// Whose turn it is.
    next: usize,
    /// What waits for a member to come, once one of them is a persistent session.
    queue: Option<Arc<Queue>>,
}

/// Somebody in a group.
pub(crate) struct Member {
    pub(crate) to: Recipient,
    pub(crate) options: SubscriptionOptions,
    /// The subscription identifiers that it is to be told.
    pub(crate) ids: Option<Arc<Vec<u32>>>,
}

impl Member {
    /// `to` with what it holds.
    pub(crate) fn new(held: &Held, to: Recipient) -> Self {
        Self { to, options: held.options, ids: held.id.map(|id| Arc::new(vec![id])) }
    }
}

impl Groups {
    pub(crate) fn find(&self, filter: &str) -> Option<Arc<Group>> {
        self.lock().get(filter).cloned()
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Adds `member` to the group of `filter`, in place of what it was before; `number` is the
    /// group's if it is new. The group, and whether it is.
    pub(crate) fn join(
        &self,
        filter: &TopicFilter,
        number: u64,
        member: Member,
    ) -> (Arc<Group>, bool) {
        let mut groups = self.lock();
        let mut is_new = false;
        let group = groups.entry(filter.as_str().into()).or_insert_with(|| {
            is_new = true;
            Arc::new(Group { number, filter: filter.clone(), members: Mutex::default() })
        });
        let mut members = group.lock();
        let holder = member.to.number();
        members.all.retain(|other| other.to.number() != holder);
        members.all.push(member);
        drop(members);
        (Arc::clone(group), is_new)
    }

    /// Takes a member out. The group if nobody is left in it, and its queue if no persistent
    /// session is.
    pub(crate) fn leave(
        &self,
        filter: &str,
        holder: u64,
    ) -> (Option<Arc<Group>>, Option<Arc<Queue>>) {
        let mut groups = self.lock();
        let Some(group) = groups.get(filter).cloned() else { return (None, None) };
        let mut members = group.lock();
        members.all.retain(|member| member.to.number() != holder);
        let has_session = members.all.iter().any(|m| matches!(m.to, Recipient::Session(_)));
        let queue = if has_session { None } else { members.queue.take() };
        let is_empty = members.all.is_empty();
        drop(members);
        if is_empty {
            groups.remove(filter);
        }
        (is_empty.then_some(group), queue)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ByteString, Arc<Group>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Group {
    pub(crate) fn member_count(&self) -> usize {
        self.lock().all.len()
    }

    pub(crate) fn has_member(&self, number: u64) -> bool {
        self.lock().all.iter().any(|member| member.to.number() == number)
    }

    /// What waits for a member.
    pub(crate) fn queue(&self) -> Option<Arc<Queue>> {
        self.lock().queue.clone()
    }

    /// Keeps what waits in `queue`, unless there is one.
    pub(crate) fn set_queue(&self, queue: Arc<Queue>) {
        self.lock().queue.get_or_insert(queue);
    }

    /// Brings a message to the member whose turn it is, or keeps it until one comes.
    pub(crate) fn take(&self, delivery: Delivery, keeping: &mut Keeping, turn: &mut Turn<'_>) {
        let mut members = self.lock();
        let chosen = members.choose(&delivery);
        let queue = members.queue.clone();
        drop(members);
        match (chosen, queue) {
            (Some((to, delivery)), queue) => bring(&to, queue.as_ref(), delivery, keeping, turn),
            (None, Some(queue)) if delivery.qos > QoS::AtMostOnce => {
                keeping.put_shared(&queue, delivery, turn);
            }
            (None, _) => turn.counts.dropped += 1,
        }
    }

    /// How many of its members could have a message now.
    pub(crate) fn online_count(&self) -> usize {
        self.lock().all.iter().filter(|member| member.is_online()).count()
    }

    /// The member whose turn it is to have `delivery`, and it as that member gets it; none if
    /// nobody is there.
    pub(crate) fn choose(&self, delivery: &Delivery) -> Option<(Recipient, Delivery)> {
        self.lock().choose(delivery)
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Members {
    fn choose(&mut self, delivery: &Delivery) -> Option<(Recipient, Delivery)> {
        let count = self.all.len();
        let turns = (0..count).map(|step| (self.next + step) % count);
        let at = turns.into_iter().find(|at| self.all[*at].is_online())?;
        self.next = at + 1;
        let member = &self.all[at];
        let delivery = Delivery {
            qos: delivery.message.qos.min(member.options.qos),
            retain: delivery.message.retain && member.options.retain_as_published,
            ids: member.ids.clone(),
            ..delivery.clone()
        };
        Some((member.to.clone(), delivery))
    }
}

impl Member {
    fn is_online(&self) -> bool {
        match &self.to {
            Recipient::Client(client) => !client.mailbox.is_full(),
            Recipient::Session(session) => session.is_online(),
            Recipient::Group(_) => false,
        }
    }
}

/// Brings a message to one member. What a session does not keep is kept in `queue`, if there is
/// one, until the member has acknowledged it.
fn bring(
    to: &Recipient,
    queue: Option<&Arc<Queue>>,
    delivery: Delivery,
    keeping: &mut Keeping,
    turn: &mut Turn<'_>,
) {
    match (to, queue) {
        // Nobody else may have what is of QoS 2 once it is sent (MQTT-4.8.2-5).
        (Recipient::Client(client), Some(queue)) if delivery.qos == QoS::AtLeastOnce => {
            if !keeping.lend(queue, client, delivery.clone(), turn) {
                leave(client, delivery, turn);
            }
        }
        (Recipient::Client(client), _) => leave(client, delivery, turn),
        (Recipient::Session(session), _) if delivery.qos > QoS::AtMostOnce => {
            session.take_shared(delivery, keeping, turn);
        }
        (Recipient::Session(session), _) => session.take(delivery, keeping, turn),
        (Recipient::Group(_), _) => {}
    }
}

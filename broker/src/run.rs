//! Messages of one turn that go to the same subscribers, handed over together: each mailbox is
//! locked once for all of them.

use std::sync::Arc;

use crate::mailbox::Posted;
use crate::message::Message;
use crate::space::{Recipient, Subscriber};
use crate::turn::Turn;

/// Messages that wait for the end of the turn, or for one with other subscribers. Bounded by what
/// is read in a turn.
#[derive(Default)]
pub(crate) struct Run {
    subscribers: Option<Arc<[Subscriber]>>,
    messages: Vec<Arc<Message>>,
}

impl Turn<'_> {
    /// Has `message` left with `subscribers` before the turn ends, in order; not if one of them
    /// keeps what it gets: then the caller has to see to each message itself.
    pub(crate) fn defer(
        &mut self,
        subscribers: &Arc<[Subscriber]>,
        message: &Arc<Message>,
    ) -> bool {
        let is_same = self.run.subscribers.as_ref().is_some_and(|s| Arc::ptr_eq(s, subscribers));
        if !is_same {
            self.hand_over();
            let is_connection = |s: &Subscriber| matches!(s.to, Recipient::Client(_));
            if !subscribers.iter().all(is_connection) {
                return false;
            }
            self.run.subscribers = Some(Arc::clone(subscribers));
        }
        self.run.messages.push(Arc::clone(message));
        true
    }

    /// Leaves with their subscribers what waited for that.
    pub(crate) fn hand_over(&mut self) {
        let Some(subscribers) = self.run.subscribers.take() else { return };
        for subscriber in subscribers.iter() {
            if let Recipient::Client(client) = &subscriber.to {
                let (posted, dropped) = client.mailbox.post_all(subscriber, &self.run.messages);
                self.counts.dropped += dropped;
                if let Posted::Wake(waker) = posted {
                    self.wakes.push(waker);
                }
            }
        }
        self.run.messages.clear();
    }
}

//! What one client subscribes to: its connection changes it, and others may look.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytestring::ByteString;
use foldhash::quality::RandomState;
use mqtt::{HashMatch, QoS, SubscriptionOptions, TopicFilter};

use crate::space::{Recipient, Subscription};

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) filter: TopicFilter,
    pub(crate) options: SubscriptionOptions,
    /// Its identifier, if the client has given it one.
    pub(crate) id: Option<u32>,
}

impl Held {
    /// It as the subscription of `to`.
    pub(crate) fn subscription(&self, to: Recipient) -> Subscription {
        Subscription { to, terms: self.terms() }
    }

    fn terms(&self) -> Terms {
        Terms { options: self.options, id: self.id.and_then(NonZeroU32::new) }
    }
}

/// What a subscription has beside its filter.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) options: SubscriptionOptions,
    /// Never 0 (MQTT 5, 3.8.2.1.2).
    pub(crate) id: Option<NonZeroU32>,
}

/// The subscriptions of one client, by the text of their filters. Bounded by its connection.
#[derive(Default)]
pub(crate) struct Subscriptions(Mutex<ByFilter>);

type ByFilter = HashMap<TopicFilter, Terms, RandomState>;

impl Subscriptions {
    /// Whether one with this filter may be added, or put in place, where `most` may be held.
    pub(crate) fn has_room_for(&self, filter: &str, most: usize) -> bool {
        let held = self.lock();
        held.len() < most || held.contains_key(filter)
    }

    /// Adds a subscription, in place of the one with the same filter; whether there was none.
    pub(crate) fn insert(&self, held: Held) -> bool {
        let terms = held.terms();
        self.lock().insert(held.filter, terms).is_none()
    }

    pub(crate) fn remove(&self, filter: &str) -> Option<TopicFilter> {
        self.lock().remove_entry(filter).map(|(filter, _)| filter)
    }

    /// The identifiers of those that match `topic`.
    pub(crate) fn ids_matching(&self, topic: &str) -> Option<Arc<Vec<u32>>> {
        let held = self.lock();
        // Only where the standard's dialect is spoken are there any.
        let with_ids = held.iter().filter_map(|(filter, terms)| Some((terms.id?, filter)));
        let matching = with_ids.filter(|(_, filter)| filter.matches(topic, HashMatch::ParentToo));
        let ids: Vec<u32> = matching.map(|(id, _)| id.get()).collect();
        (!ids.is_empty()).then(|| Arc::new(ids))
    }

    /// The filters of those that are shared.
    pub(crate) fn shared(&self) -> Vec<ByteString> {
        let held = self.lock();
        let shared = held.keys().filter(|filter| filter.share().is_some());
        shared.map(|filter| filter.as_str().into()).collect()
    }

    /// Removes them all.
    pub(crate) fn take(&self) -> Vec<TopicFilter> {
        let held = std::mem::take(&mut *self.lock());
        held.into_keys().collect()
    }

    /// The first `most` whose filters come after `after`, sorted by filter; and whether there are
    /// more.
    pub(crate) fn page(&self, after: Option<&str>, most: usize) -> (Vec<(ByteString, QoS)>, bool) {
        let held = self.lock();
        let is_next = |filter: &str| after.is_none_or(|after| filter > after);
        let mut page: Vec<_> = held
            .iter()
            .filter(|(filter, _)| is_next(filter.as_str()))
            .map(|(filter, terms)| (ByteString::from(filter.as_str()), terms.options.qos))
            .collect();
        drop(held);
        page.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let has_more = page.len() > most;
        page.truncate(most);
        (page, has_more)
    }

    fn lock(&self) -> MutexGuard<'_, ByFilter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(filters: &[&str]) -> Subscriptions {
        let held = Subscriptions::default();
        for filter in filters {
            held.insert(crate::fixture::held(filter, QoS::AtLeastOnce));
        }
        held
    }

    #[test]
    fn pages_follow_one_another_in_the_order_of_filters() {
        let held = holding(&["b", "a/+", "c/#", "a"]);
        let page = |after, most| {
            let (page, has_more) = held.page(after, most);
            let filters: Vec<_> = page.iter().map(|(filter, _)| filter.to_string()).collect();
            (filters.join(" "), has_more)
        };
        assert_eq!(page(None, 3), ("a a/+ b".to_owned(), true));
        assert_eq!(page(Some("b"), 3), ("c/#".to_owned(), false));
        assert_eq!(page(Some("a/z"), 2), ("b c/#".to_owned(), false));
        assert_eq!(page(Some("d"), 2), (String::new(), false));
    }

    #[test]
    fn a_filter_is_held_once_and_fits_where_it_is_held() {
        let held = holding(&["a", "b"]);
        held.insert(crate::fixture::held("a", QoS::AtMostOnce));
        assert_eq!(held.page(None, 1).0, [("a".into(), QoS::AtMostOnce)]);
        let fits = ["a", "c"].map(|filter| held.has_room_for(filter, 2));
        assert_eq!((fits, held.has_room_for("c", 3)), ([true, false], true));
        assert!(held.remove("a").is_some() && held.remove("a").is_none());
        assert_eq!((held.take().len(), held.take().len()), (1, 0));
    }
}

//! Who asks for which topics: every filter in one table, beside the shapes that filters have.
//!
//! The shape of `a/+/c/#` is `/+//#`, the filter without its names. A topic is given every shape in
//! turn, and what comes of that is looked up: `a/b/c/d` in that shape is `a/+/c/#`. So a filter
//! takes one place, and who receives a topic is found with as many looks as there are shapes, which
//! are few where filters are many: of the eight levels that AWS allows there are 511 at most.

mod holders;
mod table;

use std::collections::HashMap;

pub use self::holders::Holder;
use self::holders::Holders;
use self::table::Table;
use crate::filter::{HashMatch, TopicFilter};
use foldhash::quality::RandomState;
use hashbrown::hash_table::Entry;

/// Subscriptions by their filters.
#[derive(Debug)]
pub struct Filters<T> {
    holders: Table<Holders<T>>,
    /// How many filters have each shape, of those with wildcards.
    shapes: HashMap<Box<Shape>, usize, RandomState>,
    /// Room to work out a shape in.
    shape: Vec<u8>,
}

/// Bytes `/`, `+` and `#`.
type Shape = [u8];

impl<T> Default for Filters<T> {
    fn default() -> Self {
        Self { holders: Table::default(), shapes: HashMap::default(), shape: Vec::new() }
    }
}

impl<T: Holder> Filters<T> {
    /// Adds a subscription, in place of the one that its holder had with this filter.
    pub fn insert(&mut self, filter: &TopicFilter, subscription: T) {
        match self.holders.entry(filter.filter()) {
            Entry::Occupied(mut held) => held.get_mut().1.insert(subscription),
            Entry::Vacant(place) => {
                place.insert((filter.filter_text(), Holders::One(subscription)));
                if filter.has_wildcards() {
                    self.count_shape(filter);
                }
            }
        }
    }

    /// Removes the subscription of `holder`, if it is there.
    pub fn remove(&mut self, filter: &TopicFilter, holder: u64) {
        let Some(mut held) = self.holders.find(filter.filter()) else { return };
        if !held.get_mut().1.remove(holder) {
            return;
        }
        held.remove();
        if filter.has_wildcards() {
            self.discount_shape(filter);
        }
    }

    /// Calls `found` for every subscription that matches `topic`; for one holder more than once if
    /// several of its filters do.
    pub fn matches<'t>(&'t self, topic: &str, hash: HashMatch, found: &mut impl FnMut(&'t T)) {
        let mut look = |filter: &str| {
            if let Some(holders) = self.holders.get(filter) {
                holders.each(found);
            }
        };
        look(topic);
        if self.shapes.is_empty() {
            return;
        }
        let levels: Vec<&str> = topic.split('/').collect();
        let mut filter = String::with_capacity(topic.len().saturating_add("/#".len()));
        for shape in self.shapes.keys().filter(|shape| fits(shape, &levels, hash)) {
            write_filter(shape, &levels, &mut filter);
            look(&filter);
        }
    }

    fn count_shape(&mut self, filter: &TopicFilter) {
        write_shape(filter, &mut self.shape);
        if let Some(count) = self.shapes.get_mut(&*self.shape) {
            *count = count.saturating_add(1);
        } else {
            self.shapes.insert(self.shape.as_slice().into(), 1);
        }
    }

    fn discount_shape(&mut self, filter: &TopicFilter) {
        write_shape(filter, &mut self.shape);
        let Some(count) = self.shapes.get_mut(&*self.shape) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.shapes.remove(&*self.shape);
        }
    }
}

fn write_shape(filter: &TopicFilter, shape: &mut Vec<u8>) {
    shape.clear();
    shape.extend(filter.filter().bytes().filter(|byte| matches!(byte, b'/' | b'+' | b'#')));
}

/// Whether filters of a shape may match a topic of these levels.
fn fits(shape: &Shape, topic: &[&str], hash: HashMatch) -> bool {
    // A wildcard at the first level does not match topics that begin with `$` (MQTT-4.7.2-1).
    if !shape.starts_with(b"/") && topic.first().is_some_and(|level| level.starts_with('$')) {
        return false;
    }
    let slashes = shape.iter().filter(|byte| **byte == b'/').count();
    match (shape.ends_with(b"#"), hash) {
        (true, HashMatch::ChildrenOnly) => slashes < topic.len(),
        (true, HashMatch::ParentToo) => slashes <= topic.len(),
        (false, _) => slashes.saturating_add(1) == topic.len(),
    }
}

/// Writes the filter of a shape that matches a topic.
fn write_filter(shape: &Shape, topic: &[&str], filter: &mut String) {
    filter.clear();
    for (at, level) in shape.split(|byte| *byte == b'/').enumerate() {
        if at > 0 {
            filter.push('/');
        }
        filter.push_str(match level {
            b"+" => "+",
            b"#" => "#",
            _ => topic.get(at).copied().unwrap_or_default(),
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(text: &str) -> TopicFilter {
        TopicFilter::parse(text.into()).unwrap()
    }

    fn found(filters: &Filters<(u64, &'static str)>, topic: &str) -> Vec<&'static str> {
        let mut values = Vec::new();
        filters.matches(topic, HashMatch::ChildrenOnly, &mut |(_, value)| values.push(*value));
        values.sort_unstable();
        values
    }

    #[test]
    fn filters_find_their_topics_until_they_are_removed() {
        let mut filters = Filters::default();
        for (holder, text) in (1..).zip(["a/b", "a/+", "a/#", "#", "+/b", "a", "$aws/#", "a/b/#"]) {
            filters.insert(&filter(text), (holder, text));
        }
        assert_eq!(found(&filters, "a/b"), ["#", "+/b", "a/#", "a/+", "a/b"]);
        assert_eq!(found(&filters, "a"), ["#", "a"]);
        assert_eq!(found(&filters, "$aws/x"), ["$aws/#"]);
        filters.remove(&filter("a/#"), 3);
        filters.remove(&filter("a/b"), 1);
        filters.remove(&filter("#"), 9);
        assert_eq!(found(&filters, "a/b"), ["#", "+/b", "a/+"]);
    }

    #[test]
    fn what_is_removed_leaves_nothing_behind() {
        let mut filters = Filters::default();
        for (holder, text) in [(1, "a/+/c"), (2, "a/+/c"), (1, "b/+/#"), (2, "b/+/c"), (1, "x")] {
            filters.insert(&filter(text), (holder, text));
        }
        assert_eq!((filters.holders.len(), filters.shapes.len()), (4, 2));
        for (holder, text) in [(1, "a/+/c"), (2, "a/+/c"), (1, "b/+/#"), (2, "b/+/c"), (1, "x")] {
            filters.remove(&filter(text), holder);
        }
        assert_eq!((filters.holders.len(), filters.shapes.len()), (0, 0));
    }

    #[test]
    fn a_filter_takes_few_bytes() {
        assert_eq!(size_of::<Holders<(u64, u64)>>(), 24);
    }

    fn text(levels: &'static str) -> impl Strategy<Value = String> {
        proptest::collection::vec(
            proptest::sample::select(levels.split(' ').collect::<Vec<_>>()),
            1..5,
        )
        .prop_map(|levels| levels.join("/"))
    }

    proptest! {
        #[test]
        fn the_table_finds_what_each_filter_matches(
            filters in proptest::collection::vec(text("a b $a + #"), 0..20),
            removed in proptest::collection::vec(any::<bool>(), 20),
            topic in text("a b $a c"),
            parent_too in any::<bool>(),
        ) {
            let hash = if parent_too { HashMatch::ParentToo } else { HashMatch::ChildrenOnly };
            let filters: Vec<TopicFilter> =
                filters.iter().filter_map(|text| TopicFilter::parse(text.as_str().into()).ok()).collect();
            let mut table = Filters::default();
            for (holder, filter) in (0..).zip(&filters) {
                table.insert(filter, (holder, ()));
            }
            for ((holder, filter), _) in (0..).zip(&filters).zip(&removed).filter(|(_, r)| **r) {
                table.remove(filter, holder);
            }
            let mut found = Vec::new();
            table.matches(&topic, hash, &mut |(holder, ())| found.push(*holder));
            found.sort_unstable();
            let expected: Vec<u64> = (0..)
                .zip(&filters)
                .zip(&removed)
                .filter(|((_, filter), removed)| !**removed && filter.matches(&topic, hash))
                .map(|((holder, _), _)| holder)
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}

//! Who subscribes to what: a table of exact topics beside a tree of filters with wildcards.
//!
//! The tree is made for very many filters that few hold: nodes are small and lie side by side, the
//! steps from node to node are in one table, and the text of a level is kept once.

mod holders;
mod levels;
mod slab;

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::quality::RandomState;
use mqtt::{HashMatch, TopicFilter};

use self::holders::Holders;
use self::levels::Levels;
use self::slab::{Slab, Slot};

/// Subscriptions, each with the number of its holder.
#[derive(Debug)]
pub(crate) struct Trie<T> {
    exact: HashMap<Arc<str>, Holders<T>, RandomState>,
    nodes: Slab<Node>,
    /// From a node, by the number of a level, to the next.
    steps: HashMap<(Slot, Slot), Slot, RandomState>,
    levels: Levels,
    holders: Slab<Holders<T>>,
}

#[derive(Debug, Default)]
struct Node {
    plus: Option<Slot>,
    /// Whose filter ends here.
    here: Option<Slot>,
    /// Whose filter has `#` below here.
    below: Option<Slot>,
    /// How many steps by name lead on.
    steps: u32,
}

const ROOT: Slot = Slot::FIRST;

impl<T> Default for Trie<T> {
    fn default() -> Self {
        let mut nodes = Slab::default();
        nodes.add();
        let (exact, steps, levels, holders) = Default::default();
        Self { exact, nodes, steps, levels, holders }
    }
}

impl<T> Trie<T> {
    /// Adds the subscription of `holder`, in place of the one it had with this filter.
    pub(crate) fn insert(&mut self, filter: &TopicFilter, holder: u64, value: T) {
        let holders = if filter.has_wildcards() {
            self.holders_of(filter)
        } else {
            self.exact.entry(filter.filter_text()).or_default()
        };
        holders.insert(holder, value);
    }

    /// Removes the subscription of `holder`, if it is there.
    pub(crate) fn remove(&mut self, filter: &TopicFilter, holder: u64) {
        if filter.has_wildcards() {
            self.remove_path(filter, holder);
        } else if let Some(holders) = self.exact.get_mut(filter.filter()) {
            holders.remove(holder);
            if holders.is_empty() {
                self.exact.remove(filter.filter());
            }
        }
    }

    /// Calls `found` for every subscription that matches `topic`; for one holder more than once if
    /// several of its filters do.
    pub(crate) fn matches<'t>(
        &'t self,
        topic: &str,
        hash: HashMatch,
        found: &mut impl FnMut(u64, &'t T),
    ) {
        if let Some(holders) = self.exact.get(topic) {
            holders.each(found);
        }
        let root = self.nodes.get(ROOT);
        if root.is_empty() {
            return;
        }
        // A wildcard at the first level does not match topics that begin with `$` (MQTT-4.7.2-1).
        if topic.starts_with('$') {
            let (first, rest) = topic.split_once('/').unwrap_or((topic, ""));
            let step = self.levels.find(first).and_then(|level| self.step(ROOT, level));
            let Some(node) = step else { return };
            let levels: Vec<_> = rest.split('/').map(|level| self.levels.find(level)).collect();
            let is_whole = first.len() == topic.len();
            return self.descend(node, if is_whole { &[] } else { &levels }, hash, found);
        }
        let levels: Vec<_> = topic.split('/').map(|level| self.levels.find(level)).collect();
        self.descend(ROOT, &levels, hash, found);
    }

    /// What matches from `node` on, where `levels` are left of the topic.
    fn descend<'t>(
        &'t self,
        node: Slot,
        levels: &[Option<Slot>],
        hash: HashMatch,
        found: &mut impl FnMut(u64, &'t T),
    ) {
        let at = self.nodes.get(node);
        let Some((level, rest)) = levels.split_first() else {
            self.each(at.here, found);
            if hash == HashMatch::ParentToo {
                self.each(at.below, found);
            }
            return;
        };
        self.each(at.below, found);
        if let Some(plus) = at.plus {
            self.descend(plus, rest, hash, found);
        }
        if at.steps > 0
            && let Some(next) = level.and_then(|level| self.step(node, level))
        {
            self.descend(next, rest, hash, found);
        }
    }

    fn each<'t>(&'t self, holders: Option<Slot>, found: &mut impl FnMut(u64, &'t T)) {
        if let Some(holders) = holders {
            self.holders.get(holders).each(found);
        }
    }

    fn step(&self, from: Slot, level: Slot) -> Option<Slot> {
        self.steps.get(&(from, level)).copied()
    }

    /// Those whose filter is `filter`, which has wildcards.
    fn holders_of(&mut self, filter: &TopicFilter) -> &mut Holders<T> {
        let mut at = ROOT;
        for level in filter.levels() {
            at = match level {
                "#" => break,
                "+" => self.plus_of(at),
                level => self.next_of(at, level),
            };
        }
        let node = self.nodes.get_mut(at);
        let place = if ends_with_hash(filter) { &mut node.below } else { &mut node.here };
        let holders = *place.get_or_insert_with(|| self.holders.add());
        self.holders.get_mut(holders)
    }

    fn plus_of(&mut self, node: Slot) -> Slot {
        if let Some(plus) = self.nodes.get(node).plus {
            return plus;
        }
        let plus = self.nodes.add();
        self.nodes.get_mut(node).plus = Some(plus);
        plus
    }

    fn next_of(&mut self, node: Slot, level: &str) -> Slot {
        let level = self.levels.find_or_add(level);
        *self.steps.entry((node, level)).or_insert_with(|| {
            self.levels.begin_use(level);
            self.nodes.get_mut(node).steps += 1;
            self.nodes.add()
        })
    }

    fn remove_path(&mut self, filter: &TopicFilter, holder: u64) {
        let Some(path) = self.path(filter) else { return };
        let Some(last) = path.last() else { return };
        let node = self.nodes.get_mut(*last);
        let place = if ends_with_hash(filter) { &mut node.below } else { &mut node.here };
        let Some(slot) = *place else { return };
        let holders = self.holders.get_mut(slot);
        holders.remove(holder);
        if !holders.is_empty() {
            return;
        }
        *place = None;
        self.holders.remove(slot);
        let steps: Vec<(Slot, &str)> = path.iter().copied().zip(filter.levels()).collect();
        for ((from, level), node) in steps.into_iter().zip(path.iter().skip(1)).rev() {
            if !self.nodes.get(*node).is_empty() {
                return;
            }
            self.nodes.remove(*node);
            self.unlink(from, level);
        }
    }

    /// The nodes that `filter` leads through, if they are all there.
    fn path(&self, filter: &TopicFilter) -> Option<Vec<Slot>> {
        let mut path = vec![ROOT];
        let mut at = ROOT;
        for level in filter.levels() {
            at = match level {
                "#" => break,
                "+" => self.nodes.get(at).plus?,
                level => self.step(at, self.levels.find(level)?)?,
            };
            path.push(at);
        }
        Some(path)
    }

    fn unlink(&mut self, from: Slot, level: &str) {
        let node = self.nodes.get_mut(from);
        if level == "+" {
            node.plus = None;
        } else if let Some(number) = self.levels.find(level) {
            node.steps -= 1;
            self.steps.remove(&(from, number));
            self.levels.end_use(level, number);
        }
    }
}

impl Node {
    fn is_empty(&self) -> bool {
        self.steps == 0 && self.plus.is_none() && self.here.is_none() && self.below.is_none()
    }
}

fn ends_with_hash(filter: &TopicFilter) -> bool {
    filter.filter().ends_with('#')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(text: &str) -> TopicFilter {
        TopicFilter::parse(text.into()).unwrap()
    }

    fn found(trie: &Trie<&'static str>, topic: &str) -> Vec<&'static str> {
        let mut values = Vec::new();
        trie.matches(topic, HashMatch::ChildrenOnly, &mut |_, value| values.push(*value));
        values.sort_unstable();
        values
    }

    #[test]
    fn filters_find_their_topics_until_they_are_removed() {
        let mut trie = Trie::default();
        for (holder, text) in (1..).zip(["a/b", "a/+", "a/#", "#", "+/b", "a", "$aws/#", "a/b/#"]) {
            trie.insert(&filter(text), holder, text);
        }
        assert_eq!(found(&trie, "a/b"), ["#", "+/b", "a/#", "a/+", "a/b"]);
        assert_eq!(found(&trie, "a"), ["#", "a"]);
        assert_eq!(found(&trie, "$aws/x"), ["$aws/#"]);
        trie.remove(&filter("a/#"), 3);
        trie.remove(&filter("a/b"), 1);
        trie.remove(&filter("#"), 9);
        assert_eq!(found(&trie, "a/b"), ["#", "+/b", "a/+"]);
    }

    #[test]
    fn what_is_removed_leaves_nothing_behind() {
        let mut trie = Trie::default();
        for text in ["a/+/c", "a/b/#", "x"] {
            trie.insert(&filter(text), 1, text);
            trie.insert(&filter(text), 2, text);
        }
        for text in ["a/+/c", "a/b/#", "x"] {
            trie.remove(&filter(text), 1);
            trie.remove(&filter(text), 2);
        }
        assert!(trie.exact.is_empty() && trie.steps.is_empty() && trie.levels.is_empty());
        assert_eq!((trie.nodes.len(), trie.holders.len()), (1, 0));
    }

    #[test]
    fn a_filter_takes_few_bytes() {
        assert_eq!(size_of::<Node>(), 16);
        assert_eq!(size_of::<Holders<crate::space::Subscriber>>(), 40);
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
        fn the_trie_finds_what_each_filter_matches(
            filters in proptest::collection::vec(text("a b $a + #"), 0..20),
            removed in proptest::collection::vec(any::<bool>(), 20),
            topic in text("a b $a c"),
            parent_too in any::<bool>(),
        ) {
            let hash = if parent_too { HashMatch::ParentToo } else { HashMatch::ChildrenOnly };
            let filters: Vec<TopicFilter> =
                filters.iter().filter_map(|text| TopicFilter::parse(text.as_str().into()).ok()).collect();
            let mut trie = Trie::default();
            for (holder, filter) in (0..).zip(&filters) {
                trie.insert(filter, holder, ());
            }
            for ((holder, filter), _) in (0..).zip(&filters).zip(&removed).filter(|(_, r)| **r) {
                trie.remove(filter, holder);
            }
            let mut found = Vec::new();
            trie.matches(&topic, hash, &mut |holder, ()| found.push(holder));
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

//! Who subscribes to what: a hash table of exact topics beside a tree of filters with wildcards.

use std::collections::HashMap;

use foldhash::quality::RandomState;
use mqtt::{HashMatch, TopicFilter};

/// Subscriptions, each with the number of its holder.
#[derive(Debug)]
pub(crate) struct Trie<T> {
    exact: HashMap<Box<str>, Holders<T>, RandomState>,
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    children: HashMap<Box<str>, Self, RandomState>,
    plus: Option<Box<Self>>,
    /// Whose filter ends here.
    here: Holders<T>,
    /// Whose filter has `#` below here.
    below: Holders<T>,
}

/// By number. Numbers grow, so that a new holder is mostly the last.
type Holders<T> = Vec<(u64, T)>;

impl<T> Default for Trie<T> {
    fn default() -> Self {
        Self { exact: HashMap::default(), root: Node::default() }
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { children: HashMap::default(), plus: None, here: Vec::new(), below: Vec::new() }
    }
}

impl<T> Trie<T> {
    /// Adds the subscription of `holder`, in place of the one it had with this filter.
    pub(crate) fn insert(&mut self, filter: &TopicFilter, holder: u64, value: T) {
        let holders = if filter.has_wildcards() {
            self.root.holders(filter)
        } else {
            self.exact.entry(filter.filter().into()).or_default()
        };
        match holders.binary_search_by_key(&holder, |(number, _)| *number) {
            Ok(at) => holders[at].1 = value,
            Err(at) => holders.insert(at, (holder, value)),
        }
    }

    /// Removes the subscription of `holder`, if it is there.
    pub(crate) fn remove(&mut self, filter: &TopicFilter, holder: u64) {
        if filter.has_wildcards() {
            let levels: Vec<&str> = filter.levels().collect();
            self.root.remove(&levels, holder);
        } else if let Some(holders) = self.exact.get_mut(filter.filter()) {
            remove_from(holders, holder);
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
            each(holders, found);
        }
        let mut levels = topic.split('/');
        let first = levels.next().unwrap_or_default();
        // A wildcard at the first level does not match topics that begin with `$` (MQTT-4.7.2-1).
        if first.starts_with('$') {
            if let Some(child) = self.root.children.get(first) {
                child.matches(levels, hash, found);
            }
        } else {
            self.root.descend(first, levels, hash, found);
        }
    }
}

impl<T> Node<T> {
    /// Those whose filter is `filter`, which has wildcards.
    fn holders(&mut self, filter: &TopicFilter) -> &mut Holders<T> {
        let mut node = self;
        for level in filter.levels() {
            node = match level {
                "#" => return &mut node.below,
                "+" => node.plus.get_or_insert_default(),
                level => node.children.entry(level.into()).or_default(),
            };
        }
        &mut node.here
    }

    fn remove(&mut self, levels: &[&str], holder: u64) {
        match levels.split_first() {
            None => remove_from(&mut self.here, holder),
            Some((&"#", _)) => remove_from(&mut self.below, holder),
            Some((&"+", rest)) => {
                if let Some(plus) = &mut self.plus {
                    plus.remove(rest, holder);
                    if plus.is_empty() {
                        self.plus = None;
                    }
                }
            }
            Some((level, rest)) => {
                if let Some(child) = self.children.get_mut(*level) {
                    child.remove(rest, holder);
                    if child.is_empty() {
                        self.children.remove(*level);
                    }
                }
            }
        }
    }

    /// What matches from here on, where `levels` are left of the topic.
    fn matches<'t>(
        &'t self,
        mut levels: std::str::Split<'_, char>,
        hash: HashMatch,
        found: &mut impl FnMut(u64, &'t T),
    ) {
        match levels.next() {
            Some(level) => self.descend(level, levels, hash, found),
            None => {
                each(&self.here, found);
                if hash == HashMatch::ParentToo {
                    each(&self.below, found);
                }
            }
        }
    }

    fn descend<'t>(
        &'t self,
        level: &str,
        rest: std::str::Split<'_, char>,
        hash: HashMatch,
        found: &mut impl FnMut(u64, &'t T),
    ) {
        each(&self.below, found);
        if let Some(plus) = &self.plus {
            plus.matches(rest.clone(), hash, found);
        }
        if let Some(child) = self.children.get(level) {
            child.matches(rest, hash, found);
        }
    }

    fn is_empty(&self) -> bool {
        self.children.is_empty()
            && self.plus.is_none()
            && self.here.is_empty()
            && self.below.is_empty()
    }
}

fn each<'t, T>(holders: &'t Holders<T>, found: &mut impl FnMut(u64, &'t T)) {
    for (number, value) in holders {
        found(*number, value);
    }
}

fn remove_from<T>(holders: &mut Holders<T>, holder: u64) {
    if let Ok(at) = holders.binary_search_by_key(&holder, |(number, _)| *number) {
        holders.remove(at);
    }
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
        assert!(trie.exact.is_empty() && trie.root.is_empty());
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

//! Topic aliases towards a client of MQTT 5: the first topics that it is sent have one each.

use std::collections::HashMap;

use foldhash::quality::RandomState;

/// What a client was told that aliases stand for.
pub(crate) struct Told {
    most: u16,
    aliases: HashMap<Box<str>, u16, RandomState>,
}

/// The alias of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alias {
    pub(crate) number: u16,
    /// Whether the client knows it, so that the topic need not be sent.
    pub(crate) is_known: bool,
}

impl Told {
    /// For a client that takes so many aliases, of which `most` are used; none if it takes none.
    pub(crate) fn new(taken: Option<u16>, most: u16) -> Option<Box<Self>> {
        let most = taken.unwrap_or(0).min(most);
        (most > 0).then(|| Box::new(Self { most, aliases: HashMap::default() }))
    }

    /// The alias that `topic` has, or is to get.
    pub(crate) fn alias(&self, topic: &str) -> Option<Alias> {
        if let Some(number) = self.aliases.get(topic) {
            return Some(Alias { number: *number, is_known: true });
        }
        let number = u16::try_from(self.aliases.len() + 1).ok()?;
        (number <= self.most).then_some(Alias { number, is_known: false })
    }

    /// Takes note that the client was sent `topic` with an alias.
    pub(crate) fn tell(&mut self, topic: &str, alias: Alias) {
        if !alias.is_known {
            self.aliases.insert(topic.into(), alias.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_topics_have_aliases_and_the_rest_have_none() {
        let mut told = Told::new(Some(2), 8).unwrap();
        let mut send = |topic: &str| {
            let alias = told.alias(topic)?;
            told.tell(topic, alias);
            Some((alias.number, alias.is_known))
        };
        assert_eq!(
            ["a", "b", "a", "c", "b"].map(&mut send),
            [Some((1, false)), Some((2, false)), Some((1, true)), None, Some((2, true))]
        );
    }

    #[test]
    fn a_topic_that_was_not_sent_has_no_alias_yet() {
        let told = Told::new(Some(2), 8).unwrap();
        let first = Some(Alias { number: 1, is_known: false });
        assert_eq!((told.alias("a"), told.alias("b")), (first, first));
    }

    #[test]
    fn whoever_takes_no_aliases_gets_none() {
        assert!(Told::new(None, 8).is_none() && Told::new(Some(0), 8).is_none());
        assert!(Told::new(Some(8), 0).is_none());
    }
}

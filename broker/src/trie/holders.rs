//! Those who hold one filter: mostly one, who needs no list.

/// By number. Numbers grow, so that a new holder is mostly the last.
#[derive(Debug, Default)]
pub(super) enum Holders<T> {
    #[default]
    Nobody,
    One(u64, T),
    Many(Vec<(u64, T)>),
}

impl<T> Holders<T> {
    /// Adds a holder, in place of what it was before.
    pub(super) fn insert(&mut self, holder: u64, value: T) {
        *self = match std::mem::take(self) {
            Self::Nobody => Self::One(holder, value),
            Self::One(number, _) if number == holder => Self::One(holder, value),
            Self::One(number, other) if number < holder => {
                Self::Many(vec![(number, other), (holder, value)])
            }
            Self::One(number, other) => Self::Many(vec![(holder, value), (number, other)]),
            Self::Many(mut all) => {
                match all.binary_search_by_key(&holder, |(number, _)| *number) {
                    Ok(at) => all[at].1 = value,
                    Err(at) => all.insert(at, (holder, value)),
                }
                Self::Many(all)
            }
        };
    }

    pub(super) fn remove(&mut self, holder: u64) {
        match self {
            Self::One(number, _) if *number == holder => *self = Self::Nobody,
            Self::Many(all) => {
                if let Ok(at) = all.binary_search_by_key(&holder, |(number, _)| *number) {
                    all.remove(at);
                }
                if all.is_empty() {
                    *self = Self::Nobody;
                }
            }
            Self::Nobody | Self::One(..) => {}
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Nobody)
    }

    pub(super) fn each<'t>(&'t self, found: &mut impl FnMut(u64, &'t T)) {
        match self {
            Self::Nobody => {}
            Self::One(number, value) => found(*number, value),
            Self::Many(all) => all.iter().for_each(|(number, value)| found(*number, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_are_found_in_the_order_of_their_numbers_until_they_leave() {
        let mut holders = Holders::default();
        let found = |holders: &Holders<&'static str>| {
            let mut found = Vec::new();
            holders.each(&mut |number, value| found.push((number, *value)));
            found
        };
        for (number, value) in [(2, "b"), (2, "B"), (1, "a"), (4, "d"), (3, "c"), (1, "A")] {
            holders.insert(number, value);
        }
        assert_eq!(found(&holders), [(1, "A"), (2, "B"), (3, "c"), (4, "d")]);
        for number in [3, 9, 1, 4] {
            holders.remove(number);
        }
        assert_eq!((found(&holders), holders.is_empty()), (vec![(2, "B")], false));
        holders.remove(2);
        assert!(holders.is_empty());
    }
}

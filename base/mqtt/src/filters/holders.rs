//! Those who hold one filter: mostly one, who needs no list.

/// Whoever may hold a filter.
pub trait Holder {
    /// What distinguishes it from all others.
    fn number(&self) -> u64;
}

/// At least one, until the last is removed.
#[derive(Debug)]
pub(super) enum Holders<T> {
    One(T),
    /// By number. Numbers grow, so that a new holder is mostly the last.
    #[allow(clippy::box_collection, reason = "a place for one must not have the size of a list")]
    Many(Box<Vec<T>>),
}

impl<T: Holder> Holders<T> {
    /// Adds a holder, in place of what it was before.
    pub(super) fn insert(&mut self, holder: T) {
        match self {
            Self::One(other) if other.number() == holder.number() => *other = holder,
            Self::One(_) => {
                let both = Self::Many(Box::new(Vec::with_capacity(2)));
                if let Self::One(other) = std::mem::replace(self, both) {
                    self.insert(other);
                    self.insert(holder);
                }
            }
            Self::Many(all) => match all.binary_search_by_key(&holder.number(), T::number) {
                Ok(at) => {
                    if let Some(place) = all.get_mut(at) {
                        *place = holder;
                    }
                }
                Err(at) => all.insert(at, holder),
            },
        }
    }

    /// Removes the holder with this number; whether nobody is left.
    pub(super) fn remove(&mut self, number: u64) -> bool {
        match self {
            Self::One(holder) => holder.number() == number,
            Self::Many(all) => {
                if let Ok(at) = all.binary_search_by_key(&number, T::number) {
                    all.remove(at);
                }
                all.is_empty()
            }
        }
    }

    pub(super) fn each<'t>(&'t self, found: &mut impl FnMut(&'t T)) {
        match self {
            Self::One(holder) => found(holder),
            Self::Many(all) => all.iter().for_each(found),
        }
    }
}

#[cfg(test)]
impl<T> Holder for (u64, T) {
    fn number(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_are_found_in_the_order_of_their_numbers_until_they_leave() {
        let mut holders = Holders::One((2, "b"));
        let found = |holders: &Holders<(u64, &'static str)>| {
            let mut found = Vec::new();
            holders.each(&mut |holder| found.push(*holder));
            found
        };
        for holder in [(2, "B"), (1, "a"), (4, "d"), (3, "c"), (1, "A")] {
            holders.insert(holder);
        }
        assert_eq!(found(&holders), [(1, "A"), (2, "B"), (3, "c"), (4, "d")]);
        assert_eq!([3, 9, 1, 4].map(|number| holders.remove(number)), [false; 4]);
        assert_eq!(found(&holders), [(2, "B")]);
        assert!(holders.remove(2));
    }

    #[test]
    fn the_only_holder_leaves_nobody_behind() {
        let mut holders = Holders::One((1, ()));
        assert_eq!([2, 1].map(|number| holders.remove(number)), [false, true]);
    }
}

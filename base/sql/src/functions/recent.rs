//! What was made of texts lately, so that a message does not pay again for what the one before it
//! paid for.

use std::cell::RefCell;

/// Longer texts are made anew each time.
const KEY_BYTES_MAX: usize = 32 * 1024;

/// The last of what one thread made, the latest first.
pub(super) struct Recent<T>(RefCell<Vec<(Box<[u8]>, T)>>, usize);

impl<T: Clone> Recent<T> {
    /// Nothing yet, and at most `size` later.
    pub(super) const fn of(size: usize) -> Self {
        Self(RefCell::new(Vec::new()), size)
    }

    /// What `make` makes of `key`, unless it is there from before.
    pub(super) fn get_or_make(&self, key: &[u8], make: impl FnOnce() -> T) -> T {
        let Ok(mut made) = self.0.try_borrow_mut() else { return make() };
        if let Some(place) = made.iter().position(|(other, _)| **other == *key) {
            if let Some(before) = made.get_mut(..=place) {
                before.rotate_right(1);
            }
            return made.first().map_or_else(make, |(_, value)| value.clone());
        }
        let value = make();
        if key.len() <= KEY_BYTES_MAX {
            made.truncate(self.1 - 1);
            made.insert(0, (key.into(), value.clone()));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_kept_and_the_oldest_made_anew() {
        let recent = Recent::of(2);
        let made = RefCell::new(Vec::new());
        let ask = |key: &'static str| {
            recent.get_or_make(key.as_bytes(), || {
                made.borrow_mut().push(key);
                key.len()
            })
        };
        assert_eq!(
            [ask("a"), ask("bb"), ask("a"), ask("ccc"), ask("a"), ask("bb")],
            [1, 2, 1, 3, 1, 2]
        );
        assert_eq!(*made.borrow(), ["a", "bb", "ccc", "bb"]);
    }
}

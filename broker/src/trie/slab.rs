//! Places with small numbers, used again once they are free.

use std::num::NonZeroU32;

/// The number of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Slot(NonZeroU32);

/// Pages of places: growing moves none of them, and leaves no hole where they were.
#[derive(Debug)]
pub(super) struct Slab<T> {
    pages: Vec<Vec<T>>,
    free: Vec<Slot>,
}

/// Places on a page.
const PAGE: usize = 64;

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), free: Vec::new() }
    }
}

impl Slot {
    pub(super) const FIRST: Self = Self(NonZeroU32::MIN);

    fn after(places: usize) -> Self {
        let number =
            u32::try_from(places).ok().and_then(|count| NonZeroU32::MIN.checked_add(count));
        Self(number.expect("there are fewer places than 2^32"))
    }

    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl<T: Default> Slab<T> {
    /// A place of its own for a new `T`.
    pub(super) fn add(&mut self) -> Slot {
        self.free.pop().unwrap_or_else(|| {
            let slot = Slot::after(self.places());
            if self.pages.last().is_none_or(|page| page.len() == PAGE) {
                self.pages.push(Vec::with_capacity(PAGE));
            }
            self.pages.last_mut().expect("there is room on the last page").push(T::default());
            slot
        })
    }

    pub(super) fn get(&self, slot: Slot) -> &T {
        &self.pages[slot.index() / PAGE][slot.index() % PAGE]
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> &mut T {
        &mut self.pages[slot.index() / PAGE][slot.index() % PAGE]
    }

    /// Frees a place.
    pub(super) fn remove(&mut self, slot: Slot) {
        *self.get_mut(slot) = T::default();
        self.free.push(slot);
    }

    /// How many places are taken.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.places() - self.free.len()
    }

    /// How many places there are, taken or free.
    fn places(&self) -> usize {
        self.pages.last().map_or(0, |last| (self.pages.len() - 1) * PAGE + last.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_keeps_its_content_until_it_is_freed_and_is_used_again() {
        let mut slab = Slab::default();
        let slots: Vec<Slot> = (0..3 * PAGE).map(|_| slab.add()).collect();
        for (number, slot) in slots.iter().enumerate() {
            *slab.get_mut(*slot) = number + 1;
        }
        assert!(slots.iter().enumerate().all(|(number, slot)| *slab.get(*slot) == number + 1));
        slab.remove(slots[7]);
        assert_eq!(slab.len(), 3 * PAGE - 1);
        let again = slab.add();
        assert_eq!((again, *slab.get(again), slab.len()), (slots[7], 0, 3 * PAGE));
    }
}

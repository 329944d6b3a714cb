//! Places with small numbers, used again once they are free.

use std::num::NonZeroU32;

/// The number of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Slot(NonZeroU32);

#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<T>,
    free: Vec<Slot>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
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
            let slot = Slot::after(self.places.len());
            self.places.push(T::default());
            slot
        })
    }

    pub(super) fn get(&self, slot: Slot) -> &T {
        &self.places[slot.index()]
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> &mut T {
        &mut self.places[slot.index()]
    }

    /// Frees a place.
    pub(super) fn remove(&mut self, slot: Slot) {
        *self.get_mut(slot) = T::default();
        self.free.push(slot);
    }

    /// How many places are taken.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

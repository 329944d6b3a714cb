//! The levels that filters name: each text is kept once, and stands for a number elsewhere.

use std::collections::HashMap;

use foldhash::quality::RandomState;

use super::slab::{Slab, Slot};

#[derive(Debug, Default)]
pub(super) struct Levels {
    numbers: HashMap<Box<str>, Slot, RandomState>,
    /// How often each is used.
    uses: Slab<u32>,
}

impl Levels {
    /// The number of a level, unless no filter names it.
    pub(super) fn find(&self, name: &str) -> Option<Slot> {
        self.numbers.get(name).copied()
    }

    /// The number of a level that is not used yet, perhaps.
    pub(super) fn find_or_add(&mut self, name: &str) -> Slot {
        self.find(name).unwrap_or_else(|| {
            let number = self.uses.add();
            self.numbers.insert(name.into(), number);
            number
        })
    }

    /// Notes that a level is used once more.
    pub(super) fn begin_use(&mut self, number: Slot) {
        *self.uses.get_mut(number) += 1;
    }

    /// Forgets a level with its last use.
    pub(super) fn end_use(&mut self, name: &str, number: Slot) {
        let uses = self.uses.get_mut(number);
        *uses -= 1;
        if *uses == 0 {
            self.uses.remove(number);
            self.numbers.remove(name);
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.uses.len() == 0
    }
}

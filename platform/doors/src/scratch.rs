//! One buffer for each thread, lent for as long as a poll takes, so that no connection has to hold
//! one of its own.

use std::cell::Cell;

use crate::records::RECORD_BYTES_MAX;

/// Four records, so that bulk needs few calls of the system.
pub(crate) const SCRATCH_BYTES: usize = 4 * RECORD_BYTES_MAX;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What `work` makes of a buffer of [`SCRATCH_BYTES`]. It holds what earlier work left there.
pub(crate) fn lend<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut scratch = SCRATCH.take();
    // Empty the first time, and within other work that has it.
    scratch.resize(SCRATCH_BYTES, 0);
    let result = work(&mut scratch);
    SCRATCH.set(scratch);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_within_work_has_a_buffer_of_its_own() {
        lend(|outer| {
            outer.fill(1);
            lend(|inner| inner.fill(2));
            assert_eq!(outer, [1; SCRATCH_BYTES]);
        });
    }
}

//! What a connection works with while it has its turn: buffers and lists that its thread lends it.
//!
//! An idle connection holds none of them.

use std::cell::RefCell;
use std::task::Waker;

use bytes::BytesMut;
use types::Timestamp;

use crate::matches::Matches;
use crate::metrics::{Counts, Metrics};
use crate::run::Gathering;

/// What a thread lends to whichever connection has its turn.
#[derive(Default)]
pub(crate) struct Lent {
    /// What was read and not understood yet.
    pub(crate) input: BytesMut,
    /// What is to be written.
    pub(crate) output: BytesMut,
    wakes: Vec<Waker>,
    matches: Matches,
    run: Gathering,
    counts: Counts,
}

thread_local! {
    static LENT: RefCell<Lent> = RefCell::default();
}

/// One turn of one connection.
pub(crate) struct Turn<'a> {
    pub(crate) now: Timestamp,
    pub(crate) output: &'a mut BytesMut,
    /// Who has mail now, to be woken once when the turn is over.
    pub(crate) wakes: &'a mut Vec<Waker>,
    pub(crate) matches: &'a mut Matches,
    /// Messages that are to be left with the same subscribers.
    pub(crate) run: &'a mut Gathering,
    pub(crate) counts: &'a mut Counts,
}

/// Lends what this thread has to `work`, and then wakes everybody who got mail.
pub(crate) fn with_lent<R>(metrics: &Metrics, work: impl FnOnce(&mut Lent) -> R) -> R {
    LENT.with_borrow_mut(|lent| {
        let result = work(lent);
        lent.turn(Timestamp::EPOCH).1.hand_over();
        metrics.add(&mut lent.counts);
        lent.wakes.drain(..).for_each(Waker::wake);
        result
    })
}

impl Lent {
    pub(crate) fn turn(&mut self, now: Timestamp) -> (&mut BytesMut, Turn<'_>) {
        let Self { input, output, wakes, matches, run, counts } = self;
        (input, Turn { now, output, wakes, matches, run, counts })
    }
}

//! Who waits for a message to be acknowledged by the client that it is for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use mqtt::PacketId;
use tokio::sync::oneshot;

/// What became of a message.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The client acknowledged it, with this reason code.
    Acknowledged(u8),
    /// The client takes no packet of this size.
    TooLarge,
}

/// A message's link to whoever waits for its acknowledgement.
#[derive(Debug)]
pub(crate) struct Receipt(Mutex<Option<oneshot::Sender<Outcome>>>);

impl Receipt {
    /// A receipt, and what resolves with the outcome; or with an error, when there will be none.
    pub(crate) fn new() -> (Self, oneshot::Receiver<Outcome>) {
        let (sender, outcome) = oneshot::channel();
        (Self(Mutex::new(Some(sender))), outcome)
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.lock().as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    /// Tells whoever waits.
    pub(crate) fn resolve(&self, outcome: Outcome) {
        if let Some(sender) = self.lock().take() {
            // An error says that nobody waits any more.
            drop(sender.send(outcome));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<oneshot::Sender<Outcome>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The receipts of messages in flight to one client, bounded by its window.
#[derive(Default)]
pub(crate) struct Receipts(Vec<(PacketId, oneshot::Sender<Outcome>)>);

impl Receipts {
    /// The message of `receipt` is in flight under `id`.
    pub(crate) fn add(&mut self, id: PacketId, receipt: &Receipt) {
        if let Some(sender) = receipt.lock().take() {
            self.0.push((id, sender));
        }
    }

    /// The client has acknowledged `id`.
    pub(crate) fn acknowledge(&mut self, id: PacketId, code: u8) {
        if let Some(at) = self.0.iter().position(|(known, _)| *known == id) {
            let (_, sender) = self.0.swap_remove(at);
            drop(sender.send(Outcome::Acknowledged(code)));
        }
    }
}

//! Entries that tell what became of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ferrite_journal::{Full, Journal, JournalError, Mark, Pending, QueueId, Recovered, Sequence};
use tokio::sync::oneshot;

type Outcome = Result<(), JournalError>;

/// An entry with a body, which was written or not.
pub(crate) struct Witness {
    body: Vec<u8>,
    is_encoded: AtomicBool,
    sender: Mutex<Option<oneshot::Sender<Outcome>>>,
}

impl Pending for Witness {
    fn encode(&self, bytes: &mut Vec<u8>) {
        assert!(!self.is_encoded.swap(true, Ordering::SeqCst), "encoded twice");
        bytes.extend(&self.body);
    }

    fn settled(&self, result: Outcome) {
        let sender = self.sender.lock().unwrap().take().expect("settled twice");
        sender.send(result).unwrap_or(());
    }

    fn bytes(&self) -> usize {
        self.body.len()
    }
}

/// What became of an entry.
pub(crate) struct Receipt {
    pub(crate) sequence: Sequence,
    witness: Arc<Witness>,
    settled: oneshot::Receiver<Outcome>,
}

impl Receipt {
    pub(crate) async fn settled(self) -> Outcome {
        self.settled.await.expect("every entry is settled")
    }

    /// Waits until it is safe.
    pub(crate) async fn safe(self) -> Sequence {
        let sequence = self.sequence;
        self.settled().await.unwrap();
        sequence
    }

    pub(crate) fn is_encoded(&self) -> bool {
        self.witness.is_encoded.load(Ordering::SeqCst)
    }
}

/// Appends `body` for some queues.
pub(crate) fn append(
    journal: &Journal,
    queues: &[(QueueId, Mark)],
    body: impl AsRef<[u8]>,
) -> Result<Receipt, Full> {
    let (sender, settled) = oneshot::channel();
    let witness = Arc::new(Witness {
        body: body.as_ref().to_vec(),
        is_encoded: AtomicBool::new(false),
        sender: Mutex::new(Some(sender)),
    });
    let sequence = journal.next_sequence();
    journal.append(sequence, queues.to_vec(), Arc::clone(&witness) as Arc<dyn Pending>)?;
    Ok(Receipt { sequence, witness, settled })
}

/// Appends, and waits until it is safe.
pub(crate) async fn append_safely(
    journal: &Journal,
    queues: &[(QueueId, Mark)],
    body: impl AsRef<[u8]>,
) -> Sequence {
    append(journal, queues, body).unwrap().safe().await
}

pub(crate) async fn release_safely(journal: &Journal, queue: QueueId, sequence: Sequence) {
    let (sender, settled) = oneshot::channel();
    let tell = move |result| sender.send(result).unwrap_or(());
    journal.release_safely(queue, sequence, Box::new(tell));
    settled.await.unwrap().unwrap();
}

pub(crate) async fn mark_safely(journal: &Journal, queue: QueueId, sequence: Sequence, mark: Mark) {
    let (sender, settled) = oneshot::channel();
    let tell = move |result| sender.send(result).unwrap_or(());
    journal.mark_safely(queue, sequence, mark, Box::new(tell));
    settled.await.unwrap().unwrap();
}

/// The bodies of what a queue had when the journal was opened, with their marks.
pub(crate) async fn waiting(
    journal: &Journal,
    recovered: &Recovered,
    queue: QueueId,
) -> Vec<(String, Mark)> {
    let entries = recovered.queues.get(&queue).cloned().unwrap_or_default();
    let sequences = entries.iter().map(|entry| entry.sequence).collect();
    let bodies = journal.read(sequences).await.unwrap();
    let pairs = entries.iter().zip(bodies);
    pairs
        .map(|(entry, body)| {
            let body = body.expect("what was recovered can be read");
            assert_eq!(entry.bytes as usize, body.len());
            (String::from_utf8(body.to_vec()).unwrap(), entry.mark)
        })
        .collect()
}

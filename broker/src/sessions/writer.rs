//! Writes what changes of sessions, in the order in which it changed, many changes in one commit.

use std::sync::Arc;

use env::TaskKind;
use service::App;
use store::Batch;
use tokio::sync::{mpsc, oneshot, watch};

use crate::mailbox::Settled;
use crate::space::Client;

/// Changes that may wait to be written; beyond that connections wait.
const WAITING_MAX: usize = 4096;
/// Changes that one commit takes.
const CHANGES_MAX: usize = 256;

/// What is to be written, and who is told when it is.
pub(super) struct Change {
    pub(super) write: Box<dyn FnOnce(&mut Batch) + Send>,
    pub(super) then: Then,
}

/// Who is told.
pub(super) enum Then {
    Nobody,
    /// A client, by this answer. If the change cannot be written it hears nothing.
    Answer(Arc<Client>, Settled),
    /// Whoever waits: an error says that it is not written.
    Tell(oneshot::Sender<()>),
}

/// Starts to write.
pub(super) fn start(app: &Arc<App>, connections: watch::Receiver<usize>) -> mpsc::Sender<Change> {
    let (queue, changes) = mpsc::channel(WAITING_MAX);
    app.env.tasks.spawn("sessions", TaskKind::Vital, run(Arc::clone(app), changes, connections));
    queue
}

async fn run(
    app: Arc<App>,
    mut changes: mpsc::Receiver<Change>,
    mut connections: watch::Receiver<usize>,
) {
    let mut shutdown = app.env.tasks.shutdown_signal();
    let is_over = async {
        shutdown.begun().await;
        // An error means that the broker is gone, and everybody with it.
        drop(connections.wait_for(|count| *count == 0).await);
    };
    tokio::pin!(is_over);
    let mut waiting = Vec::with_capacity(CHANGES_MAX);
    loop {
        tokio::select! {
            biased;
            received = changes.recv_many(&mut waiting, CHANGES_MAX) => {
                if received == 0 {
                    return;
                }
                write(&app, &mut waiting).await;
            }
            // What connections have left is in the queue, which is looked at first.
            () = &mut is_over => return,
        }
    }
}

async fn write(app: &App, changes: &mut Vec<Change>) {
    let mut batch = Batch::new();
    let thens: Vec<Then> = changes
        .drain(..)
        .map(|change| {
            (change.write)(&mut batch);
            change.then
        })
        .collect();
    if let Err(error) = app.store.commit(batch).await {
        tracing::error!(%error, changes = thens.len(), "sessions not written");
        return;
    }
    for then in thens {
        match then {
            Then::Nobody => {}
            // Whoever waited may be gone.
            Then::Answer(client, settled) => drop(client.mailbox.settle(settled)),
            Then::Tell(waiting) => drop(waiting.send(())),
        }
    }
}

//! The engines on which each case runs.

use ferrite_journal::{Journal, JournalUrl, MemoryDisk, Options, Recovered};
use tempfile::TempDir;

use crate::env;

/// A place for a journal, empty at first and gone with the test.
pub(crate) enum Place {
    Memory(MemoryDisk),
    Segments(TempDir),
}

/// Makes one test of each case on each engine.
macro_rules! on_every_engine {
    ($($case:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(start_paused = true)]
            async fn $case() { super::$case($crate::engines::Place::memory()).await; })*
        }
        mod segments {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() { super::$case($crate::engines::Place::segments()).await; })*
        }
    };
}
pub(crate) use on_every_engine;

impl Place {
    pub(crate) fn memory() -> Self {
        Self::Memory(MemoryDisk::new())
    }

    pub(crate) fn segments() -> Self {
        Self::Segments(TempDir::new().unwrap())
    }

    pub(crate) fn url(&self) -> JournalUrl {
        match self {
            Self::Memory(disk) => JournalUrl::Memory(disk.clone()),
            Self::Segments(directory) => {
                JournalUrl::Segments { directory: directory.path().join("journal") }
            }
        }
    }

    pub(crate) async fn open(&self) -> (Journal, Recovered) {
        self.open_with(Options::default()).await
    }

    pub(crate) async fn open_with(&self, options: Options) -> (Journal, Recovered) {
        Journal::open(self.url(), options, &env()).await.unwrap()
    }
}

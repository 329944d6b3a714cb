//! The engines on which each case runs.

use std::sync::atomic::{AtomicU32, Ordering};

use ferrite_journal::{Journal, JournalUrl, MemoryDisk, Options, Recovered};
use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::env;

/// A place for a journal, empty at first and gone with the test.
pub(crate) enum Place {
    Memory(MemoryDisk),
    Segments(TempDir),
    Postgres { server: String, database: String },
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
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let Some(place) = $crate::engines::Place::postgres().await else { return };
                super::$case(place).await;
            })*
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

    /// A database of its own, on the server that the environment names.
    #[allow(clippy::disallowed_methods, reason = "tests are configured by the environment")]
    pub(crate) async fn postgres() -> Option<Self> {
        let Ok(server) = std::env::var("FERRITE_TEST_POSTGRES_URL") else {
            println!("SKIPPED: no PostgreSQL: set FERRITE_TEST_POSTGRES_URL or run make test");
            return None;
        };
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let database = format!("ferrite_journal_{}_{number}", std::process::id());
        execute(&server, &format!("DROP DATABASE IF EXISTS {database}")).await;
        execute(&server, &format!("CREATE DATABASE {database}")).await;
        Some(Self::Postgres { server, database })
    }

    pub(crate) fn url(&self) -> JournalUrl {
        match self {
            Self::Postgres { server, database } => {
                let (host, _) = server.rsplit_once('/').unwrap();
                JournalUrl::Postgres { url: format!("{host}/{database}") }
            }
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

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Postgres { server, database } = self {
            let (server, sql) = (server.clone(), format!("DROP DATABASE {database} WITH (FORCE)"));
            let dropped = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(execute(&server, &sql));
            });
            dropped.join().unwrap_or(());
        }
    }
}

/// Runs a statement on a connection of its own.
pub(crate) async fn execute(url: &str, sql: &str) {
    let (client, driver) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let work = async {
        client.batch_execute(sql).await.unwrap();
        drop(client);
    };
    let ((), driven) = tokio::join!(work, driver);
    driven.unwrap();
}

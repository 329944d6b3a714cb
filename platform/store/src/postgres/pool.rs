//! A few connections that read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use env::Tasks;
use tokio::sync::Semaphore;
use tokio_postgres::{Config, Error, Row};

use super::connection::{Connection, Fault, Parameter};
use crate::StoreError;

/// Connections that read at the same time; a further reader waits for one.
const CONNECTIONS_MAX: usize = 8;

pub(super) struct Pool {
    config: Config,
    tasks: Tasks,
    idle: Mutex<Vec<Connection>>,
    turns: Semaphore,
    is_closed: AtomicBool,
}

impl Pool {
    pub(super) fn new(config: Config, tasks: Tasks) -> Self {
        Self {
            config,
            tasks,
            idle: Mutex::default(),
            turns: Semaphore::new(CONNECTIONS_MAX),
            is_closed: AtomicBool::new(false),
        }
    }

    /// Runs one statement; once more on a new connection, if an old one turns out to be broken.
    pub(super) async fn query(
        &self,
        sql: &'static str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let _turn = self.turns.acquire().await.map_err(|_| StoreError::Stopped)?;
        if let Some(connection) = self.idle() {
            match self.query_on(connection, sql, parameters).await.map_err(Fault::from) {
                Ok(rows) => return Ok(rows),
                Err(Fault::Lost(error)) => tracing::debug!(%error, "a read is tried once more"),
                Err(Fault::Contended(error) | Fault::Refused(error)) => return Err(error.into()),
                Err(_) => return Err(StoreError::Stopped),
            }
        }
        let connection = Connection::open(&self.config, &self.tasks).await?;
        Ok(self.query_on(connection, sql, parameters).await?)
    }

    /// Runs statements on a connection of their own.
    pub(super) async fn run(&self, sql: &str) -> Result<(), StoreError> {
        let _turn = self.turns.acquire().await.map_err(|_| StoreError::Stopped)?;
        Ok(Connection::open(&self.config, &self.tasks).await?.run(sql).await?)
    }

    async fn query_on(
        &self,
        connection: Connection,
        sql: &'static str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Error> {
        let answer = connection.query(sql, parameters).await;
        if !connection.is_closed() && !self.is_closed.load(Ordering::Acquire) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        answer
    }

    fn idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| !connection.is_closed());
        idle.pop()
    }

    /// Keeps no connection any longer. Reading goes on, each time on a connection of its own.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

//! One connection to PostgreSQL, its prepared statements, and what its failures mean.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use env::{TaskKind, Tasks};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Error, NoTls, Row, Statement};

use crate::{Key, StoreError};

/// How long a connection may take to be made, where the URL does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long PostgreSQL may leave bytes unacknowledged, where the URL does not say.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// Every record is found by its key: the planner must not think otherwise of a young table. A
/// database that acknowledges commits before they are durable is told not to.
const SETTINGS: &str = "SET enable_seqscan = off; SET jit = off; \
     SELECT set_config('synchronous_commit', 'on', false) \
     WHERE current_setting('synchronous_commit') = 'off'";

pub(super) type Parameter<'p> = &'p (dyn ToSql + Sync);

/// Reads the store's URL.
pub(super) fn configuration(url: &str) -> Result<Config, StoreError> {
    let asks_for_tls = ["require", "verify-ca", "verify-full"]
        .iter()
        .any(|mode| url.contains(&format!("sslmode={mode}")));
    if asks_for_tls {
        return Err(StoreError::Unsupported(
            "store.url asks for TLS by sslmode, and the store connects to PostgreSQL without TLS: \
             reach it through a private network, a local socket or a TLS proxy, and leave sslmode \
             out"
            .into(),
        ));
    }
    let mut config: Config = url.parse()?;
    config.ssl_mode(SslMode::Disable);
    if config.get_application_name().is_none() {
        config.application_name("ferrite");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENCE_MAX);
    }
    Ok(config)
}

pub(super) struct Connection {
    client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
}

impl Connection {
    pub(super) async fn open(config: &Config, tasks: &Tasks) -> Result<Self, Error> {
        let (client, driver) = config.connect(NoTls).await?;
        tasks.spawn("store-connection", TaskKind::Transient, async move {
            if let Err(error) = driver.await {
                tracing::warn!(%error, "a connection to PostgreSQL was lost");
            }
        });
        client.batch_execute(SETTINGS).await?;
        Ok(Self { client, statements: Mutex::default() })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs statements that have no parameters.
    pub(super) async fn run(&self, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql).await
    }

    pub(super) async fn query(
        &self,
        sql: &'static str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Error> {
        let statement = self.prepared(sql).await?;
        self.client.query(&statement, parameters).await
    }

    /// Runs a statement and returns how many rows it wrote.
    pub(super) async fn execute(
        &self,
        sql: &'static str,
        parameters: &[Parameter<'_>],
    ) -> Result<u64, Error> {
        let statement = self.prepared(sql).await?;
        self.client.execute(&statement, parameters).await
    }

    /// Prepares a statement, so that it can be sent without waiting for an earlier one's answer.
    pub(super) async fn prepared(&self, sql: &'static str) -> Result<Statement, Error> {
        let known =
            self.statements.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        statements.insert(sql, statement.clone());
        Ok(statement)
    }
}

/// Why a group of batches was not committed.
#[derive(Debug)]
pub(super) enum Fault {
    /// Another transaction came between: nothing was written, and it may be tried again.
    Contended(Error),
    /// Another transaction made this record, which a batch demands to be absent.
    Raced(Key),
    /// The connection broke before the commit: nothing was written.
    Lost(Error),
    /// PostgreSQL's disk is full.
    Full,
    /// PostgreSQL refuses a statement, and would again.
    Refused(Error),
    /// The connection broke at the commit: what was written is not known.
    Unknown(Error),
}

/// What the failure of a statement before the commit means.
impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let Some(cause) = error.as_db_error() else { return Self::Lost(error) };
        if cause.parsed_severity() != Some(Severity::Error) {
            return Self::Lost(error);
        }
        match *cause.code() {
            SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => {
                Self::Contended(error)
            }
            SqlState::DISK_FULL => Self::Full,
            _ => Self::Refused(error),
        }
    }
}

impl Fault {
    /// What the failure of the commit itself means: only an answer that says that the
    /// transaction failed is to be believed.
    pub(super) fn at_commit(error: Error) -> Self {
        match Self::from(error) {
            Self::Lost(error) => Self::Unknown(error),
            known => known,
        }
    }
}

//! One connection to PostgreSQL, and what its failures mean.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Error, NoTls, Row, Statement};

use crate::JournalError;

/// How long a connection may take to be made, where the URL does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long PostgreSQL may leave bytes unacknowledged, where the URL does not say.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// Everything is found by a key, and a database that acknowledges commits before they are durable
/// is told not to.
const SETTINGS: &str = "SET enable_seqscan = off; SET jit = off; \
     SELECT set_config('synchronous_commit', 'on', false) \
     WHERE current_setting('synchronous_commit') = 'off'";
/// "journal" in ASCII, held by the owner's session. A server that has just died may hold it for a
/// moment longer.
const OWN: &str = "SET lock_timeout = '2s'; SELECT pg_advisory_lock(29958897753022828); \
     SET lock_timeout = 0";

pub(super) type Parameter<'p> = &'p (dyn ToSql + Sync);

/// Why a statement failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The connection broke: what the statement did is not known.
    Lost(Error),
    /// PostgreSQL's disk is full.
    Full,
    /// Another session owns the journal.
    Owned,
    /// PostgreSQL refuses it, and would again.
    Refused(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let Some(cause) = error.as_db_error() else {
            let source = std::error::Error::source(&error);
            let is_io = source.is_some_and(|source| source.is::<std::io::Error>());
            return if is_io || error.is_closed() {
                Self::Lost(error)
            } else {
                Self::Refused(error)
            };
        };
        if cause.parsed_severity() != Some(Severity::Error) {
            return Self::Lost(error);
        }
        match *cause.code() {
            SqlState::DISK_FULL => Self::Full,
            SqlState::LOCK_NOT_AVAILABLE => Self::Owned,
            _ => Self::Refused(error),
        }
    }
}

impl From<Fault> for JournalError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Full => Self::Full,
            Fault::Owned => Self::InUse("in this PostgreSQL database"),
            Fault::Lost(error) | Fault::Refused(error) => Self::Postgres(Arc::new(error)),
        }
    }
}

/// Reads the journal's URL.
pub(super) fn configuration(url: &str) -> Result<Config, JournalError> {
    let asks_for_tls = ["require", "verify-ca", "verify-full"]
        .iter()
        .any(|mode| url.contains(&format!("sslmode={mode}")));
    if asks_for_tls {
        return Err(JournalError::Unsupported(
            "the journal connects to PostgreSQL without TLS: leave sslmode out of the URL, and \
             reach it through a private network, a local socket or a TLS proxy",
        ));
    }
    let mut config: Config = url.parse().map_err(Fault::Refused)?;
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

/// A connection whose session owns the journal for as long as it lives.
pub(super) async fn own(config: &Config) -> Result<Connection, Fault> {
    let connection = Connection::open(config).await?;
    connection.run(OWN).await?;
    Ok(connection)
}

pub(super) struct Connection {
    client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
    /// Speaks for the client, and ends with it.
    _driver: JoinSet<()>,
}

impl Connection {
    pub(super) async fn open(config: &Config) -> Result<Self, Error> {
        let (client, driver) = config.connect(NoTls).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Err(error) = driver.await {
                tracing::warn!(%error, "the journal's connection to PostgreSQL was lost");
            }
        });
        client.batch_execute(SETTINGS).await?;
        Ok(Self { client, statements: Mutex::default(), _driver: tasks })
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

    async fn prepared(&self, sql: &'static str) -> Result<Statement, Error> {
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

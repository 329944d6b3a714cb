//! `local` back ends: Ferrite itself keeps what an AWS service would.

mod block;
mod file_names;
mod file_writer;
mod files;
mod gauges;
mod kinds;
mod number;
mod secrets;
mod stream_writer;
mod streams;
mod tables;
mod webhooks;

pub use files::{ObjectPage, ObjectSummary};
pub use kinds::Kinds;
pub use streams::{StreamName, StreamPage, StreamRecord};
pub use tables::{ItemPage, Table, TableKey};

pub(crate) use files::Files;
pub(crate) use gauges::Gauges;
pub(crate) use secrets::Secrets;
pub(crate) use streams::Streams;
pub(crate) use tables::Tables;
pub(crate) use webhooks::Webhooks;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use env::Env;
use store::Store;

use crate::{LogSink, Settings};

/// Where local back ends keep things.
#[derive(Clone)]
pub struct LocalPlaces {
    /// The folder of buckets: `DATA/targets/s3`.
    pub objects: PathBuf,
    /// Tables and streams.
    pub store: Store,
    /// What their records are called in it.
    pub kinds: Kinds,
    /// Who hears what is logged.
    pub log_sink: LogSink,
}

/// All local back ends.
pub(crate) struct Local {
    pub(crate) files: Files,
    pub(crate) tables: Tables,
    pub(crate) streams: Arc<Streams>,
    pub(crate) webhooks: Webhooks,
    pub(crate) metrics: Gauges,
    pub(crate) secrets: Secrets,
    pub(crate) log_sink: LogSink,
}

impl Local {
    pub(crate) fn start(
        places: LocalPlaces,
        settings: &Settings,
        client: &outbound::Client,
        env: &Env,
    ) -> io::Result<Self> {
        let LocalPlaces { objects, store, kinds, log_sink } = places;
        let bounds = &settings.local;
        let declared = settings.dynamodb.tables.clone().into_iter().collect();
        let streams = Arc::new(Streams::start(store.clone(), kinds, bounds, env));
        let urls = &settings.sns.webhooks;
        Ok(Self {
            files: Files::start(objects, bounds)?,
            tables: Tables::new(
                store.clone(),
                kinds,
                env.clock.clone(),
                declared,
                bounds.tables_max,
            ),
            webhooks: Webhooks::start(Arc::clone(&streams), store, kinds, urls, client, env)?,
            streams,
            secrets: Secrets::new(&settings.secretsmanager.secrets)?,
            metrics: Gauges::new(bounds.metrics_max),
            log_sink,
        })
    }
}

//! All targets, and which back end each service has.

use std::io;
use std::sync::Arc;

use env::{Clock, Env, Random};
use types::{TenantId, Timestamp};

use crate::aws::Aws;
use crate::local::Local;
use crate::secret_cache::SecretCache;
use crate::{
    Backend, Caller, CloudWatch, DynamoDb, Firehose, Kinesis, LocalPlaces, Logs, S3,
    SecretsManager, Service, Settings, Sns, Sqs, StreamName, StreamPage, TargetError,
};

/// What stands for AWS's services. Cheap to clone.
#[derive(Clone)]
pub struct Targets(Arc<Shared>);

struct Shared {
    settings: Arc<Settings>,
    local: Local,
    aws: Aws,
    secret_cache: SecretCache,
    clock: Clock,
    random: Random,
}

impl Targets {
    /// Starts the local back ends, and calls the others by `client`. Must be called inside a tokio
    /// runtime.
    pub fn new(
        settings: Settings,
        places: LocalPlaces,
        client: outbound::Client,
        env: &Env,
    ) -> io::Result<Self> {
        let settings = Arc::new(settings);
        let local = Local::start(places, &settings, &client, env)?;
        let aws = Aws::new(Arc::clone(&settings), client, env.clock.clone());
        Ok(Self(Arc::new(Shared {
            settings,
            local,
            aws,
            secret_cache: SecretCache::default(),
            clock: env.clock.clone(),
            random: env.random.clone(),
        })))
    }

    /// Objects.
    pub fn s3(&self) -> S3<'_> {
        S3(self)
    }

    /// Tables.
    pub fn dynamodb(&self) -> DynamoDb<'_> {
        DynamoDb(self)
    }

    /// Queues.
    pub fn sqs(&self) -> Sqs<'_> {
        Sqs(self)
    }

    /// Topics.
    pub fn sns(&self) -> Sns<'_> {
        Sns(self)
    }

    /// Data streams.
    pub fn kinesis(&self) -> Kinesis<'_> {
        Kinesis(self)
    }

    /// Delivery streams.
    pub fn firehose(&self) -> Firehose<'_> {
        Firehose(self)
    }

    /// Metrics.
    pub fn cloudwatch(&self) -> CloudWatch<'_> {
        CloudWatch(self)
    }

    /// Logs.
    pub fn logs(&self) -> Logs<'_> {
        Logs(self)
    }

    /// Secrets.
    pub fn secretsmanager(&self) -> SecretsManager<'_> {
        SecretsManager(self)
    }

    /// Signs a request to whatever checks AWS's signatures, for `service` in `region`, with the
    /// credentials that the caller's role stands for. Those of no role are `targets.sts`'s own, else
    /// `targets.credentials`.
    ///
    /// # Errors
    ///
    /// There are no such credentials, or the role could not be assumed.
    pub async fn sign(
        &self,
        caller: &Caller,
        region: &str,
        service: &str,
        request: &mut outbound::Request,
    ) -> Result<(), TargetError> {
        self.aws().sign(caller, sigv4::Scope { region, service }, request).await
    }

    /// At most `limit` records of a local queue, topic, data stream or delivery stream, from
    /// `offset` on.
    pub async fn read_local(
        &self,
        stream: &StreamName,
        offset: u64,
        limit: usize,
    ) -> Result<StreamPage, TargetError> {
        self.local().streams.read(stream, offset, limit).await
    }

    /// At most `limit` local queues, topics, data streams and delivery streams of a tenant, behind
    /// `after`, and whether there are more.
    pub async fn local_streams(
        &self,
        tenant: TenantId,
        after: Option<&StreamName>,
        limit: u32,
    ) -> Result<(Vec<StreamName>, bool), TargetError> {
        self.local().streams.list(tenant, after, limit).await
    }

    /// Removes the local objects, and forgets what the store had, which the caller has wiped.
    pub async fn wipe(&self) -> Result<(), TargetError> {
        let local = self.local();
        self.secret_cache().forget();
        local.webhooks.forget();
        local.tables.forget_all();
        local.streams.forget().await;
        local.files.wipe().await
    }

    /// Which back end a service has.
    pub fn backend(&self, service: Service) -> Backend {
        self.settings().place(service).backend
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn local(&self) -> &Local {
        &self.0.local
    }

    pub(crate) fn aws(&self) -> &Aws {
        &self.0.aws
    }

    pub(crate) fn secret_cache(&self) -> &SecretCache {
        &self.0.secret_cache
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// An id for a message.
    pub(crate) fn new_id(&self) -> String {
        uuid::Builder::from_random_bytes(self.0.random.bytes()).into_uuid().to_string()
    }
}

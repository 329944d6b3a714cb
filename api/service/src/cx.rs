//! The context of one request: who asks, for which tenant, and the server that answers.

use std::net::IpAddr;
use std::sync::Arc;

use env::TaskKind;
use store::{Batch, CommitError, Key, Kind, Sequence, Store, StoreError};
use tokio::sync::oneshot;
use types::{AccountId, Tenant, Timestamp};
use uuid::Uuid;

use crate::{ApiError, App, AuditRecord, OutgoingMessage};

/// Who sends a request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The access key that signed it.
    pub access_key_id: String,
    /// The key's account.
    pub account: AccountId,
    /// The key's principal.
    pub arn: String,
    /// The principal's unique id.
    pub user_id: String,
    /// Where it came from.
    pub source_ip: IpAddr,
    /// Whether it came over TLS, as far as the server sees.
    pub is_over_tls: bool,
    /// Whether no policy binds it.
    pub is_root: bool,
}

/// What an operation is called with. Cheap to clone.
#[derive(Clone)]
pub struct Cx {
    /// The server.
    pub app: Arc<App>,
    /// Whose resources.
    pub tenant: Tenant,
    /// Who asks.
    pub caller: Arc<Caller>,
    /// Answered as `x-amzn-RequestId`.
    pub request_id: Uuid,
    /// The operation's name, for the audit trail.
    pub operation: &'static str,
    /// The ARN that the operation is about, or `*`.
    pub resource: Arc<str>,
}

impl Cx {
    /// The context of what the server does for a tenant without being asked by a request. The
    /// audit trail names `caller` for it.
    pub fn of_server(
        app: &Arc<App>,
        tenant: Tenant,
        caller: Caller,
        operation: &'static str,
        resource: &str,
    ) -> Self {
        let request_id = uuid::Builder::from_random_bytes(app.env.random.bytes()).into_uuid();
        let (app, caller) = (Arc::clone(app), Arc::new(caller));
        Self { app, tenant, caller, request_id, operation, resource: resource.into() }
    }

    /// The documents of the server.
    pub fn store(&self) -> &Store {
        &self.app.store
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.app.env.clock.now()
    }

    /// A new random UUID (version 4).
    pub fn new_uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.app.env.random.bytes()).into_uuid()
    }

    /// The key of this tenant's records of `kind`, to which the rest is appended.
    pub fn key(&self, kind: Kind) -> Key {
        Key::new(self.tenant.id, kind)
    }

    /// `arn:aws:iot:<region>:<account>:<resource>`.
    pub fn arn(&self, resource: &str) -> String {
        self.tenant.arn("iot", resource)
    }

    /// Publishes a message to the devices of this tenant. It is safe wherever it has to be when
    /// this returns.
    pub async fn publish(&self, message: OutgoingMessage) -> Result<(), ApiError> {
        self.app.publisher.publish(&self.tenant, message).await
    }

    /// As [`Cx::commit`], and publishes `messages` to the devices of this tenant: at once, or later
    /// if the server ends in between or they fail or take too long, and at least once. Whoever asked
    /// may go away meanwhile.
    pub async fn commit_and_publish(
        &self,
        mut batch: Batch,
        messages: Vec<OutgoingMessage>,
    ) -> Result<Sequence, CommitError> {
        if messages.is_empty() {
            return self.commit(batch).await;
        }
        let posted = self.app.outbox.put(&mut batch, &self.tenant, messages);
        let (answer, answered) = oneshot::channel();
        let cx = self.clone();
        self.app.env.tasks.spawn("change-and-messages", TaskKind::Transient, async move {
            let committed = cx.commit(batch).await;
            if committed.is_ok() {
                cx.app.outbox.publish(&cx.app.publisher, posted).await;
            }
            // An error means that nobody waits for it any more.
            drop(answer.send(committed));
        });
        answered.await.unwrap_or(Err(CommitError::Store(StoreError::Stopped)))
    }

    /// Commits `batch` with a record of who did it in the audit trail, all or nothing.
    pub async fn commit(&self, mut batch: Batch) -> Result<Sequence, CommitError> {
        let (key, value) = self.audit_entry("success");
        batch.put(key, value);
        let sequence = self.app.store.commit(batch).await?;
        self.app.audit.counted();
        Ok(sequence)
    }

    /// The key and value under which the audit trail keeps this request.
    pub fn audit_entry(&self, outcome: &str) -> (Key, Vec<u8>) {
        self.audit_record(outcome).entry(self.request_id.as_u128())
    }

    /// What the audit trail says of this request, with `outcome` as `success` or an error's code.
    pub(crate) fn audit_record(&self, outcome: &str) -> AuditRecord {
        AuditRecord {
            time: self.now(),
            request_id: self.request_id.to_string(),
            account: self.caller.account,
            region: self.tenant.region.to_string(),
            principal: self.caller.arn.clone(),
            access_key_id: self.caller.access_key_id.clone(),
            source_ip: self.caller.source_ip.to_string(),
            operation: self.operation.to_owned(),
            resource: self.resource.to_string(),
            outcome: outcome.to_owned(),
        }
    }
}

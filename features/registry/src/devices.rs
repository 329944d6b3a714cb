//! Devices at the door: who they are, and what they may do for as long as they stay.
//!
//! Who knocks is read from the store, and so is what they may do. The permissions handed out are
//! remembered by the records that they were made of; the store's feed of changes tells which of
//! them are to be made anew, and which connections have to end.

mod authenticate;
mod context;
mod documents;
mod endpoint_name;
mod follow;
mod just_in_time;
mod live;
mod load;
mod records;
mod refusals;
pub(crate) mod trial;

use std::sync::Arc;

use ::store::Key;
use env::TaskKind;
use service::{
    App, Authenticator, BoxFuture, Knock, Login, Permissions, PolicySource, Principal,
    PrincipalKind, Refusal, Rights, Things,
};
use tokio::sync::Notify;
use types::Tenant;

use self::documents::Documents;
use self::live::{Connection, Live, Moment};
use self::load::{Found, Loaded, Subject};
use self::records::Records;
use crate::store::things;

/// How often permissions are read again when records changed between two reads.
const ATTEMPTS_MAX: usize = 8;

/// Tells who devices are and what they may do, and keeps that current.
pub struct Devices {
    app: Arc<App>,
    records: Records,
    documents: Documents,
    live: Live,
    /// Permissions changed while they were made.
    is_stale: Notify,
}

impl Devices {
    /// Starts to follow the store's changes.
    pub fn start(app: &Arc<App>) -> Arc<Self> {
        let devices = Arc::new(Self::new(app));
        let work = Arc::clone(&devices).follow_changes(app.env.tasks.shutdown_signal());
        app.env.tasks.spawn("device-permissions", TaskKind::Vital, work);
        devices
    }

    /// Knows nothing yet, and follows nothing.
    fn new(app: &Arc<App>) -> Self {
        Self {
            app: Arc::clone(app),
            records: Records::new(&app.store),
            documents: Documents::default(),
            live: Live::default(),
            is_stale: Notify::new(),
        }
    }

    /// What `subject` may do, once, and then for as long as somebody holds it.
    async fn grant(&self, subject: Subject) -> Result<Arc<Permissions>, Refusal> {
        for _ in 0..ATTEMPTS_MAX {
            let since = self.live.moment();
            let loaded = self.load(std::slice::from_ref(&subject)).await;
            let mut loaded = loaded.map_err(|error| refusals::store_failed(&error))?;
            match loaded.pop() {
                Some(Loaded::Found(found)) => return Ok(self.hand_out(subject, found, since)),
                Some(Loaded::Refused(refusal)) => return Err(refusal),
                // What is remembered may be of two moments; what is read anew is not.
                Some(Loaded::Moved) | None => self.records.clear(),
            }
        }
        Err(refusals::always_changing())
    }

    /// Permissions that are kept current; they were read since `since`.
    fn hand_out(&self, subject: Subject, found: Found, since: Moment) -> Arc<Permissions> {
        let permissions = Arc::new(Permissions::new(found.rights));
        let Subject { principal, client_id, .. } = subject;
        let held = Arc::downgrade(&permissions);
        let connection = Connection { principal, client_id, permissions: held };
        if self.live.add(connection, found.sources, since) {
            self.is_stale.notify_one();
        }
        permissions
    }
}

impl Authenticator for Devices {
    fn authenticate<'a>(
        &'a self,
        knock: &'a Knock,
        login: Option<&'a Login>,
    ) -> BoxFuture<'a, Result<Arc<Principal>, Refusal>> {
        Box::pin(async move {
            let principal = match &knock.certificate {
                Some(der) => self.certificate(knock, der).await?,
                None => self.without_certificate(knock, login).await?,
            };
            Ok(Arc::new(principal))
        })
    }
}

impl Things for Devices {
    fn record_of(&self, tenant: &Tenant, thing: &str) -> Key {
        things::key(tenant, thing)
    }
}

impl PolicySource for Devices {
    fn permissions<'a>(
        &'a self,
        principal: &'a Arc<Principal>,
        client_id: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<Permissions>, Refusal>> {
        Box::pin(async move {
            let context = context::of_connection(principal, client_id);
            if principal.kind == PrincipalKind::Administrator {
                let rights = Rights { is_unlimited: true, context, ..Rights::default() };
                return Ok(Arc::new(Permissions::new(rights)));
            }
            let principal = Arc::clone(principal);
            let (client_id, policies) = (client_id.map(Arc::from), Vec::new());
            self.grant(Subject { principal, client_id, context, policies, trial: None }).await
        })
    }
}

//! Permissions follow what changes: who may do less, or no longer be connected, learns it at once.
//!
//! A change of this server is acted upon as soon as it is committed, and one of another within a
//! second. While the store cannot be read, connections keep what they had, so that a site without
//! its database goes on; after [`FEED_TRUST`] that is too old to be believed, and they are ended.

use std::sync::Arc;
use std::time::Duration;

use env::Shutdown;
use service::{Permissions, Refusal, Rights};
use store::{Changes, Sequence, StoreError};
use tokio::time::{Instant, sleep, timeout};

use super::live::Stale;
use super::load::{Found, Loaded, Subject};
use super::{Devices, context, refusals};

/// How long connections keep their permissions while the store cannot be read.
const FEED_TRUST: Duration = Duration::from_secs(300);
/// How long changes gather after some were acted upon; the first is acted upon at once.
const GATHER: Duration = Duration::from_millis(20);
/// How long the feed may be silent before it is asked anyway, and certificates expire.
const TICK: Duration = Duration::from_millis(250);
/// How long the feed may take to answer.
const FEED_PATIENCE: Duration = Duration::from_secs(2);
/// Permissions that are made anew together.
const BATCH: usize = 128;

/// Why changes are not followed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the changes do not come in time")]
    Late,
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

/// How far the feed was read, and when all was well last.
struct Progress {
    read: Option<Sequence>,
    current_at: Instant,
    is_failing: bool,
}

impl Devices {
    pub(super) async fn follow_changes(self: Arc<Self>, mut shutdown: Shutdown) {
        let mut progress = Progress { read: None, current_at: Instant::now(), is_failing: false };
        loop {
            tokio::select! {
                biased;
                () = shutdown.begun() => return,
                () = self.follow(&mut progress) => {}
            }
        }
    }

    /// Hears of changes, acts upon some of them, and waits unless there are more.
    async fn follow(&self, progress: &mut Progress) {
        match self.catch_up(progress).await {
            Ok(has_more) => {
                if std::mem::take(&mut progress.is_failing) {
                    tracing::info!("device permissions follow changes again");
                }
                progress.current_at = Instant::now();
                if has_more {
                    return tokio::task::yield_now().await;
                }
            }
            Err(failure) => self.complain(progress, &failure),
        }
        sleep(GATHER).await;
        self.wait(progress).await;
    }

    async fn wait(&self, progress: &Progress) {
        let news = async {
            match progress.read {
                Some(read) if !progress.is_failing => self.app.store.changed(read).await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            () = news => {}
            () = self.is_stale.notified() => {}
            () = sleep(TICK) => {}
        }
    }

    /// Whether there is more to be done at once.
    async fn catch_up(&self, progress: &mut Progress) -> Result<bool, Failure> {
        let changes = async {
            match progress.read {
                Some(read) => self.app.store.changes(read).await,
                None => self.app.store.current().await.map(|upto| Changes::Lost { upto }),
            }
        };
        match timeout(FEED_PATIENCE, changes).await {
            Ok(Ok(changes)) => progress.read = Some(self.hear(&changes)),
            Ok(Err(error)) => return Err(error.into()),
            Err(_late) => return Err(Failure::Late),
        }
        self.live.expire(self.app.env.clock.now());
        let has_moved_on = self.make_anew().await?;
        Ok(has_moved_on && self.live.has_stale())
    }

    fn hear(&self, changes: &Changes) -> Sequence {
        match changes {
            Changes::Since { keys, upto } => {
                if !keys.is_empty() {
                    self.live.changed(keys);
                }
                *upto
            }
            Changes::Lost { upto } => {
                self.live.changed_all();
                *upto
            }
        }
    }

    fn complain(&self, progress: &mut Progress, failure: &Failure) {
        if !std::mem::replace(&mut progress.is_failing, true) {
            tracing::warn!(
                error = failure as &dyn std::error::Error,
                "device permissions do not follow changes"
            );
        }
        if progress.current_at.elapsed() > FEED_TRUST {
            let refusal = refusals::out_of_touch(FEED_TRUST.as_secs() / 60);
            for permissions in self.live.remove_all() {
                end(&permissions, refusal.clone());
            }
            // Whoever comes from now on was read from the store from now on.
            progress.current_at = Instant::now();
        }
    }

    /// Makes a batch of stale permissions anew. Whether there was any that could be.
    async fn make_anew(&self) -> Result<bool, StoreError> {
        let stale = self.live.take_stale(BATCH);
        if stale.is_empty() {
            return Ok(false);
        }
        let subjects: Vec<Subject> = stale.iter().map(subject).collect();
        match self.load(&subjects).await {
            Ok(loaded) => {
                let mut has_moved_on = false;
                for (stale, loaded) in stale.iter().zip(loaded) {
                    has_moved_on |= !matches!(loaded, Loaded::Moved);
                    self.renew(stale, loaded);
                }
                Ok(has_moved_on)
            }
            Err(error) => {
                self.live.put_back(stale.iter().map(|stale| stale.id));
                Err(error)
            }
        }
    }

    fn renew(&self, stale: &Stale, loaded: Loaded) {
        match loaded {
            Loaded::Found(Found { rights, sources }) => {
                self.live.made_anew(stale.id, &sources);
                if !is_same(&stale.permissions.rights(), &rights) {
                    stale.permissions.replace(rights);
                }
            }
            Loaded::Refused(refusal) => {
                self.live.remove(stale.id);
                end(&stale.permissions, refusal);
            }
            Loaded::Moved => self.live.put_back([stale.id]),
        }
    }
}

fn subject(stale: &Stale) -> Subject {
    let rights = stale.permissions.rights();
    Subject {
        principal: Arc::clone(&stale.principal),
        client_id: stale.client_id.clone(),
        context: context::without_thing(&rights.context),
        policies: rights.policies.iter().map(|(name, _)| name.clone()).collect(),
        trial: None,
    }
}

/// Nothing is allowed from here on, and the connection is to end.
fn end(permissions: &Permissions, refusal: Refusal) {
    permissions.end(refusal);
    permissions.replace(Rights::default());
}

/// Whether verdicts, and what messages carry, stay as they are. Documents are shared, so that the
/// same one is the same place.
fn is_same(before: &Rights, after: &Rights) -> bool {
    let same_policies = before.policies.len() == after.policies.len()
        && before
            .policies
            .iter()
            .zip(&after.policies)
            .all(|(before, after)| before.0 == after.0 && Arc::ptr_eq(&before.1, &after.1));
    same_policies
        && before.thing == after.thing
        && before.context == after.context
        && before.user_properties == after.user_properties
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use service::{Knock, Principal, PrincipalKind};
    use testing::Server;

    use super::*;
    use crate::devices::live::{Connection, Sources};

    /// A connection that is kept current.
    async fn connected(server: &Server, devices: &Devices) -> Arc<Permissions> {
        let peer = SocketAddr::from(([192, 0, 2, 1], 1));
        let knock = Knock { door: "mqtt", peer, local: None, server_name: None, certificate: None };
        let principal = Arc::new(Principal {
            tenant: server.cx("-").await.tenant,
            id: "id".to_owned(),
            kind: PrincipalKind::Administrator,
            knock,
        });
        let permissions = Arc::new(Permissions::new(Rights::default()));
        let held = Arc::downgrade(&permissions);
        let connection = Connection { principal, client_id: Some("c".into()), permissions: held };
        devices.live.add(connection, Sources::default(), devices.live.moment());
        permissions
    }

    /// The clock of the runtime stands still until it is advanced.
    #[tokio::test(start_paused = true)]
    async fn connections_go_on_without_the_store_and_not_for_ever() {
        let server = Server::with(Vec::new()).await;
        let devices = Devices::start(server.app());
        let permissions = connected(&server, &devices).await;
        let mut progress = Progress { read: None, current_at: Instant::now(), is_failing: false };
        tokio::time::advance(FEED_TRUST).await;
        devices.complain(&mut progress, &Failure::Late);
        assert_eq!(permissions.ending(), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        devices.complain(&mut progress, &Failure::Late);
        let refusal = permissions.ending().unwrap();
        assert_eq!(refusal.reason, "SERVER_ERROR");
        assert!(refusal.detail.contains("5 minutes"), "{}", refusal.detail);
    }
}

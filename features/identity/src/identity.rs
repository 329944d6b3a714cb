//! The keeper of accounts and access keys, and what the gateway asks on every request.

use std::sync::Arc;
use std::time::Duration;

use env::{Shutdown, TaskKind};
use service::{AccessKey, AccessKeys, ApiError, App, BoxFuture, Cx};
use store::{Batch, Changes, CommitError, Sequence};
use types::{AccountId, Secret};

use crate::access_key::{NewAccessKey, Plan, StoredKey, root_arn};
use crate::account::{Account, random_id};
use crate::cache::{Cache, Generation};
use crate::store as records;

/// How often a change is tried when others change the same account.
const ATTEMPTS_MAX: usize = 16;
/// How long the feed may be silent before it is asked anyway.
const FEED_SILENCE: Duration = Duration::from_millis(500);
/// How long changes are left to gather.
const FEED_PAUSE: Duration = Duration::from_millis(200);
/// How long the feed may take to answer. The three together bound how stale a key may be.
const FEED_PATIENCE: Duration = Duration::from_millis(300);

/// Accounts and access keys of one server.
pub struct Identity {
    app: Arc<App>,
    cache: Cache,
}

impl Identity {
    /// Starts to follow the store's changes.
    pub fn start(app: &Arc<App>) -> Arc<Self> {
        let identity = Arc::new(Self { app: Arc::clone(app), cache: Cache::default() });
        let shutdown = app.env.tasks.shutdown_signal();
        let work = Arc::clone(&identity).follow_changes(shutdown);
        app.env.tasks.spawn("access-keys", TaskKind::Vital, work);
        identity
    }

    /// A root key of the server's own account, which is made with its account if it is missing.
    pub async fn bootstrap(&self) -> Result<Arc<AccessKey>, ApiError> {
        let id = self.app.settings.account;
        for _ in 0..ATTEMPTS_MAX {
            if let Some(key) = self.stored_root_key(id).await? {
                return key.unseal(&self.app.keyring).map(Arc::new);
            }
            let (key, _) = self.make_key(id, Plan::default());
            let batch = match records::account(&self.app.store, id).await? {
                Some(account) => records::add_key(account, &key),
                None => records::create_account(self.new_account(id, None), &key),
            };
            match self.app.store.commit(batch).await {
                Ok(_) | Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ApiError::unavailable("Other servers are changing the account. Try again."))
    }

    /// Empties the whole store. The root key of the server's own account comes back as it was, so
    /// that tools need no new one.
    pub async fn reset(&self) -> Result<(), ApiError> {
        let id = self.app.settings.account;
        let root = self.stored_root_key(id).await?;
        self.app.store.wipe().await?;
        self.app.tenants.forget();
        self.cache.forget_all(false);
        if let Some(root) = root {
            let batch = records::create_account(self.new_account(id, None), &root);
            self.app.store.commit(batch).await?;
        }
        self.bootstrap().await.map(drop)
    }

    /// Creates an account with its root key. Without an id it gets a random one.
    pub(crate) async fn create_account(
        &self,
        cx: &Cx,
        id: Option<AccountId>,
        name: Option<String>,
    ) -> Result<(Account, NewAccessKey), ApiError> {
        self.check_room_for_account().await?;
        let id = id.unwrap_or_else(|| random_id(&self.app.env.random));
        let (key, new) = self.make_key(id, Plan::default());
        let account = self.new_account(id, name);
        match commit(cx, &root_arn(id), records::create_account(account.clone(), &key)).await {
            Ok(()) => Ok((account, new)),
            Err(CommitError::Conflict(_)) => {
                let message = format!("The account {id} exists.");
                Err(ApiError::already_exists(message, id.as_str(), &root_arn(id)))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Creates an access key in an account that exists.
    pub(crate) async fn create_key(
        &self,
        cx: &Cx,
        id: AccountId,
        plan: Plan,
    ) -> Result<NewAccessKey, ApiError> {
        plan.check()?;
        let (key, new) = self.make_key(id, plan);
        for _ in 0..ATTEMPTS_MAX {
            let account = records::account(&self.app.store, id)
                .await?
                .ok_or_else(|| ApiError::not_found(format!("The account {id} does not exist.")))?;
            if account.record.access_keys >= self.app.limits.access_keys_per_account_max {
                return Err(ApiError::limit_exceeded(format!(
                    "The account {id} has {} access keys and may have no more.",
                    account.record.access_keys
                )));
            }
            match commit(cx, &key.arn(), records::add_key(account, &key)).await {
                Ok(()) => return Ok(new),
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(changed_by_others())
    }

    /// Deletes an access key, with effect on this server from the answer on and on others within
    /// a second.
    pub(crate) async fn delete_key(&self, cx: &Cx, key_id: &str) -> Result<(), ApiError> {
        let missing = || ApiError::not_found(format!("The access key {key_id} does not exist."));
        for _ in 0..ATTEMPTS_MAX {
            let store = &self.app.store;
            let key = records::access_key(store, key_id).await?.ok_or_else(missing)?;
            // Whose keys one may not delete, one is not told of either.
            crate::caller::account(cx, Some(key.record.account)).map_err(|_| missing())?;
            let account = records::account(store, key.record.account).await?.ok_or_else(missing)?;
            self.check_not_last(&account.record, &key.record)?;
            let arn = key.record.arn();
            match commit(cx, &arn, records::remove_key(account, &key)).await {
                Ok(()) => {
                    self.cache.forget(key_id);
                    return Ok(());
                }
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(changed_by_others())
    }

    /// Without this key nobody could create another.
    fn check_not_last(&self, account: &Account, key: &StoredKey) -> Result<(), ApiError> {
        if !key.is_root() || account.id != self.app.settings.account || account.root_keys > 1 {
            return Ok(());
        }
        Err(ApiError::delete_conflict(
            "This is the last root key of the server's own account. Create another one first.",
        ))
    }

    async fn check_room_for_account(&self) -> Result<(), ApiError> {
        let max = self.app.limits.accounts_max;
        if records::accounts(&self.app.store, max).await?.len() < max {
            return Ok(());
        }
        Err(ApiError::limit_exceeded(format!("The server has {max} accounts and takes no more.")))
    }

    fn make_key(&self, account: AccountId, plan: Plan) -> (StoredKey, NewAccessKey) {
        StoredKey::make(account, plan, &self.app.env, &self.app.keyring)
    }

    fn new_account(&self, id: AccountId, name: Option<String>) -> Account {
        Account::new(id, name, self.app.env.clock.now())
    }

    /// The oldest root key: the one that tools were given first.
    async fn stored_root_key(&self, account: AccountId) -> Result<Option<StoredKey>, ApiError> {
        let max = self.app.limits.access_keys_per_account_max;
        let keys = records::access_keys(&self.app.store, account, max).await?;
        Ok(keys.into_iter().filter(StoredKey::is_root).min_by_key(|key| key.created_at))
    }

    async fn load(
        &self,
        id: &str,
        generation: Generation,
    ) -> Result<Option<Arc<AccessKey>>, ApiError> {
        let Some(stored) = records::access_key(&self.app.store, id).await? else {
            return Ok(self.app.settings.is_dev.then(|| Arc::new(self.made_up_key(id))));
        };
        let key = Arc::new(stored.record.unseal(&self.app.keyring)?);
        self.cache.remember(&key, generation);
        Ok(Some(key))
    }

    /// What stands for an unknown key under `--dev`: the root of the account that the key's id
    /// names, as tools for local clouds write it, or else of the server's own.
    fn made_up_key(&self, id: &str) -> AccessKey {
        let account = id.parse().unwrap_or(self.app.settings.account);
        AccessKey {
            id: id.to_owned(),
            secret: Secret::from(String::new()),
            account,
            arn: root_arn(account),
            user_id: account.to_string(),
            policy: None,
        }
    }

    async fn follow_changes(self: Arc<Self>, mut shutdown: Shutdown) {
        let mut read = None;
        loop {
            read = self.catch_up(read).await;
            tokio::select! {
                () = self.wait_for_changes(read) => {}
                () = shutdown.begun() => return,
            }
        }
    }

    async fn wait_for_changes(&self, read: Option<Sequence>) {
        if let Some(read) = read {
            // Silence is no error: the feed is then asked whether it is still there.
            drop(tokio::time::timeout(FEED_SILENCE, self.app.store.changed(read)).await);
        }
        tokio::time::sleep(FEED_PAUSE).await;
    }

    /// Forgets what has changed since `read`; returns how far it came, or nothing if the feed
    /// cannot be read.
    async fn catch_up(&self, read: Option<Sequence>) -> Option<Sequence> {
        let changes = async {
            match read {
                Some(read) => self.app.store.changes(read).await,
                None => self.app.store.current().await.map(|upto| Changes::Lost { upto }),
            }
        };
        let failure: Box<dyn std::error::Error + Send> =
            match tokio::time::timeout(FEED_PATIENCE, changes).await {
                Ok(Ok(changes)) => return Some(self.apply(changes)),
                Ok(Err(error)) => Box::new(error),
                Err(late) => Box::new(late),
            };
        if read.is_some() {
            tracing::warn!(error = %failure, "access keys are read from the store: no change feed");
        }
        self.cache.forget_all(false);
        None
    }

    fn apply(&self, changes: Changes) -> Sequence {
        match changes {
            Changes::Since { keys, upto } => {
                for id in keys.iter().filter_map(records::access_key_id) {
                    self.cache.forget(&id);
                }
                upto
            }
            Changes::Lost { upto } => {
                self.cache.forget_all(true);
                upto
            }
        }
    }
}

impl AccessKeys for Identity {
    fn find<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Arc<AccessKey>>, ApiError>> {
        Box::pin(async move {
            match self.cache.find(id) {
                Ok(key) => Ok(Some(key)),
                Err(generation) => self.load(id, generation).await,
            }
        })
    }
}

/// Commits a change to `resource` with its line in the audit trail and in the log.
async fn commit(cx: &Cx, resource: &str, batch: Batch) -> Result<(), CommitError> {
    let cx = Cx { resource: resource.into(), ..cx.clone() };
    cx.commit(batch).await?;
    cx.app.audit.log(&cx, "success");
    Ok(())
}

fn changed_by_others() -> ApiError {
    ApiError::unavailable("The account's keys are being changed by others. Try again.")
}

//! The server's own certificate authority: made at the first start, its key sealed in the store, its
//! certificate renewed long before it ends.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use env::{Env, TaskKind};
use pki::Authority;
use secrets::Keyring;
use serde::{Deserialize, Serialize};
use service::{App, kinds};
use store::{Batch, CommitError, Key, Sequence, Store};
use tokio::task::JoinSet;
use types::{TenantId, Timestamp};

use crate::rhythm::{LOOK_INTERVAL, Rhythm};

/// What the sealed key is bound to.
const PURPOSE: &str = "server-key:root-ca";
/// How long a search for primes takes is chance: the first of two to end is often twice as fast.
const SEARCHES: usize = 2;
/// How often it is asked whether the certificate is near its end, or was renewed by another server.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// For how long before the end of a root that was renewed every look tells of it.
const URGENT_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The authority as it is stored.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredAuthority {
    v: u8,
    certificate: String,
    private_key: String,
    /// When the certificate ends that this one took the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    former_end: Option<Timestamp>,
}

/// The authority that the store has.
struct Held {
    authority: Authority,
    stored: StoredAuthority,
    version: Sequence,
}

/// An authority that is made while the store opens, since making its key takes longest of all.
pub(crate) struct Expected(Option<JoinSet<Result<Authority, pki::PkiError>>>);

/// Where devices' trust anchor lies.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("ca").join("root-ca.pem")
}

/// Begins to make an authority if this looks like the first start.
pub(crate) fn expect(data_dir: &Path, env: &Env) -> Expected {
    Expected((!path(data_dir).exists()).then(|| make(env)))
}

/// The store's authority, renewed if it is near its end. If the store has none, the expected one
/// becomes it.
pub(crate) async fn open(
    expected: Expected,
    store: &Store,
    keyring: &Keyring,
    env: &Env,
) -> anyhow::Result<Authority> {
    if let Some(held) = held(store, keyring).await? {
        return Ok(open_held(held, store, keyring, env).await);
    }
    let mut searches = expected.0.unwrap_or_else(|| make(env));
    let first = searches.join_next().await.context("nobody makes an authority")?;
    let made = first.context("the maker stopped")??;
    match save(&made, store, keyring, env).await {
        Ok(()) => Ok(made),
        // Another server on the same store was faster.
        Err(CommitError::Conflict(_)) => {
            let held = held(store, keyring).await?;
            Ok(held.context("the authority vanished")?.authority)
        }
        Err(error) => Err(error.into()),
    }
}

/// As it starts, a server that cannot renew its authority goes on with the one that it has.
async fn open_held(held: Held, store: &Store, keyring: &Keyring, env: &Env) -> Authority {
    let held = match renew_if_due(&held, store, keyring, env).await {
        Ok(renewed) => renewed.unwrap_or(held),
        Err(error) => {
            say_not_renewed(&error, held.authority.not_after());
            held
        }
    };
    if let Some(end) = held.stored.former_end.filter(|end| *end > env.clock.now()) {
        say_renewed(end);
    }
    held.authority
}

/// Stores `authority`, its key sealed, if the store has none.
pub(crate) async fn save(
    authority: &Authority,
    store: &Store,
    keyring: &Keyring,
    env: &Env,
) -> Result<(), CommitError> {
    let private_key = authority.to_secret_pem().expect("a key that signs can be written");
    let stored = StoredAuthority {
        v: 1,
        certificate: authority.certificate_pem().to_owned(),
        private_key: keyring.seal(PURPOSE, private_key.as_bytes(), &env.random),
        former_end: None,
    };
    let mut batch = Batch::new();
    batch.require_absent(key()).put(key(), service::encode(&stored));
    store.commit(batch).await.map(drop)
}

/// Writes the certificate that devices trust, unless it lies there already. No reader sees half of
/// it.
pub(crate) fn publish(authority: &Authority, data_dir: &Path) -> anyhow::Result<()> {
    let path = path(data_dir);
    let certificate = authority.certificate_pem();
    if fs::read_to_string(&path).is_ok_and(|found| found == certificate) {
        return Ok(());
    }
    let draft = path.with_extension("new");
    let write = || -> io::Result<()> {
        fs::create_dir_all(data_dir.join("ca"))?;
        fs::write(&draft, certificate)?;
        File::open(&draft)?.sync_all()?;
        fs::rename(&draft, &path)
    };
    write().with_context(|| format!("could not write {}", path.display()))
}

/// Has the authority renewed in time while the server runs, and what another server renewed taken
/// over.
pub(crate) fn watch(app: &Arc<App>) {
    let watching = keep_current(Arc::clone(app));
    app.env.tasks.spawn("root-certificate", TaskKind::Vital, watching);
}

async fn keep_current(app: Arc<App>) {
    let mut shutdown = app.env.tasks.shutdown_signal();
    let mut rhythm = Rhythm::due(LOOKED_AT_EVERY, app.env.clock.now());
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
            () = shutdown.begun() => return,
        }
        if rhythm.is_due(app.env.clock.now()) {
            let looked = look(&app).await;
            if let Err(error) = &looked {
                say_not_renewed(error, app.authority.get().not_after());
            }
            rhythm.went(looked.is_ok(), app.env.clock.now());
        }
    }
}

/// Has the server sign by the authority that the store has, renewed first if it is near its end.
async fn look(app: &App) -> anyhow::Result<()> {
    let App { store, keyring, env, settings, .. } = app;
    // There is none for a moment while a server under `--dev` is emptied.
    let Some(held) = held(store, keyring).await? else { return Ok(()) };
    let Held { authority, stored, .. } =
        renew_if_due(&held, store, keyring, env).await?.unwrap_or(held);
    publish(&authority, &settings.data_dir)?;
    let is_new = authority.certificate_pem() != app.authority.get().certificate_pem();
    if is_new {
        app.authority.replace(authority);
    }
    let now = env.clock.now();
    let is_urgent = |end: &Timestamp| *end > now && *end < now.plus(URGENT_FOR);
    if let Some(end) = stored.former_end.filter(|end| is_new || is_urgent(end)) {
        say_renewed(end);
    }
    Ok(())
}

/// What takes the place of `held`, if it is near its end: another certificate for the same key. Of
/// several servers one renews it, and the others take that.
async fn renew_if_due(
    held: &Held,
    store: &Store,
    keyring: &Keyring,
    env: &Env,
) -> anyhow::Result<Option<Held>> {
    let Held { authority, stored, version } = held;
    if !authority.is_due(env) {
        return Ok(None);
    }
    let Some(renewed) = authority.renewed(env)? else {
        let until = authority.not_after().to_rfc3339();
        tracing::warn!(%until, "the authority ends, and only who vouches for it can renew it");
        return Ok(None);
    };
    let certificate = renewed.certificate_pem().to_owned();
    let former_end = Some(authority.not_after());
    let stored = StoredAuthority { certificate, former_end, ..stored.clone() };
    let mut batch = Batch::new();
    batch.require_version(key(), *version).put(key(), service::encode(&stored));
    match store.commit(batch).await {
        Ok(version) => Ok(Some(Held { authority: renewed, stored, version })),
        Err(CommitError::Conflict(_)) => self::held(store, keyring).await,
        Err(error) => Err(error.into()),
    }
}

fn say_renewed(former_end: Timestamp) {
    tracing::warn!(
        before = %former_end.to_rfc3339(),
        "the root certificate was renewed: give devices the new ca/root-ca.pem before the one that \
         they have ends"
    );
}

fn say_not_renewed(error: &anyhow::Error, until: Timestamp) {
    tracing::error!(
        error = %format!("{error:#}"),
        until = %until.to_rfc3339(),
        "the root certificate was not looked after; it is tried again in a minute"
    );
}

/// Starts the searches for an authority's primes.
fn make(env: &Env) -> JoinSet<Result<Authority, pki::PkiError>> {
    let mut searches = JoinSet::new();
    for _ in 0..SEARCHES {
        let env = env.clone();
        searches.spawn_blocking(move || Authority::create(&env));
    }
    searches
}

async fn held(store: &Store, keyring: &Keyring) -> anyhow::Result<Option<Held>> {
    let Some(found) = store.get(&key()).await? else { return Ok(None) };
    let stored: StoredAuthority =
        serde_json::from_slice(&found.value).context("the stored authority cannot be read")?;
    let private_key = keyring.open(PURPOSE, &stored.private_key)?;
    let private_key = String::from_utf8(private_key).context("the authority's key is no text")?;
    let authority = Authority::load(&stored.certificate, &private_key)?;
    Ok(Some(Held { authority, stored, version: found.version }))
}

fn key() -> Key {
    Key::new(TenantId::GLOBAL, kinds::SERVER_KEY).text("root-ca")
}

#[cfg(test)]
mod tests;

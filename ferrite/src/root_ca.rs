//! The server's own certificate authority: made at the first start, its key sealed in the store.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use env::Env;
use pki::Authority;
use secrets::Keyring;
use serde::{Deserialize, Serialize};
use service::kinds;
use store::{Batch, CommitError, Key, Store, Versioned};
use tokio::task::JoinSet;
use types::TenantId;

/// What the sealed key is bound to.
const PURPOSE: &str = "server-key:root-ca";

/// How long a search for primes takes is chance: the first of two to end is often twice as fast.
const SEARCHES: usize = 2;

/// The authority as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredAuthority {
    v: u8,
    certificate: String,
    private_key: String,
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

/// The store's authority. If it has none, the expected one becomes it.
pub(crate) async fn open(
    expected: Expected,
    store: &Store,
    keyring: &Keyring,
    env: &Env,
) -> anyhow::Result<Authority> {
    if let Some(stored) = store.get(&key()).await? {
        return load(&stored, keyring);
    }
    let mut searches = expected.0.unwrap_or_else(|| make(env));
    let first = searches.join_next().await.context("nobody makes an authority")?;
    let made = first.context("the maker stopped")??;
    match save(&made, store, keyring, env).await {
        Ok(()) => Ok(made),
        // Another server on the same store was faster.
        Err(CommitError::Conflict(_)) => {
            let stored = store.get(&key()).await?;
            load(&stored.ok_or_else(|| anyhow!("the authority vanished"))?, keyring)
        }
        Err(error) => Err(error.into()),
    }
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
    };
    let mut batch = Batch::new();
    batch.require_absent(key()).put(key(), service::encode(&stored));
    store.commit(batch).await.map(drop)
}

/// Writes the certificate that devices trust, unless it lies there already.
pub(crate) fn publish(authority: &Authority, data_dir: &Path) -> anyhow::Result<()> {
    let path = path(data_dir);
    let certificate = authority.certificate_pem();
    if fs::read_to_string(&path).is_ok_and(|found| found == certificate) {
        return Ok(());
    }
    let write = || {
        fs::create_dir_all(data_dir.join("ca"))?;
        fs::write(&path, certificate)
    };
    write().with_context(|| format!("could not write {}", path.display()))
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

fn load(stored: &Versioned, keyring: &Keyring) -> anyhow::Result<Authority> {
    let stored: StoredAuthority =
        serde_json::from_slice(&stored.value).context("the stored authority cannot be read")?;
    let private_key = keyring.open(PURPOSE, &stored.private_key)?;
    let private_key = String::from_utf8(private_key).context("the authority's key is no text")?;
    Ok(Authority::load(&stored.certificate, &private_key)?)
}

fn key() -> Key {
    Key::new(TenantId::GLOBAL, kinds::SERVER_KEY).text("root-ca")
}

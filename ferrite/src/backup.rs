//! What a backup holds, what it leaves out, and how it becomes a data directory again.
#![allow(clippy::print_stdout, reason = "commands answer on the terminal")]

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Serialize;
use store::Store;

use crate::config::Config;
use crate::root_ca;

/// The copy of the key file in a backup that was asked to hold it.
const KEY_FILE: &str = "secrets.key";
/// What may lie in a directory that a backup is restored into.
const WELCOME: [&str; 2] = [KEY_FILE, "lock"];

/// What was backed up, and what was not.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// The size of the store's copy.
    bytes: u64,
    /// In words for the operator.
    left_out: Vec<String>,
}

/// Copies the data of a running server into `directory`.
pub(crate) async fn make(
    store: &Store,
    data_dir: &Path,
    key_file: &Path,
    directory: &Path,
    with_keys: bool,
) -> anyhow::Result<Report> {
    ensure!(directory.is_absolute(), "the directory must be absolute: {}", directory.display());
    make_private(directory)?;
    let stored = store.backup(directory).await?;
    let certificate = root_ca::path(data_dir);
    if certificate.exists() {
        make_private(&directory.join("ca"))?;
        copy(&certificate, &root_ca::path(directory))?;
    }
    if with_keys {
        copy(key_file, &directory.join(KEY_FILE))?;
    }
    Ok(Report { bytes: stored.bytes, left_out: left_out(key_file, with_keys) })
}

/// `ferrite restore`: makes the data directory of `config` from a backup.
pub(crate) fn restore(from: &Path, config: &Config) -> anyhow::Result<()> {
    let to = &config.data_dir;
    ensure!(from.is_dir(), "{} is no directory of a backup", from.display());
    ensure_nothing_but(to, &WELCOME)?;
    let is_new = !to.exists();
    let restored = restore_store(from, to);
    if restored.is_err() && is_new {
        // Nothing but what this call made is in it.
        drop(fs::remove_dir_all(to));
    }
    let bytes = restored?;
    println!("restored the store ({bytes} bytes) into {}", to.display());
    let key_file = config.key_file();
    let copied = from.join(KEY_FILE);
    if copied.exists() && !key_file.exists() {
        copy(&copied, &key_file)?;
    }
    if !key_file.exists() {
        println!("the key file was not in the backup: copy the one that its server used to");
        println!(
            "  {}  (mode 0600) before you start; without it no secret opens",
            key_file.display()
        );
    }
    println!("start it with: ferrite serve --data-dir {}", to.display());
    Ok(())
}

fn restore_store(from: &Path, to: &Path) -> anyhow::Result<u64> {
    if !to.exists() {
        make_private(to)?;
    }
    Ok(store::restore(from, to)?.bytes)
}

fn left_out(key_file: &Path, with_keys: bool) -> Vec<String> {
    let key = format!(
        "the key file {}: keep a copy apart from the backup, no secret opens without it",
        key_file.display()
    );
    let rest = "credentials and config: the server writes them again when it starts";
    let settings = "ferrite.toml and settings of the environment";
    let waiting = "messages that wait for clients: their sessions are there, with nothing in them";
    let rest = [waiting.to_owned(), rest.to_owned(), settings.to_owned()];
    (!with_keys).then_some(key).into_iter().chain(rest).collect()
}

/// Makes a directory for its owner alone, or takes one that is empty.
fn make_private(directory: &Path) -> anyhow::Result<()> {
    ensure_nothing_but(directory, &[])?;
    if directory.exists() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.with_context(|| format!("could not make {}", directory.display()))
}

fn ensure_nothing_but(directory: &Path, welcome: &[&str]) -> anyhow::Result<()> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| directory.display().to_string()),
    };
    for entry in entries {
        let name = entry?.file_name();
        let is_welcome = name.to_str().is_some_and(|name| welcome.contains(&name));
        ensure!(is_welcome, "{} is not empty; name a new directory", directory.display());
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let copied = fs::copy(from, to).map(drop);
    copied.with_context(|| format!("could not copy {} to {}", from.display(), to.display()))
}

//! Objects as files: a folder for each bucket, a file for each key.
//!
//! A file is there whole or not at all, and is on the disk before its put is acknowledged.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::file_names;
use super::file_writer::{FileWriter, Put, Work};
use crate::{LocalSettings, Service, TargetError};

/// Objects of this machine.
pub(crate) struct Files {
    root: Arc<PathBuf>,
    waiting: mpsc::Sender<Work>,
    /// Bytes that may wait besides those that do.
    room: Arc<Semaphore>,
}

/// An object in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectSummary {
    /// Its key.
    pub key: String,
    /// Its length.
    pub bytes: u64,
}

/// Some of a bucket's objects, in the order of their files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectPage {
    /// The objects.
    pub objects: Vec<ObjectSummary>,
    /// Whether there are more behind the last.
    pub has_more: bool,
}

/// Puts that may wait for the writer.
const WAITING_MAX: usize = 1024;
/// Bytes of objects that may wait for the writer.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// Bytes of a key, as of S3.
const KEY_BYTES_MAX: usize = 1024;

impl Files {
    /// Starts the writer of `root`, which is made with the first object.
    pub(crate) fn start(root: PathBuf, settings: &LocalSettings) -> io::Result<Self> {
        let (waiting, puts) = mpsc::channel(WAITING_MAX);
        let writer = FileWriter::new(root.clone(), settings);
        std::thread::Builder::new().name("targets-s3".into()).spawn(move || writer.run(puts))?;
        let room = Arc::new(Semaphore::new(WAITING_BYTES_MAX));
        Ok(Self { root: Arc::new(root), waiting, room })
    }

    /// Keeps an object, in the place of one with the same key.
    pub(crate) async fn put(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
    ) -> Result<(), TargetError> {
        check_bucket(bucket)?;
        check_key(key)?;
        let permits = u32::try_from(body.len().min(WAITING_BYTES_MAX));
        let permits = permits.expect("what may wait is less than 4 GiB");
        let room = Arc::clone(&self.room).acquire_many_owned(permits).await;
        let room = room.expect("nobody closes it");
        let (bucket, path) = (bucket.to_owned(), file_names::path_of(key));
        self.ask(|answer| Work::Put(Put { bucket, path, body, answer, room })).await
    }

    /// Removes everything.
    pub(crate) async fn wipe(&self) -> Result<(), TargetError> {
        self.ask(Work::Wipe).await
    }

    async fn ask(
        &self,
        work: impl FnOnce(oneshot::Sender<Result<(), TargetError>>) -> Work,
    ) -> Result<(), TargetError> {
        let (answer, told) = oneshot::channel();
        let stopped = || TargetError::unavailable(Service::S3, "The server is stopping.");
        self.waiting.send(work(answer)).await.map_err(|_| stopped())?;
        told.await.map_err(|_| stopped())?
    }

    /// An object, if it is there.
    pub(crate) async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, TargetError> {
        check_bucket(bucket)?;
        check_key(key)?;
        let path = self.root.join(bucket).join(file_names::path_of(key));
        blocking(move || match fs::read(path) {
            Ok(body) => Ok(Some(Bytes::from(body))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    /// At most `limit` objects whose keys begin with `prefix`, beginning behind `after`.
    pub(crate) async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ObjectPage, TargetError> {
        check_bucket(bucket)?;
        let folders = file_names::folders_of(prefix);
        let after = after.map(file_names::components_of).unwrap_or_default();
        let mut list = List::new(prefix, limit);
        let directory = self.root.join(bucket);
        blocking(move || {
            list.visit_from(&directory, &folders, &after)?;
            Ok(list.page)
        })
        .await
    }

    /// The buckets, by name; there are at most as many as the settings allow.
    pub(crate) async fn buckets(&self) -> Result<Vec<String>, TargetError> {
        let root = Arc::clone(&self.root);
        blocking(move || buckets_of(&root)).await
    }
}

/// The buckets in a folder, by name.
pub(super) fn buckets_of(root: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        names.extend(name.into_string().ok().filter(|name| check_bucket(name).is_ok()));
    }
    names.sort_unstable();
    Ok(names)
}

/// Gathers a page of objects from a tree of directories, name by name.
struct List {
    prefix: String,
    limit: usize,
    page: ObjectPage,
}

impl List {
    fn new(prefix: &str, limit: usize) -> Self {
        Self { prefix: prefix.to_owned(), limit, page: ObjectPage::default() }
    }

    /// Goes down to the folder that the prefix names.
    fn visit_from(&mut self, root: &Path, folders: &[String], after: &[String]) -> io::Result<()> {
        let mut key = String::new();
        for folder in folders {
            key.push_str(&file_names::read(folder).map(|name| name.text).unwrap_or_default());
        }
        let shared = after.iter().zip(folders).take_while(|(after, folder)| after == folder);
        let shared = shared.count();
        let rest = after.get(shared..).unwrap_or_default();
        let directory = folders.iter().fold(root.to_owned(), |path, folder| path.join(folder));
        match (folders.get(shared), rest.first()) {
            // The last object of the page before lies behind this folder.
            (Some(folder), Some(after)) if after > folder => Ok(()),
            (Some(_), _) => self.visit(&directory, &key, &[]),
            (None, _) => self.visit(&directory, &key, rest),
        }
    }

    fn visit(&mut self, directory: &Path, key: &str, after: &[String]) -> io::Result<()> {
        let mut from = after.first().cloned().unwrap_or_default();
        let mut inner = after.get(1..).unwrap_or_default();
        loop {
            // The names are taken in groups, since a directory may have millions.
            let (names, is_last) = first_names(directory, &from, self.limit + 1)?;
            for name in &names {
                // The object that the page before ended with is not in this one.
                if *name == from && after.len() == 1 {
                    continue;
                }
                let is_on_way = *name == from;
                self.take(directory, name, key, if is_on_way { inner } else { &[] })?;
                if self.page.has_more {
                    return Ok(());
                }
            }
            let Some(last) = names.last().filter(|_| !is_last) else { return Ok(()) };
            from = format!("{last}\0");
            inner = &[];
        }
    }

    fn take(
        &mut self,
        directory: &Path,
        name: &str,
        key: &str,
        after: &[String],
    ) -> io::Result<()> {
        let Some(read) = file_names::read(name) else { return Ok(()) };
        let key = format!("{key}{}", read.text);
        let path = directory.join(name);
        if read.is_directory {
            let may_match = key.starts_with(&self.prefix) || self.prefix.starts_with(&key);
            return if may_match { self.visit(&path, &key, after) } else { Ok(()) };
        }
        if !key.starts_with(&self.prefix) {
            return Ok(());
        }
        if self.page.objects.len() == self.limit {
            self.page.has_more = true;
            return Ok(());
        }
        // A file that is gone by now is not listed.
        if let Ok(metadata) = fs::metadata(&path) {
            self.page.objects.push(ObjectSummary { key, bytes: metadata.len() });
        }
        Ok(())
    }
}

/// The first names of a directory from `from` on, at most `limit`, and whether these are all.
fn first_names(directory: &Path, from: &str, limit: usize) -> io::Result<(Vec<String>, bool)> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), true)),
        Err(error) => return Err(error),
    };
    let mut first = BTreeMap::new();
    let mut is_all = true;
    for entry in entries {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if name.as_str() >= from {
            first.insert(name, ());
        }
        if first.len() > limit {
            first.pop_last();
            is_all = false;
        }
    }
    Ok((first.into_keys().collect(), is_all))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, TargetError> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.unwrap_or_else(|_| Err(io::Error::other("the server is stopping")));
    done.map_err(|error| failed("The object could not be read.", error))
}

/// What a failure of the file system means to who asked.
pub(super) fn failed(message: &str, error: io::Error) -> TargetError {
    match error.kind() {
        io::ErrorKind::InvalidFilename => key_too_long(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            TargetError::unavailable(Service::S3, "The disk is full.").caused_by(error)
        }
        _ => TargetError::unavailable(Service::S3, message).caused_by(error),
    }
}

fn key_too_long() -> TargetError {
    TargetError::refused(Service::S3, "KeyTooLongError", "Your key is too long")
}

fn check_key(key: &str) -> Result<(), TargetError> {
    match key.len() {
        0 => Err(TargetError::refused(
            Service::S3,
            "InvalidRequest",
            "A key of an object must not be empty.",
        )),
        1..=KEY_BYTES_MAX => Ok(()),
        _ => Err(key_too_long()),
    }
}

/// Whether it is a name of a bucket, as S3 has them; none of them leads anywhere else.
fn check_bucket(bucket: &str) -> Result<(), TargetError> {
    let is_known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let is_end = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = bucket.as_bytes();
    let is_name = (3..=63).contains(&bytes.len())
        && bytes.iter().all(|b| is_known(*b))
        && is_end(bytes.first())
        && is_end(bytes.last())
        && !bucket.contains("..");
    if is_name {
        return Ok(());
    }
    let message = "The specified bucket is not valid.";
    Err(TargetError::refused(Service::S3, "InvalidBucketName", message))
}

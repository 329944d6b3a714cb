//! The one thread that writes objects: those that wait together share a sync of the disk.
//!
//! A round writes new objects under temporary names, syncs, and gives them their own names; the
//! next round's sync, which comes at once if nobody else waits, makes the names safe too, and only
//! then is anybody told. So no crash leaves half an object, nor loses the one that was there.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::files::{buckets_of, failed};
use crate::{LocalSettings, Service, TargetError};

/// What the writer is asked for.
pub(super) enum Work {
    Put(Put),
    /// Removes everything.
    Wipe(oneshot::Sender<Result<(), TargetError>>),
}

/// An object to keep.
pub(super) struct Put {
    pub(super) bucket: String,
    /// From the bucket's folder.
    pub(super) path: PathBuf,
    pub(super) body: Bytes,
    pub(super) answer: oneshot::Sender<Result<(), TargetError>>,
    /// What it takes of the bytes that may wait; given back with the body.
    pub(super) room: OwnedSemaphorePermit,
}

/// Writes objects below one folder.
pub(super) struct FileWriter {
    root: PathBuf,
    is_synced: bool,
    buckets_max: usize,
    buckets: BTreeSet<String>,
    /// Directories that were there a moment ago.
    directories: HashSet<PathBuf>,
    written: u64,
    /// Who waits for everything to be removed; nothing more is taken before.
    wipe: Option<oneshot::Sender<Result<(), TargetError>>>,
}

/// An object on its way: its file, and who waits for it.
struct Moving {
    from: PathBuf,
    to: PathBuf,
    answer: oneshot::Sender<Result<(), TargetError>>,
}

/// Objects that share a sync.
const ROUND_MAX: usize = 512;
/// Where objects are until they are whole. No bucket is called so.
const INCOMING: &str = ".incoming";
/// Directories that are remembered.
const DIRECTORIES_MAX: usize = 4096;

impl FileWriter {
    pub(super) fn new(root: PathBuf, settings: &LocalSettings) -> Self {
        Self {
            root,
            is_synced: settings.objects_synced,
            buckets_max: settings.buckets_max as usize,
            buckets: BTreeSet::new(),
            directories: HashSet::new(),
            written: 0,
            wipe: None,
        }
    }

    /// Writes until nobody can ask any more.
    pub(super) fn run(mut self, mut waiting: mpsc::Receiver<Work>) {
        self.recover();
        let mut named = Vec::new();
        let mut puts = Vec::new();
        loop {
            self.take(&mut waiting, &mut puts, named.is_empty());
            if puts.is_empty() && named.is_empty() {
                let Some(answer) = self.wipe.take() else { return };
                // Whoever has given up does not hear it.
                drop(answer.send(self.remove_all()));
                continue;
            }
            let written: Vec<Moving> = puts.drain(..).filter_map(|put| self.write(put)).collect();
            match self.sync(&written, &named) {
                Ok(()) => tell(&mut named, &Ok(())),
                // What is on the disk is not known now: neither round is promised.
                Err(error) => {
                    tell(&mut named, &Err(failed("The disk failed.", error)));
                    self.give_up(written);
                    continue;
                }
            }
            named = written.into_iter().filter_map(|moving| self.name(moving)).collect();
            if !self.is_synced {
                tell(&mut named, &Ok(()));
            }
        }
    }

    /// Takes what waits; waits itself for the first if it `may_wait`.
    fn take(&mut self, waiting: &mut mpsc::Receiver<Work>, puts: &mut Vec<Put>, may_wait: bool) {
        let mut first = if may_wait { waiting.blocking_recv() } else { None };
        while puts.len() < ROUND_MAX && self.wipe.is_none() {
            match first.take().or_else(|| waiting.try_recv().ok()) {
                Some(Work::Put(put)) => puts.push(put),
                Some(Work::Wipe(answer)) => self.wipe = Some(answer),
                None => return,
            }
        }
    }

    fn remove_all(&mut self) -> Result<(), TargetError> {
        self.buckets.clear();
        self.directories.clear();
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("The objects could not be removed.", error))
            }
            _ => Ok(()),
        }
    }

    /// Removes what a crash left half written, and learns which buckets there are.
    fn recover(&mut self) {
        let left = fs::remove_dir_all(self.root.join(INCOMING));
        if let Some(error) = left.err().filter(|error| error.kind() != io::ErrorKind::NotFound) {
            tracing::warn!(%error, "could not remove objects that are half written");
        }
        self.buckets = buckets_of(&self.root).unwrap_or_default().into_iter().collect();
    }

    /// Writes an object under a temporary name; whoever waits is told if that fails.
    fn write(&mut self, put: Put) -> Option<Moving> {
        let Put { bucket, path, body, answer, room: _room } = put;
        let to = self.root.join(&bucket).join(path);
        match self.admit(bucket).and_then(|()| self.write_body(&body)) {
            Ok(from) => Some(Moving { from, to, answer }),
            Err(error) => {
                // Whoever has given up does not hear it.
                drop(answer.send(Err(error)));
                None
            }
        }
    }

    /// A bucket is made by the first object in it, as long as there are few.
    fn admit(&mut self, bucket: String) -> Result<(), TargetError> {
        if self.buckets.contains(&bucket) {
            return Ok(());
        }
        if self.buckets.len() >= self.buckets_max {
            let message = format!(
                "You have attempted to create more buckets than allowed: there are {}, and the \
                 setting targets.local.buckets_max allows no more",
                self.buckets.len()
            );
            return Err(TargetError::refused(Service::S3, "TooManyBuckets", message));
        }
        self.buckets.insert(bucket);
        Ok(())
    }

    fn write_body(&mut self, body: &[u8]) -> Result<PathBuf, TargetError> {
        self.written += 1;
        let path = self.root.join(INCOMING).join(self.written.to_string());
        let written = retried_in(&mut self.directories, &path, || {
            File::create(&path).and_then(|mut file| file.write_all(body))
        });
        if let Err(error) = written {
            drop(fs::remove_file(&path));
            return Err(failed("The object could not be written.", error));
        }
        Ok(path)
    }

    /// Gives an object its own name; whoever waits is told if that fails.
    fn name(&mut self, moving: Moving) -> Option<Moving> {
        let Moving { from, to, .. } = &moving;
        let named = retried_in(&mut self.directories, to, || fs::rename(from, to));
        let Err(error) = named else { return Some(moving) };
        drop(fs::remove_file(from));
        drop(moving.answer.send(Err(failed("The object could not be written.", error))));
        None
    }

    fn give_up(&self, written: Vec<Moving>) {
        for moving in written {
            drop(fs::remove_file(&moving.from));
            let error = TargetError::unavailable(Service::S3, "The disk failed.");
            drop(moving.answer.send(Err(error)));
        }
        tracing::error!(folder = %self.root.display(), "could not sync the folder of objects");
    }

    /// Makes the bodies of one round and the names of another safe.
    fn sync(&self, written: &[Moving], named: &[Moving]) -> io::Result<()> {
        if !self.is_synced || (written.is_empty() && named.is_empty()) {
            return Ok(());
        }
        sync_all(&self.root, written, named)
    }
}

/// One call for all of them, whatever else the file system has to write: thousands of small files
/// a second are not to be had by syncing each.
#[cfg(target_os = "linux")]
fn sync_all(root: &Path, _: &[Moving], _: &[Moving]) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(root)?)?)
}

#[cfg(not(target_os = "linux"))]
fn sync_all(root: &Path, written: &[Moving], named: &[Moving]) -> io::Result<()> {
    for moving in written {
        File::open(&moving.from)?.sync_all()?;
    }
    let mut directories = BTreeSet::new();
    for moving in named {
        let above = moving.to.ancestors().skip(1).take_while(|path| path.starts_with(root));
        directories.extend(above.map(Path::to_owned));
    }
    directories.iter().try_for_each(|directory| File::open(directory)?.sync_all())
}

fn tell(named: &mut Vec<Moving>, result: &Result<(), TargetError>) {
    for moving in named.drain(..) {
        // Whoever has given up does not hear it.
        drop(moving.answer.send(result.clone()));
    }
}

/// Does `work` in the directory of `path`, which is made if it is not there.
fn retried_in(
    known: &mut HashSet<PathBuf>,
    path: &Path,
    work: impl Fn() -> io::Result<()>,
) -> io::Result<()> {
    let directory = path.parent().unwrap_or(path);
    if known.contains(directory) {
        match work() {
            // Somebody has removed it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
    }
    fs::create_dir_all(directory)?;
    if known.len() >= DIRECTORIES_MAX {
        known.clear();
    }
    known.insert(directory.to_owned());
    work()
}

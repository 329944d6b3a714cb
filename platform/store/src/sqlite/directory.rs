//! The data directory: its lock, its backup, its restoration.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{FILE, migrations};
use crate::StoreError;

/// What SQLite keeps beside the file: commits that are not folded into it yet.
const LOG: &str = "ferrite.db-wal";
/// The file whose lock says that a server uses the directory.
const LOCK_FILE: &str = "lock";

/// The directory is this process's as long as this lives.
pub(crate) struct Lock(#[allow(dead_code, reason = "held for its lock")] File);

impl Lock {
    pub(crate) fn take(directory: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(directory).map_err(failed("could not make", directory))?;
        let path = directory.join(LOCK_FILE);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.map_err(failed("could not open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(source)) => {
                return Err(failed("could not lock", &path)(source));
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                drop(file.read_to_string(&mut holder));
                return Err(StoreError::Directory(format!(
                    "the data directory {} is used by process {}: stop that server, or choose \
                     another directory with --data-dir",
                    directory.display(),
                    holder.trim()
                )));
            }
        }
        let noted = file.set_len(0).and_then(|()| file.rewind());
        let noted = noted.and_then(|()| file.write_all(std::process::id().to_string().as_bytes()));
        noted.map_err(failed("could not write", &path))?;
        Ok(Self(file))
    }
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupReport {
    /// The bytes of the copy.
    pub bytes: u64,
}

/// Copies the store at `path` as it is at one moment into `directory`, while it is used.
pub(crate) fn backup(path: &Path, directory: &Path) -> Result<BackupReport, StoreError> {
    fs::create_dir_all(directory).map_err(failed("could not make", directory))?;
    let target = directory.join(FILE);
    if target.exists() {
        let text = format!("{} exists: back up into an empty directory", target.display());
        return Err(StoreError::Directory(text));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(path, flags)?;
    // One statement is one read transaction, however long it takes.
    let name = target.to_string_lossy().into_owned();
    source.execute("VACUUM INTO ?1", [name])?;
    let copy = File::open(&target).map_err(failed("could not open", &target))?;
    copy.sync_all().map_err(failed("could not write", &target))?;
    let folder = File::open(directory).map_err(failed("could not open", directory))?;
    folder.sync_all().map_err(failed("could not write", directory))?;
    let bytes = copy.metadata().map_err(failed("could not read", &target))?.len();
    Ok(BackupReport { bytes })
}

/// Makes the data directory `to` from the backup in `from`, after checking that it is whole.
/// A directory that has a store already is refused.
pub fn restore(from: &Path, to: &Path) -> Result<BackupReport, StoreError> {
    let (source, target) = (from.join(FILE), to.join(FILE));
    // A log holds commits that the copy of the file alone would lack.
    let log = from.join(LOG);
    if log.metadata().is_ok_and(|log| log.len() > 0) {
        let text = format!("{} exists: that is a store in use, not a backup", log.display());
        return Err(StoreError::Directory(text));
    }
    // A log without its file counts as well: SQLite would take it for the new file's.
    if let Some(used) = [&target, &to.join(LOG)].into_iter().find(|path| path.exists()) {
        let text = format!("{} exists: restore into an empty directory", used.display());
        return Err(StoreError::Directory(text));
    }
    check(&source)?;
    let lock = Lock::take(to)?;
    let bytes = fs::copy(&source, &target).map_err(failed("could not copy", &source))?;
    let copy = File::open(&target).map_err(failed("could not open", &target))?;
    copy.sync_all().map_err(failed("could not write", &target))?;
    let folder = File::open(to).map_err(failed("could not open", to))?;
    folder.sync_all().map_err(failed("could not write", to))?;
    drop(lock);
    Ok(BackupReport { bytes })
}

fn check(path: &Path) -> Result<(), StoreError> {
    if !path.exists() {
        let text = format!("{} is not there: name the directory of a backup", path.display());
        return Err(StoreError::Directory(text));
    }
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let verdict: String =
        connection.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
    if verdict != "ok" {
        let text = format!("{} is damaged: {verdict}", path.display());
        return Err(StoreError::Directory(text));
    }
    let found = migrations::format(&connection)?;
    if found == 0 || found > migrations::FORMAT {
        return Err(StoreError::NewerFormat { found, known: migrations::FORMAT });
    }
    Ok(())
}

fn failed<'p>(act: &'p str, path: &'p Path) -> impl Fn(std::io::Error) -> StoreError + 'p {
    move |source| StoreError::File { act: format!("{act} {}", path.display()), source }
}

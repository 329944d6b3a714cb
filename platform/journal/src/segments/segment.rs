//! One file of the journal.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::directory;
use super::format::{self, HEADER_BYTES, Header, Record};
use crate::JournalError;
use crate::error::failed;

/// An open segment. Whoever holds it can read it, even when it is removed meanwhile.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) header: Header,
    pub(super) path: PathBuf,
    file: File,
}

impl Segment {
    /// Makes the file, with its header, durably.
    pub(super) fn create(directory: &Path, header: Header) -> Result<Self, JournalError> {
        let path = directory::path(directory, header.number);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(failed("could not make", &path))?;
        let segment = Self { header, path, file };
        let made = segment.write_header().and_then(|()| directory::sync(directory));
        if let Err(error) = made {
            // Nothing is in it: the next try makes it anew.
            drop(std::fs::remove_file(&segment.path));
            return Err(error);
        }
        Ok(segment)
    }

    fn write_header(&self) -> Result<(), JournalError> {
        self.write_at(&self.header.encode(), 0)?;
        self.file.sync_all().map_err(failed("could not sync", &self.path))
    }

    /// Opens a file whose header was read.
    pub(super) fn open(path: PathBuf, header: Header) -> Result<Self, JournalError> {
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(failed("could not open", &path))?;
        Ok(Self { header, path, file })
    }

    pub(super) fn number(&self) -> u64 {
        self.header.number
    }

    pub(super) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), JournalError> {
        let written = self.file.write_all_at(bytes, offset);
        written.map_err(failed("could not write to", &self.path))
    }

    /// Makes durable what was written. What a failure leaves behind nobody knows, not even if it
    /// says that the disk is full.
    pub(super) fn sync(&self) -> Result<(), JournalError> {
        let synced = self.file.sync_data().map_err(failed("could not sync", &self.path));
        synced.map_err(|error| match error {
            JournalError::Full => JournalError::File {
                act: format!("could not sync {}", self.path.display()),
                source: std::sync::Arc::new(std::io::ErrorKind::StorageFull.into()),
            },
            other => other,
        })
    }

    /// Cuts off what lies behind `end`.
    pub(super) fn cut(&self, end: u64) -> Result<(), JournalError> {
        self.file.set_len(end).map_err(failed("could not cut", &self.path))
    }

    pub(super) fn read_at(&self, offset: u64, count: usize) -> Result<Vec<u8>, JournalError> {
        let mut bytes = vec![0; count];
        let read = self.file.read_exact_at(&mut bytes, offset);
        read.map_err(failed("could not read", &self.path))?;
        Ok(bytes)
    }

    /// The body of the entry that lies at `offset` and is `count` bytes long.
    pub(super) fn body_at(&self, offset: u64, count: usize) -> Result<Bytes, JournalError> {
        let frame = Bytes::from(self.read_at(offset, count)?);
        match format::frame_at(&self.header, &frame, 0) {
            Ok(Some(format::Frame { record: Record::Entry { body, .. }, .. })) => {
                Ok(frame.slice_ref(body))
            }
            Ok(_) => Err(self.damaged(offset, "an entry is not where it was written")),
            Err(broken) => Err(self.damaged(offset, broken.what)),
        }
    }

    pub(super) fn damaged(&self, offset: u64, what: &'static str) -> JournalError {
        JournalError::Damaged { file: self.path.clone(), offset, what }
    }
}

/// The offset of the first record.
pub(super) const FIRST: u64 = HEADER_BYTES as u64;

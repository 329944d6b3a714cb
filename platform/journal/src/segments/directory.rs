//! The journal's directory: which files are segments.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::JournalError;
use crate::error::failed;

const ENDING: &str = ".segment";

/// The file of the segment `number`: names sort as numbers do.
pub(super) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:016x}{ENDING}"))
}

/// The numbers of the segments that are there, from the oldest. Other files are nobody's business.
pub(super) fn list(directory: &Path) -> Result<Vec<u64>, JournalError> {
    let mut numbers = Vec::new();
    let entries = fs::read_dir(directory).map_err(failed("could not list", directory))?;
    for entry in entries {
        let name = entry.map_err(failed("could not list", directory))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(ENDING));
        let is_number = |text: &&str| text.len() == 16;
        let number = number.filter(is_number).and_then(|text| u64::from_str_radix(text, 16).ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes the directory, and its own entry durable.
pub(super) fn make(directory: &Path) -> Result<(), JournalError> {
    if directory.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(directory).map_err(failed("could not make", directory))?;
    match directory.parent() {
        Some(parent) if parent != Path::new("") => sync(parent),
        _ => sync(Path::new(".")),
    }
}

/// Makes durable which files are in the directory.
pub(super) fn sync(directory: &Path) -> Result<(), JournalError> {
    let folder = File::open(directory).map_err(failed("could not open", directory))?;
    folder.sync_all().map_err(failed("could not sync", directory))
}

/// Removes a segment, durably: an older one must never outlive a newer one.
pub(super) fn remove(directory: &Path, path: &Path) -> Result<(), JournalError> {
    fs::remove_file(path).map_err(failed("could not remove", path))?;
    sync(directory)
}

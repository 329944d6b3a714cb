//! The key file: made once, readable by its owner, one key a line.
//!
//! The first key seals and every key opens, so that a key is replaced by putting a new line
//! above it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use env::Random;
use zeroize::Zeroizing;

use crate::SecretsError;
use crate::key::{MasterKey, id_of};

/// First word of a key's line; another form of key will have another word.
const LINE_FORMAT: &str = "ferrite-key-v1";
/// A key file holds a few lines; what is larger is some other file.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Read and write for the owner, nothing for anybody else.
const FILE_MODE: u32 = 0o600;
/// What everybody on the machine may do, in a file's mode.
const OTHERS_MODE: u32 = 0o007;

const HEADER: &str = "\
# The key that Ferrite's stored secrets are sealed with. Keep a copy in a safe place: whoever has
# it and the store can read them, and without it nobody can.
# The first key seals, every key opens.
";

/// Reads the keys of `path`, making the file with one new key if there is none.
pub(crate) fn open_or_create(path: &Path, random: &Random) -> Result<Vec<MasterKey>, SecretsError> {
    if !path.exists() {
        create(path, random)
            .map_err(|source| SecretsError::CreateKeyFile { path: path.to_owned(), source })?;
    }
    read(path)
}

/// Fresh key material.
pub(crate) fn generate(random: &Random) -> MasterKey {
    let mut key = MasterKey::default();
    random.fill(key.as_mut_slice());
    key
}

/// Writes the whole file beside `path` and links it there, so that no reader sees half of it and
/// of two servers that start at once one wins.
fn create(path: &Path, random: &Random) -> io::Result<()> {
    let draft = draft_path(path, random);
    let result = write_draft(&draft, random).and_then(|()| link_if_absent(&draft, path));
    fs::remove_file(&draft).or_else(ignore_absent)?;
    result?;
    sync_directory_of(path)
}

fn draft_path(path: &Path, random: &Random) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", HEXLOWER.encode(&random.bytes::<8>())));
    path.with_file_name(name)
}

fn write_draft(draft: &Path, random: &Random) -> io::Result<()> {
    let key = generate(random);
    let secret = Zeroizing::new(STANDARD.encode(key.as_slice()));
    let text = Zeroizing::new(format!("{HEADER}{LINE_FORMAT} {} {}\n", id_of(&key), *secret));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn link_if_absent(draft: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

fn ignore_absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn read(path: &Path) -> Result<Vec<MasterKey>, SecretsError> {
    let unreadable = |source| SecretsError::ReadKeyFile { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & OTHERS_MODE != 0 {
        return Err(SecretsError::ExposedKeyFile { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    parse(&text).map_err(|line| SecretsError::MalformedKeyFile { path: path.to_owned(), line })
}

/// The keys of a key file's text, or the number of the line that is wrong.
fn parse(text: &str) -> Result<Vec<MasterKey>, usize> {
    let mut keys = Vec::new();
    for (number, line) in (1_usize..).zip(text.lines()) {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            keys.push(parse_line(line).ok_or(number)?);
        }
    }
    if keys.is_empty() { Err(text.lines().count().max(1)) } else { Ok(keys) }
}

fn parse_line(line: &str) -> Option<MasterKey> {
    let mut words = line.split_whitespace();
    let (format, id, secret) = (words.next()?, words.next()?, words.next()?);
    let bytes = Zeroizing::new(STANDARD.decode(secret).ok()?);
    let key = Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).ok()?);
    let is_whole = format == LINE_FORMAT && words.next().is_none() && id == id_of(&key);
    is_whole.then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seed: u64) -> String {
        let key = generate(&Random::seeded(seed));
        format!("{LINE_FORMAT} {} {}\n", id_of(&key), STANDARD.encode(key.as_slice()))
    }

    #[test]
    fn a_key_file_is_made_for_its_owner_and_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secrets.key");
        let made = open_or_create(&path, &Random::system()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, FILE_MODE);
        assert_eq!(open_or_create(&path, &Random::system()).unwrap(), made);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_everybody_can_read_is_refused_with_its_mending() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secrets.key");
        open_or_create(&path, &Random::system()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refusal = open_or_create(&path, &Random::system()).unwrap_err().to_string();
        assert!(refusal.contains("0644") && refusal.contains("chmod 600 "), "{refusal}");
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error_that_names_the_file() {
        let path = Path::new("/nonexistent/ferrite/secrets.key");
        let refusal = open_or_create(path, &Random::system()).unwrap_err();
        assert!(refusal.to_string().contains("/nonexistent/ferrite/secrets.key"));
    }

    #[test]
    fn comments_blank_lines_and_several_keys_are_read() {
        let text = format!("# comment\n\n{}  {}", line(1), line(2));
        let keys = parse(&text).unwrap();
        assert_eq!(keys, [generate(&Random::seeded(1)), generate(&Random::seeded(2))]);
    }

    #[test]
    fn a_damaged_key_file_is_refused_at_its_line() {
        let good = line(1);
        let cases = [
            (String::new(), 1),
            ("# only a comment\n".to_owned(), 1),
            (format!("{good}garbage\n"), 2),
            (good.replace("v1", "v9"), 1),
            (format!("{} extra\n", good.trim()), 1),
            (good.chars().take(good.len() - 10).collect(), 1),
            (
                format!("{}{}", line(2), good.replace(&id_of(&generate(&Random::seeded(1))), "00")),
                2,
            ),
        ];
        for (text, wrong_line) in cases {
            assert_eq!(parse(&text).err(), Some(wrong_line), "{text}");
        }
    }
}

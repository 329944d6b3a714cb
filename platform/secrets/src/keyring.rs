//! The keyring: seals and opens secrets and page tokens.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use data_encoding::BASE32_NOPAD;
use env::Random;

use crate::file;
use crate::key::{Key, MasterKey};

/// First field of a sealed text; another way to seal will have another word.
const SEAL_FORMAT: &str = "v1";

/// Seals and opens under the keys of one key file. Cheap to clone.
#[derive(Clone)]
pub struct Keyring(Arc<Keys>);

/// Why a key file or a sealed text cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The key file could not be made.
    #[error("could not create the key file {}", path.display())]
    CreateKeyFile {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The key file could not be read.
    #[error("could not read the key file {}", path.display())]
    ReadKeyFile {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Every user of the machine can get at the key file.
    #[error(
        "the key file {0} is open to every user of this machine (mode {mode:04o}); \
         run `chmod 600 {0}`, and replace the key if others may have read it",
        path.display()
    )]
    ExposedKeyFile {
        /// Where it is.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A line of the key file is no key, or a damaged one.
    #[error(
        "line {line} of the key file {} holds no whole key; restore the file from its copy",
        path.display()
    )]
    MalformedKeyFile {
        /// Where it is.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The text was not made by [`Keyring::seal`], or is cut short.
    #[error("not a sealed secret")]
    MalformedSecret,
    /// The text was sealed with a key that the key file does not hold.
    #[error(
        "the secret was sealed with key `{key_id}`, which is not in the key file; \
         `secrets.key_file` must name the file that this data was written with"
    )]
    UnknownKey {
        /// The key that is missing.
        key_id: String,
    },
    /// The text was changed, or sealed for another purpose.
    #[error("the secret was tampered with, or sealed for another purpose than `{purpose}`")]
    Tampered {
        /// What it was opened for.
        purpose: String,
    },
}

struct Keys {
    /// Seals, and opens what it sealed.
    current: Key,
    /// Only open what they sealed.
    former: Vec<Key>,
}

impl Keyring {
    /// The keys of the file at `path`, which is made with a new key if there is none.
    pub fn open_or_create(path: &Path, random: &Random) -> Result<Self, SecretsError> {
        let keys = file::open_or_create(path, random)?;
        let (current, former) = keys.split_first().expect("a key file that parsed holds a key");
        Ok(Self::of(current, former))
    }

    /// One new key that lives as long as the process, for tests and for stores in memory.
    pub fn ephemeral(random: &Random) -> Self {
        Self::of(&file::generate(random), &[])
    }

    /// Encrypts `plaintext` so that only [`Keyring::open`] with the same `purpose` reads it.
    pub fn seal(&self, purpose: &str, plaintext: &[u8], random: &Random) -> String {
        let key = &self.0.current;
        let nonce = random.bytes::<NONCE_LEN>();
        let mut sealed = plaintext.to_vec();
        key.seal
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(binding(&key.id, purpose)),
                &mut sealed,
            )
            .expect("a secret is far below the 64 GiB that AES-GCM seals");
        let body = URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat());
        format!("{SEAL_FORMAT}.{}.{body}", key.id)
    }

    /// Decrypts what [`Keyring::seal`] made for the same `purpose`.
    pub fn open(&self, purpose: &str, sealed: &str) -> Result<Vec<u8>, SecretsError> {
        let (key_id, body) = split_sealed(sealed).ok_or(SecretsError::MalformedSecret)?;
        let Some(key) = self.0.find(key_id) else {
            return Err(SecretsError::UnknownKey { key_id: key_id.to_owned() });
        };
        let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| SecretsError::MalformedSecret)?;
        let (nonce, sealed) =
            body.split_first_chunk::<NONCE_LEN>().ok_or(SecretsError::MalformedSecret)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut plaintext = sealed.to_vec();
        let length = key
            .seal
            .open_in_place(nonce, Aad::from(binding(key_id, purpose)), &mut plaintext)
            .map_err(|_| SecretsError::Tampered { purpose: purpose.to_owned() })?
            .len();
        plaintext.truncate(length);
        Ok(plaintext)
    }

    /// The token that stands for `key` in an answer's next-page member.
    ///
    /// It is opaque, the same each time, and good only for `scope`: the caller puts the
    /// operation, the tenant and every filter there. Letters and digits alone, because AWS's
    /// `Marker` takes no `-` or `_` and addresses no bare `+`.
    pub fn page_token(&self, scope: &[u8], key: &[u8]) -> String {
        let mut token = key.to_vec();
        self.0
            .current
            .page
            .seal_in_place_append_tag(page_nonce(scope), Aad::from(scope), &mut token)
            .expect("a store key is far below what AES-GCM-SIV seals");
        BASE32_NOPAD.encode(&token)
    }

    /// The key that `token` stands for, if it was made here and for this `scope`.
    pub fn open_page_token(&self, scope: &[u8], token: &str) -> Option<Vec<u8>> {
        let mut key = BASE32_NOPAD.decode(token.as_bytes()).ok()?;
        let page = &self.0.current.page;
        let length = page.open_in_place(page_nonce(scope), Aad::from(scope), &mut key).ok()?.len();
        key.truncate(length);
        Some(key)
    }

    fn of(current: &MasterKey, former: &[MasterKey]) -> Self {
        let former = former.iter().map(Key::new).collect();
        Self(Arc::new(Keys { current: Key::new(current), former }))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("seals_with", &self.0.current.id).finish_non_exhaustive()
    }
}

impl Keys {
    fn find(&self, id: &str) -> Option<&Key> {
        std::iter::once(&self.current).chain(&self.former).find(|key| key.id == id)
    }
}

/// What a sealed secret is bound to besides its key.
fn binding(key_id: &str, purpose: &str) -> Vec<u8> {
    format!("{SEAL_FORMAT}.{key_id}.{purpose}").into_bytes()
}

fn split_sealed(sealed: &str) -> Option<(&str, &str)> {
    let rest = sealed.strip_prefix(SEAL_FORMAT)?.strip_prefix('.')?;
    rest.split_once('.')
}

/// A nonce that the scope determines, so that a token needs no room for it. AES-GCM-SIV shows no
/// more than whether two tokens of one scope are the same.
fn page_nonce(scope: &[u8]) -> Nonce {
    let digest = digest(&SHA256, scope);
    let nonce = digest.as_ref().first_chunk().expect("SHA-256 is longer than a nonce");
    Nonce::assume_unique_for_key(*nonce)
}

#[cfg(test)]
mod tests;

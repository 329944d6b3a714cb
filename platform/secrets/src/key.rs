//! One master key and the keys derived from it, each for one use.

use aws_lc_rs::aead::{AES_256_GCM, AES_256_GCM_SIV, Algorithm, LessSafeKey, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

/// Length of a master key and of the keys derived from it.
pub(crate) const KEY_BYTES: usize = 32;
/// Length of the binary form of a key's id.
const ID_BYTES: usize = 8;

/// The secret that the key file holds.
pub(crate) type MasterKey = Zeroizing<[u8; KEY_BYTES]>;

/// A master key unfolded for use.
pub(crate) struct Key {
    /// Names the key in what it sealed. Derived from the key, so that a damaged key shows.
    pub(crate) id: String,
    /// Seals secrets, each under its own random nonce.
    pub(crate) seal: LessSafeKey,
    /// Seals page tokens. AES-GCM-SIV, which stays safe when a nonce comes twice.
    pub(crate) page: LessSafeKey,
}

impl Key {
    pub(crate) fn new(master: &MasterKey) -> Self {
        let root = Prk::new_less_safe(HKDF_SHA256, master.as_slice());
        Self {
            id: id_of(master),
            seal: aead(&AES_256_GCM, &derive(&root, b"ferrite secrets v1: seal")),
            page: aead(&AES_256_GCM_SIV, &derive(&root, b"ferrite secrets v1: page token")),
        }
    }
}

/// The id of a master key, which tells nothing about the key.
pub(crate) fn id_of(master: &MasterKey) -> String {
    let root = Prk::new_less_safe(HKDF_SHA256, master.as_slice());
    let digest = derive(&root, b"ferrite secrets v1: id");
    HEXLOWER.encode(digest.first_chunk::<ID_BYTES>().expect("a derived key is longer than an id"))
}

fn derive(root: &Prk, purpose: &[u8]) -> MasterKey {
    let mut key = MasterKey::default();
    root.expand(&[purpose], HKDF_SHA256)
        .and_then(|output| output.fill(key.as_mut_slice()))
        .expect("32 bytes are within what HKDF-SHA256 gives");
    key
}

fn aead(algorithm: &'static Algorithm, key: &MasterKey) -> LessSafeKey {
    let key = UnboundKey::new(algorithm, key.as_slice()).expect("AES-256 takes 32 bytes");
    LessSafeKey::new(key)
}

//! The `openssl` command as the other party.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A directory that `openssl` runs in; files are named relative to it.
pub(crate) struct Openssl(TempDir);

impl Openssl {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A directory that holds `files`.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let openssl = Self::new();
        for (name, text) in files {
            openssl.write(name, text);
        }
        openssl
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs a command line whose words hold no spaces, and gives its output.
    pub(crate) fn run(&self, line: &str) -> String {
        self.run_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn run_words(&self, words: &[&str]) -> String {
        let output =
            Command::new("openssl").args(words).current_dir(self.0.path()).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {words:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Whether a command line whose words hold no spaces ends well.
    pub(crate) fn succeeds(&self, line: &str) -> bool {
        let words = line.split_whitespace();
        let run = Command::new("openssl").args(words).current_dir(self.0.path()).output();
        run.unwrap().status.success()
    }

    /// A new private key in `key.pem`, made with the `genpkey` arguments in `kind`.
    pub(crate) fn make_key(&self, kind: &str) {
        self.run(&format!("genpkey {kind} -out key.pem"));
    }

    /// A signing request for a new key, made with more `req` arguments.
    pub(crate) fn request(kind: &str, more: &[&str]) -> String {
        let openssl = Self::new();
        openssl.make_key(kind);
        openssl.request_with_key(more)
    }

    pub(crate) fn request_with_key(&self, more: &[&str]) -> String {
        self.run_words(&[&["req", "-new", "-key", "key.pem"], more].concat())
    }

    /// A self-signed certificate of a new key, made with more `req` arguments.
    pub(crate) fn self_signed(kind: &str, more: &[&str]) -> String {
        let openssl = Self::new();
        openssl.make_key(kind);
        openssl.self_signed_with_key(more)
    }

    pub(crate) fn self_signed_with_key(&self, more: &[&str]) -> String {
        self.run_words(&[&["req", "-x509", "-key", "key.pem", "-days", "30"], more].concat())
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.0.path()).join(name)
    }
}

pub(crate) const RSA_2048: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";
pub(crate) const RSA_1024: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:1024";
pub(crate) const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
pub(crate) const P384: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-384";
pub(crate) const P521: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-521";
pub(crate) const SECP256K1: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1";
pub(crate) const ED25519: &str = "-algorithm ED25519";
pub(crate) const RSA_PSS: &str = "-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048";

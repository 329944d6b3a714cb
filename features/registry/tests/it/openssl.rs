//! CAs and what they sign, made by the `openssl` command, which shares no code with Ferrite.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

pub(crate) const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
pub(crate) const P384: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-384";
pub(crate) const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";
pub(crate) const RSA_1024: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:1024";
pub(crate) const SECP256K1: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1";
pub(crate) const ED25519: &str = "-algorithm ED25519";
/// The test server's clock begins in January 2026.
pub(crate) const LONG: Validity = Validity { from: "20250101000000Z", until: "20300101000000Z" };
pub(crate) const PAST: Validity = Validity { from: "20240101000000Z", until: "20251231235959Z" };
/// Beyond the end of [`LONG`].
pub(crate) const LATE: Validity = Validity { from: "20250101000000Z", until: "20390101000000Z" };
pub(crate) const FUTURE: Validity = Validity { from: "20270101000000Z", until: "20300101000000Z" };

const CONFIG: &str = "
[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
email_in_dn = no
[any]
commonName = supplied
[authority]
basicConstraints = critical,CA:TRUE
subjectKeyIdentifier = hash
[device]
basicConstraints = critical,CA:FALSE
authorityKeyIdentifier = keyid
[terse]
basicConstraints = critical,CA:FALSE
subjectKeyIdentifier = none
authorityKeyIdentifier = none
[req]
distinguished_name = name
[name]
";

/// When a certificate is valid, as `openssl ca` takes it.
#[derive(Clone, Copy)]
pub(crate) struct Validity {
    from: &'static str,
    until: &'static str,
}

/// A CA with its key.
pub(crate) struct Ca {
    folder: TempDir,
    /// Its certificate.
    pub(crate) pem: String,
}

impl Ca {
    /// A root with an EC key. Two with one name have different keys.
    pub(crate) fn new(name: &str) -> Self {
        Self::root(name, P256, LONG)
    }

    pub(crate) fn root(name: &str, key: &str, validity: Validity) -> Self {
        let folder = folder();
        make_request(&folder, "ca", key, name);
        let pem = sign(&folder, "-selfsign", "ca", "authority", validity);
        Self { folder, pem }
    }

    /// A CA that this one signed.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let folder = folder();
        make_request(&folder, "ca", P256, name);
        fs::copy(folder.path().join("ca.csr"), self.folder.path().join("below.csr")).unwrap();
        let pem = sign(&self.folder, "-cert ca.pem", "below", "authority", LONG);
        fs::write(folder.path().join("ca.pem"), &pem).unwrap();
        Self { folder, pem }
    }

    /// Signs a certificate for a new key.
    pub(crate) fn issue(&self, common_name: &str) -> String {
        self.issue_with(common_name, P256, LONG)
    }

    /// Signs a certificate that does not state by which key it is signed.
    pub(crate) fn issue_terse(&self, common_name: &str) -> String {
        make_request(&self.folder, "leaf", P256, common_name);
        sign(&self.folder, "-cert ca.pem", "leaf", "terse", LONG)
    }

    pub(crate) fn issue_with(&self, common_name: &str, key: &str, validity: Validity) -> String {
        make_request(&self.folder, "leaf", key, common_name);
        sign(&self.folder, "-cert ca.pem", "leaf", "device", validity)
    }
}

/// A signing request for a new key.
pub(crate) fn request(key: &str) -> String {
    let folder = folder();
    make_request(&folder, "leaf", key, "pump");
    fs::read_to_string(folder.path().join("leaf.csr")).unwrap()
}

/// A certificate or signing request with another signature's bytes, in which it ends.
pub(crate) fn forged(pem: &str) -> String {
    let mut lines: Vec<String> = pem.lines().map(str::to_owned).collect();
    let last = lines.len() - 2;
    let other = if lines[last].starts_with('A') { "B" } else { "A" };
    lines[last].replace_range(..1, other);
    lines.join("\n")
}

pub(crate) fn id(pem: &str) -> String {
    pki::parse_pem_certificate(pem).unwrap().id()
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ca.cnf"), CONFIG).unwrap();
    fs::write(folder.path().join("index.txt"), "").unwrap();
    folder
}

/// Makes `what.key` and `what.csr`.
fn make_request(folder: &TempDir, what: &str, key: &str, common_name: &str) {
    run(folder, &format!("genpkey {key} -out {what}.key"), &[]);
    let request = format!("req -new -config ca.cnf -key {what}.key -out {what}.csr -subj");
    run(folder, &request, &[&format!("/CN={common_name}")]);
}

/// Signs `what.csr` with the key of the folder's CA.
fn sign(folder: &TempDir, by: &str, what: &str, extensions: &str, validity: Validity) -> String {
    let Validity { from, until } = validity;
    let line = format!(
        "ca -batch -notext -config ca.cnf -keyfile ca.key {by} -in {what}.csr -out {what}.pem \
         -extensions {extensions} -startdate {from} -enddate {until}"
    );
    run(folder, &line, &[]);
    fs::read_to_string(folder.path().join(format!("{what}.pem"))).unwrap()
}

/// Runs a command line whose words hold no spaces, and `more` words.
fn run(folder: &TempDir, line: &str, more: &[&str]) {
    let words = line.split_whitespace().chain(more.iter().copied());
    let output = Command::new("openssl").args(words).current_dir(folder.path()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {line} {more:?}: {errors}");
}

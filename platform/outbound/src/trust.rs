//! Whose certificates are good: the system's authorities, and those of a file.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::settings::{Settings, SettingsError};

/// What TLS needs to know, with both versions of it.
pub(crate) fn tls_config(settings: &Settings) -> Result<Arc<ClientConfig>, SettingsError> {
    let mut roots = RootCertStore::empty();
    if settings.system_roots {
        add_system(&mut roots);
    }
    if let Some(path) = &settings.ca_file {
        add_file(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A system without certificates is no reason not to start: plain HTTP may be all that is used.
fn add_system(roots: &mut RootCertStore) {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of the system's certificates could not be read");
    }
    let (added, passed_over) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(added, passed_over, "system's certificates read");
    if added == 0 {
        tracing::warn!(
            "the system has no certificates: https works with those of outbound.ca_file alone"
        );
    }
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), SettingsError> {
    let unreadable = |source: Box<dyn std::error::Error + Send + Sync>| SettingsError::CaFile {
        path: path.to_owned(),
        source,
    };
    let before = roots.len();
    let found = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.into()))?;
    for certificate in found {
        let certificate = certificate.map_err(|error| unreadable(error.into()))?;
        roots.add(certificate).map_err(|error| unreadable(error.into()))?;
    }
    if roots.len() == before {
        return Err(SettingsError::CaFileEmpty { path: path.to_owned() });
    }
    Ok(())
}

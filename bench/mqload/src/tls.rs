//! The client's side of TLS.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WantsClientCert};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use crate::options::Options;

/// What each TLS connection is opened with.
#[derive(Clone)]
pub(crate) struct Tls {
    /// Certificates, versions, ALPN.
    pub(crate) config: Arc<ClientConfig>,
    /// Whom the server has to be.
    pub(crate) server: ServerName<'static>,
}

/// Makes the client's side from the options; `None` if they ask for none.
pub(crate) fn from_options(options: &Options) -> Result<Option<Tls>> {
    let asked = &options.tls;
    if !asked.tls {
        return Ok(None);
    }
    let builder = trusting(asked.cafile.as_deref())?;
    let mut config = match (&asked.cert, &asked.key) {
        (Some(certificate), Some(key)) => with_identity(builder, certificate, key)?,
        (None, None) => builder.with_no_client_auth(),
        _ => bail!("--cert and --key go together"),
    };
    if !asked.tls_resume {
        config.resumption = Resumption::disabled();
    }
    config.alpn_protocols = asked.alpn.iter().map(|alpn| alpn.clone().into_bytes()).collect();
    let name = asked.server_name.clone().unwrap_or_else(|| options.host.clone());
    Ok(Some(Tls { config: Arc::new(config), server: ServerName::try_from(name)? }))
}

fn trusting(cafile: Option<&str>) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?;
    let Some(path) = cafile else {
        let any = Arc::new(AcceptAny(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(any));
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).with_context(|| format!("could not trust {path}"))?;
    }
    Ok(builder.with_root_certificates(roots))
}

fn with_identity(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    certificate: &str,
    key: &str,
) -> Result<ClientConfig> {
    let chain = certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| format!("could not read {key}"))?;
    Ok(builder.with_client_auth_cert(chain, key)?)
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    read().with_context(|| format!("could not read {path}"))
}

/// Used without `--cafile`: checks signatures of the handshake, not whom the certificate names.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

//! Who the server says it is: certificates of its own authority for every name that it has, or
//! the operator's own certificate.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use doors::{ServerIdentity, ServerNames, Tls, TlsSettings};
use env::TaskKind;
use pki::{IssuedServer, ServerCertificateRequest, ServerKeyKind};
use service::App;
use tokio::signal::unix::{Signal, SignalKind, signal};
use types::Timestamp;

use crate::certificate_files::CertificateFiles;
use crate::config::{Config, Listen};
use crate::rhythm::{LOOK_INTERVAL, Rhythm};

/// How often the server's certificates are made anew, long before they expire.
const RENEWAL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The domain of AWS's own endpoints, for device SDKs that insist on it.
const AWS_DOMAIN: &str = "amazonaws.com";
/// What stands between an endpoint's prefix and its region, the data plane first.
const ENDPOINTS: [&str; 3] = ["iot", "credentials.iot", "jobs.iot"];

/// The names of the server: those on its certificate, and those that clients may ask for.
struct Names {
    certificate: Vec<String>,
    addresses: Vec<IpAddr>,
    asked: ServerNames,
    resumes: bool,
}

/// The certificates of the server's own authority that are presented.
struct Presented {
    tls: Tls,
    names: Arc<Names>,
    /// When the first of them ends.
    until: Timestamp,
}

/// Begins to speak TLS. An RSA key takes its time to make, so clients that need one are served a
/// moment later than others. On SIGHUP certificates are read, or made, anew.
pub(crate) fn present(config: &Config, app: &Arc<App>) -> anyhow::Result<Tls> {
    let names = Names::of(config);
    let hangups = signal(SignalKind::hangup()).context("could not listen for SIGHUP")?;
    if let (Some(certificate), Some(key)) = (&config.tls.certificate, &config.tls.key) {
        let (certificate, key) = (certificate.clone(), key.clone());
        let Names { asked: names, resumes, .. } = names;
        return present_own(CertificateFiles { certificate, key, names, resumes }, hangups, app);
    }
    let first = issue(&names, ServerKeyKind::P256, app)?;
    let until = first.not_after;
    let tls = Tls::new(settings(&names, vec![first]))?;
    let presented = Presented { tls: tls.clone(), names: Arc::new(names), until };
    let keeping = presented.keep_fresh(Arc::clone(app), hangups);
    app.env.tasks.spawn("server-certificate", TaskKind::Vital, keeping);
    Ok(tls)
}

/// As [`present`], with the operator's own certificate.
fn present_own(files: CertificateFiles, hangups: Signal, app: &App) -> anyhow::Result<Tls> {
    let read = files.read()?;
    let until = read.until;
    let tls = Tls::new(read.settings)?;
    let following = files.follow(tls.clone(), until, hangups, app.env.clone());
    app.env.tasks.spawn("server-certificate", TaskKind::Vital, following);
    Ok(tls)
}

impl Presented {
    /// Presents RSA and ECDSA, and new ones from time to time.
    async fn keep_fresh(mut self, app: Arc<App>, mut hangups: Signal) {
        let mut shutdown = app.env.tasks.shutdown_signal();
        let mut rhythm = Rhythm::due(RENEWAL, app.env.clock.now());
        loop {
            if rhythm.is_due(app.env.clock.now()) {
                let renewed = self.renew(&app).await;
                if let Err(error) = &renewed {
                    tracing::error!(
                        error = %format!("{error:#}"),
                        until = %self.until.to_rfc3339(),
                        "server certificate not renewed, the last one stays in use; it is tried \
                         again in a minute"
                    );
                }
                rhythm.went(renewed.is_ok(), app.env.clock.now());
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                _ = hangups.recv() => {
                    tracing::info!("hangup: the server certificate is made anew");
                    rhythm = Rhythm::due(RENEWAL, app.env.clock.now());
                }
                () = shutdown.begun() => return,
            }
        }
    }

    /// Makes new keys and certificates. Whoever is connected stays so.
    async fn renew(&mut self, app: &Arc<App>) -> anyhow::Result<()> {
        let (names, app) = (Arc::clone(&self.names), Arc::clone(app));
        let made = tokio::task::spawn_blocking(move || {
            let kinds = [ServerKeyKind::Rsa2048, ServerKeyKind::P256];
            let issued = kinds.into_iter().map(|kind| issue(&names, kind, &app));
            issued.collect::<anyhow::Result<Vec<_>>>()
        });
        let issued = made.await??;
        let until = issued.iter().map(|issued| issued.not_after).min();
        self.tls.replace(settings(&self.names, issued))?;
        self.until = until.unwrap_or(self.until);
        Ok(())
    }
}

fn issue(names: &Names, key: ServerKeyKind, app: &App) -> anyhow::Result<IssuedServer> {
    let request = ServerCertificateRequest {
        names: names.certificate.clone(),
        addresses: names.addresses.clone(),
        key,
    };
    let issued = app.authority.get().issue_server(&request, &app.env);
    issued.context("could not make the server's certificate")
}

fn settings(names: &Names, issued: Vec<IssuedServer>) -> TlsSettings {
    let identities = issued.into_iter().map(|issued| ServerIdentity {
        certificates_pem: issued.certificate_pem,
        private_key_pem: issued.private_key_pem,
    });
    TlsSettings {
        identities: identities.collect(),
        names: names.asked.clone(),
        resumes: names.resumes,
    }
}

impl Names {
    fn of(config: &Config) -> Self {
        let mut certificate = vec!["localhost".to_owned()];
        certificate.extend(host_name());
        let mut asked = ServerNames::new(&certificate);
        let aws = config.tls.aws_names.then_some(AWS_DOMAIN);
        for domain in config.endpoint_domain.as_deref().into_iter().chain(aws) {
            let region = &config.region;
            certificate.extend(ENDPOINTS.map(|name| format!("*.{name}.{region}.{domain}")));
            asked.insert(&format!("*.{domain}"));
        }
        for name in &config.tls.names {
            certificate.push(name.clone());
            asked.insert(name);
        }
        Self {
            certificate,
            addresses: addresses(&config.listen),
            asked,
            resumes: config.tls.resumption,
        }
    }
}

/// Loopback, and what the doors are bound to.
fn addresses(listen: &Listen) -> Vec<IpAddr> {
    let mut addresses = vec![IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    let doors = [listen.https, listen.mqtts].into_iter().flatten();
    for address in doors.map(|door: SocketAddr| door.ip()) {
        if !address.is_unspecified() && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

/// What the machine calls itself, if it is a name that can stand in a certificate.
fn host_name() -> Option<String> {
    let system = rustix::system::uname();
    let name = system.nodename().to_str().ok()?.to_ascii_lowercase();
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    (name.len() <= 64 && name != "localhost" && name.split('.').all(is_part)).then_some(name)
}

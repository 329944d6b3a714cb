//! The operator's own certificate and key: read at the start, and again when the files change.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use doors::{ServerIdentity, ServerNames, Tls, TlsSettings};
use env::Env;
use pki::{PkiError, parse_pem_certificate};
use tokio::signal::unix::Signal;
use types::Timestamp;

use crate::rhythm::Rhythm;

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// From how long before its end on a certificate is spoken of, and how often.
const SPOKEN_OF_BEFORE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const SPOKEN_OF_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// How a certificate in PEM form ends.
const END_CERTIFICATE: &str = "-----END CERTIFICATE-----";

/// Where the certificate is, and what else it is presented with.
pub(crate) struct CertificateFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// The names that clients may ask for besides those in the certificate.
    pub(crate) names: ServerNames,
    pub(crate) resumes: bool,
}

/// What the files held.
pub(crate) struct Read {
    pub(crate) settings: TlsSettings,
    /// When the first certificate of the chain ends.
    pub(crate) until: Timestamp,
}

/// What tells one state of the files from another; none of a file that is not there.
type Stamp = [Option<(u64, u64, i64, i64)>; 2];

/// Sees when the files have changed and are whole again.
struct Watch {
    /// What was read last, whether it could be used or not.
    read: Stamp,
    /// What was there at the last look.
    seen: Stamp,
}

impl CertificateFiles {
    /// Reads both files. The certificate also says what clients may ask for.
    pub(crate) fn read(&self) -> anyhow::Result<Read> {
        let read = |path: &PathBuf| {
            fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))
        };
        let (certificates_pem, private_key_pem) = (read(&self.certificate)?, read(&self.key)?);
        // The leaf comes first; what follows it is its chain, which nothing but its dates is read of.
        let mut chain =
            certificates_pem.split_inclusive(END_CERTIFICATE).map(parse_pem_certificate);
        let leaf = chain.next().unwrap_or(Err(PkiError::NotACertificate));
        let leaf =
            leaf.with_context(|| format!("{} holds no certificate", self.certificate.display()))?;
        let mut names = self.names.clone();
        for (field, values) in leaf.fields() {
            if field == "Subject.AlternativeName.DNSName" {
                values.iter().for_each(|name| names.insert(name));
            }
        }
        let until = chain.flatten().map(|above| above.not_after).fold(leaf.not_after, Ord::min);
        let identities = vec![ServerIdentity { certificates_pem, private_key_pem }];
        Ok(Read { settings: TlsSettings { identities, names, resumes: self.resumes }, until })
    }

    /// Has `tls` present what the files hold, whenever they change and whenever there is a hangup.
    /// What cannot be used is logged, and the last one that could stays.
    /// A certificate that ends soon is spoken of at once and every day.
    pub(crate) async fn follow(
        self,
        tls: Tls,
        mut until: Timestamp,
        mut hangups: Signal,
        env: Env,
    ) {
        let files = Arc::new(self);
        let mut shutdown = env.tasks.shutdown_signal();
        let mut watch = Watch::new(files.stamp_elsewhere().await);
        let mut speaks = Rhythm::due(SPOKEN_OF_EVERY, env.clock.now());
        loop {
            if speaks.is_due(env.clock.now()) {
                files.speak_of_end(until, env.clock.now());
                speaks.went(true, env.clock.now());
            }
            let is_asked = tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => false,
                _ = hangups.recv() => true,
                () = shutdown.begun() => return,
            };
            let stamp = files.stamp_elsewhere().await;
            if watch.is_due(stamp, is_asked)
                && let Some(read) = files.present(&tls).await
            {
                until = read;
                speaks = Rhythm::due(SPOKEN_OF_EVERY, env.clock.now());
            }
        }
    }

    /// Has `tls` present what the files hold now: when that ends, if it can be used.
    async fn present(self: &Arc<Self>, tls: &Tls) -> Option<Timestamp> {
        let files = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || files.read()).await;
        let replaced = read.map_err(anyhow::Error::from).and_then(|read| {
            let Read { settings, until } = read?;
            tls.replace(settings)?;
            Ok(until)
        });
        let certificate = self.certificate.display();
        match &replaced {
            Ok(until) => {
                let until = until.to_rfc3339();
                tracing::info!(%certificate, %until, "server certificate read again");
            }
            Err(error) => tracing::error!(
                %certificate,
                error = %format!("{error:#}"),
                "the server certificate on disk cannot be used, the last good one stays in use"
            ),
        }
        replaced.ok()
    }

    /// Says of a certificate that ends at `until` that it does so soon, or did.
    fn speak_of_end(&self, until: Timestamp, now: Timestamp) {
        let certificate = self.certificate.display();
        match end(until, now) {
            End::Far => {}
            End::Soon { days } => tracing::warn!(
                %certificate,
                until = %until.to_rfc3339(),
                days,
                "the server certificate ends soon: put a new one and its key in its place"
            ),
            End::Past => tracing::error!(
                %certificate,
                until = %until.to_rfc3339(),
                "the server certificate has ended and devices refuse it: put a new one and its key \
                 in its place"
            ),
        }
    }

    /// The stamp, taken where a slow disk stops nobody.
    async fn stamp_elsewhere(self: &Arc<Self>) -> Stamp {
        let files = Arc::clone(self);
        tokio::task::spawn_blocking(move || files.stamp()).await.unwrap_or_default()
    }

    fn stamp(&self) -> Stamp {
        [&self.certificate, &self.key].map(|path| {
            let found = fs::metadata(path).ok()?;
            Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
        })
    }
}

/// How far the end of a certificate is.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Far,
    /// In so many whole days.
    Soon {
        days: u64,
    },
    Past,
}

fn end(until: Timestamp, now: Timestamp) -> End {
    match until.since(now) {
        _ if until < now => End::Past,
        left if left < SPOKEN_OF_BEFORE => End::Soon { days: left.as_secs() / (24 * 60 * 60) },
        _ => End::Far,
    }
}

impl Watch {
    fn new(stamp: Stamp) -> Self {
        Self { read: stamp, seen: stamp }
    }

    /// Whether to read what is there now. Two files are not replaced at once: a change counts when
    /// it is the same at two looks.
    fn is_due(&mut self, stamp: Stamp, is_asked: bool) -> bool {
        let is_settled = stamp == std::mem::replace(&mut self.seen, stamp);
        let is_due = is_asked || (is_settled && stamp != self.read);
        if is_due {
            self.read = stamp;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_due_once_when_it_has_settled() {
        let stamp = |certificate, key| [certificate, key].map(|size| Some((0, size, 0, 0)));
        let mut watch = Watch::new(stamp(1, 1));
        for (now, is_due) in [
            (stamp(1, 1), false),
            (stamp(2, 1), false),
            (stamp(2, 2), false),
            (stamp(2, 2), true),
            (stamp(2, 2), false),
            ([None, None], false),
            (stamp(2, 2), false),
            (stamp(2, 2), false),
        ] {
            assert_eq!(watch.is_due(now, false), is_due, "{now:?}");
        }
    }

    #[test]
    fn the_end_of_a_certificate_is_soon_for_thirty_days() {
        let until = Timestamp::from_secs(1_767_323_045);
        let day_s = 86_400;
        for (before_s, expected) in [
            (30 * day_s, End::Far),
            (30 * day_s - 1, End::Soon { days: 29 }),
            (day_s, End::Soon { days: 1 }),
            (0, End::Soon { days: 0 }),
            (-1, End::Past),
        ] {
            assert_eq!(end(until, Timestamp::from_secs(until.secs() - before_s)), expected);
        }
    }

    #[test]
    fn whoever_asks_does_not_wait() {
        let stamp = |size| [Some((0, size, 0, 0)); 2];
        let mut watch = Watch::new(stamp(1));
        assert!(watch.is_due(stamp(1), true));
        assert!(watch.is_due(stamp(2), true));
        assert!(!watch.is_due(stamp(2), false));
    }
}

//! Which addresses a host name has.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use env::{TaskKind, Tasks};
use tokio::sync::{Semaphore, oneshot};

/// How many of a name's addresses are looked at.
const ADDRESSES_MAX: usize = 16;

/// Where addresses of names come from. Cheap to clone.
#[derive(Clone)]
pub struct Names(Source);

#[derive(Clone)]
enum Source {
    System,
    Fixed(Arc<BTreeMap<String, Vec<IpAddr>>>),
}

impl Names {
    /// The machine's resolver: its hosts file and its name servers.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// These names with these addresses, and no others: for tests and the simulator.
    pub fn fixed(names: BTreeMap<String, Vec<IpAddr>>) -> Self {
        Self(Source::Fixed(Arc::new(names)))
    }
}

/// Looks names up, a few at a time.
pub(crate) struct Lookup {
    names: Names,
    places: Arc<Semaphore>,
    tasks: Tasks,
}

impl Lookup {
    pub(crate) fn new(names: Names, lookups_max: usize, tasks: Tasks) -> Self {
        Self { names, places: Arc::new(Semaphore::new(lookups_max)), tasks }
    }

    /// The addresses of `host`, at least one.
    pub(crate) async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let found = match &self.names.0 {
            Source::System => self.ask_system(host, port).await?,
            Source::Fixed(names) => {
                let found = names.get(host).map(Vec::as_slice).unwrap_or_default();
                found.iter().map(|address| SocketAddr::new(*address, port)).collect()
            }
        };
        if found.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        Ok(found)
    }

    /// Asks the machine. The question occupies a thread until it is answered, also when nobody
    /// waits for it any longer; therefore its task holds the place, not the request.
    async fn ask_system(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let gone = || io::Error::other("the resolver is gone");
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| gone())?;
        let (answer, answered) = oneshot::channel();
        let host = host.to_owned();
        self.tasks.spawn("name lookup", TaskKind::Transient, async move {
            let found = tokio::net::lookup_host((host.as_str(), port)).await;
            // Whoever asked may have given up.
            drop(answer.send(found.map(|found| found.take(ADDRESSES_MAX).collect())));
            drop(place);
        });
        answered.await.map_err(|_| gone())?
    }
}

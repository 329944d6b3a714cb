//! Connections that nobody uses, kept for the next request, and places for requests.
//!
//! A request has a place at its host first and among all requests then: one host that hangs fills
//! its own places and no others'.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::connect::Sender;
use crate::settings::Settings;
use crate::url::Origin;

/// All hosts that requests go to at present, or went to shortly before.
pub(crate) struct Pool {
    hosts: Mutex<Hosts>,
    requests: Arc<Semaphore>,
    requests_per_host_max: usize,
    idle_per_host_max: usize,
    idle_max: usize,
    idle_for: Duration,
}

/// A request's place. Leaving it lets the next one in.
pub(crate) struct Place {
    pool: Arc<Pool>,
    origin: Origin,
    permits: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

#[derive(Default)]
struct Hosts {
    by_origin: HashMap<Origin, Host>,
    idle: usize,
    /// Nothing is kept any more.
    is_closed: bool,
}

struct Host {
    places: Arc<Semaphore>,
    /// Requests that have a place or wait for one.
    requests: usize,
    /// The one used last is at the end.
    idle: Vec<Idle>,
}

struct Idle {
    sender: Sender,
    since: Instant,
}

impl Pool {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            hosts: Mutex::default(),
            requests: Arc::new(Semaphore::new(settings.requests_max)),
            requests_per_host_max: settings.requests_per_host_max,
            idle_per_host_max: settings.idle_per_host_max,
            idle_max: settings.idle_max,
            idle_for: settings.idle(),
        }
    }

    /// Waits for a place for a request to `origin`.
    pub(crate) async fn enter(self: &Arc<Self>, origin: &Origin) -> Place {
        let places = self.announce(origin);
        let mut place = Place { pool: Arc::clone(self), origin: origin.clone(), permits: None };
        let at_host = places.acquire_owned().await.expect("places are never closed");
        let among_all = Arc::clone(&self.requests).acquire_owned().await;
        place.permits = Some((at_host, among_all.expect("places are never closed")));
        place
    }

    /// Drops connections that nobody has used for too long.
    pub(crate) fn drop_expired(&self) {
        let now = Instant::now();
        let mut hosts = self.hosts();
        let hosts = &mut *hosts;
        for host in hosts.by_origin.values_mut() {
            let before = host.idle.len();
            host.idle.retain(|idle| idle.is_good(now, self.idle_for));
            hosts.idle -= before - host.idle.len();
        }
        hosts.by_origin.retain(|_, host| host.is_of_use());
    }

    /// Drops every connection that nobody uses, and keeps none from now on.
    pub(crate) fn close(&self) {
        let mut hosts = self.hosts();
        hosts.is_closed = true;
        hosts.idle = 0;
        for host in hosts.by_origin.values_mut() {
            host.idle.clear();
        }
    }

    /// Counts a request that comes to `origin`, and says whom to ask for a place.
    fn announce(&self, origin: &Origin) -> Arc<Semaphore> {
        let mut hosts = self.hosts();
        let host = hosts.by_origin.entry(origin.clone()).or_insert_with(|| Host {
            places: Arc::new(Semaphore::new(self.requests_per_host_max)),
            requests: 0,
            idle: Vec::new(),
        });
        host.requests += 1;
        Arc::clone(&host.places)
    }

    fn hosts(&self) -> MutexGuard<'_, Hosts> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// A connection to the host that nobody uses; the one used last, which is likeliest to live.
    pub(crate) fn take_idle(&self) -> Option<Sender> {
        let now = Instant::now();
        let mut hosts = self.pool.hosts();
        let hosts = &mut *hosts;
        let host = hosts.by_origin.get_mut(&self.origin)?;
        while let Some(idle) = host.idle.pop() {
            hosts.idle -= 1;
            if idle.is_good(now, self.pool.idle_for) {
                return Some(idle.sender);
            }
        }
        None
    }

    /// Keeps a connection for the next request, if there is room.
    pub(crate) fn keep(&self, sender: Sender) {
        let pool = &self.pool;
        let mut hosts = pool.hosts();
        let hosts = &mut *hosts;
        let has_room = hosts.idle < pool.idle_max && !hosts.is_closed;
        let Some(host) = hosts.by_origin.get_mut(&self.origin) else { return };
        if has_room && host.idle.len() < pool.idle_per_host_max && !sender.is_closed() {
            host.idle.push(Idle { sender, since: Instant::now() });
            hosts.idle += 1;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The next one has the place before the host can be forgotten.
        drop(self.permits.take());
        let mut hosts = self.pool.hosts();
        if let Some(host) = hosts.by_origin.get_mut(&self.origin) {
            host.requests -= 1;
            if !host.is_of_use() {
                hosts.by_origin.remove(&self.origin);
            }
        }
    }
}

impl Host {
    fn is_of_use(&self) -> bool {
        self.requests > 0 || !self.idle.is_empty()
    }
}

impl Idle {
    fn is_good(&self, now: Instant, idle_for: Duration) -> bool {
        !self.sender.is_closed() && now.saturating_duration_since(self.since) < idle_for
    }
}

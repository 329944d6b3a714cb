//! Permissions that somebody holds, by the records that they were made of.
//!
//! A change costs what depends on it. Records are known by a hash of their keys: two that share
//! one make permissions be read again for nothing, and nothing worse.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use service::{Permissions, Principal};
use store::Key;
use types::Timestamp;

/// Changes remembered for permissions that are being made.
const RECENT_MAX: usize = 65_536;
/// A change of more connections than this lets the others go first.
const BULK_MIN: usize = 256;
/// Connections that each new one looks at, to forget those that have ended.
const SWEPT_PER_NEWCOMER: usize = 2;

/// The permissions that are held.
#[derive(Default)]
pub(super) struct Live(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    held: BTreeMap<Id, Held>,
    /// Which connections depend on a record.
    users: BTreeSet<(Place, Id)>,
    /// When certificates expire.
    expiries: BTreeSet<(Timestamp, Id)>,
    /// To be read again: first those that few changes touch, then the others.
    urgent: BTreeSet<Id>,
    bulk: BTreeSet<Id>,
    recent: VecDeque<(Moment, Place)>,
    /// Changes up to this moment are no longer remembered.
    forgotten: Moment,
    now: Moment,
    last: Id,
    swept: Id,
}

/// A connection's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(u64);

/// Counts the changes that were heard of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u64);

/// Whose permissions they are. Whoever is connected holds them.
#[derive(Clone)]
pub(super) struct Connection {
    /// Who.
    pub(super) principal: Arc<Principal>,
    /// Under which name; none over HTTP.
    pub(super) client_id: Option<Arc<str>>,
    /// What it may do.
    pub(super) permissions: Weak<Permissions>,
}

/// What permissions were made of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sources {
    /// Records that were read, also those that are not there.
    pub(super) keys: Vec<Key>,
    /// The last moment of the certificate.
    pub(super) not_after: Option<Timestamp>,
}

/// Permissions that are to be made anew.
pub(super) struct Stale {
    /// The connection's number.
    pub(super) id: Id,
    /// Who.
    pub(super) principal: Arc<Principal>,
    /// Under which name; none over HTTP.
    pub(super) client_id: Option<Arc<str>>,
    /// What it may do so far.
    pub(super) permissions: Arc<Permissions>,
}

struct Held {
    connection: Connection,
    places: Box<[Place]>,
    not_after: Option<Timestamp>,
}

impl Live {
    /// The moment before which nothing is read that is added later.
    pub(super) fn moment(&self) -> Moment {
        self.lock().now
    }

    /// Keeps permissions current that were read since `since`. Whether they are stale already.
    pub(super) fn add(&self, connection: Connection, sources: Sources, since: Moment) -> bool {
        let mut inner = self.lock();
        inner.sweep();
        inner.last.0 += 1;
        let id = inner.last;
        let places = places(&sources);
        let is_stale = inner.has_changed(&places, since);
        if is_stale {
            inner.urgent.insert(id);
        }
        inner.insert(id, Held { connection, places, not_after: sources.not_after });
        is_stale
    }

    /// Hears that the records at `keys` have changed.
    pub(super) fn changed(&self, keys: &[Key]) {
        let mut inner = self.lock();
        inner.now.0 += 1;
        for place in keys.iter().map(place) {
            let now = inner.now;
            inner.recent.push_back((now, place));
            inner.touch(place);
        }
        while inner.recent.len() > RECENT_MAX {
            if let Some((moment, _)) = inner.recent.pop_front() {
                inner.forgotten = moment;
            }
        }
    }

    /// Hears that anything may have changed.
    pub(super) fn changed_all(&self) {
        let mut inner = self.lock();
        inner.now.0 += 1;
        inner.forgotten = inner.now;
        inner.recent.clear();
        inner.bulk = inner.held.keys().copied().collect();
        inner.urgent.clear();
    }

    /// Makes stale whose certificate is no longer valid at `now`.
    pub(super) fn expire(&self, now: Timestamp) {
        let mut inner = self.lock();
        while let Some((not_after, id)) = inner.expiries.first().copied()
            && not_after < now
        {
            inner.expiries.pop_first();
            inner.urgent.insert(id);
        }
    }

    /// Takes at most `max` that are stale, the urgent ones first.
    pub(super) fn take_stale(&self, max: usize) -> Vec<Stale> {
        let mut inner = self.lock();
        let mut taken = Vec::new();
        while taken.len() < max
            && let Some(id) = inner.next_stale()
        {
            let Some(held) = inner.held.get(&id) else { continue };
            let Connection { principal, client_id, permissions } = &held.connection;
            match permissions.upgrade() {
                Some(permissions) => {
                    let (principal, client_id) = (Arc::clone(principal), client_id.clone());
                    taken.push(Stale { id, principal, client_id, permissions });
                }
                None => inner.remove(id),
            }
        }
        taken
    }

    /// Whether anything waits to be made anew.
    pub(super) fn has_stale(&self) -> bool {
        let inner = self.lock();
        !inner.urgent.is_empty() || !inner.bulk.is_empty()
    }

    /// Takes back what could not be made anew.
    pub(super) fn put_back(&self, ids: impl IntoIterator<Item = Id>) {
        self.lock().bulk.extend(ids);
    }

    /// Remembers what the permissions were made of this time.
    pub(super) fn made_anew(&self, id: Id, sources: &Sources) {
        let places = places(sources);
        let mut inner = self.lock();
        let is_same = |held: &Held| held.places == places && held.not_after == sources.not_after;
        if inner.held.get(&id).is_some_and(is_same) {
            inner.expiries.extend(sources.not_after.map(|not_after| (not_after, id)));
            return;
        }
        if let Some(held) = inner.take(id) {
            inner.insert(id, Held { places, not_after: sources.not_after, ..held });
        }
    }

    /// Forgets a connection.
    pub(super) fn remove(&self, id: Id) {
        self.lock().remove(id);
    }

    /// Forgets all connections, and returns what they still hold.
    pub(super) fn remove_all(&self) -> Vec<Arc<Permissions>> {
        let mut inner = self.lock();
        let held = std::mem::take(&mut inner.held);
        inner.users.clear();
        inner.expiries.clear();
        inner.urgent.clear();
        inner.bulk.clear();
        held.into_values().filter_map(|held| held.connection.permissions.upgrade()).collect()
    }

    /// How many are remembered, and by how many records.
    #[cfg(test)]
    fn size(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.held.len(), inner.users.len())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn insert(&mut self, id: Id, held: Held) {
        self.users.extend(held.places.iter().map(|place| (*place, id)));
        self.expiries.extend(held.not_after.map(|not_after| (not_after, id)));
        self.held.insert(id, held);
    }

    fn take(&mut self, id: Id) -> Option<Held> {
        let held = self.held.remove(&id)?;
        for place in &held.places {
            self.users.remove(&(*place, id));
        }
        if let Some(not_after) = held.not_after {
            self.expiries.remove(&(not_after, id));
        }
        Some(held)
    }

    fn remove(&mut self, id: Id) {
        self.take(id);
        self.urgent.remove(&id);
        self.bulk.remove(&id);
    }

    fn has_changed(&self, places: &[Place], since: Moment) -> bool {
        let first = self.recent.partition_point(|(moment, _)| *moment <= since);
        since < self.forgotten
            || self.recent.range(first..).any(|(_, changed)| places.contains(changed))
    }

    /// Makes stale what depends on the record at `place`.
    fn touch(&mut self, place: Place) {
        let users = self.users.range((place, Id(0))..=(place, Id(u64::MAX)));
        let users: Vec<Id> = users.map(|(_, id)| *id).collect();
        let queue = if users.len() < BULK_MIN { &mut self.urgent } else { &mut self.bulk };
        queue.extend(users);
    }

    fn next_stale(&mut self) -> Option<Id> {
        let id = self.urgent.pop_first().or_else(|| self.bulk.pop_first())?;
        self.bulk.remove(&id);
        Some(id)
    }

    /// Forgets connections that have ended, a few at a time and all of them in turn.
    fn sweep(&mut self) {
        for _ in 0..SWEPT_PER_NEWCOMER {
            let next = self.held.range(Id(self.swept.0 + 1)..).next();
            let Some((id, held)) = next.or_else(|| self.held.first_key_value()) else { return };
            let (id, is_gone) = (*id, held.connection.permissions.strong_count() == 0);
            self.swept = id;
            if is_gone {
                self.remove(id);
            }
        }
    }
}

fn places(sources: &Sources) -> Box<[Place]> {
    sources.keys.iter().map(place).collect()
}

fn place(key: &Key) -> Place {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    Place(hasher.finish())
}

#[cfg(test)]
mod tests;

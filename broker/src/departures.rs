//! Clients that have left: what is told of them for half an hour, and where the numbers of their
//! connections go on for an hour.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use bytestring::ByteString;
use foldhash::quality::RandomState;
use types::Timestamp;

/// Clients remembered in each space; beyond that whoever left first is forgotten.
pub(crate) const CLIENTS_MAX: usize = 100_000;
/// How long it is told that a client was there.
const TOLD_FOR: Duration = Duration::from_secs(30 * 60);
/// How long the connections of a client are counted on.
const COUNTED_FOR: Duration = Duration::from_secs(60 * 60);

/// What is told of a connection, while it lasts and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The thing that it is bound to.
    pub(crate) thing: Option<String>,
    pub(crate) is_clean: bool,
    /// Not known of a connection that ended with the server; nor is the next.
    pub(crate) keep_alive_s: Option<u16>,
    pub(crate) source: Option<SocketAddr>,
    pub(crate) target: Option<SocketAddr>,
}

/// The end of a client's last connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Departure {
    /// The connection's, which no other has.
    pub(crate) number: u64,
    /// How many connections of this client came before.
    pub(crate) version_number: u64,
    pub(crate) at: Timestamp,
    /// AWS's `disconnectReason`.
    pub(crate) reason: Cow<'static, str>,
    pub(crate) facts: Facts,
}

impl Departure {
    /// That of a client that was there when the server ended, as far as it is known after.
    pub(crate) fn unseen(number: u64, at: Timestamp) -> Self {
        let facts =
            Facts { thing: None, is_clean: false, keep_alive_s: None, source: None, target: None };
        Self { number, version_number: 0, at, reason: "SERVER_ERROR".into(), facts }
    }
}

/// Who has left a space lately. Pure; what is too old goes when somebody leaves.
#[derive(Debug)]
pub(crate) struct Departures {
    clients_max: usize,
    by_id: HashMap<ByteString, Departure, RandomState>,
    by_age: BTreeMap<(Timestamp, u64), ByteString>,
}

impl Departures {
    pub(crate) fn new(clients_max: usize) -> Self {
        Self { clients_max, by_id: HashMap::default(), by_age: BTreeMap::new() }
    }

    /// Takes note that the client `id` has left.
    pub(crate) fn add(&mut self, id: ByteString, departure: Departure) {
        let now = departure.at;
        self.remove(&id);
        self.by_age.insert((departure.at, departure.number), id.clone());
        self.by_id.insert(id, departure);
        while let Some(((at, _), _)) = self.by_age.first_key_value()
            && (self.by_id.len() > self.clients_max || now.since(*at) >= COUNTED_FOR)
        {
            if let Some((_, id)) = self.by_age.pop_first() {
                self.by_id.remove(&id);
            }
        }
    }

    /// The end of the last connection of `id`, if that is not too long ago.
    pub(crate) fn find(&self, id: &str, now: Timestamp) -> Option<&Departure> {
        self.by_id.get(id).filter(|departure| now.since(departure.at) < TOLD_FOR)
    }

    /// The number of the next connection of `id`, which is there again.
    pub(crate) fn take_next_version(&mut self, id: &str, now: Timestamp) -> u64 {
        let left = self.remove(id).filter(|departure| now.since(departure.at) < COUNTED_FOR);
        left.map_or(0, |departure| departure.version_number + 1)
    }

    fn remove(&mut self, id: &str) -> Option<Departure> {
        let departure = self.by_id.remove(id)?;
        self.by_age.remove(&(departure.at, departure.number));
        Some(departure)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn departure(number: u64, version_number: u64, at_s: i64) -> Departure {
        let facts = Facts {
            thing: None,
            is_clean: true,
            keep_alive_s: Some(60),
            source: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 1))),
            target: None,
        };
        let (at, reason) = (Timestamp::from_secs(at_s), "CONNECTION_LOST".into());
        Departure { number, version_number, at, reason, facts }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    #[test]
    fn a_client_is_told_of_for_half_an_hour() {
        let mut departures = Departures::new(10);
        departures.add("lamp".into(), departure(1, 0, 0));
        assert_eq!(departures.find("lamp", at(1799)), Some(&departure(1, 0, 0)));
        assert_eq!(departures.find("lamp", at(1800)), None);
        assert_eq!(departures.find("fan", at(0)), None);
    }

    #[test]
    fn connections_are_counted_on_for_an_hour() {
        for (later_s, number) in [(0, 8), (3599, 8), (3600, 0)] {
            let mut departures = Departures::new(10);
            departures.add("lamp".into(), departure(1, 7, 0));
            assert_eq!(departures.take_next_version("lamp", at(later_s)), number);
            assert_eq!(departures.find("lamp", at(0)), None, "it is there again");
            assert_eq!((departures.by_id.len(), departures.by_age.len()), (0, 0));
        }
    }

    #[test]
    fn whoever_left_first_is_forgotten_first() {
        let mut departures = Departures::new(2);
        for (number, id) in (1..).zip(["a", "b", "a", "c"]) {
            departures.add(id.into(), departure(number, 0, 5));
            assert!(departures.by_id.len() <= 2);
            assert_eq!(departures.by_id.len(), departures.by_age.len());
        }
        let has = |id| departures.find(id, at(5)).is_some();
        assert_eq!(["a", "b", "c"].map(has), [true, false, true]);
    }

    #[test]
    fn what_is_too_old_goes_when_somebody_leaves() {
        let mut departures = Departures::new(10);
        departures.add("a".into(), departure(1, 0, 0));
        departures.add("b".into(), departure(2, 0, 3600));
        assert_eq!((departures.by_id.len(), departures.by_age.len()), (1, 1));
    }
}

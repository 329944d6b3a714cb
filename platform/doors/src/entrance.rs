//! The entrance of a door: counts who is inside and whose handshake is under way, and turns away
//! who is too many or a stranger.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use env::{Env, Shutdown};
use metrics::{Gauge, counter, gauge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::listener::Door;
use crate::quiet::Quiet;

/// How long a door rests when the system cannot give it another connection.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Connections that a door closed as soon as it had accepted them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnedAway {
    /// The door's name.
    pub door: &'static str,
    /// Why they were closed.
    pub why: Why,
    /// Where the last of them came from.
    pub last: SocketAddr,
    /// How many there were since this was last told.
    pub times: u64,
}

/// Why a connection is closed as soon as it is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// As many are inside as may be.
    Full {
        /// The bound.
        connections_max: usize,
    },
    /// As many handshakes are under way as may be.
    Busy {
        /// The bound.
        handshakes_max: usize,
    },
    /// It does not come from a load balancer, and the door is for these alone.
    Stranger,
}

/// Tells of those who were turned away, a few times a minute at most.
pub(crate) type Tell = Box<dyn Fn(TurnedAway) + Send + Sync>;

/// Counts who is inside, and turns others away.
pub(crate) struct Entrance<'a> {
    door: &'a Door,
    env: &'a Env,
    tell: &'a Tell,
    connections: Places,
    handshakes: Places,
    /// One for each of [`Why`].
    refusals: [Quiet; 3],
    exhaustion: Quiet,
}

/// A connection's place inside, and its place among the handshakes.
pub(crate) type Admitted = (Place, Place);

/// Places that there are so many of, and how many are taken.
struct Places {
    free: Arc<Semaphore>,
    taken: Gauge,
}

/// One of [`Places`], given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    taken: Gauge,
}

impl TurnedAway {
    /// A word for logs and metrics that stays the same when the message changes.
    pub fn reason(&self) -> &'static str {
        self.why.reason()
    }
}

impl fmt::Display for TurnedAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { door, last, times, .. } = self;
        write!(f, "{times} connections to `listen.{door}` closed at once, the last from {last}: ")?;
        match self.why {
            Why::Full { connections_max } => write!(
                f,
                "{connections_max} connections are open, which is the limit; raise it if there \
                 are so many devices"
            ),
            Why::Busy { handshakes_max } => write!(
                f,
                "{handshakes_max} handshakes are under way, which is the limit \
                 (`limits.door_handshakes_max`)"
            ),
            Why::Stranger => {
                f.write_str("this port is for the load balancers that `listen.proxy_from` names")
            }
        }
    }
}

impl Why {
    fn reason(self) -> &'static str {
        match self {
            Self::Full { .. } => "DOOR_FULL",
            Self::Busy { .. } => "DOOR_BUSY",
            Self::Stranger => "DOOR_PROXIES_ONLY",
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Full { .. } => 0,
            Self::Busy { .. } => 1,
            Self::Stranger => 2,
        }
    }
}

impl<'a> Entrance<'a> {
    pub(crate) fn new(door: &'a Door, env: &'a Env, tell: &'a Tell) -> Self {
        let limits = &door.limits;
        let (connections, handshakes) = (
            gauge!("ferrite_door_connections", "door" => door.name),
            gauge!("ferrite_door_handshakes", "door" => door.name),
        );
        Self {
            connections: Places::new(limits.connections_max, connections),
            handshakes: Places::new(limits.handshakes_max, handshakes),
            refusals: Default::default(),
            exhaustion: Quiet::default(),
            door,
            env,
            tell,
        }
    }

    /// Places for one more connection from `address`, if it may come in.
    pub(crate) fn admit(&mut self, address: SocketAddr) -> Option<Admitted> {
        match self.places_for(address) {
            Ok(places) => Some(places),
            Err(why) => {
                self.turn_away(why, address);
                None
            }
        }
    }

    fn places_for(&self, address: SocketAddr) -> Result<Admitted, Why> {
        let proxies = &self.door.proxies;
        if !proxies.is_empty() && !proxies.iter().any(|proxy| proxy.contains(address.ip())) {
            return Err(Why::Stranger);
        }
        let limits = &self.door.limits;
        let full = Why::Full { connections_max: limits.connections_max };
        let busy = Why::Busy { handshakes_max: limits.handshakes_max };
        Ok((self.connections.take().ok_or(full)?, self.handshakes.take().ok_or(busy)?))
    }

    fn turn_away(&mut self, why: Why, last: SocketAddr) {
        let door = self.door.name;
        counter!("ferrite_door_refused_total", "door" => door, "reason" => why.reason())
            .increment(1);
        let Some(quiet) = self.refusals.get_mut(why.index()) else { return };
        if let Some(times) = quiet.due(self.env.clock.now()) {
            (self.tell)(TurnedAway { door, why, last, times });
        }
    }

    /// Waits before the next attempt: the connection that could not be accepted is still there,
    /// and trying at once would spin.
    pub(crate) async fn rest(&mut self, error: &io::Error, shutdown: &mut Shutdown) {
        if let Some(times) = self.exhaustion.due(self.env.clock.now()) {
            tracing::warn!(door = self.door.name, %error, times, "connections cannot be accepted");
        }
        // Whichever comes first, the caller looks at the shutdown itself.
        drop(tokio::time::timeout(BACK_OFF, shutdown.begun()).await);
    }
}

impl Places {
    fn new(count: usize, taken: Gauge) -> Self {
        Self { free: Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS))), taken }
    }

    fn take(&self) -> Option<Place> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        self.taken.increment(1);
        Some(Place { _permit: permit, taken: self.taken.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.decrement(1);
    }
}

//! A door and its listener: accepts, limits, counts, and hands connections on.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use env::{Env, Shutdown, TaskKind, Workers};
use metrics::{Counter, Gauge, counter, gauge};
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::DoorError;
use crate::holder::holder_of;
use crate::quiet::Quiet;

/// How many connections a door lets in unless the configuration says otherwise.
pub const CONNECTIONS_MAX_DEFAULT: usize = 10_000;
/// How many connections may wait to be accepted; the system may allow fewer.
const BACKLOG: u32 = 4096;
/// How long a door rests when the system cannot give it another connection.
const BACK_OFF: Duration = Duration::from_millis(100);

/// A port to listen on.
#[derive(Clone, Debug)]
pub struct Door {
    /// Names the door in logs and metrics, and in its setting `listen.<name>`.
    pub name: &'static str,
    /// Where it is. Port 0 takes any free one.
    pub address: SocketAddr,
    /// Who may come in.
    pub limits: DoorLimits,
}

/// What bounds a door.
#[derive(Clone, Debug)]
pub struct DoorLimits {
    /// Connections at one time; more are closed as soon as they are accepted.
    pub connections_max: usize,
}

impl Default for DoorLimits {
    fn default() -> Self {
        Self { connections_max: CONNECTIONS_MAX_DEFAULT }
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
}

/// An open door. Dropping it closes the port.
pub struct Listener {
    door: Door,
    address: SocketAddr,
    socket: TcpListener,
    env: Env,
}

/// Opens `door`. Connections wait from here on, and are let in by [`Listener::serve`].
pub async fn open(door: Door, env: &Env) -> Result<Listener, DoorError> {
    let listening = listen(door.address).and_then(|socket| Ok((socket.local_addr()?, socket)));
    match listening {
        Ok((address, socket)) => Ok(Listener { door, address, socket, env: env.clone() }),
        Err(source) => Err(explain(&door, source).await),
    }
}

impl Listener {
    /// Where the door is, with the port that port 0 became.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Lets connections in until shutdown begins, and runs `handle` for each as a task with the
    /// door's name. A connection counts until its task ends.
    pub async fn serve<F, Fut>(self, handle: F)
    where
        F: Fn(TcpStream, Peer) -> Fut,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.let_in(|stream, peer, place| {
            let work = handle(stream, peer);
            self.env.tasks.spawn(self.door.name, TaskKind::Transient, async move {
                work.await;
                drop(place);
            });
        })
        .await;
    }

    /// As [`Listener::serve`], with each connection on one of `workers`, where it stays.
    pub async fn serve_on<F, Fut>(self, workers: &Workers, handle: F)
    where
        F: Fn(TcpStream, Peer) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.let_in(|stream, peer, place| {
            let handle = handle.clone();
            // Leaves the reactor of this thread for that of the worker.
            let leaving = stream.into_std();
            workers.spawn(self.door.name, TaskKind::Transient, move || async move {
                match leaving.and_then(TcpStream::from_std) {
                    Ok(stream) => handle(stream, peer).await,
                    Err(error) => tracing::warn!(%error, "connection lost on its way to a worker"),
                }
                drop(place);
            });
        })
        .await;
    }

    /// Accepts until shutdown begins, and has `start` begin the work of each connection.
    async fn let_in(&self, start: impl Fn(TcpStream, Peer, Place)) {
        let mut shutdown = self.env.tasks.shutdown_signal();
        let mut entrance = Entrance::new(&self.door, &self.env);
        while let Some(accepted) = self.accept(&mut shutdown).await {
            match accepted {
                Ok((stream, address)) => {
                    if let Some(place) = entrance.admit() {
                        start(prepared(stream), Peer { address }, place);
                    }
                }
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => entrance.rest(&error, &mut shutdown).await,
            }
        }
    }

    /// The next connection, or nothing once shutdown has begun.
    async fn accept(&self, shutdown: &mut Shutdown) -> Option<io::Result<(TcpStream, SocketAddr)>> {
        tokio::select! {
            biased;
            () = shutdown.begun() => None,
            accepted = self.socket.accept() => Some(accepted),
        }
    }
}

/// Counts who is inside, and turns away who is too many.
struct Entrance {
    door: Door,
    env: Env,
    places: Arc<Semaphore>,
    connections: Gauge,
    refused: Counter,
    fullness: Quiet,
    exhaustion: Quiet,
}

/// A connection's place inside, given back when dropped.
struct Place {
    _permit: OwnedSemaphorePermit,
    connections: Gauge,
}

impl Entrance {
    fn new(door: &Door, env: &Env) -> Self {
        let places = door.limits.connections_max.min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            connections: gauge!("ferrite_door_connections", "door" => door.name),
            refused: counter!("ferrite_door_refused_total", "door" => door.name),
            fullness: Quiet::default(),
            exhaustion: Quiet::default(),
            door: door.clone(),
            env: env.clone(),
        }
    }

    /// A place for one more connection, if there is one.
    fn admit(&mut self) -> Option<Place> {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(permit) => Some(Place::take(permit, &self.connections)),
            Err(_) => {
                self.refuse();
                None
            }
        }
    }

    fn refuse(&mut self) {
        self.refused.increment(1);
        if let Some(refused) = self.fullness.due(self.env.clock.now()) {
            tracing::warn!(
                door = self.door.name,
                connections_max = self.door.limits.connections_max,
                refused,
                "door is full, connections refused"
            );
        }
    }

    /// Waits before the next attempt: the connection that could not be accepted is still there,
    /// and trying at once would spin.
    async fn rest(&mut self, error: &io::Error, shutdown: &mut Shutdown) {
        if let Some(times) = self.exhaustion.due(self.env.clock.now()) {
            tracing::warn!(door = self.door.name, %error, times, "connections cannot be accepted");
        }
        // Whichever comes first, the caller looks at the shutdown itself.
        drop(tokio::time::timeout(BACK_OFF, shutdown.begun()).await);
    }
}

impl Place {
    fn take(permit: OwnedSemaphorePermit, connections: &Gauge) -> Self {
        connections.increment(1);
        Self { _permit: permit, connections: connections.clone() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.decrement(1);
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for connections of the last run to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn explain(door: &Door, source: io::Error) -> DoorError {
    let Door { name: door, address, .. } = *door;
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            let looked = tokio::task::spawn_blocking(move || holder_of(address.port())).await;
            DoorError::InUse { door, address, holder: looked.ok().flatten() }
        }
        io::ErrorKind::PermissionDenied => DoorError::NotPermitted { door, address },
        io::ErrorKind::AddrNotAvailable => DoorError::ForeignAddress { door, address },
        _ => DoorError::Listen { door, address, source },
    }
}

/// Answers are small and awaited: they must not wait for more to send with them.
fn prepared(stream: TcpStream) -> TcpStream {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "connection keeps Nagle's algorithm");
    }
    stream
}

/// Whether the peer gave up before it was accepted, so that the next may come at once.
fn is_of_the_peer(error: &io::Error) -> bool {
    let gave_up = [Errno::CONNABORTED, Errno::CONNRESET, Errno::PROTO, Errno::INTR];
    Errno::from_io_error(error).is_some_and(|error| gave_up.contains(&error))
}

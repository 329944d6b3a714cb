//! A door and its listener: accepts, limits, counts, and hands connections on.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener, TcpStream as StdTcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use env::{Env, Shutdown, TaskKind, Workers};
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::arrival::Arrival;
use crate::entrance::{Admitted, Entrance, Place, Tell, TurnedAway};
use crate::holder::holder_of;
use crate::{DoorError, Network};

/// How many connections may wait to be accepted; the system may allow fewer.
const BACKLOG: u32 = 4096;
/// How many are accepted at once, so that whoever serves them is woken once for all.
const TOGETHER_MAX: usize = 64;

/// A port to listen on.
#[derive(Clone, Debug)]
pub struct Door {
    /// Names the door in logs and metrics, and in its setting `listen.<name>`.
    pub name: &'static str,
    /// Where it is. Port 0 takes any free one.
    pub address: SocketAddr,
    /// Who may come in.
    pub limits: DoorLimits,
    /// The load balancers that the door is for: each of their connections begins with a header of
    /// the PROXY protocol, and nobody else's is let in. None is no such door.
    pub proxies: Vec<Network>,
}

/// What bounds a door.
#[derive(Clone, Debug)]
pub struct DoorLimits {
    /// Connections at one time; more are closed as soon as they are accepted.
    pub connections_max: usize,
    /// Handshakes at one time, headers of the PROXY protocol included; more are closed too.
    pub handshakes_max: usize,
    /// How long a handshake may take.
    pub handshake_s: u64,
}

/// An open door. Dropping it closes the port.
pub struct Listener {
    door: Arc<Door>,
    address: SocketAddr,
    /// Watched from when the door is served, by the reactor of the thread that does: what is
    /// accepted need not leave that one before it comes to the reactor of its worker.
    socket: StdTcpListener,
    env: Env,
    tell: Tell,
}

/// A connection that was accepted, and its places.
struct Newcomer {
    stream: StdTcpStream,
    address: SocketAddr,
    places: Admitted,
}

/// A connection from its beginning to its end. By hand: a task that awaits one after the other has
/// room for both, and twice for what it is made of.
struct Visit<B> {
    stage: Stage<B>,
    _place: Place,
}

enum Stage<B> {
    Beginning(Pin<Box<B>>),
    Conversation(Conversation),
}

impl<B: Future<Output = Option<Conversation>>> Future for Visit<B> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.stage = match &mut self.stage {
                Stage::Beginning(beginning) => match ready!(beginning.as_mut().poll(cx)) {
                    Some(conversation) => Stage::Conversation(conversation),
                    None => return Poll::Ready(()),
                },
                Stage::Conversation(conversation) => return conversation.as_mut().poll(cx),
            };
        }
    }
}

type Accepted = io::Result<(StdTcpStream, SocketAddr)>;

/// Opens `door`. Connections wait from here on, and are let in by [`Listener::serve`].
pub async fn open(door: Door, env: &Env) -> Result<Listener, DoorError> {
    match listen(door.address) {
        Ok((socket, address)) => Ok(Listener {
            door: Arc::new(door),
            address,
            socket,
            env: env.clone(),
            tell: Box::new(|away| tracing::warn!(reason = away.reason(), "{away}")),
        }),
        Err(source) => Err(explain(&door, source).await),
    }
}

/// All that is said with somebody who was let in.
pub type Conversation = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Listener {
    /// Where the door is, with the port that port 0 became.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Has `tell` called with those who are turned away, summed up so that a flood is a few calls
    /// a minute. Otherwise they are logged.
    pub fn tell(&mut self, tell: impl Fn(TurnedAway) + Send + Sync + 'static) {
        self.tell = Box::new(tell);
    }

    /// Lets connections in until shutdown begins, and runs `handle` for each as a task with the
    /// door's name. A connection counts until its task ends.
    pub async fn serve<F, Fut>(self, handle: F)
    where
        F: Fn(Arrival) -> Fut,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.let_in(|newcomers| {
            for Newcomer { stream, address, places: (place, handshake) } in newcomers {
                let Some(stream) = registered(stream) else { continue };
                let work = handle(Arrival::new(stream, address, &self.door, handshake));
                self.env.tasks.spawn(self.door.name, TaskKind::Transient, async move {
                    work.await;
                    drop(place);
                });
            }
        })
        .await;
    }

    /// As [`Listener::serve`], with each connection on one of `workers`, where it stays. What
    /// `begin` needs to let somebody in is given back before the conversation that it returns.
    pub async fn serve_on<F, Fut>(self, workers: &Workers, begin: F)
    where
        F: Fn(Arrival) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Option<Conversation>> + Send + 'static,
    {
        self.let_in(|newcomers| {
            let works = newcomers.into_iter().map(|newcomer| {
                let (begin, door) = (begin.clone(), Arc::clone(&self.door));
                let Newcomer { stream, address, places: (place, handshake) } = newcomer;
                move || {
                    // In a box: a task holds what it began with to its end.
                    let beginning = Box::pin(async move {
                        let stream = registered(stream)?;
                        begin(Arrival::new(stream, address, &door, handshake)).await
                    });
                    Visit { stage: Stage::Beginning(beginning), _place: place }
                }
            });
            workers.spawn_each(self.door.name, works);
        })
        .await;
    }

    /// Accepts until shutdown begins, and has `start` begin the work of those who came together.
    async fn let_in(&self, start: impl Fn(Vec<Newcomer>)) {
        let mut shutdown = self.env.tasks.shutdown_signal();
        let mut entrance = Entrance::new(&self.door, &self.env, &self.tell);
        let socket = self.watched().expect("a reactor takes one socket more");
        while let Some(first) = accept(&socket, &mut shutdown).await {
            let mut newcomers = Vec::new();
            let accepted = self.accept_each(first, |stream, address| {
                let places = entrance.admit(address);
                newcomers.extend(places.map(|places| Newcomer { stream, address, places }));
            });
            start(newcomers);
            if let Err(error) = accepted {
                entrance.rest(&error, &mut shutdown).await;
            }
            // Those who were let in have their turn before the next are.
            tokio::task::yield_now().await;
        }
    }

    /// The socket on the reactor of this thread.
    fn watched(&self) -> io::Result<TcpListener> {
        self.socket.try_clone().and_then(TcpListener::from_std)
    }

    /// Has `admit` judge `first` and whoever else has come by now, up to [`TOGETHER_MAX`].
    fn accept_each(
        &self,
        first: Accepted,
        mut admit: impl FnMut(StdTcpStream, SocketAddr),
    ) -> io::Result<()> {
        let others = std::iter::repeat_with(|| self.socket.accept());
        for accepted in std::iter::once(first).chain(others).take(TOGETHER_MAX) {
            match accepted {
                Ok((stream, address)) => admit(stream, address),
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The next connection, or nothing once shutdown has begun.
async fn accept(socket: &TcpListener, shutdown: &mut Shutdown) -> Option<Accepted> {
    tokio::select! {
        biased;
        () = shutdown.begun() => None,
        accepted = socket.accept() => {
            Some(accepted.and_then(|(stream, address)| Ok((stream.into_std()?, address))))
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<(StdTcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for connections of the last run to be forgotten.
    socket.set_reuseaddr(true)?;
    // Answers are small and awaited: they must not wait for more to send with them. Connections
    // take this over from the socket that they come to.
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    let socket = socket.listen(BACKLOG)?.into_std()?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

/// `stream` on the reactor of this thread.
fn registered(stream: StdTcpStream) -> Option<TcpStream> {
    let registered = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
    registered
        .inspect_err(|error| tracing::warn!(%error, "connection lost before it was served"))
        .ok()
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

/// Whether the peer gave up before it was accepted, so that the next may come at once.
fn is_of_the_peer(error: &io::Error) -> bool {
    let gave_up = [Errno::CONNABORTED, Errno::CONNRESET, Errno::PROTO, Errno::INTR];
    Errno::from_io_error(error).is_some_and(|error| gave_up.contains(&error))
}

//! All connections, driven by one edge-triggered poll loop.

use std::io::{self, ErrorKind};
use std::mem;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::conn::{Conn, Target};
use crate::mqtt::{self, DISCONNECT, PINGREQ, Packet};

const SCRATCH_BYTES: usize = 512 * 1024;
const PARTIAL_BYTES_KEPT: usize = 4096;
const TIMER: Token = Token(usize::MAX);
const INPUT: Token = Token(usize::MAX - 1);

/// Hears of what happens on connections.
pub(crate) trait Handler {
    /// Called before the packets of one read are handled.
    fn batch(&mut self) {}
    /// A packet came; `out` is what is to be sent on the same connection.
    fn packet(&mut self, conn: usize, started: Instant, packet: Packet<'_>, out: &mut Vec<u8>);
    /// A connection ended, or never began.
    fn closed(&mut self, conn: usize, why: String);
}

/// The connections, by number.
pub(crate) struct Net {
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    /// All that were opened, closed ones too.
    pub(crate) conns: Vec<Conn>,
    /// Whether standard input, where it is watched, has ended.
    pub(crate) input_ended: bool,
}

impl Net {
    /// No connections.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            scratch: vec![0; SCRATCH_BYTES],
            conns: Vec::new(),
            input_ended: false,
        })
    }

    /// Has `poll` return when this timer goes off.
    pub(crate) fn watch_timer(&self, timer: RawFd) -> io::Result<()> {
        self.poll.registry().register(&mut SourceFd(&timer), TIMER, Interest::READABLE)
    }

    /// Has `poll` notice when standard input ends, which has to be a pipe or a terminal.
    pub(crate) fn watch_input(&self) -> io::Result<()> {
        self.poll.registry().register(&mut SourceFd(&0), INPUT, Interest::READABLE)
    }

    /// Begins one more connection, whose first bytes are `hello`.
    pub(crate) fn open(&mut self, target: &Target, hello: Vec<u8>) -> io::Result<()> {
        let index = self.conns.len();
        let conn = self.start(target, index, hello)?;
        self.conns.push(conn);
        Ok(())
    }

    /// Begins the connection of this number anew, losing the old one if it is still there.
    pub(crate) fn reopen(&mut self, i: usize, target: &Target, hello: Vec<u8>) -> io::Result<()> {
        self.conns[i] = self.start(target, i, hello)?;
        Ok(())
    }

    fn start(&self, target: &Target, index: usize, hello: Vec<u8>) -> io::Result<Conn> {
        let mut conn = Conn::start(target, index, hello)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut conn.sock, Token(index), interest)?;
        Ok(conn)
    }

    /// Lets `write` append to what a connection sends, and sends it.
    pub(crate) fn send<H: Handler>(
        &mut self,
        i: usize,
        handler: &mut H,
        write: impl FnOnce(&mut H, &mut Vec<u8>),
    ) {
        write(handler, &mut self.conns[i].out);
        self.flush(i, handler);
    }

    /// Keeps all connections alive that have nothing to send.
    pub(crate) fn ping<H: Handler>(&mut self, handler: &mut H) {
        self.send_to_idle(&PINGREQ, handler);
    }

    /// Says goodbye on all connections that have nothing else to send.
    pub(crate) fn say_goodbye<H: Handler>(&mut self, handler: &mut H) {
        self.send_to_idle(&DISCONNECT, handler);
    }

    fn send_to_idle<H: Handler>(&mut self, packet: &[u8], handler: &mut H) {
        for i in 0..self.conns.len() {
            if self.conns[i].is_idle() {
                self.send(i, handler, |_, out| out.extend_from_slice(packet));
            }
        }
    }

    fn flush<H: Handler>(&mut self, i: usize, handler: &mut H) {
        if let Err(error) = self.conns[i].flush() {
            self.close(i, format!("write: {error}"), handler);
        }
    }

    fn close<H: Handler>(&mut self, i: usize, why: String, handler: &mut H) {
        let conn = &mut self.conns[i];
        if mem::replace(&mut conn.open, false) {
            // A socket that the kernel has given up is not registered any more.
            self.poll.registry().deregister(&mut conn.sock).ok();
            handler.closed(i, why);
        }
    }

    /// Waits for events no longer than this, and handles them.
    pub(crate) fn poll<H: Handler>(&mut self, wait: Duration, handler: &mut H) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        let mut ready = Vec::with_capacity(64);
        for event in &self.events {
            let is_over = event.is_error() || event.is_read_closed();
            match event.token() {
                TIMER => {}
                INPUT => self.input_ended |= is_over,
                Token(i) => ready.push((i, event.is_readable() || is_over, event.is_writable())),
            }
        }
        for (i, is_readable, is_writable) in ready {
            if is_writable && self.conns[i].blocked && !self.unblock(i, handler) {
                continue;
            }
            if is_readable && self.conns[i].open {
                match self.drain(i, handler) {
                    Ok(()) => self.flush(i, handler),
                    Err(why) => self.close(i, why, handler),
                }
            }
        }
        Ok(())
    }

    /// Goes on writing; false when the connection could not be made.
    fn unblock<H: Handler>(&mut self, i: usize, handler: &mut H) -> bool {
        if let Ok(Some(error)) = self.conns[i].sock.take_error() {
            self.close(i, format!("connect: {error}"), handler);
            return false;
        }
        self.conns[i].blocked = false;
        self.flush(i, handler);
        true
    }

    /// Reads and handles everything that the socket has.
    fn drain<H: Handler>(&mut self, i: usize, handler: &mut H) -> Result<(), String> {
        let mut scratch = mem::take(&mut self.scratch);
        let result = loop {
            match read_once(&mut self.conns[i], i, &mut scratch, handler) {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(why) => break Err(why),
            }
        };
        self.scratch = scratch;
        result
    }
}

/// Reads once and handles the packets; whether there may be more.
fn read_once<H: Handler>(
    conn: &mut Conn,
    i: usize,
    scratch: &mut [u8],
    handler: &mut H,
) -> Result<bool, String> {
    let kept = conn.partial.len();
    scratch[..kept].copy_from_slice(&conn.partial);
    let bytes = match conn.read(&mut scratch[kept..]) {
        Ok(0) => return Err("closed by the broker".to_owned()),
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
        Err(error) => return Err(format!("read: {error}")),
    };
    handler.batch();
    let (mut at, end) = (0, kept + bytes);
    while let Some((packet, used)) =
        mqtt::decode(&scratch[at..end]).map_err(|error| error.to_string())?
    {
        handler.packet(i, conn.started, packet, &mut conn.out);
        at += used;
    }
    conn.partial.clear();
    conn.partial.extend_from_slice(&scratch[at..end]);
    if conn.partial.is_empty() && conn.partial.capacity() > PARTIAL_BYTES_KEPT {
        conn.partial = Vec::new();
    }
    // A short read means that the socket has no more; TLS keeps its own buffer, so ask again.
    Ok(conn.is_buffering() || end == scratch.len())
}

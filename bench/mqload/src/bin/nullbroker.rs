//! The least an MQTT broker can do: accept, acknowledge, forward.
//!
//! One thread, no sessions, no limits, no checks, one copy per delivery, one write per connection
//! and poll round. It bounds what a real broker can reach on the same machine.
//!
//! Usage: `nullbroker [PORT]`

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::rc::Rc;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);
const DEFAULT_PORT: u16 = 1883;
const SCRATCH_BYTES: usize = 256 * 1024;
const OUT_BYTES_KEPT: usize = 1 << 20;

struct Broker {
    poll: Poll,
    listener: TcpListener,
    conns: Vec<Option<Conn>>,
    topics: Topics,
    dirty: Vec<usize>,
}

struct Conn {
    sock: TcpStream,
    out: Vec<u8>,
    sent: usize,
    is_blocked: bool,
    is_dirty: bool,
    partial: Vec<u8>,
    next_pid: u16,
}

/// Subscribers with the QoS that each asked for.
type Subscribers = Rc<Vec<(usize, u8)>>;

#[derive(Default)]
struct Topics {
    filters: HashMap<String, Vec<(usize, u8)>>,
    cache: HashMap<Vec<u8>, Subscribers>,
}

fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(DEFAULT_PORT);
    let mut broker = Broker::listen(port)?;
    let mut events = Events::with_capacity(1024);
    let mut scratch = vec![0; SCRATCH_BYTES];
    loop {
        broker.poll.poll(&mut events, None)?;
        for event in &events {
            match event.token() {
                LISTENER => broker.accept()?,
                Token(i) => {
                    if event.is_writable() {
                        broker.unblock(i);
                    }
                    let is_readable = event.is_readable() || event.is_error();
                    if is_readable && !broker.read(i, &mut scratch) {
                        broker.drop_connection(i);
                    }
                }
            }
        }
        broker.flush();
    }
}

impl Broker {
    fn listen(port: u16) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(([127, 0, 0, 1], port).into())?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let topics = Topics::default();
        Ok(Self { poll, listener, conns: Vec::new(), topics, dirty: Vec::new() })
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Ok((mut sock, _)) = self.listener.accept() {
            sock.set_nodelay(true)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut sock, Token(self.conns.len()), interest)?;
            self.conns.push(Some(Conn::new(sock)));
        }
        Ok(())
    }

    fn unblock(&mut self, i: usize) {
        if let Some(conn) = self.conns[i].as_mut()
            && mem::replace(&mut conn.is_blocked, false)
        {
            self.touch(i);
        }
    }

    /// The connection, which will be flushed at the end of the round.
    fn touch(&mut self, i: usize) -> Option<&mut Conn> {
        let conn = self.conns[i].as_mut()?;
        if !mem::replace(&mut conn.is_dirty, true) {
            self.dirty.push(i);
        }
        Some(conn)
    }

    fn flush(&mut self) {
        for i in mem::take(&mut self.dirty) {
            let Some(conn) = self.conns[i].as_mut() else { continue };
            conn.is_dirty = false;
            if conn.flush().is_err() {
                self.drop_connection(i);
            }
        }
    }

    /// Reads until there is no more; false when the connection is gone.
    fn read(&mut self, i: usize, scratch: &mut [u8]) -> bool {
        loop {
            let Some(conn) = self.conns[i].as_mut() else { return true };
            let kept = conn.partial.len();
            scratch[..kept].copy_from_slice(&conn.partial);
            let bytes = match conn.sock.read(&mut scratch[kept..]) {
                Ok(0) => return false,
                Ok(bytes) => bytes,
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            };
            let (mut at, end) = (0, kept + bytes);
            while let Some((body, size)) = frame(&scratch[at..end]) {
                self.packet(i, scratch[at], &scratch[at + body..at + size]);
                at += size;
            }
            if let Some(conn) = self.conns[i].as_mut() {
                conn.partial.clear();
                conn.partial.extend_from_slice(&scratch[at..end]);
            }
            if end < scratch.len() {
                return true;
            }
        }
    }

    fn packet(&mut self, i: usize, head: u8, body: &[u8]) {
        match head >> 4 {
            1 => self.reply(i, &[0x20, 2, 0, 0]),
            3 => self.publish(i, (head >> 1) & 3, body),
            8 => self.subscribe(i, body),
            12 => self.reply(i, &[0xd0, 0]),
            _ => {}
        }
    }

    fn publish(&mut self, i: usize, qos: u8, body: &[u8]) {
        let end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        let payload_at = if qos > 0 { end + 2 } else { end };
        if qos > 0 {
            self.reply(i, &[0x40, 2, body[end], body[end + 1]]);
        }
        for &(subscriber, asked) in self.topics.find(&body[2..end]).iter() {
            let Some(conn) = self.touch(subscriber) else { continue };
            conn.deliver(qos.min(asked), &body[..end], &body[payload_at..]);
        }
    }

    fn subscribe(&mut self, i: usize, body: &[u8]) {
        let mut granted = Vec::new();
        let mut at = 2;
        while at < body.len() {
            let length = usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
            let filter = String::from_utf8_lossy(&body[at + 2..at + 2 + length]).into_owned();
            let qos = body[at + 2 + length].min(1);
            self.topics.filters.entry(filter).or_default().push((i, qos));
            granted.push(qos);
            at += length + 3;
        }
        self.topics.cache.clear();
        let mut answer = vec![0x90];
        remaining_length(&mut answer, 2 + granted.len());
        answer.extend_from_slice(&body[..2]);
        answer.extend_from_slice(&granted);
        self.reply(i, &answer);
    }

    fn reply(&mut self, i: usize, bytes: &[u8]) {
        if let Some(conn) = self.touch(i) {
            conn.out.extend_from_slice(bytes);
        }
    }

    fn drop_connection(&mut self, i: usize) {
        self.conns[i] = None;
        for subscribers in self.topics.filters.values_mut() {
            subscribers.retain(|&(subscriber, _)| subscriber != i);
        }
        self.topics.filters.retain(|_, subscribers| !subscribers.is_empty());
        self.topics.cache.clear();
    }
}

impl Conn {
    fn new(sock: TcpStream) -> Self {
        Self {
            sock,
            out: Vec::new(),
            sent: 0,
            is_blocked: false,
            is_dirty: false,
            partial: Vec::new(),
            next_pid: 0,
        }
    }

    /// Appends a PUBLISH; `topic` with its length.
    fn deliver(&mut self, qos: u8, topic: &[u8], payload: &[u8]) {
        let pid_bytes = if qos > 0 { 2 } else { 0 };
        self.out.push(0x30 | qos << 1);
        remaining_length(&mut self.out, topic.len() + pid_bytes + payload.len());
        self.out.extend_from_slice(topic);
        if qos > 0 {
            self.next_pid = self.next_pid.wrapping_add(1).max(1);
            self.out.extend_from_slice(&self.next_pid.to_be_bytes());
        }
        self.out.extend_from_slice(payload);
    }

    #[allow(clippy::disallowed_methods, reason = "short writes are counted")]
    fn flush(&mut self) -> io::Result<()> {
        while !self.is_blocked && self.sent < self.out.len() {
            match self.sock.write(&self.out[self.sent..]) {
                Ok(bytes) => self.sent += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_blocked = true,
                Err(error) => return Err(error),
            }
        }
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
            if self.out.capacity() > OUT_BYTES_KEPT {
                self.out = Vec::new();
            }
        }
        Ok(())
    }
}

impl Topics {
    fn find(&mut self, topic: &[u8]) -> Subscribers {
        if let Some(found) = self.cache.get(topic) {
            return found.clone();
        }
        let name = String::from_utf8_lossy(topic);
        let matching = self.filters.iter().filter(|(filter, _)| matches(filter, &name));
        let found: Subscribers = Rc::new(matching.flat_map(|(_, them)| them).copied().collect());
        self.cache.insert(topic.to_vec(), found.clone());
        found
    }
}

fn matches(filter: &str, topic: &str) -> bool {
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

/// Where the body of the first packet begins and where it ends, if it is whole.
fn frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let (mut length, mut at) = (0, 1);
    loop {
        let byte = *bytes.get(at)?;
        length |= usize::from(byte & 0x7f) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 || at > 4 {
            break;
        }
    }
    (bytes.len() >= at + length).then_some((at, at + length))
}

fn remaining_length(out: &mut Vec<u8>, mut length: usize) {
    while length > 0x7f {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_standard_says() {
        let check = |filter, topic, expect| assert_eq!(matches(filter, topic), expect, "{filter}");
        check("a/b", "a/b", true);
        check("a/+", "a/b", true);
        check("a/+", "a/b/c", false);
        check("a/#", "a/b/c", true);
        check("a/#", "a", true);
        check("a/b", "a", false);
        check("a/+", "a", false);
    }

    #[test]
    fn a_packet_is_taken_when_it_is_whole() {
        assert_eq!(frame(&[0x30, 2, 0, 0, 9]), Some((2, 4)));
        assert_eq!(frame(&[0x30, 2, 0]), None);
        let mut long = vec![0x30];
        remaining_length(&mut long, 300);
        long.resize(303, 0);
        assert_eq!(frame(&long), Some((3, 303)));
    }
}

//! One connection, plain or TLS, that never blocks.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use mio::net::TcpStream;
use rustls::ClientConnection;
use socket2::{Domain, Protocol, Socket, Type};

use crate::clock;
use crate::tls::Tls;

/// Where connections go, and from where.
#[derive(Clone)]
pub(crate) struct Target {
    /// The broker.
    pub(crate) addr: SocketAddr,
    /// With what, if by TLS.
    pub(crate) tls: Option<Tls>,
    /// How many addresses 127.0.0.x connections are spread over.
    pub(crate) sources: u32,
}

/// A connection with what is still to be written and what is still to be understood.
pub(crate) struct Conn {
    /// The socket, for the poll loop.
    pub(crate) sock: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// What is to be sent next.
    pub(crate) out: Vec<u8>,
    sent: usize,
    /// The beginning of a packet whose rest is on its way.
    pub(crate) partial: Vec<u8>,
    /// Whether the kernel takes no more for now.
    pub(crate) blocked: bool,
    /// Whether it is there.
    pub(crate) open: bool,
    /// When it was begun.
    pub(crate) started: Instant,
}

impl Conn {
    /// Begins the connection number `index`, whose first bytes are `hello`.
    pub(crate) fn start(target: &Target, index: usize, hello: Vec<u8>) -> io::Result<Self> {
        let started = clock::now();
        let tls = match &target.tls {
            None => None,
            Some(tls) => Some(Box::new(shake_hands(tls)?)),
        };
        Ok(Self {
            sock: dial(target, index)?,
            tls,
            out: hello,
            sent: 0,
            partial: Vec::new(),
            blocked: true,
            open: true,
            started,
        })
    }

    /// Whether the kernel took everything that was queued so far.
    pub(crate) fn is_idle(&self) -> bool {
        self.open && !self.blocked && self.out.is_empty()
    }

    /// Whether reads leave something behind that no event tells of.
    pub(crate) fn is_buffering(&self) -> bool {
        self.tls.is_some()
    }

    /// Reads what is there, decrypted.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.tls.is_none() {
            return self.sock.read(buffer);
        }
        loop {
            let Some(tls) = self.tls.as_mut() else { return Ok(0) };
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => return other,
            }
            if tls.read_tls(&mut self.sock)? == 0 {
                return Ok(0);
            }
            tls.process_new_packets().map_err(io::Error::other)?;
            self.write_records()?;
        }
    }

    /// Writes what is queued, as far as the kernel takes it.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.blocked || !self.open {
            return Ok(());
        }
        let Some(tls) = self.tls.as_mut() else { return self.write_plain() };
        tls.writer().write_all(&self.out)?;
        self.out.clear();
        self.write_records()
    }

    #[allow(clippy::disallowed_methods, reason = "short writes are counted")]
    fn write_plain(&mut self) -> io::Result<()> {
        while self.sent < self.out.len() {
            match self.sock.write(&self.out[self.sent..]) {
                Ok(bytes) => self.sent += bytes,
                Err(error) => return self.block(error),
            }
        }
        self.out.clear();
        self.sent = 0;
        Ok(())
    }

    fn write_records(&mut self) -> io::Result<()> {
        let Some(tls) = self.tls.as_mut() else { return Ok(()) };
        while tls.wants_write() {
            if let Err(error) = tls.write_tls(&mut self.sock) {
                return self.block(error);
            }
        }
        Ok(())
    }

    fn block(&mut self, error: io::Error) -> io::Result<()> {
        if error.kind() != ErrorKind::WouldBlock {
            return Err(error);
        }
        self.blocked = true;
        Ok(())
    }
}

fn shake_hands(tls: &Tls) -> io::Result<ClientConnection> {
    let mut connection =
        ClientConnection::new(tls.config.clone(), tls.server.clone()).map_err(io::Error::other)?;
    connection.set_buffer_limit(None);
    Ok(connection)
}

fn dial(target: &Target, index: usize) -> io::Result<TcpStream> {
    let domain = Domain::for_address(target.addr);
    let sock = Socket::new(domain, Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    sock.set_tcp_nodelay(true)?;
    let ip = target.addr.ip();
    if ip.is_loopback() && ip.is_ipv4() && target.sources > 1 {
        let host = 1 + (index as u32 % target.sources) as u8;
        bind_address_no_port(&sock)?;
        sock.bind(&SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, host)), 0).into())?;
    }
    match sock.connect(&target.addr.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(TcpStream::from_std(sock.into())),
    }
}

/// Leaves the choice of port to connect(), so that ports are shared between targets.
#[allow(unsafe_code, reason = "no safe binding has IP_BIND_ADDRESS_NO_PORT")]
fn bind_address_no_port(sock: &Socket) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open while `sock` is borrowed, and the kernel reads exactly the
    // bytes of `on`, which outlives the call.
    let status = unsafe {
        libc::setsockopt(
            sock.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

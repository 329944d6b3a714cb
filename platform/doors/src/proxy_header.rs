//! The header of the PROXY protocol, version 2: for whom a load balancer connects.
//!
//! What follows the addresses in it is passed over.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How a header begins.
pub(crate) const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// How a header of version 1 begins.
pub(crate) const SIGNATURE_V1: &[u8] = b"PROXY ";
/// The longest header that is read. Addresses take at most 216 bytes; what else load balancers
/// tell takes some hundred.
pub(crate) const HEADER_BYTES_MAX: usize = 4096;

/// The bytes up to the length, itself included.
const FIXED_BYTES: usize = 16;
/// The version, in the upper half of its byte.
const VERSION: u8 = 2;
/// The commands, in the lower half.
const LOCAL: u8 = 0;
const PROXY: u8 = 1;
/// Address families and transports, one in each half of a byte.
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
const FAMILY_MAX: u8 = 3;
const TRANSPORT_MAX: u8 = 2;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// The connection is a client's.
    Client {
        /// Where the client is.
        source: SocketAddr,
        /// Where it connected to.
        destination: SocketAddr,
    },
    /// The connection is the load balancer's own, for a health check, or it does not say whose.
    Own,
}

/// How far a header has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeaderRead {
    /// It is there.
    Whole {
        /// What it says.
        header: ProxyHeader,
        /// How many bytes it is.
        bytes: usize,
    },
    /// It goes on.
    Part {
        /// At least so many bytes are missing, and all of these are its own.
        missing: usize,
    },
}

/// Why a header was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ProxyHeaderError {
    #[error("it sent none: turn version 2 of the protocol on in the load balancer")]
    Missing,
    #[error("it sent one of version 1: choose version 2 in the load balancer")]
    Version1,
    #[error("it sent one of {bytes} bytes, at most {HEADER_BYTES_MAX} are read")]
    TooLong { bytes: usize },
    #[error("it sent one with a wrong {field}: 0x{value:02x}")]
    Wrong { field: &'static str, value: u8 },
    #[error("it sent one that ends within its addresses, after {bytes} bytes")]
    TooShort { bytes: usize },
    #[error("it closed the connection within it")]
    Closed,
    #[error("it did not send one within {limit_s} s")]
    Late { limit_s: u64 },
}

impl ProxyHeader {
    /// Reads the header that `bytes` begin with. What is none is refused with its first wrong byte.
    pub fn read(bytes: &[u8]) -> Result<ProxyHeaderRead, ProxyHeaderError> {
        check_signature(bytes)?;
        let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED_BYTES>() else {
            return Ok(ProxyHeaderRead::Part { missing: FIXED_BYTES - bytes.len() });
        };
        let [.., command, family, high, low] = *fixed;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let whole = FIXED_BYTES + length;
        if whole > HEADER_BYTES_MAX {
            return Err(ProxyHeaderError::TooLong { bytes: whole });
        }
        check_command(command)?;
        check_family(family)?;
        let Some(body) = rest.get(..length) else {
            return Ok(ProxyHeaderRead::Part { missing: length - rest.len() });
        };
        let header = match (command & 0x0f, family) {
            (PROXY, TCP4) => client(body, Ipv4Addr::from)?,
            (PROXY, TCP6) => client(body, Ipv6Addr::from)?,
            _ => Self::Own,
        };
        Ok(ProxyHeaderRead::Whole { header, bytes: whole })
    }
}

fn check_signature(bytes: &[u8]) -> Result<(), ProxyHeaderError> {
    let begins_like = |signature: &[u8]| bytes.iter().zip(signature).all(|(a, b)| a == b);
    if begins_like(SIGNATURE) {
        return Ok(());
    }
    if bytes.len() >= SIGNATURE_V1.len() && begins_like(SIGNATURE_V1) {
        return Err(ProxyHeaderError::Version1);
    }
    Err(ProxyHeaderError::Missing)
}

fn check_command(byte: u8) -> Result<(), ProxyHeaderError> {
    match (byte >> 4, byte & 0x0f) {
        (VERSION, LOCAL | PROXY) => Ok(()),
        (VERSION, _) => Err(ProxyHeaderError::Wrong { field: "command", value: byte }),
        _ => Err(ProxyHeaderError::Wrong { field: "version", value: byte }),
    }
}

/// Families and transports that say nothing here are passed over, unknown ones are not.
fn check_family(byte: u8) -> Result<(), ProxyHeaderError> {
    if byte >> 4 > FAMILY_MAX || byte & 0x0f > TRANSPORT_MAX {
        return Err(ProxyHeaderError::Wrong { field: "address family", value: byte });
    }
    Ok(())
}

/// Two addresses of `N` bytes, and their ports.
fn client<const N: usize, A: Into<IpAddr>>(
    body: &[u8],
    address: impl Fn([u8; N]) -> A,
) -> Result<ProxyHeader, ProxyHeaderError> {
    let too_short = || ProxyHeaderError::TooShort { bytes: FIXED_BYTES + body.len() };
    let (source, rest) = body.split_first_chunk::<N>().ok_or_else(too_short)?;
    let (destination, rest) = rest.split_first_chunk::<N>().ok_or_else(too_short)?;
    let (ports, _) = rest.split_first_chunk::<4>().ok_or_else(too_short)?;
    let [s1, s0, d1, d0] = *ports;
    let place = |bytes: [u8; N], port: [u8; 2]| {
        SocketAddr::new(address(bytes).into().to_canonical(), u16::from_be_bytes(port))
    };
    Ok(ProxyHeader::Client {
        source: place(*source, [s1, s0]),
        destination: place(*destination, [d1, d0]),
    })
}

#[cfg(test)]
mod tests;

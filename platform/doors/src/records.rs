//! The records of one connection: what comes is decrypted, what goes is encrypted. No socket here.

use std::mem;
use std::ops::Range;
use std::sync::Arc;

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{CommonState, Error, ServerConfig};
use tokio::io::ReadBuf;

use crate::leftover::Leftover;
use crate::plaintext::Plaintext;
use crate::scratch::SCRATCH_BYTES;

/// What TLS allows a record to be on the wire: 16 KiB and 2 KiB of expansion after its header.
pub(crate) const RECORD_BYTES_MAX: usize = 5 + 16 * 1024 + 2048;
/// How much may be encrypted at once: four records.
pub(crate) const PLAINTEXT_BYTES_MAX: usize = 4 * 16 * 1024;
/// How long a handshake message may be.
const HANDSHAKE_BYTES_MAX: usize = 0xffff;

pub(crate) struct Records {
    connection: UnbufferedServerConnection,
    is_closed: bool,
    failure: Option<Box<Error>>,
    /// Of a record or a handshake message of which the rest is to come.
    incoming: Leftover,
    /// Decrypted, and not read.
    pub(crate) unread: Leftover,
    /// Encrypted, and not taken by the socket.
    pub(crate) unsent: Leftover,
}

impl Records {
    pub(crate) fn new(config: Arc<ServerConfig>) -> Result<Self, Error> {
        Ok(Self {
            connection: UnbufferedServerConnection::new(config)?,
            is_closed: false,
            failure: None,
            incoming: Leftover::default(),
            unread: Leftover::default(),
            unsent: Leftover::default(),
        })
    }

    /// What both sides have agreed on.
    pub(crate) fn agreed(&self) -> &CommonState {
        &self.connection
    }

    /// Whether the client said that it will say nothing more.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// How much memory is held for bytes of either direction.
    pub(crate) fn bytes_held(&self) -> usize {
        self.incoming.capacity() + self.unread.capacity() + self.unsent.capacity()
    }

    /// The part of the scratch buffer for what comes next: behind the beginning of a record, which
    /// may have to be put there, and so much that no more than a record is kept of what the reader
    /// has no room for. Where a handshake message is longer than a record, up to its bound.
    pub(crate) fn room(&self, reader_bytes: usize) -> Range<usize> {
        match self.incoming.len() {
            held @ ..RECORD_BYTES_MAX => held..reader_bytes.clamp(RECORD_BYTES_MAX, SCRATCH_BYTES),
            held => 0..HANDSHAKE_BYTES_MAX.saturating_sub(held),
        }
    }

    /// An error if the rules were broken before. From then on there is nothing to say or to hear.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.failure.as_ref().map_or(Ok(()), |failure| Err(Error::clone(failure)))
    }

    /// Decrypts what came, which is at `received` of `scratch`, with what was kept from before. What
    /// is no whole record is kept, and so is plaintext for which `reader` has no room. Answers, and
    /// the alert in case of an error, are added to what is unsent.
    pub(crate) fn read(
        &mut self,
        scratch: &mut [u8],
        received: Range<usize>,
        reader: Option<&mut ReadBuf<'_>>,
    ) -> Result<(), Error> {
        let mut kept = mem::take(&mut self.incoming);
        // The lesser part is copied to the greater one.
        let is_in_scratch = kept.len() == received.start && kept.len() <= received.len();
        let bytes = if is_in_scratch {
            let (before, _) = scratch.split_at_mut(received.start);
            before.copy_from_slice(kept.as_slice());
            scratch.get_mut(..received.end).unwrap_or_default()
        } else {
            kept.push(scratch.get(received).unwrap_or_default());
            kept.as_mut_slice()
        };
        let done = self.advance(bytes, reader, |_| ())?;
        if self.is_closed {
            // Whatever follows the farewell is nothing.
            return Ok(());
        }
        self.incoming = match bytes.get(done..) {
            _ if done == 0 && !is_in_scratch => kept,
            rest => Leftover::from(rest.unwrap_or_default()),
        };
        Ok(())
    }

    /// Encrypts `said`, at most [`PLAINTEXT_BYTES_MAX`], into `room` and gives the length there.
    pub(crate) fn write(&mut self, said: &[u8], room: &mut [u8]) -> Result<usize, Error> {
        self.speak(|mut traffic| traffic.encrypt(said, room))
    }

    /// Writes the farewell into `room` and gives its length.
    pub(crate) fn close(&mut self, room: &mut [u8]) -> Result<usize, Error> {
        self.speak(|mut traffic| traffic.queue_close_notify(room))
    }

    fn speak(
        &mut self,
        say: impl FnOnce(Traffic<'_>) -> Result<usize, EncryptError>,
    ) -> Result<usize, Error> {
        let mut said = None;
        // What is kept must be looked at again, for there may be a part of a message in it of which
        // the connection knows.
        let mut kept = mem::take(&mut self.incoming);
        let done = self.advance(kept.as_mut_slice(), None, |traffic| said = Some(say(traffic)))?;
        kept.consume(done);
        self.incoming = kept;
        match said {
            Some(Ok(length)) => Ok(length),
            Some(Err(EncryptError::EncryptExhausted)) => Err(Error::EncryptError),
            Some(Err(error)) => Err(Error::General(error.to_string())),
            None => Err(Error::General("nothing can be said now".to_owned())),
        }
    }

    /// Goes on until more is needed from the client, and says how many bytes of `incoming` are done
    /// with. The rest, in which some may be decrypted already, has to come again with what follows.
    /// In the end `speak` may say something, unless it is too early or too late for that.
    fn advance(
        &mut self,
        incoming: &mut [u8],
        reader: Option<&mut ReadBuf<'_>>,
        speak: impl FnOnce(Traffic<'_>),
    ) -> Result<usize, Error> {
        self.check()?;
        let advanced = self.process(incoming, reader, speak);
        if let Err(error) = &advanced {
            self.failure = Some(Box::new(error.clone()));
            self.tell_of_failure();
        }
        advanced
    }

    fn process(
        &mut self,
        incoming: &mut [u8],
        reader: Option<&mut ReadBuf<'_>>,
        speak: impl FnOnce(Traffic<'_>),
    ) -> Result<usize, Error> {
        let mut plaintext = Plaintext { reader, unread: &mut self.unread };
        let mut done = 0;
        loop {
            let rest = incoming.get_mut(done..).unwrap_or_default();
            let UnbufferedStatus { discard, state, .. } = self.connection.process_tls_records(rest);
            done += discard;
            match state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        done += record.discard;
                        plaintext.put(record.payload);
                    }
                }
                ConnectionState::EncodeTlsData(answer) => encode(answer, &mut self.unsent)?,
                ConnectionState::TransmitTlsData(answers) => answers.done(),
                ConnectionState::PeerClosed => self.is_closed = true,
                ConnectionState::BlockedHandshake | ConnectionState::Closed => {
                    return Ok(done);
                }
                ConnectionState::WriteTraffic(traffic) => {
                    speak(traffic);
                    return Ok(done);
                }
                other => return Err(Error::General(format!("unexpected state {other:?}"))),
            }
        }
    }

    /// Adds the alert that an error left, and what was to be said before it.
    fn tell_of_failure(&mut self) {
        // While there is something to send, nothing incoming is looked at.
        while self.connection.wants_write() {
            let status = self.connection.process_tls_records(&mut []);
            let Ok(ConnectionState::EncodeTlsData(alert)) = status.state else { return };
            if encode(alert, &mut self.unsent).is_err() {
                return;
            }
        }
    }
}

type Traffic<'a> = WriteTraffic<'a, ServerConnectionData>;

fn encode(
    mut answer: EncodeTlsData<'_, ServerConnectionData>,
    unsent: &mut Leftover,
) -> Result<(), Error> {
    // Without room it says how much it needs.
    let needed = match answer.encode(&mut []) {
        Err(EncodeError::InsufficientSize(lack)) => lack.required_size,
        Ok(_) | Err(EncodeError::AlreadyEncoded) => return Ok(()),
    };
    answer.encode(unsent.add(needed)).map_err(|error| Error::General(error.to_string()))?;
    Ok(())
}

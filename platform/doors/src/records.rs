//! The records of one connection: what comes is decrypted, what goes is encrypted. No socket here.

use std::mem;
use std::sync::Arc;

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{CommonState, Error, ServerConfig};
use tokio::io::ReadBuf;

use crate::leftover::Leftover;
use crate::plaintext::Plaintext;
use crate::scratch::RECORD_BYTES_MAX;

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

    /// How many bytes may come at once, so that no more is kept than a record, or than a handshake
    /// message of which there is more than that already.
    pub(crate) fn room(&self) -> usize {
        let held = self.incoming.len();
        let held_max = if held < RECORD_BYTES_MAX { RECORD_BYTES_MAX } else { HANDSHAKE_BYTES_MAX };
        RECORD_BYTES_MAX.min(held_max.saturating_sub(held))
    }

    /// An error if the rules were broken before. From then on there is nothing to say or to hear.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.failure.as_ref().map_or(Ok(()), |failure| Err(Error::clone(failure)))
    }

    /// Decrypts what came, in place, with what was kept from before. What is no whole record is
    /// kept, and so is plaintext for which `reader` has no room. Answers, and the alert in case of
    /// an error, are added to what is unsent.
    pub(crate) fn read(
        &mut self,
        received: &mut [u8],
        reader: Option<&mut ReadBuf<'_>>,
    ) -> Result<(), Error> {
        let mut kept = mem::take(&mut self.incoming);
        let was_kept = !kept.is_empty();
        let bytes = if was_kept {
            kept.push(received);
            kept.as_mut_slice()
        } else {
            received
        };
        let done = self.advance(bytes, reader, |_| ())?;
        if self.is_closed {
            // Whatever follows the farewell is nothing.
            return Ok(());
        }
        self.incoming = match bytes.get(done..) {
            _ if was_kept && done == 0 => kept,
            rest => Leftover::from(rest.unwrap_or_default()),
        };
        Ok(())
    }

    /// Encrypts `said`, no more than a record holds, into `room` and gives the length there.
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

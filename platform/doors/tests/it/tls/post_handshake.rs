//! A client of TLS 1.3 that sends handshake messages after the handshake, in parts of its choice.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ferrite_doors::SecureStream;
use rustls::ConnectionTrafficSecrets;
use rustls::version::TLS13;
use tokio::net::TcpStream;

use super::rustls_client::config;
use super::streams::ends;

/// The content type of handshake messages, as TLS 1.3 writes it behind what is encrypted.
const HANDSHAKE: u8 = 22;

/// What such a client encrypts with.
pub(crate) struct HandshakeFragments {
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
}

impl HandshakeFragments {
    /// A connection on which nothing was said yet.
    pub(crate) async fn begin() -> (Box<SecureStream>, TcpStream, Self) {
        let mut config = config(&TLS13, None);
        config.enable_secret_extraction = true;
        let (server, client) = ends(config).await;
        let (socket, client) = client.into_inner();
        let (sequence, secrets) = client.dangerous_extract_secrets().unwrap().tx;
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else {
            panic!("another suite was chosen")
        };
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key.as_ref()).unwrap());
        let iv = iv.as_ref().try_into().unwrap();
        (server, socket, Self { key, iv, sequence })
    }

    /// The record with `part` of a handshake message.
    pub(crate) fn seal(&mut self, part: &[u8]) -> Vec<u8> {
        let mut nonce = self.iv;
        for (byte, counted) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= counted;
        }
        self.sequence += 1;
        let mut body = [part, &[HANDSHAKE]].concat();
        let length = u16::try_from(body.len() + AES_128_GCM.tag_len()).unwrap().to_be_bytes();
        let header = [0x17, 3, 3, length[0], length[1]];
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(header), &mut body).unwrap();
        [&header[..], &body].concat()
    }
}

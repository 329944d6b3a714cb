//! The signing key of one secret, day, region and service.

use std::fmt;

use aws_lc_rs::hmac;

/// The key that signatures of one secret are made with on one day, in one region, for one
/// service. Deriving it takes four HMACs, so callers keep it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey([u8; 32]);

impl SigningKey {
    /// Derives the key; `date` is `YYYYMMDD`.
    pub fn derive(secret: &str, date: &str, region: &str, service: &str) -> Self {
        let first = mac(format!("AWS4{secret}").as_bytes(), date.as_bytes());
        let key = [region, service, "aws4_request"]
            .iter()
            .fold(first, |key, part| mac(&key, part.as_bytes()));
        Self(key)
    }

    /// The signature of `text`.
    pub(crate) fn sign(&self, text: &[u8]) -> [u8; 32] {
        mac(&self.0, text)
    }

    /// Whether `signature` is that of `text`, in constant time.
    pub(crate) fn verifies(&self, text: &[u8], signature: &[u8; 32]) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        hmac::verify(&key, text, signature).is_ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(redacted)")
    }
}

fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    tag.as_ref().try_into().expect("an HMAC-SHA-256 tag has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::hex;

    #[test]
    fn the_key_is_the_documented_one() {
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let key = SigningKey::derive(secret, "20150830", "us-east-1", "iam");
        assert_eq!(hex(&key.0), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
        assert_eq!(format!("{key:?}"), "SigningKey(redacted)");
    }
}

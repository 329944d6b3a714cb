//! Where decrypted bytes go: to whoever reads, and what does not fit is kept for the next read.

use tokio::io::ReadBuf;

use crate::leftover::Leftover;

pub(crate) struct Plaintext<'a, 'b> {
    /// Nobody reads during a handshake or while something is written.
    pub(crate) reader: Option<&'a mut ReadBuf<'b>>,
    pub(crate) unread: &'a mut Leftover,
}

impl Plaintext<'_, '_> {
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        if let Some(reader) = &mut self.reader
            && self.unread.is_empty()
        {
            let (fits, more) = bytes.split_at(bytes.len().min(reader.remaining()));
            reader.put_slice(fits);
            rest = more;
        }
        self.unread.push(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_kept_bytes_is_kept_after_them() {
        let mut room = [0; 3];
        let mut reader = ReadBuf::new(&mut room);
        let mut unread = Leftover::default();
        let mut plaintext = Plaintext { reader: Some(&mut reader), unread: &mut unread };
        plaintext.put(b"ab");
        plaintext.put(b"cd");
        plaintext.put(b"e");
        assert_eq!(reader.filled(), b"abc");
        assert_eq!(unread.as_slice(), b"de");
    }
}

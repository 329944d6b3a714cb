//! Percent-encoding and hexadecimal, as Signature Version 4 wants them.

use std::borrow::Cow;

const UPPER_HEX: &[u8; 16] = b"0123456789ABCDEF";
const LOWER_HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `byte`, percent-encoded unless it is unreserved (`A-Za-z0-9-._~`).
pub(crate) fn push_encoded(out: &mut Vec<u8>, byte: u8) {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
        out.push(byte);
    } else {
        out.extend([b'%', digit(UPPER_HEX, byte >> 4), digit(UPPER_HEX, byte & 15)]);
    }
}

/// The percent-decoded text, or `None` if the bytes are no UTF-8. A `%` without two hexadecimal
/// digits stands for itself; `+` too.
pub(crate) fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    String::from_utf8(decoded_bytes(text.as_bytes()).collect()).ok().map(Cow::Owned)
}

/// The percent-decoded bytes of `text`.
pub(crate) fn decoded_bytes(text: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (&first, tail) = rest.split_first()?;
        rest = tail;
        if first != b'%' {
            return Some(first);
        }
        let Some((&[high, low], after)) = tail.split_first_chunk() else { return Some(first) };
        let (Some(high), Some(low)) = (nibble(high), nibble(low)) else { return Some(first) };
        rest = after;
        Some((high << 4) | low)
    })
}

/// Appends `bytes` in lower-case hexadecimal.
pub(crate) fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.extend([digit(LOWER_HEX, byte >> 4), digit(LOWER_HEX, byte & 15)]);
    }
}

/// `bytes` in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|b| [digit(LOWER_HEX, b >> 4), digit(LOWER_HEX, b & 15)])
        .map(char::from)
        .collect()
}

/// Reads 64 lower-case hexadecimal digits.
pub(crate) fn hash_from_hex(text: &str) -> Option<[u8; 32]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let mut out = [0; 32];
    if pairs.len() != out.len() || text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    for (slot, [high, low]) in out.iter_mut().zip(pairs) {
        *slot = (nibble(*high)? << 4) | nibble(*low)?;
    }
    Some(out)
}

fn digit(table: &[u8; 16], nibble: u8) -> u8 {
    table.get(usize::from(nibble)).copied().unwrap_or(b'0')
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_escape_stands_for_itself() {
        for (text, expect) in [("a%2Fb", "a/b"), ("100%", "100%"), ("%zz%4", "%zz%4"), ("%25", "%")]
        {
            assert_eq!(decoded(text).unwrap(), expect);
        }
        assert_eq!(decoded("%ff"), None);
    }

    #[test]
    fn a_hash_is_64_lower_case_digits() {
        let text = hex(&[0xab; 32]);
        assert_eq!(hash_from_hex(&text), Some([0xab; 32]));
        for wrong in ["", "ab", &text.to_uppercase(), &text.replace('a', "g"), &format!("{text}0")]
        {
            assert_eq!(hash_from_hex(wrong), None, "{wrong}");
        }
    }
}

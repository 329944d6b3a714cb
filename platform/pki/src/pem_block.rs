//! PEM: exactly one block of an expected kind, with whatever text around it.

use pem::{EncodeConfig, LineEnding, Pem};

use crate::PkiError;

const BEGIN: &str = "-----BEGIN ";

/// The bytes of the only block in `text`, which must have one of `labels`.
pub(crate) fn decode_one(text: &str, labels: &[&'static str]) -> Result<Vec<u8>, PkiError> {
    let blocks = pem::parse_many(text).map_err(|_| PkiError::MalformedPem)?;
    // The parser passes over a block that does not end.
    if blocks.is_empty() || blocks.len() != text.matches(BEGIN).count() {
        return Err(PkiError::MalformedPem);
    }
    let found = blocks.len();
    let [block] = <[Pem; 1]>::try_from(blocks).map_err(|_| PkiError::SeveralBlocks { found })?;
    if !labels.contains(&block.tag()) {
        let expected = labels.first().copied().unwrap_or_default();
        return Err(PkiError::WrongLabel { expected, found: block.tag().to_owned() });
    }
    Ok(block.into_contents())
}

/// `der` as a block of 64-character lines.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    pem::encode_config(&Pem::new(label, der), config)
}

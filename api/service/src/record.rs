//! Documents as the store keeps them: JSON that a person can read, with a format version `v`.

use serde::Serialize;
use serde::de::DeserializeOwned;
use store::Versioned;

use crate::ApiError;

/// A document as bytes.
pub fn encode(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("a document has text keys and serialises")
}

/// A document from what the store returned.
pub fn decode<T: DeserializeOwned>(stored: &Versioned) -> Result<T, ApiError> {
    serde_json::from_slice(&stored.value).map_err(ApiError::internal)
}

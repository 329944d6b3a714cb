//! Signing and verifying, end to end.

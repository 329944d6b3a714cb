//! sigv4.

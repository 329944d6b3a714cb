//! The engine against hostile bytes.

mod hostile;

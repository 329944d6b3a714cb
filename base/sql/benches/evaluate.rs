//! How long a message takes.
fn main() {}

//! What a full handshake with a client certificate costs the server: time of its thread alone.

fn main() {}

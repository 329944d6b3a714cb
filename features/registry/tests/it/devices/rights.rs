//! What policies may ask of a connection.

//! Who is told of which change.

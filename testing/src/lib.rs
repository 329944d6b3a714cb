//! An in-process server to try one feature in.
//!
//! Operations are called directly, as the gateway calls them after its checks: nothing is
//! authenticated, validated or authorized here, and an input that the model forbids reaches the
//! operation as it is. The store is the one that `FERRITE_TEST_STORE` names (`memory`, `sqlite` or
//! `postgres`), always empty; time stands still until [`Server::clock`] is advanced.

mod authority;
mod ear;
mod parts;
mod server;

pub use ear::Ear;
pub use parts::Choices;
pub use server::Server;

//! Time, randomness and tasks: everything that a test or the simulator wants to own.

mod clock;
mod random;
mod tasks;
mod workers;

pub use clock::Clock;
pub use random::Random;
pub use tasks::{Shutdown, TaskKind, Tasks};
pub use workers::Workers;

/// The three together, cheap to clone.
#[derive(Clone)]
pub struct Env {
    /// Wall-clock time.
    pub clock: Clock,
    /// Randomness fit for keys.
    pub random: Random,
    /// Named, supervised background work.
    pub tasks: Tasks,
}

impl Env {
    /// The machine's own clock and randomness. Must be called inside a tokio runtime.
    pub fn system() -> Self {
        Self { clock: Clock::system(), random: Random::system(), tasks: Tasks::new() }
    }

    /// A clock that only moves when told to, and randomness from `seed`.
    pub fn simulated(now: types::Timestamp, seed: u64) -> Self {
        Self { clock: Clock::simulated(now), random: Random::seeded(seed), tasks: Tasks::new() }
    }
}

//! Other tries, later and later.

use std::future::Future;
use std::time::Duration;

use env::Random;
use tokio::time::{Instant, sleep};

/// How often and how long something is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often, the first time included.
    pub tries_max: u32,
    /// What passes before the second try, at most; it doubles with each further one.
    pub delay_first: Duration,
    /// What passes between two tries, at most.
    pub delay_max: Duration,
    /// How long the tries may take together. A try that began in time may end after it.
    pub within: Duration,
}

/// Tries until it succeeds, fails for good, or the policy says that it is enough; then the last
/// error stands. `attempt` is told which try it is, from 1. Between two tries passes a random time
/// between half of the delay and all of it, so that those who failed together come back apart.
pub async fn retry<T, E, F>(
    policy: &RetryPolicy,
    random: &Random,
    mut attempt: impl FnMut(u32) -> F,
    is_transient: impl Fn(&E) -> bool,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let ends = Instant::now() + policy.within;
    let mut tries = 1;
    loop {
        let error = match attempt(tries).await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let delay = policy.delay(tries, random);
        if tries >= policy.tries_max || !is_transient(&error) || Instant::now() + delay >= ends {
            return Err(error);
        }
        sleep(delay).await;
        tries += 1;
    }
}

impl RetryPolicy {
    /// What passes after try number `tries`.
    pub fn delay(&self, tries: u32, random: &Random) -> Duration {
        let doubled = 2_u32.saturating_pow(tries.saturating_sub(1));
        let longest = self.delay_first.saturating_mul(doubled).min(self.delay_max);
        let share = u32::from_le_bytes(random.bytes());
        longest / 2 + (longest / 2).mul_f64(f64::from(share) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        tries_max: 4,
        delay_first: Duration::from_secs(1),
        delay_max: Duration::from_secs(3),
        within: Duration::from_secs(60),
    };

    /// How it ended, after how many tries, with an attempt that succeeds at `success`.
    async fn check(policy: RetryPolicy, success: u32, expect: (Result<u32, u32>, u32)) {
        let mut tries = 0;
        let attempt = |number| {
            tries += 1;
            async move { if number == success { Ok(number) } else { Err(number) } }
        };
        let is_transient = |error: &u32| *error != 3;
        let outcome = retry(&policy, &Random::seeded(1), attempt, is_transient).await;
        assert_eq!((outcome, tries), expect);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_tried_until_it_succeeds_or_cannot() {
        check(POLICY, 1, (Ok(1), 1)).await;
        check(POLICY, 2, (Ok(2), 2)).await;
        check(POLICY, 9, (Err(3), 3)).await;
        check(RetryPolicy { tries_max: 2, ..POLICY }, 9, (Err(2), 2)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn no_try_begins_after_the_time_that_all_have() {
        let policy = RetryPolicy { within: Duration::from_millis(1400), ..POLICY };
        check(policy, 9, (Err(2), 2)).await;
    }

    #[test]
    fn delays_double_up_to_the_longest_and_differ() {
        let random = Random::seeded(1);
        for (tries, longest) in [(1, 1000), (2, 2000), (3, 3000), (4, 3000), (99, 3000)] {
            let longest = Duration::from_millis(longest);
            let delays: Vec<_> = (0..50).map(|_| POLICY.delay(tries, &random)).collect();
            assert!(delays.iter().all(|delay| *delay >= longest / 2 && *delay <= longest));
            assert!(delays.iter().any(|delay| *delay != delays[0]));
        }
    }
}

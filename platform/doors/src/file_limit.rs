//! The number of files and sockets that the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many file descriptors the process may have, `u64::MAX` if there is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimits {
    /// What the process started with.
    pub before: u64,
    /// What holds now.
    pub now: u64,
}

/// Raises the soft limit on file descriptors to the hard one, and reports both. A system that
/// refuses leaves the limit as it was, which the report shows.
pub fn raise_file_descriptor_limit() -> FileLimits {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let before = current.unwrap_or(u64::MAX);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!(%error, "the limit on file descriptors stays");
    }
    FileLimits { before, now: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_once_and_then_stays() {
        let first = raise_file_descriptor_limit();
        assert!(first.now >= first.before);
        let second = raise_file_descriptor_limit();
        assert_eq!(second, FileLimits { before: first.now, now: first.now });
    }
}

//! CPU time and memory of this process and of the broker.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// What a group of processes keeps in memory, in bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Resident, pages shared with others counted whole.
    pub(crate) rss: u64,
    /// Resident, pages shared with others counted in part.
    pub(crate) pss: u64,
}

/// The seconds of CPU that this process has used.
pub(crate) fn own_cpu() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

/// User plus system seconds of all threads of these processes, in steps of 10 ms.
pub(crate) fn cpu(pids: &[u32]) -> f64 {
    let ticks: u64 = pids
        .iter()
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok())
        .filter_map(|stat| ticks(&stat))
        .sum();
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// The user and system time of a line of `/proc/PID/stat`, whose command may hold spaces.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut times = rest.split(' ').skip(11).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

/// What these processes keep in memory.
pub(crate) fn memory(pids: &[u32]) -> Memory {
    let mut sum = Memory::default();
    for pid in pids {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        sum.rss += bytes(&text, "Rss:");
        sum.pss += bytes(&text, "Pss:");
    }
    sum
}

/// A field of `smaps_rollup`, which counts in kilobytes; 0 where there is none.
fn bytes(text: &str, field: &str) -> u64 {
    let value = |line: &str| line.strip_prefix(field)?.split_whitespace().next()?.parse().ok();
    text.lines().find_map(value).map_or(0, |kilobytes: u64| kilobytes * 1024)
}

/// Lifts the soft limit on open files to the hard one, as far as that is allowed.
pub(crate) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        eprint_warning(&format!("the limit on open files stays as it is: {error}"));
    }
}

#[allow(clippy::print_stderr, reason = "what the person who runs it should know")]
fn eprint_warning(warning: &str) {
    eprintln!("mqload: {warning}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_past_a_command_with_spaces_and_brackets() {
        let stat = "77 (a b) c) S 1 77 77 0 -1 4194560 178 0 0 0 11 31 0 0 20 0 1 0 2935 5677";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("77 (cut off"), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "5581-7ffd ---p 00000000 00:00 0 [rollup]\nRss:      2048 kB\nPss:   3 kB\n";
        assert_eq!((bytes(text, "Rss:"), bytes(text, "Pss:")), (2 << 20, 3 << 10));
        assert_eq!(bytes(text, "Swap:"), 0);
    }
}

//! The CPU time of the server.

use std::fs;

use anyhow::Context as _;

/// How many of the kernel's ticks are a second: what Linux tells programs, on every machine.
const TICKS_PER_S: f64 = 100.0;

/// The seconds of CPU, of users and system, that all threads of a process have used.
pub(crate) fn used_s(pid: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("could not read {path}"))?;
    let ticks = ticks(&stat).with_context(|| format!("{path} says no times"))?;
    Ok(ticks as f64 / TICKS_PER_S)
}

/// The times in a line of `/proc/PID/stat`, whose command may hold spaces.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut times = rest.split(' ').skip(11).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_past_a_command_with_spaces_and_brackets() {
        let stat = "77 (a b) c) S 1 77 77 0 -1 4194560 178 0 0 0 11 31 0 0 20 0 1 0 2935 5677";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("77 (cut off"), None);
    }
}

//! What a process started outside of its group: found by the environment that it inherited.
//!
//! Each function process has a log stream of its own in its environment, and so has all that it
//! starts, whatever group or session it moves to. Only what clears its environment gets away.

use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// What is started while others are found is found by the next look.
const LOOKS_MAX: u32 = 5;

/// Kills whatever has `variable`, which is `NAME=value`, in its environment.
pub(crate) async fn kill(variable: String) {
    let looks = tokio::task::spawn_blocking(move || {
        (0..LOOKS_MAX).take_while(|_| kill_found(&variable) > 0).count()
    });
    if let Ok(looks @ 1..) = looks.await {
        tracing::debug!(looks, "processes that a function left behind were killed");
    }
}

/// One look at all processes: how many were killed.
fn kill_found(variable: &str) -> usize {
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let numbers = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers.filter(|number| has(*number, variable) && kill_one(*number, variable)).count()
}

/// The number may have been given to another meanwhile; what is held open is one and the same.
fn kill_one(number: i32, variable: &str) -> bool {
    let Some(pid) = Pid::from_raw(number) else { return false };
    let Ok(held) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
    has(number, variable) && pidfd_send_signal(held, Signal::KILL).is_ok()
}

/// Whether the process is ours to look at, lives, and has the variable.
fn has(number: i32, variable: &str) -> bool {
    let environment = fs::read(format!("/proc/{number}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes())
}

//! A timer of nanoseconds, and who is due next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// Clients by the time at which each is due, and a timer for the first.
pub(crate) struct Pace {
    timer: OwnedFd,
    armed: u64,
    queue: BinaryHeap<Reverse<(u64, usize)>>,
    /// Nanoseconds between two messages of one client.
    pub(crate) interval: u64,
}

impl Pace {
    /// So many messages a second, from so many clients together.
    pub(crate) fn new(rate: f64, clients: usize) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self {
            timer: timerfd_create(TimerfdClockId::Monotonic, flags)?,
            armed: u64::MAX,
            queue: BinaryHeap::new(),
            interval: (1e9 * clients as f64 / rate) as u64,
        })
    }

    /// What the poll loop watches.
    pub(crate) fn timer(&self) -> RawFd {
        self.timer.as_raw_fd()
    }

    /// Has client `p` looked at when this time has come.
    pub(crate) fn push(&mut self, due: u64, p: usize) {
        self.queue.push(Reverse((due, p)));
    }

    /// A client whose time has come.
    pub(crate) fn pop(&mut self, now: u64) -> Option<usize> {
        let &Reverse((due, p)) = self.queue.peek()?;
        if due > now {
            return None;
        }
        self.queue.pop();
        Some(p)
    }

    /// Sets the timer to when the next client is due.
    pub(crate) fn arm(&mut self, now: u64) -> io::Result<()> {
        let Some(&Reverse((due, _))) = self.queue.peek() else { return Ok(()) };
        if due == self.armed {
            return Ok(());
        }
        self.armed = due;
        let nanos = due.saturating_sub(now).max(1);
        let at = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec {
                tv_sec: (nanos / 1_000_000_000) as i64,
                tv_nsec: (nanos % 1_000_000_000) as i64,
            },
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &at)?;
        Ok(())
    }
}

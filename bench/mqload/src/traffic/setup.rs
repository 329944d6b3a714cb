//! What comes before the first message and after the last: clients connect, subscribe and leave.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::time::{ClockId, clock_gettime};

use super::{Load, Stage};
use crate::{clock, procfs};

const POLL: Duration = Duration::from_millis(100);
/// Some brokers apply a subscription just after acknowledging it.
const SETTLING: Duration = Duration::from_millis(300);
const FORGETTING_MAX: Duration = Duration::from_secs(10);
/// Subscribers that begin to subscribe before answers are read.
const SUBSCRIBERS_AT_ONCE: usize = 64;

/// A name that no other run has.
pub(super) fn run_id() -> String {
    let started_s = clock_gettime(ClockId::Realtime).tv_sec;
    format!("{started_s:x}{:x}", std::process::id())
}

impl Load<'_> {
    /// Connects everybody, subscribers first.
    pub(super) fn connect(&mut self) -> Result<()> {
        self.figures.memory_before = procfs::memory(&self.options.pid);
        let total = self.clients();
        let deadline = self.deadline();
        while self.traffic.connected < total {
            let opened = self.net.conns.len();
            if opened < total && opened - self.traffic.connected < self.options.concurrency {
                let hello = self.hello(opened);
                self.net.open(self.target, hello).context("could not open a connection")?;
                continue;
            }
            self.net.poll(POLL, &mut self.traffic)?;
            self.check("connecting", self.traffic.connected, total, deadline)?;
        }
        Ok(())
    }

    /// Makes all subscriptions.
    pub(super) fn subscribe(&mut self) -> Result<()> {
        let (from, cpu) = (clock::now(), procfs::cpu(&self.options.pid));
        let count = self.traffic.subscribers.len();
        for s in 0..count {
            self.net.send(s, &mut self.traffic, |traffic, out| traffic.subscribe(s, out));
            if s % SUBSCRIBERS_AT_ONCE == SUBSCRIBERS_AT_ONCE - 1 {
                self.net.poll(Duration::ZERO, &mut self.traffic)?;
            }
        }
        let deadline = self.deadline();
        while self.traffic.subscribed < count {
            self.net.poll(POLL, &mut self.traffic)?;
            self.check("subscribing", self.traffic.subscribed, count, deadline)?;
        }
        self.figures.subscribing_s = from.elapsed().as_secs_f64();
        self.figures.subscribing_cpu = procfs::cpu(&self.options.pid) - cpu;
        self.figures.memory_subscribed = procfs::memory(&self.options.pid);
        Ok(())
    }

    /// Gives the broker a moment.
    pub(super) fn settle(&mut self) -> Result<()> {
        let from = clock::now();
        while from.elapsed() < SETTLING {
            self.net.poll(Duration::from_millis(20), &mut self.traffic)?;
        }
        Ok(())
    }

    /// Takes leave; sessions that would be kept are ended first.
    pub(super) fn part(&mut self) -> Result<()> {
        if self.is_persistent {
            self.forget()?;
        }
        self.net.say_goodbye(&mut self.traffic);
        Ok(())
    }

    /// Connects all subscribers with clean sessions, as far as the broker lets them.
    fn forget(&mut self) -> Result<()> {
        self.traffic.stage = Stage::Forgetting;
        self.traffic.connected = 0;
        let count = self.traffic.subscribers.len();
        for s in 0..count {
            self.traffic.subscribers[s].is_away = true;
            let hello = self.options.hello(&self.client_id(s), true);
            if self.net.reopen(s, self.target, hello).is_err() {
                return Ok(());
            }
        }
        let from = clock::now();
        while self.traffic.connected < count && from.elapsed() < FORGETTING_MAX {
            self.net.poll(POLL, &mut self.traffic)?;
        }
        Ok(())
    }

    /// How many connections there are.
    pub(super) fn clients(&self) -> usize {
        self.traffic.subscribers.len() + self.traffic.publishers.len()
    }

    /// The CONNECT of connection `conn`.
    pub(super) fn hello(&self, conn: usize) -> Vec<u8> {
        let is_subscriber = conn < self.traffic.subscribers.len();
        let is_clean = !(is_subscriber && self.is_persistent);
        self.options.hello(&self.client_id(conn), is_clean)
    }

    fn client_id(&self, conn: usize) -> String {
        let prefix = &self.options.client_prefix;
        let run = if self.is_persistent { format!("-{}", self.run_id) } else { String::new() };
        match conn.checked_sub(self.traffic.subscribers.len()) {
            None => format!("{prefix}{run}-s{conn}"),
            Some(p) => format!("{prefix}{run}-p{p}"),
        }
    }

    fn deadline(&self) -> Instant {
        clock::now() + Duration::from_secs(self.options.setup_timeout)
    }

    fn check(&self, what: &str, done: usize, all: usize, deadline: Instant) -> Result<()> {
        if let Some(error) = &self.traffic.error {
            bail!("while {what} ({done}/{all}): {error}");
        }
        if clock::now() > deadline {
            bail!("timed out while {what} ({done}/{all})");
        }
        Ok(())
    }
}

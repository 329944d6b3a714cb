//! The part with messages: warm-up, the measured part, and waiting for what is outstanding.

use std::mem;
use std::time::Duration;

use anyhow::{Result, bail};

use super::{Load, Stage, Traffic};
use crate::pace::Pace;

const POLL: Duration = Duration::from_millis(50);
/// When a publisher without a connection is looked at again.
const DISCONNECTED_NANOS: u64 = 10_000_000;
const PROGRESS_NANOS: u64 = 1_000_000_000;

/// When what begins, in nanoseconds since the run began.
struct Schedule {
    measure_from: u64,
    stop_at: u64,
    /// Set when sending has stopped.
    drain_until: Option<u64>,
    report_at: u64,
}

impl Load<'_> {
    /// Publishes for as long as was asked, then waits for what is outstanding.
    pub(super) fn publish(&mut self) -> Result<()> {
        self.traffic.stage = Stage::Running;
        let mut pace = self.begin()?;
        let mut schedule = self.schedule();
        loop {
            self.traffic.now = self.traffic.nanos();
            self.keep(&mut schedule);
            if self.is_done(&schedule) {
                return Ok(());
            }
            self.reopen_lost()?;
            if schedule.drain_until.is_none() {
                match &mut pace {
                    Some(pace) => self.send_due(pace)?,
                    None => self.send_ready(),
                }
            }
            let is_busy = schedule.drain_until.is_none() && pace.is_none() && self.can_send();
            self.net.poll(if is_busy { Duration::ZERO } else { POLL }, &mut self.traffic)?;
        }
    }

    /// Has everybody look for something to send, at once or in turn.
    fn begin(&mut self) -> Result<Option<Pace>> {
        let count = self.traffic.publishers.len();
        if self.rate <= 0.0 {
            (0..count).for_each(|p| self.traffic.wake(p));
            return Ok(None);
        }
        let begin = self.traffic.nanos();
        let mut pace = Pace::new(self.rate, count)?;
        self.net.watch_timer(pace.timer())?;
        for (p, publisher) in self.traffic.publishers.iter_mut().enumerate() {
            publisher.due = begin + pace.interval * p as u64 / count as u64;
            pace.push(publisher.due, p);
        }
        Ok(Some(pace))
    }

    fn schedule(&self) -> Schedule {
        let begin = self.traffic.nanos();
        let measure_from = begin + nanos(self.options.warmup);
        let is_endless = self.options.endurance.until_eof;
        Schedule {
            measure_from,
            stop_at: if is_endless {
                u64::MAX
            } else {
                measure_from + nanos(self.options.duration)
            },
            drain_until: None,
            report_at: begin + PROGRESS_NANOS,
        }
    }

    /// Passes from warm-up to the measured part and on to draining.
    fn keep(&mut self, schedule: &mut Schedule) {
        let now = self.traffic.now;
        if self.net.input_ended {
            schedule.stop_at = schedule.stop_at.min(now);
        }
        let is_over = now >= schedule.stop_at;
        if !self.traffic.is_measuring && now >= schedule.measure_from && !is_over {
            self.traffic.is_measuring = true;
            self.figures.from = self.traffic.mark();
        }
        if is_over && schedule.drain_until.is_none() {
            self.traffic.is_measuring = false;
            self.figures.to = self.traffic.mark();
            schedule.drain_until = Some(now + nanos(self.options.drain));
        }
        if now >= schedule.report_at && self.options.progress {
            schedule.report_at += PROGRESS_NANOS;
            self.traffic.tell_progress();
        }
    }

    /// Whether nothing is outstanding any more, or has been for too long.
    fn is_done(&self, schedule: &Schedule) -> bool {
        let Some(drain_until) = schedule.drain_until else { return false };
        let counts = &self.traffic.counts;
        let is_delivered = self.is_offline || counts.received >= counts.expected;
        let is_acknowledged = self.options.qos == 0 || counts.acknowledged >= counts.sent;
        let is_alone =
            !self.options.endurance.reconnect && counts.disconnects as usize == self.clients();
        is_delivered && is_acknowledged || self.traffic.now > drain_until || is_alone
    }

    /// Tries lost connections again whose time has come.
    pub(super) fn reopen_lost(&mut self) -> Result<()> {
        let limit_s = self.options.endurance.reconnect_timeout;
        if self.traffic.outage.lasts(self.traffic.now) > limit_s * 1_000_000_000 {
            let why = self.traffic.error.as_deref().unwrap_or("lost");
            bail!("no connection for {limit_s} s: {why}");
        }
        while let Some(conn) = self.traffic.outage.take_due(self.traffic.now) {
            let hello = self.hello(conn);
            if self.net.reopen(conn, self.target, hello).is_err() {
                self.traffic.outage.lost(conn, self.traffic.now);
            }
        }
        Ok(())
    }

    fn send_due(&mut self, pace: &mut Pace) -> Result<()> {
        let interval = Some(pace.interval);
        while let Some(p) = pace.pop(self.traffic.now) {
            if !self.traffic.publishers[p].is_connected {
                pace.push(self.traffic.now + DISCONNECTED_NANOS, p);
                continue;
            }
            let conn = self.connection_of(p);
            self.net.send(conn, &mut self.traffic, |traffic, out| traffic.pump(p, interval, out));
            pace.push(self.traffic.publishers[p].due, p);
        }
        pace.arm(self.traffic.nanos())?;
        for p in mem::take(&mut self.traffic.ready) {
            self.traffic.publishers[p].is_ready = false;
        }
        Ok(())
    }

    fn send_ready(&mut self) {
        for p in mem::take(&mut self.traffic.ready) {
            self.traffic.publishers[p].is_ready = false;
            let conn = self.connection_of(p);
            // One whose socket is full is tried again once it takes more.
            if self.net.conns[conn].is_idle() {
                self.net.send(conn, &mut self.traffic, |traffic, out| traffic.pump(p, None, out));
            }
            self.traffic.wake(p);
        }
        self.keep_ready();
    }

    /// Keeps only publishers that could send more without hearing anything.
    fn keep_ready(&mut self) {
        let mut ready = mem::take(&mut self.traffic.ready);
        ready.retain(|&p| {
            let is_open = self.net.conns[self.connection_of(p)].open;
            let publisher = &mut self.traffic.publishers[p];
            publisher.is_ready = is_open && publisher.may_send(self.options);
            publisher.is_ready
        });
        self.traffic.ready = ready;
    }

    fn can_send(&self) -> bool {
        self.traffic.ready.iter().any(|&p| self.net.conns[self.connection_of(p)].is_idle())
    }

    fn connection_of(&self, p: usize) -> usize {
        self.traffic.subscribers.len() + p
    }
}

impl Traffic<'_> {
    #[allow(clippy::print_stderr, reason = "progress was asked for")]
    fn tell_progress(&mut self) {
        if let Some(ledger) = &mut self.ledger {
            ledger.flush();
        }
        let c = &self.counts;
        eprintln!(
            "{:.0} s: {} sent, {} acknowledged, {} received, {} reconnects",
            self.now as f64 / 1e9,
            c.sent,
            c.acknowledged,
            c.received,
            self.outage.overcome
        );
    }
}

fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

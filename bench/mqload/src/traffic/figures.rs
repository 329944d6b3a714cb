//! What a run measured, and whether the broker did what it has to.

use std::time::Instant;

use anyhow::Result;

use super::{Counts, Load};
use crate::options::Options;
use crate::plan::Plan;
use crate::procfs::{self, Memory};
use crate::report::Report;

/// What a run had done and cost at one moment.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mark {
    at_s: f64,
    counts: Counts,
    own_cpu: f64,
    broker_cpu: f64,
}

/// What was measured on the way.
#[derive(Default)]
pub(crate) struct Figures {
    filters: usize,
    pub(super) subscribing_s: f64,
    pub(super) subscribing_cpu: f64,
    pub(super) memory_before: Memory,
    pub(super) memory_subscribed: Memory,
    /// Begin and end of the measured part.
    pub(super) from: Mark,
    pub(super) to: Mark,
    /// From when subscribers came back until the last message reached them.
    pub(super) back_from: Mark,
    pub(super) back_to: Mark,
}

impl Mark {
    pub(super) fn now(options: &Options, epoch: Instant, counts: Counts) -> Self {
        Self {
            at_s: epoch.elapsed().as_secs_f64(),
            counts,
            own_cpu: procfs::own_cpu(),
            broker_cpu: procfs::cpu(&options.pid),
        }
    }
}

impl Figures {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { filters: plan.filters(), ..Self::default() }
    }
}

impl Load<'_> {
    /// Prints the figures; whether nothing was lost that may not be.
    pub(super) fn report(&mut self) -> Result<bool> {
        let mut report = Report::new(self.name, self.options);
        self.report_setup(&mut report);
        self.report_counts(&mut report);
        self.report_rates(&mut report);
        if self.is_offline {
            self.report_absence(&mut report);
        }
        if let Some(error) = &self.traffic.error {
            report.set("first_error", error.as_str());
        }
        let is_kept = self.report_verdict(&mut report)?;
        report.print(self.options.json);
        Ok(is_kept && self.is_well())
    }

    fn report_setup(&self, report: &mut Report) {
        let subscribers = self.traffic.subscribers.len();
        let filters = self.figures.filters;
        report.set("payload", self.traffic.payload.len());
        report.set("publishers", self.traffic.publishers.len());
        report.set("subscribers", subscribers);
        report.set("filters", filters);
        if filters > subscribers {
            report.float("subscribe_per_s", filters as f64 / self.figures.subscribing_s);
        }
        if filters > subscribers && !self.options.pid.is_empty() {
            let cpu = self.figures.subscribing_cpu.max(1e-3);
            report.float("subscribe_per_broker_cpu_s", filters as f64 / cpu);
            let (before, after) = (self.figures.memory_before, self.figures.memory_subscribed);
            let grown = after.rss as f64 - before.rss as f64;
            report.float("rss_bytes_per_filter", grown / filters as f64);
        }
        if self.rate > 0.0 {
            report.float("offered_per_s", self.rate);
        }
    }

    fn report_counts(&self, report: &mut Report) {
        let counts = &self.traffic.counts;
        report.set("sent", counts.sent);
        report.set("received", counts.received);
        report.set("expected", counts.expected);
        report.set("lost", self.lost());
        report.set("surplus", counts.received.saturating_sub(counts.expected));
        report.set("out_of_order", counts.out_of_order);
        if self.options.qos > 0 {
            report.set("unacked", counts.sent.saturating_sub(counts.acknowledged));
        }
        report.set("disconnects", counts.disconnects);
        if self.options.endurance.reconnect {
            report.set("reconnects", self.traffic.outage.overcome);
        }
        if self.is_persistent {
            report.set("sessions_lost", counts.sessions_lost);
        }
    }

    fn report_rates(&self, report: &mut Report) {
        let (from, to) = (&self.figures.from, &self.figures.to);
        let seconds = (to.at_s - from.at_s).max(1e-9);
        let delivered = (to.counts.received - from.counts.received) as f64;
        let megabytes = delivered * self.traffic.payload.len() as f64 / 1e6;
        report.float("seconds", seconds);
        report.float("published_per_s", (to.counts.sent - from.counts.sent) as f64 / seconds);
        report.float("delivered_per_s", delivered / seconds);
        report.float("delivered_mb_per_s", megabytes / seconds);
        report.latency("latency", &self.traffic.latency);
        report.float("generator_cpu_s", to.own_cpu - from.own_cpu);
        if !self.options.pid.is_empty() {
            let cpu = to.broker_cpu - from.broker_cpu;
            report.float("broker_cpu_s", cpu);
            report.float("delivered_per_broker_cpu_s", delivered / cpu.max(1e-3));
            report.set("broker_rss_start", self.figures.memory_before.rss);
            report.set("broker_rss_end", procfs::memory(&self.options.pid).rss);
        }
    }

    fn report_absence(&self, report: &mut Report) {
        let figures = &self.figures;
        let acknowledged =
            (figures.to.counts.acknowledged - figures.from.counts.acknowledged) as f64;
        let seconds = (figures.to.at_s - figures.from.at_s).max(1e-9);
        report.float("acknowledged_per_s", acknowledged / seconds);
        let (from, to) = (&figures.back_from, &figures.back_to);
        let drained = (to.counts.received - from.counts.received) as f64;
        report.set("drained", drained as u64);
        report.float("drained_per_s", drained / (to.at_s - from.at_s).max(1e-9));
        if !self.options.pid.is_empty() {
            let cpu = figures.to.broker_cpu - figures.from.broker_cpu;
            report.float("acknowledged_per_broker_cpu_s", acknowledged / cpu.max(1e-3));
            let cpu = to.broker_cpu - from.broker_cpu;
            report.float("drained_per_broker_cpu_s", drained / cpu.max(1e-3));
        }
    }

    /// Adds what the ledger says; whether everything acknowledged arrived.
    fn report_verdict(&mut self, report: &mut Report) -> Result<bool> {
        let Some(ledger) = &mut self.traffic.ledger else { return Ok(true) };
        let verdict = ledger.verdict();
        ledger.finish(&verdict)?;
        report.set("acknowledged", verdict.acknowledged);
        report.set("acknowledged_lost", verdict.lost);
        report.set("duplicates", verdict.duplicates);
        if let Some(loss) = verdict.losses.first() {
            report.set("first_loss", loss.to_string());
        }
        Ok(verdict.lost == 0)
    }

    fn is_well(&self) -> bool {
        let is_strict = self.options.qos > 0 && self.options.sub_qos() > 0 || self.options.strict;
        if self.options.endurance.reconnect {
            return true;
        }
        self.traffic.counts.disconnects == 0 && (!is_strict || self.lost() == 0)
    }

    fn lost(&self) -> u64 {
        let counts = &self.traffic.counts;
        counts.expected.saturating_sub(counts.received)
    }
}

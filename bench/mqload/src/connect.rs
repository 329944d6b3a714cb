//! `connect`: opens many connections as fast as the broker takes them, then holds them.

use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;

use crate::clock;
use crate::conn::Target;
use crate::mqtt::Packet;
use crate::net::{Handler, Net};
use crate::options::Options;
use crate::procfs::{self, Memory};
use crate::report::{self, Report};

const POLL: Duration = Duration::from_millis(100);
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// Opens `count` connections and holds them for `hold_s`; whether all were let in.
pub(crate) fn run(options: &Options, target: &Target, count: usize, hold_s: f64) -> Result<bool> {
    let mut net = Net::new()?;
    let mut opening = Opening::new();
    let before = Spent::now(options);
    open(options, target, count, &mut net, &mut opening)?;
    let opened = Spent::now(options);
    hold(options, hold_s, &mut net, &mut opening)?;
    let held = Spent::now(options);
    report(options, &opening, &before, &opened, &held);
    net.say_goodbye(&mut opening);
    Ok(opening.accepted == count)
}

struct Opening {
    accepted: usize,
    failed: usize,
    first_error: Option<String>,
    latency: Histogram<u64>,
}

/// What the run had cost at one moment.
struct Spent {
    at: Instant,
    own_cpu: f64,
    broker_cpu: f64,
    memory: Memory,
}

impl Spent {
    fn now(options: &Options) -> Self {
        Self {
            memory: procfs::memory(&options.pid),
            broker_cpu: procfs::cpu(&options.pid),
            own_cpu: procfs::own_cpu(),
            at: clock::now(),
        }
    }
}

impl Opening {
    fn new() -> Self {
        Self { accepted: 0, failed: 0, first_error: None, latency: report::histogram() }
    }

    fn done(&self) -> usize {
        self.accepted + self.failed
    }
}

impl Handler for Opening {
    fn packet(&mut self, _: usize, started: Instant, packet: Packet<'_>, _: &mut Vec<u8>) {
        match packet {
            Packet::Connack { code: 0, .. } => {
                self.accepted += 1;
                self.latency.saturating_record(started.elapsed().as_nanos() as u64);
            }
            Packet::Connack { code, .. } => {
                self.failed += 1;
                self.first_error.get_or_insert(format!("CONNACK code {code}"));
            }
            _ => {}
        }
    }

    fn closed(&mut self, _: usize, why: String) {
        self.failed += 1;
        self.first_error.get_or_insert(why);
    }
}

fn open(
    options: &Options,
    target: &Target,
    count: usize,
    net: &mut Net,
    opening: &mut Opening,
) -> Result<()> {
    let mut progressed = (0, clock::now());
    while opening.done() < count {
        while net.conns.len() < count && net.conns.len() - opening.done() < options.concurrency {
            let client_id = format!("{}-c{}", options.client_prefix, net.conns.len());
            let hello = options.hello(&client_id, true);
            net.open(target, hello).context("could not open a connection")?;
        }
        net.poll(POLL, opening)?;
        if opening.done() != progressed.0 {
            progressed = (opening.done(), clock::now());
        } else if progressed.1.elapsed() > STALLED_AFTER {
            opening.first_error.get_or_insert("no progress for 30 s".to_owned());
            break;
        }
    }
    Ok(())
}

fn hold(options: &Options, hold_s: f64, net: &mut Net, opening: &mut Opening) -> io::Result<()> {
    let held_from = clock::now();
    let ping_every = Duration::from_secs((u64::from(options.keepalive) / 2).max(1));
    let mut pinged = clock::now();
    while held_from.elapsed().as_secs_f64() < hold_s {
        net.poll(POLL, opening)?;
        if pinged.elapsed() >= ping_every {
            pinged = clock::now();
            net.ping(opening);
        }
    }
    Ok(())
}

fn report(options: &Options, opening: &Opening, before: &Spent, opened: &Spent, held: &Spent) {
    let seconds = opened.at.duration_since(before.at).as_secs_f64();
    let accepted = opening.accepted as f64;
    let mut report = Report::new("connect", options);
    report.set("connections", opening.accepted);
    report.set("failed", opening.failed);
    report.float("seconds", seconds);
    report.float("connects_per_s", accepted / seconds);
    report.latency("connect", &opening.latency);
    report.float("generator_cpu_s", opened.own_cpu - before.own_cpu);
    if !options.pid.is_empty() {
        let cpu = opened.broker_cpu - before.broker_cpu;
        report.float("broker_cpu_s", cpu);
        report.float("connects_per_broker_cpu_s", accepted / cpu.max(1e-3));
        report_memory(&mut report, opening.accepted, before.memory, held.memory);
    }
    if let Some(error) = &opening.first_error {
        report.set("first_error", error.as_str());
    }
    report.print(options.json);
}

fn report_memory(report: &mut Report, accepted: usize, before: Memory, held: Memory) {
    let per = |after: u64, before: u64| (after as f64 - before as f64) / accepted.max(1) as f64;
    report.set("broker_rss_before", before.rss);
    report.set("broker_rss_after", held.rss);
    report.set("broker_pss_after", held.pss);
    report.float("rss_bytes_per_connection", per(held.rss, before.rss));
    report.float("pss_bytes_per_connection", per(held.pss, before.pss));
}

//! A load generator for MQTT brokers: one thread, one clock, every message accounted for.
//!
//! `README.md` says what the figures mean.

mod clock;
mod conn;
mod connect;
mod ledger;
mod mqtt;
mod net;
mod options;
mod plan;
mod procfs;
mod report;
mod template;
mod tls;
mod traffic;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::options::Options;

/// Offered by `latency` where no rate is given.
const LATENCY_RATE: f64 = 5000.0;

#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    scenario: Scenario,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Scenario {
    /// Open connections at the greatest rate, then hold them
    Connect {
        #[arg(long, default_value_t = 1000)]
        count: usize,
        /// Seconds to keep them open before reading memory
        #[arg(long, default_value_t = 2.0)]
        hold: f64,
    },
    /// Many publishers to one (or a few) subscribers on a wildcard
    Fanin {
        #[arg(long, default_value_t = 50)]
        pubs: usize,
        #[arg(long, default_value_t = 1)]
        subs: usize,
    },
    /// One publisher to many subscribers of its topic
    Fanout {
        #[arg(long, default_value_t = 100)]
        subs: usize,
    },
    /// Publisher/subscriber pairs, each with its own topic
    Pairs {
        #[arg(long, default_value_t = 100)]
        count: usize,
    },
    /// Pairs at a fixed offered rate (--rate, 5000 if not given)
    Latency {
        #[arg(long, default_value_t = 10)]
        count: usize,
    },
    /// Many exact and wildcard filters; every publish matches four of them
    Wild {
        #[arg(long, default_value_t = 100_000)]
        filters: usize,
        /// Clients that hold the filters
        #[arg(long, default_value_t = 2000)]
        clients: usize,
        #[arg(long, default_value_t = 4)]
        pubs: usize,
    },
    /// QoS 1 to sessions whose clients are away, which then come back for it
    Offline {
        #[arg(long, default_value_t = 64)]
        pubs: usize,
        /// Sessions; each has its share of the publishers
        #[arg(long, default_value_t = 64)]
        subs: usize,
    },
}

fn run(command_line: CommandLine) -> Result<bool> {
    let options = &command_line.options;
    procfs::raise_open_files();
    let target = options.target()?;
    if let Scenario::Connect { count, hold } = command_line.scenario {
        return connect::run(options, &target, count, hold);
    }
    let payload = options.payload()?;
    let mut rate = options.rate.unwrap_or(0.0);
    let plan = match command_line.scenario {
        Scenario::Connect { .. } => return Ok(true),
        Scenario::Fanin { pubs, subs } => plan::fanin(options, &payload, pubs, subs),
        Scenario::Fanout { subs } => plan::fanout(options, &payload, subs),
        Scenario::Pairs { count } => plan::pairs(options, &payload, "pairs", count),
        Scenario::Latency { count } => {
            rate = options.rate.unwrap_or(LATENCY_RATE);
            plan::pairs(options, &payload, "latency", count)
        }
        Scenario::Wild { filters, clients, pubs } => {
            plan::wild(options, &payload, filters, clients, pubs)?
        }
        Scenario::Offline { pubs, subs } => plan::offline(options, &payload, pubs, subs)?,
    };
    traffic::run(options, &target, &payload, plan, rate)
}

#[allow(clippy::print_stderr, reason = "why the run could not start")]
fn main() -> ExitCode {
    match run(CommandLine::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("mqload: {error:#}");
            ExitCode::from(2)
        }
    }
}

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
mod pace;
mod plan;
mod procfs;
mod report;
mod request;
mod template;
mod tls;
mod traffic;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::options::Options;
use crate::plan::Plan;
use crate::request::RequestOptions;
use crate::template::Payload;

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
    #[command(flatten)]
    Traffic(TrafficScenario),
    /// Clients that publish to one topic and await the answer on another
    Request(RequestOptions),
}

/// Publishers and subscribers.
#[derive(Subcommand)]
enum TrafficScenario {
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

impl TrafficScenario {
    fn plan(&self, options: &Options, payload: &Payload) -> Result<Plan> {
        Ok(match *self {
            Self::Fanin { pubs, subs } => plan::fanin(options, payload, pubs, subs),
            Self::Fanout { subs } => plan::fanout(options, payload, subs),
            Self::Pairs { count } => plan::pairs(options, payload, "pairs", count),
            Self::Latency { count } => plan::pairs(options, payload, "latency", count),
            Self::Wild { filters, clients, pubs } => {
                plan::wild(options, payload, filters, clients, pubs)?
            }
            Self::Offline { pubs, subs } => plan::offline(options, payload, pubs, subs)?,
        })
    }

    /// Publishes per second; 0 for as many as the windows allow.
    fn default_rate(&self) -> f64 {
        if matches!(self, Self::Latency { .. }) { LATENCY_RATE } else { 0.0 }
    }
}

fn run(command_line: &CommandLine) -> Result<bool> {
    let options = &command_line.options;
    procfs::raise_open_files();
    let target = options.target()?;
    match &command_line.scenario {
        Scenario::Connect { count, hold } => connect::run(options, &target, *count, *hold),
        Scenario::Request(asked) => request::run(options, &target, asked),
        Scenario::Traffic(scenario) => {
            let payload = options.payload()?;
            let plan = scenario.plan(options, &payload)?;
            let rate = options.rate.unwrap_or(scenario.default_rate());
            traffic::run(options, &target, &payload, plan, rate)
        }
    }
}

#[allow(clippy::print_stderr, reason = "why the run could not start")]
fn main() -> ExitCode {
    match run(&CommandLine::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("mqload: {error:#}");
            ExitCode::from(2)
        }
    }
}

//! Measures how many signed API requests per second a server answers, from outside.
//!
//! Requests are signed before the clock starts, so that the figure is the server's. It works
//! against anything that speaks AWS IoT's control plane, so that peers can be measured in the
//! same run.

mod client;
mod cpu;
mod report;
mod requests;

use std::ops::Range;
use std::process;
use std::rc::Rc;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::report::Report;
use crate::requests::{List, Signer};

/// Creations of a fleet that are signed at once; a signature is valid for minutes.
const SIGNED_AT_ONCE: usize = 100_000;

/// What is asked of the server.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Operation {
    /// A new thing with three attributes each time.
    CreateThing,
    /// Things that a short run of creations left.
    DescribeThing,
    /// As many things as `--fleet` says, each of a type and with attributes of its own.
    FillFleet,
    /// Things anywhere in a fleet.
    DescribeFleetThing,
    /// A page of a fleet's things.
    ListThings,
    /// A page of a fleet's things of one type.
    ListThingsOfType,
    /// A page of a fleet's things with one value of an attribute.
    ListThingsWithAttribute,
    /// A page of a fleet's things of one type and with one value of an attribute.
    ListThingsOfTypeWithAttribute,
    /// A new RSA key and its certificate each time.
    CreateKeysAndCertificate,
    /// A certificate each time for one signing request, whose key is on P-256.
    CreateCertificateFromCsr,
    /// Shadows of as many things as `--fleet` says, about a kilobyte each.
    FillShadows,
    /// As many shadows by name, of the things that `--holders` and `--holder` say.
    FillNamedShadows,
    /// Three values of one of those shadows.
    UpdateShadow,
    /// One of those shadows.
    GetShadow,
}

#[derive(Debug, Parser)]
#[command(about = "Signed API requests per second, from outside.")]
struct Options {
    /// The server's plain HTTP address.
    #[arg(long, default_value = "127.0.0.1:4566")]
    address: String,
    #[arg(long, value_enum)]
    operation: Operation,
    #[arg(long, env = "AWS_ACCESS_KEY_ID", default_value = "testing")]
    access_key: String,
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", default_value = "testing", hide_env_values = true)]
    secret_key: String,
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    region: String,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// How long at most.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// The server's process, to say how many it answered for each second of its CPU.
    #[arg(long)]
    pid: Option<u32>,
    /// The bar: so many for each second of the server's CPU.
    #[arg(long, requires = "pid")]
    at_least: Option<f64>,
    /// How many requests at most.
    #[arg(long, default_value_t = 200_000)]
    requests: usize,
    /// Things in a fleet.
    #[arg(long, default_value_t = 1000)]
    fleet: usize,
    /// Things that have the shadows by name.
    #[arg(long, default_value_t = 64)]
    holders: usize,
    /// What such a thing is called, but for its number.
    #[arg(long, default_value = "mqload-r")]
    holder: String,
}

#[allow(clippy::print_stdout, reason = "the figures are the program's output")]
fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", runtime.block_on(run(&options))?);
    Ok(())
}

async fn run(options: &Options) -> anyhow::Result<Report> {
    let env = env::Env::system();
    let signer = Signer::new(options, &env);
    let limit = Duration::from_secs(options.seconds);
    let measure = |requests| measure(options, requests, limit);
    let list = |list| signer.lists(options.requests, list);
    match options.operation {
        Operation::CreateThing => measure(signer.creations(options.requests)).await,
        Operation::DescribeThing => {
            let things = options.requests.min(1000);
            measure(signer.creations(things)).await?;
            measure(signer.descriptions(options.requests, things)).await
        }
        Operation::FillFleet => {
            fill(options, &env, signer.fleet_types(), |signer, numbers| signer.fleet(numbers)).await
        }
        Operation::DescribeFleetThing => {
            measure(signer.fleet_descriptions(options.requests, options.fleet)).await
        }
        Operation::FillShadows => {
            fill(options, &env, Vec::new(), |signer, numbers| signer.shadows(numbers)).await
        }
        Operation::FillNamedShadows => {
            let first = Vec::new();
            fill(options, &env, first, |signer, numbers| signer.named_shadows(numbers)).await
        }
        Operation::UpdateShadow => {
            measure(signer.shadow_updates(options.requests, options.fleet)).await
        }
        Operation::GetShadow => measure(signer.shadow_reads(options.requests, options.fleet)).await,
        Operation::ListThings => measure(list(List::All)).await,
        Operation::ListThingsOfType => measure(list(List::OfType)).await,
        Operation::ListThingsWithAttribute => measure(list(List::AtSite)).await,
        Operation::ListThingsOfTypeWithAttribute => measure(list(List::OfTypeAtSite)).await,
        Operation::CreateKeysAndCertificate => measure(signer.keys(options.requests)).await,
        Operation::CreateCertificateFromCsr => {
            measure(signer.signing_requests(options.requests)).await
        }
    }
}

/// Sends `requests`, and sees how much CPU the server uses meanwhile.
async fn measure(
    options: &Options,
    requests: Vec<Rc<[u8]>>,
    limit: Duration,
) -> anyhow::Result<Report> {
    let before = options.pid.map(cpu::used_s).transpose()?;
    let own_before = cpu::used_s(process::id())?;
    let mut report = client::measure(&options.address, requests, options.clients, limit).await?;
    if let (Some(pid), Some(before)) = (options.pid, before) {
        report.cpu_s = Some(cpu::used_s(pid)? - before);
        report.own_cpu_s = cpu::used_s(process::id())? - own_before;
        report.at_least = options.at_least;
    }
    Ok(report)
}

/// Makes what a fleet has, after what comes `first`, and reports of the last of it. Goes on where an
/// earlier run ended: what is there already is not made again.
#[allow(clippy::print_stderr, reason = "long work shows progress")]
async fn fill(
    options: &Options,
    env: &env::Env,
    first: Vec<Rc<[u8]>>,
    make: impl Fn(&Signer<'_>, Range<usize>) -> Vec<Rc<[u8]>>,
) -> anyhow::Result<Report> {
    let forever = Duration::from_secs(3600);
    let mut requests = first;
    let mut made = 0;
    loop {
        let report = client::measure(&options.address, requests, options.clients, forever).await?;
        anyhow::ensure!(report.is_all_well(), "a request was refused: {report}");
        eprintln!("{made} of {}: {report}", options.fleet);
        if made == options.fleet {
            return Ok(report);
        }
        let next = options.fleet.min(made + SIGNED_AT_ONCE);
        requests = make(&Signer::new(options, env), made..next);
        made = next;
    }
}

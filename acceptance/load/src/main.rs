//! Measures how many signed API requests per second a server answers, from outside.
//!
//! Requests are signed before the clock starts, so that the figure is the server's. It works
//! against anything that speaks AWS IoT's control plane, so that peers can be measured in the
//! same run.

mod client;
mod report;
mod requests;

use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::report::Report;
use crate::requests::Signer;

/// What is asked of the server.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Operation {
    /// A new thing with three attributes each time.
    CreateThing,
    /// Things that a short run of creations left.
    DescribeThing,
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
    /// How many requests at most.
    #[arg(long, default_value_t = 200_000)]
    requests: usize,
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
    let address = options.address.as_str();
    match options.operation {
        Operation::CreateThing => {
            let requests = signer.creations(options.requests);
            client::measure(address, requests, options.clients, limit).await
        }
        Operation::DescribeThing => {
            let things = options.requests.min(1000);
            client::measure(address, signer.creations(things), options.clients, limit).await?;
            let requests = signer.descriptions(options.requests, things);
            client::measure(address, requests, options.clients, limit).await
        }
    }
}

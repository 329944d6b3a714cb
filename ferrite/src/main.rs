//! Ferrite: AWS IoT that you run yourself. This is the command.

mod addresses;
mod admin;
mod backup;
mod banner;
mod certificate_files;
mod client;
mod commands;
mod config;
mod credentials;
mod device;
mod door_log;
mod entrance;
mod environment;
mod explain;
mod features;
mod logging;
mod mqtt_client;
mod pubsub;
mod rhythm;
mod root_ca;
mod rule_commands;
mod serve;
mod server_identity;
mod shell;
mod target_commands;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use types::AccountId;

use crate::config::{Config, Sources};

/// Messages are allocated by one thread and freed by another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// AWS IoT that you run yourself.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    settings: Settings,
}

/// Where settings come from, besides the environment (`FERRITE_SECTION__KEY`).
#[derive(Args)]
struct Settings {
    /// Where the server keeps its files [default: data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The settings file [default: ferrite.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting, such as listen.http=127.0.0.1:4566
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server
    Serve {
        /// Accept any access key, on loopback only; POST /_ferrite/v1/reset empties everything
        #[arg(long)]
        dev: bool,
    },
    /// Print the environment that leads AWS tools here: eval "$(ferrite env)"
    Env,
    /// Create and delete devices: a thing, its certificate and its policy in one step
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Publish one message
    Pub {
        /// Where
        topic: String,
        /// What; standard input if there is none
        message: Option<String>,
        #[command(flatten)]
        options: pubsub::Options,
    },
    /// Subscribe, and print each message as a line: its topic, its payload
    Sub {
        /// A topic, or a filter such as 'pump/#'
        filter: String,
        /// End after so many messages
        #[arg(long, value_name = "N")]
        count: Option<u64>,
        #[command(flatten)]
        options: pubsub::Options,
    },
    /// Say whether a client may do something, and which statement of which policy decides
    Explain {
        #[command(flatten)]
        options: explain::Options,
    },
    /// Show what happened to devices lately, the newest last
    DeviceLog {
        /// Only of this client
        #[arg(long, value_name = "ID")]
        client_id: Option<String>,
        /// So many events
        #[arg(long, value_name = "N", default_value_t = 50)]
        max: u32,
    },
    /// Try a rule before it runs
    #[command(subcommand)]
    Rule(RuleCommand),
    /// See what rules could not do
    #[command(subcommand)]
    Rules(RulesCommand),
    /// See what stands for AWS's services here, and what rules sent there
    #[command(subcommand)]
    Targets(target_commands::Targets),
    /// Create and list accounts
    #[command(subcommand)]
    Account(AccountCommand),
    /// Create, list and delete access keys
    #[command(subcommand)]
    AccessKey(AccessKeyCommand),
    /// Copy the running server's data into a new directory
    Backup {
        /// Made by the server, for itself alone; it must be empty or not be there
        directory: PathBuf,
        /// Copy the key file too: whoever has the backup can then read its secrets
        #[arg(long)]
        with_keys: bool,
    },
    /// Make a new data directory (--data-dir) from a backup
    Restore {
        /// What `ferrite backup` made
        directory: PathBuf,
    },
}

#[derive(Subcommand)]
enum DeviceCommand {
    /// Create a device, with a folder that holds all that it needs to connect
    Create {
        /// What the thing is called, and the client id
        name: String,
        /// An AWS IoT policy to use as it is; without one the device gets its own topics alone
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// Where to put the files [default: a new folder NAME]
        #[arg(long, value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Delete a device's thing, its certificates and its policy
    Delete {
        /// What the thing is called
        name: String,
    },
}

#[derive(Subcommand)]
enum RuleCommand {
    /// Say what a statement selects of a message, or of those that come; why not; and what actions
    /// would send
    Test(rule_commands::Trial),
}

#[derive(Subcommand)]
enum RulesCommand {
    /// Messages that no action of a rule has taken
    #[command(subcommand)]
    DeadLetters(rule_commands::DeadLetters),
}

#[derive(Subcommand)]
enum AccountCommand {
    /// Create an account with its root access key
    Create {
        /// Twelve digits; random if none are given
        id: Option<AccountId>,
        /// What people call it
        #[arg(long)]
        name: Option<String>,
    },
    /// List all accounts
    List,
}

#[derive(Subcommand)]
enum AccessKeyCommand {
    /// Create an access key; its secret is shown this once
    Create {
        /// Whose it is; the server's own account if none is given
        #[arg(long, value_name = "ID")]
        account: Option<AccountId>,
        /// The user's name; the key's id if it has a policy and no name
        #[arg(long)]
        name: Option<String>,
        /// An IAM policy that limits the key; without one it may do everything
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
    },
    /// List access keys, without their secrets
    List {
        /// Whose; the server's own account if none is given
        #[arg(long, value_name = "ID")]
        account: Option<AccountId>,
    },
    /// Delete an access key
    Delete {
        /// AKIA…
        id: String,
    },
}

fn main() -> ExitCode {
    let Cli { command, settings } = Cli::parse();
    match run(command, settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, settings: Settings) -> anyhow::Result<()> {
    let Settings { data_dir, config, set } = settings;
    let is_data_dir_named = data_dir.is_some();
    let is_dev = matches!(command, Command::Serve { dev: true });
    let sources = Sources { file: config, set, data_dir, variables: variables(), is_dev };
    let config = Config::load(sources)?;
    match command {
        Command::Serve { dev } => serve::run(config, dev),
        Command::Env => environment::print(&config),
        Command::Device(DeviceCommand::Create { name, policy, folder }) => {
            device::create(&config, &device::Order { name, policy, folder })
        }
        Command::Device(DeviceCommand::Delete { name }) => device::delete(&config, &name),
        Command::Pub { topic, message, options } => {
            pubsub::publish(&config, &topic, message, &options)
        }
        Command::Sub { filter, count, options } => {
            pubsub::subscribe(&config, &filter, count, &options)
        }
        Command::Explain { options } => explain::explain(&config, options),
        Command::DeviceLog { client_id, max } => {
            explain::device_log(&config, client_id.as_deref(), max)
        }
        Command::Rule(RuleCommand::Test(trial)) => rule_commands::test(&config, &trial),
        Command::Rules(RulesCommand::DeadLetters(command)) => {
            rule_commands::dead_letters(&config, command)
        }
        Command::Targets(command) => target_commands::run(&config, command),
        Command::Account(AccountCommand::Create { id, name }) => {
            commands::create_account(&config, id, name)
        }
        Command::Account(AccountCommand::List) => commands::list_accounts(&config),
        Command::AccessKey(AccessKeyCommand::Create { account, name, policy }) => {
            commands::create_access_key(&config, account, name, policy)
        }
        Command::AccessKey(AccessKeyCommand::List { account }) => {
            commands::list_access_keys(&config, account)
        }
        Command::AccessKey(AccessKeyCommand::Delete { id }) => {
            commands::delete_access_key(&config, &id)
        }
        Command::Backup { directory, with_keys } => {
            commands::backup(&config, &directory, with_keys)
        }
        Command::Restore { directory } if is_data_dir_named => backup::restore(&directory, &config),
        Command::Restore { .. } => {
            anyhow::bail!(
                "say where the restored data is to live: ferrite restore DIR --data-dir NEW"
            )
        }
    }
}

/// The process's environment, as far as it is text.
fn variables() -> Vec<(String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

#[allow(clippy::print_stderr, reason = "a command's errors are for the terminal")]
fn complain(error: &anyhow::Error) {
    eprintln!("ferrite: {error:#}");
}

//! Ferrite: AWS IoT that you run yourself. This is the command.

mod addresses;
mod admin;
mod backup;
mod banner;
mod client;
mod commands;
mod config;
mod credentials;
mod entrance;
mod environment;
mod features;
mod logging;
mod root_ca;
mod serve;
mod server_identity;
mod shell;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use types::AccountId;

use crate::config::{Config, Sources};

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

//! `cargo xtask tidy` and `cargo xtask release VERSION DATE`.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Result, bail};
use xtask::{changelog, tidy, workspace};

const USAGE: &str = "usage: cargo xtask tidy | cargo xtask release VERSION YYYY-MM-DD";

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy(),
        ["release", version, date] => {
            changelog::release(&workspace::root(), version, date)?;
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!(USAGE),
    }
}

/// Prints what is untidy; nothing is success.
fn tidy() -> Result<ExitCode> {
    let problems = tidy::check(&workspace::root())?;
    for problem in &problems {
        writeln!(io::stdout(), "{problem}")?;
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

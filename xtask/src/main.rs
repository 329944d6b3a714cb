//! `cargo xtask tidy` and `cargo xtask release VERSION DATE`.

use std::io::{self, Write};

use anyhow::{Result, bail};
use xtask::{changelog, tidy, workspace};

const USAGE: &str = "usage: cargo xtask tidy | cargo xtask release VERSION YYYY-MM-DD";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy(),
        ["release", version, date] => changelog::release(&workspace::root(), version, date),
        _ => bail!(USAGE),
    }
}

fn tidy() -> Result<()> {
    let problems = tidy::check(&workspace::root())?;
    for problem in &problems {
        writeln!(io::stdout(), "{problem}")?;
    }
    match problems.len() {
        0 => Ok(()),
        count => bail!("{count} untidy places"),
    }
}

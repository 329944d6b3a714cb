//! The start-up block: where everything is and what to type next, in one screen.
#![allow(clippy::print_stdout, reason = "the block is for whoever started the server")]

use std::fmt::Write as _;
use std::path::Path;

use crate::root_ca;

/// What the block tells.
pub(crate) struct Facts<'f> {
    pub(crate) url: &'f str,
    pub(crate) data_dir: &'f Path,
    pub(crate) store_url: &'f str,
    pub(crate) account: &'f str,
    pub(crate) region: &'f str,
    pub(crate) files_max: u64,
    pub(crate) started_in_ms: u128,
    pub(crate) is_dev: bool,
}

/// Prints the block.
pub(crate) fn print(facts: &Facts<'_>) {
    println!("{}", text(facts));
}

fn text(facts: &Facts<'_>) -> String {
    let Facts { url, account, region, started_in_ms, .. } = facts;
    let data_dir = facts.data_dir.display();
    let mut text = format!("\nFerrite is ready ({started_in_ms} ms)\n\n");
    let rows = [
        ("API", format!("{url}   all services, /_ferrite/health, /_ferrite/ready, /metrics")),
        ("account", format!("{account} in {region}; a request's region is that of its signature")),
        ("data", data_dir.to_string()),
        ("store", store_name(facts.store_url).to_owned()),
        ("access key", format!("{data_dir}/credentials")),
        ("root CA", root_ca::path(facts.data_dir).display().to_string()),
        ("open files", facts.files_max.to_string()),
    ];
    for (name, value) in rows {
        writeln!(text, "  {name:<12}{value}").expect("a string takes text");
    }
    writeln!(
        text,
        "\nOnly this machine reaches a loopback address. To let others in: \
         --set listen.http=0.0.0.0:4566\n\nTry next, in another terminal:\n\n  \
         eval \"$(ferrite env --data-dir {data_dir})\"\n  \
         aws iot create-thing --thing-name pump\n  \
         aws iot list-things"
    )
    .expect("a string takes text");
    if facts.is_dev {
        text.push_str(
            "\n*** --dev: any access key is accepted and no signature is checked. Twelve digits as \
             the key's\n*** id choose the account. POST /_ferrite/v1/reset empties everything. Not \
             for production.\n",
        );
    }
    text
}

/// The URL without the password that it may hold.
fn store_name(url: &str) -> &str {
    if url.starts_with("postgres") {
        url.rsplit_once('@').map_or("postgres", |(_, place)| place)
    } else {
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts<'static> {
        Facts {
            url: "http://127.0.0.1:4566",
            data_dir: Path::new("data"),
            store_url: "postgres://me:secret@db:5432/ferrite",
            account: "000000000000",
            region: "us-east-1",
            files_max: 1024,
            started_in_ms: 42,
            is_dev: false,
        }
    }

    #[test]
    fn the_block_fits_a_screen_and_shows_no_password() {
        let text = text(&facts());
        assert!(text.lines().count() <= 24, "{text}");
        assert!(text.contains("db:5432/ferrite") && !text.contains("secret@"), "{text}");
        assert!(!text.contains("--dev"));
    }

    #[test]
    fn dev_says_what_it_does() {
        assert!(text(&Facts { is_dev: true, ..facts() }).contains("any access key is accepted"));
    }
}

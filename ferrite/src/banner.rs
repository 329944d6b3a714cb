//! The start-up block: where everything is and what to type next, in one screen.
#![allow(clippy::print_stdout, reason = "the block is for whoever started the server")]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use crate::addresses::Addresses;
use crate::credentials::{local, local_url};
use crate::{root_ca, shell};

/// What the block tells.
pub(crate) struct Facts<'f> {
    pub(crate) addresses: &'f Addresses,
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
    let mut text = format!("\nFerrite is ready ({} ms)\n\n", facts.started_in_ms);
    for (name, value) in doors(facts.addresses).into_iter().chain(places(facts)) {
        writeln!(text, "  {name:<12}{value}").expect("a string takes text");
    }
    // Under --dev others are never let in.
    let setting = setting_to_let_others_in(facts.addresses).filter(|_| !facts.is_dev);
    if let Some(setting) = setting {
        writeln!(
            text,
            "\nOnly this machine reaches a loopback address. To let others in: --set {setting}"
        )
        .expect("a string takes text");
    }
    text.push_str("\nTry next, in another terminal:\n\n");
    for line in next_commands(facts.data_dir) {
        writeln!(text, "  {line}").expect("a string takes text");
    }
    if facts.is_dev {
        text.push_str(
            "\n*** --dev: any access key is accepted and no signature is checked. Twelve digits as \
             the key's\n*** id choose the account. POST /_ferrite/v1/reset empties everything. Not \
             for production.\n",
        );
    }
    text
}

/// A row for each door that is open.
fn doors(addresses: &Addresses) -> Vec<(&'static str, String)> {
    let url = local_url(addresses.http);
    let mut rows = vec![("API", format!("{url}   /_ferrite/health, /_ferrite/ready, /metrics"))];
    let mut row = |name, address: Option<SocketAddr>, scheme: &str, what: &str| {
        if let Some(address) = address {
            rows.push((name, format!("{scheme}{}   {what}", local(address))));
        }
    };
    row("HTTPS", addresses.https, "https://", "the same over TLS; MQTT with ALPN x-amzn-mqtt-ca");
    row("MQTT", addresses.mqtts, "", "TLS, with a device's certificate");
    row("plain MQTT", addresses.mqtt, "", "no TLS, no certificate");
    rows
}

fn places(facts: &Facts<'_>) -> [(&'static str, String); 6] {
    let Facts { account, region, files_max, .. } = facts;
    let data_dir = facts.data_dir.display();
    [
        ("account", format!("{account} in {region}; a request's region is that of its signature")),
        ("data", data_dir.to_string()),
        ("store", store_name(facts.store_url).to_owned()),
        ("access key", format!("{data_dir}/credentials")),
        ("root CA", root_ca::path(facts.data_dir).display().to_string()),
        ("open files", files_max.to_string()),
    ]
}

/// The line to change for the first door that devices want, if it is on loopback.
fn setting_to_let_others_in(addresses: &Addresses) -> Option<String> {
    let doors = [("listen.mqtts", addresses.mqtts), ("listen.http", Some(addresses.http))];
    let mut loopback = doors.into_iter().filter_map(|(name, address)| {
        address.filter(|address| address.ip().is_loopback()).map(|address| (name, address.port()))
    });
    loopback.next().map(|(name, port)| format!("{name}=0.0.0.0:{port}"))
}

/// What a newcomer types, ready to be pasted.
fn next_commands(data_dir: &Path) -> [String; 3] {
    let (program, option) = (shell::program(), shell::data_dir_option(data_dir));
    [
        format!("eval \"$({program} env{option})\""),
        format!("{program} device create pump{option}"),
        format!("{program} sub 'pump/#' --device pump{option}"),
    ]
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

    fn addresses() -> Addresses {
        let address = |text: &str| text.parse().unwrap();
        Addresses {
            http: address("127.0.0.1:4566"),
            https: Some(address("127.0.0.1:8443")),
            mqtts: Some(address("127.0.0.1:8883")),
            mqtt: Some(address("127.0.0.1:1883")),
        }
    }

    fn facts(addresses: &Addresses) -> Facts<'_> {
        Facts {
            addresses,
            data_dir: Path::new("my data"),
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
        let addresses = addresses();
        // The path of the test itself may be of any length.
        let text = text(&facts(&addresses)).replace(&shell::program(), "ferrite");
        assert!(text.lines().count() <= 24, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(text.contains("db:5432/ferrite") && !text.contains("secret@"), "{text}");
        assert!(!text.contains("--dev:"));
    }

    #[test]
    fn only_doors_that_are_open_are_shown() {
        let all = addresses();
        let everything = text(&facts(&all));
        for door in ["http://127.0.0.1:4566", "https://127.0.0.1:8443", ":8883", ":1883"] {
            assert!(everything.contains(door), "{door}\n{everything}");
        }
        let few = Addresses { https: None, mqtt: None, ..all };
        let text = text(&facts(&few));
        assert!(!text.contains("8443") && !text.contains("1883"), "{text}");
    }

    #[test]
    fn the_commands_can_be_pasted() {
        let text = text(&facts(&addresses()));
        for line in ["device create pump --data-dir 'my data'", "env --data-dir 'my data')\""] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn the_line_to_change_is_that_of_a_door_on_loopback() {
        let mut addresses = addresses();
        let line = |addresses: &Addresses| setting_to_let_others_in(addresses);
        assert_eq!(line(&addresses).unwrap(), "listen.mqtts=0.0.0.0:8883");
        addresses.mqtts = "0.0.0.0:8883".parse().ok();
        assert_eq!(line(&addresses).unwrap(), "listen.http=0.0.0.0:4566");
        addresses.http = "0.0.0.0:4566".parse().unwrap();
        assert_eq!(line(&addresses), None);
    }

    #[test]
    fn dev_says_what_it_does() {
        let addresses = addresses();
        let text = text(&Facts { is_dev: true, ..facts(&addresses) });
        assert!(text.contains("any access key is accepted") && !text.contains("0.0.0.0"), "{text}");
    }
}

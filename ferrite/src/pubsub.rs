//! `ferrite pub` and `ferrite sub`: what a device can do, from a terminal.
#![allow(clippy::print_stdout, reason = "commands answer on the terminal")]

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use mqtt::{Publish, QoS};
use tokio::time::{Instant, interval_at};

use crate::addresses::Addresses;
use crate::config::Config;
use crate::device::Folder;
use crate::explain::{self, Question};
use crate::mqtt_client::{Client, Denied, PING_INTERVAL, Place};

/// What AWS takes as a payload.
const PAYLOAD_BYTES_MAX: u64 = 128 * 1024;

/// Who connects, and how surely messages go.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The folder that `ferrite device create` made; the plain door if none is given
    #[arg(long, value_name = "FOLDER")]
    device: Option<std::path::PathBuf>,
    /// 0: at most once, 1: at least once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=1))]
    qos: u8,
    /// Who connects [default: the device's name with -pub or -sub]
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
}

impl Options {
    fn qos(&self) -> QoS {
        if self.qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce }
    }
}

/// `ferrite pub`. Without a message it sends what comes on standard input.
pub(crate) fn publish(
    config: &Config,
    topic: &str,
    message: Option<String>,
    options: &Options,
) -> anyhow::Result<()> {
    let payload = message.map_or_else(read_payload, |message| Ok(message.into()))?;
    let who = Who::find(config, options, "pub")?;
    who.run(config, async {
        let mut client = Client::connect(&who.place, &who.client_id).await?;
        let published = client.publish(topic, payload, options.qos()).await;
        client.disconnect().await;
        published
    })
}

/// `ferrite sub`: prints messages until there were `count`, or Ctrl-C.
pub(crate) fn subscribe(
    config: &Config,
    filter: &str,
    count: Option<u64>,
    options: &Options,
) -> anyhow::Result<()> {
    let who = Who::find(config, options, "sub")?;
    who.run(config, async {
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        let mut client = tokio::select! {
            client = connect_and_subscribe(&who, filter, options.qos()) => client?,
            _ = &mut interrupt => return Ok(()),
        };
        let ended = tokio::select! {
            ended = print_messages(&mut client, count) => ended,
            _ = &mut interrupt => Ok(()),
        };
        client.disconnect().await;
        ended
    })
}

async fn connect_and_subscribe(who: &Who, filter: &str, qos: QoS) -> anyhow::Result<Client> {
    let mut client = Client::connect(&who.place, &who.client_id).await?;
    if let Err(error) = client.subscribe(filter, qos).await {
        client.disconnect().await;
        return Err(error);
    }
    if io::stderr().is_terminal() {
        say(&format!("subscribed to {filter} as {}; Ctrl-C ends", who.client_id));
    }
    Ok(client)
}

async fn print_messages(client: &mut Client, count: Option<u64>) -> anyhow::Result<()> {
    let mut left = count;
    let mut ping = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
    while left != Some(0) {
        let message = tokio::select! {
            message = client.message() => message?,
            _ = ping.tick() => {
                client.ping().await?;
                continue;
            }
        };
        if !print(&message)? {
            return Ok(());
        }
        client.acknowledge(&message).await?;
        left = left.map(|left| left - 1);
    }
    Ok(())
}

/// Prints one message; false once nobody reads any more.
fn print(message: &Publish) -> io::Result<bool> {
    let mut stdout = io::stdout().lock();
    let line = format!("{} {}\n", message.topic, text(&message.payload));
    match stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// A payload for a terminal: as it is, or in Base64 if it is no text.
fn text(payload: &[u8]) -> String {
    match std::str::from_utf8(payload) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("base64:{}", STANDARD.encode(payload)),
    }
}

fn read_payload() -> anyhow::Result<Bytes> {
    let stdin = io::stdin();
    ensure!(!stdin.is_terminal(), "there is no message: add it, or pipe it in");
    let mut payload = Vec::new();
    stdin.lock().take(PAYLOAD_BYTES_MAX + 1).read_to_end(&mut payload)?;
    let is_small = u64::try_from(payload.len()).is_ok_and(|bytes| bytes <= PAYLOAD_BYTES_MAX);
    ensure!(is_small, "a message has at most {PAYLOAD_BYTES_MAX} bytes");
    Ok(payload.into())
}

/// A client before it has connected.
struct Who {
    place: Place,
    client_id: String,
}

impl Who {
    fn find(config: &Config, options: &Options, purpose: &str) -> anyhow::Result<Self> {
        let place = match options.device.as_deref() {
            Some(folder) => device(folder)?,
            None => plain(config)?,
        };
        let client_id = options.client_id.clone().unwrap_or_else(|| match &place {
            Place::Device(_, device) => format!("{}-{purpose}", device.client_id),
            Place::Plain(_) => format!("ferrite-{purpose}-{}", std::process::id()),
        });
        Ok(Self { place, client_id })
    }

    /// Runs to the end. A refusal comes with the server's own explanation, if it can be had.
    fn run(
        &self,
        config: &Config,
        work: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let Err(error) = runtime.block_on(work) else { return Ok(()) };
        let Some(denied) = error.downcast_ref::<Denied>() else { return Err(error) };
        let reasons = explain::reasons(config, &self.question(denied));
        anyhow::bail!("{denied}{}", indented(&reasons))
    }

    fn question(&self, denied: &Denied) -> Question {
        let certificate_id = match &self.place {
            Place::Device(_, device) => Some(device.certificate_id.clone()),
            Place::Plain(_) => None,
        };
        Question {
            client_id: self.client_id.clone(),
            action: denied.action.to_owned(),
            resource: denied.resource.clone(),
            certificate: certificate_id,
            thing: None,
        }
    }
}

fn device(folder: &Path) -> anyhow::Result<Place> {
    let (folder, device) = Folder::open(folder)?;
    Ok(Place::Device(folder, device))
}

fn plain(config: &Config) -> anyhow::Result<Place> {
    let address = Addresses::find(config)?.mqtt.context(
        "the server has no plain door for MQTT: name a device's folder with --device, or start \
         the server with --dev",
    )?;
    Ok(Place::Plain(address))
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  {line}")).collect()
}

#[allow(clippy::print_stderr, reason = "standard output is for messages")]
fn say(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_shown_in_base64() {
        assert_eq!(text("ü".as_bytes()), "ü");
        assert_eq!(text(&[0xff, 0x00]), "base64:/wA=");
    }
}

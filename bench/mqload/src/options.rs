//! What the command line says, but for the scenario.

use std::net::ToSocketAddrs;

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::RangedU64ValueParser;

use crate::conn::Target;
use crate::mqtt::Connect;
use crate::template::Payload;
use crate::tls;

/// Options that all scenarios share.
#[derive(Args)]
#[command(next_display_order = 100)]
pub(crate) struct Options {
    #[arg(long, global = true, default_value = "127.0.0.1")]
    pub(crate) host: String,
    #[arg(long, global = true, default_value_t = 1883)]
    pub(crate) port: u16,
    /// Measured seconds
    #[arg(long, global = true, default_value_t = 10.0)]
    pub(crate) duration: f64,
    /// Seconds of load before measuring
    #[arg(long, global = true, default_value_t = 1.0)]
    pub(crate) warmup: f64,
    /// Seconds to wait for outstanding messages at the end
    #[arg(long, global = true, default_value_t = 5.0)]
    pub(crate) drain: f64,
    /// Payload bytes, at least 16
    #[arg(long, global = true, default_value_t = 256)]
    pub(crate) payload_size: usize,
    #[arg(long, global = true, default_value_t = 0, value_parser = qos())]
    pub(crate) qos: u8,
    /// QoS of subscriptions, if not that of publishes
    #[arg(long, global = true, value_parser = qos())]
    pub(crate) sub_qos: Option<u8>,
    /// Unacknowledged QoS 1 publishes per publisher
    #[arg(long, global = true, default_value_t = 100)]
    pub(crate) inflight: u64,
    /// Undelivered messages per subscriber, shared by the publishers it hears
    #[arg(long, global = true, default_value_t = 500)]
    pub(crate) window: u64,
    /// Most bytes one publisher queues before the next gets its turn
    #[arg(long, global = true, default_value_t = 65536)]
    pub(crate) batch_bytes: usize,
    /// Total publishes per second (0: as many as the windows allow)
    #[arg(long, global = true)]
    pub(crate) rate: Option<f64>,
    #[arg(long, global = true)]
    pub(crate) username: Option<String>,
    #[arg(long, global = true)]
    pub(crate) password: Option<String>,
    #[arg(long, global = true, default_value = "mqload")]
    pub(crate) client_prefix: String,
    #[arg(long, global = true, default_value = "bench")]
    pub(crate) topic_prefix: String,
    /// Keep-alive seconds announced
    #[arg(long, global = true, default_value_t = 1200)]
    pub(crate) keepalive: u16,
    /// Connections being opened at once
    #[arg(long, global = true, default_value_t = 64)]
    pub(crate) concurrency: usize,
    /// Loopback source addresses 127.0.0.1.. to connect from
    #[arg(long, global = true, default_value_t = 8)]
    pub(crate) sources: u32,
    /// Filters per SUBSCRIBE packet
    #[arg(long, global = true, default_value_t = 8)]
    pub(crate) filters_per_packet: usize,
    /// Seconds allowed for connecting and subscribing
    #[arg(long, global = true, default_value_t = 60)]
    pub(crate) setup_timeout: u64,
    /// Broker process to read CPU and memory of; repeatable
    #[arg(long, global = true)]
    pub(crate) pid: Vec<u32>,
    /// Print one JSON line on standard output and the table on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Fail on lost messages at QoS 0 too
    #[arg(long, global = true)]
    pub(crate) strict: bool,
    /// Publish the content of this file; it says {stamp} where 32 digits go that tell messages apart
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) payload_file: Option<String>,
    /// Tell on standard error every second how far it is
    #[arg(long, global = true)]
    pub(crate) progress: bool,
    #[command(flatten)]
    pub(crate) endurance: EnduranceOptions,
    #[command(flatten)]
    pub(crate) tls: TlsOptions,
}

/// What outlasts a connection, or the server.
#[derive(Args)]
pub(crate) struct EnduranceOptions {
    /// Subscribers keep their sessions when they lose their connection
    #[arg(long, global = true)]
    pub(crate) persistent: bool,
    /// Open lost connections again, and publish again what was not acknowledged
    #[arg(long, global = true)]
    pub(crate) reconnect: bool,
    /// Seconds without the broker before giving up
    #[arg(long, global = true, default_value_t = 60)]
    pub(crate) reconnect_timeout: u64,
    /// Write who was promised and who got which message, and fail if one is lost (QoS 1)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ledger: Option<String>,
    /// Send until standard input ends, and not for --duration
    #[arg(long, global = true)]
    pub(crate) until_eof: bool,
}

/// How connections are secured.
#[derive(Args)]
pub(crate) struct TlsOptions {
    #[arg(long, global = true)]
    pub(crate) tls: bool,
    /// CA file in PEM; without it any server certificate is accepted
    #[arg(long, global = true)]
    pub(crate) cafile: Option<String>,
    #[arg(long, global = true)]
    pub(crate) cert: Option<String>,
    #[arg(long, global = true)]
    pub(crate) key: Option<String>,
    /// Name expected in the server certificate, if not the host
    #[arg(long, global = true)]
    pub(crate) server_name: Option<String>,
    #[arg(long, global = true)]
    pub(crate) alpn: Option<String>,
    /// Let TLS sessions resume (off, so that every handshake is a full one)
    #[arg(long, global = true)]
    pub(crate) tls_resume: bool,
}

impl Options {
    /// Where connections go.
    pub(crate) fn target(&self) -> Result<Target> {
        let addr = (self.host.as_str(), self.port)
            .to_socket_addrs()
            .with_context(|| format!("could not find {}", self.host))?
            .next()
            .with_context(|| format!("{} has no address", self.host))?;
        let tls = tls::from_options(self)?;
        Ok(Target { addr, tls, sources: self.sources.clamp(1, 250) })
    }

    /// The QoS of subscriptions.
    pub(crate) fn sub_qos(&self) -> u8 {
        self.sub_qos.unwrap_or(self.qos)
    }

    /// What is published.
    pub(crate) fn payload(&self) -> Result<Payload> {
        match &self.payload_file {
            Some(path) => Payload::from_file(path),
            None => Payload::made_up(self.payload_size),
        }
    }

    /// The CONNECT of a client.
    pub(crate) fn hello(&self, client_id: &str, is_clean: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let connect = Connect {
            client_id,
            is_clean,
            keep_alive_s: self.keepalive,
            username: self.username.as_deref(),
            password: self.password.as_deref(),
        };
        connect.append(&mut out);
        out
    }
}

fn qos() -> RangedU64ValueParser<u8> {
    RangedU64ValueParser::new().range(0..=1)
}

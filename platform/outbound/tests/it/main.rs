//! The client against servers that are slow, wrong, hostile or simply there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod addresses;
mod connections;
mod failures;
mod requests;
mod server;
mod tls;

use bytes::Bytes;
use env::Env;
use ferrite_outbound::{Client, Request, Settings, Url};

/// A client that may reach servers on this machine, with some settings different.
pub(crate) fn client(env: &Env, change: impl FnOnce(&mut Settings)) -> Client {
    let mut settings = Settings { system_roots: false, ..Settings::default() };
    settings.allow.push("127.0.0.0/8".to_owned());
    change(&mut settings);
    Client::new(&settings, env).unwrap()
}

pub(crate) fn post(url: &str, body: &'static str) -> Request {
    Request::post(Url::parse(url).unwrap(), Bytes::from_static(body.as_bytes()))
}

//! The requests, signed and written out as bytes.

use sigv4::{Credentials, Payload, Request, Scope};
use types::Timestamp;

use crate::Options;

/// Signs requests as one principal at one moment.
pub(crate) struct Signer<'o> {
    options: &'o Options,
    now: Timestamp,
    /// Keeps the things of two runs apart.
    run: u32,
}

impl<'o> Signer<'o> {
    pub(crate) fn new(options: &'o Options, env: &env::Env) -> Self {
        let run = u32::from_be_bytes(env.random.bytes());
        Self { options, now: env.clock.now(), run }
    }

    /// `count` new things.
    pub(crate) fn creations(&self, count: usize) -> Vec<Vec<u8>> {
        let body = br#"{"attributePayload":{"attributes":{"model":"m1","serial":"s-123456","site":"north"}}}"#;
        (0..count).map(|n| self.request("POST", &self.path(n), body)).collect()
    }

    /// `count` descriptions of the first `things` creations.
    pub(crate) fn descriptions(&self, count: usize, things: usize) -> Vec<Vec<u8>> {
        let distinct: Vec<_> =
            (0..things).map(|n| self.request("GET", &self.path(n), b"")).collect();
        distinct.into_iter().cycle().take(count).collect()
    }

    fn path(&self, n: usize) -> String {
        format!("/things/load-{:08x}-{n}", self.run)
    }

    fn request(&self, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
        let options = self.options;
        let host = options.address.as_bytes();
        let request = Request {
            method,
            raw_path: path,
            raw_query: "",
            headers: &[("host", host)],
            payload: Payload::Bytes(body),
        };
        let credentials = Credentials {
            access_key_id: &options.access_key,
            secret_access_key: &options.secret_key,
            session_token: None,
        };
        let scope = Scope { region: &options.region, service: "iot" };
        let mut out = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", options.address);
        for (name, value) in sigv4::sign(&request, &credentials, &scope, self.now) {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        out.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let mut bytes = out.into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }
}

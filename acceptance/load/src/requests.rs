//! The requests, signed and written out as bytes.

use std::ops::Range;
use std::rc::Rc;

use sigv4::{Credentials, Payload, Request, Scope};
use types::Timestamp;

use crate::Options;

/// Types that the things of a fleet have in turn.
const TYPES: usize = 10;
/// Sites that things of one type have in turn.
const SITES: usize = 4;
/// Things on one page: what a thousand things have of one type and site.
const PAGE: usize = 25;

/// A request for a key on P-256, as it stands in JSON.
const SIGNING_REQUEST: &str = concat!(
    "-----BEGIN CERTIFICATE REQUEST-----\\n",
    "MIHYMIGAAgEAMB4xDTALBgNVBAoMBE1pbGwxDTALBgNVBAMMBHB1bXAwWTATBgcq\\n",
    "hkjOPQIBBggqhkjOPQMBBwNCAARrFd4grHmu2khQCCt4jWan+dkj5kYcxz0j3OpF\\n",
    "RrMGwBgbV16FwGWh983wJXcwYGvClZUMaVXxqgTPYHnDNMXUoAAwCgYIKoZIzj0E\\n",
    "AwIDRwAwRAIgUSY4MZlkorUHGcjcsGA14p4w5JPlojAkHLv8RZAyVZUCIFxU60Ar\\n",
    "eL8hSSUS7NDP/xkycrNKUTdLzT2Tewkbhm0z\\n",
    "-----END CERTIFICATE REQUEST-----\\n",
);

/// Which things are listed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum List {
    All,
    OfType,
    AtSite,
    OfTypeAtSite,
}

/// Signs requests as one principal at one moment.
pub(crate) struct Signer<'o> {
    options: &'o Options,
    now: Timestamp,
    /// Keeps the things of two runs apart.
    run: u32,
    /// Chooses among the things of a fleet.
    env: &'o env::Env,
}

impl<'o> Signer<'o> {
    pub(crate) fn new(options: &'o Options, env: &'o env::Env) -> Self {
        let run = u32::from_be_bytes(env.random.bytes());
        Self { options, now: env.clock.now(), run, env }
    }

    /// `count` new things.
    pub(crate) fn creations(&self, count: usize) -> Vec<Rc<[u8]>> {
        let body = br#"{"attributePayload":{"attributes":{"model":"m1","serial":"s-123456","site":"north"}}}"#;
        (0..count).map(|n| self.request("POST", &self.path(n), "", body)).collect()
    }

    /// `count` descriptions of the first `things` creations.
    pub(crate) fn descriptions(&self, count: usize, things: usize) -> Vec<Rc<[u8]>> {
        let distinct: Vec<_> =
            (0..things).map(|n| self.request("GET", &self.path(n), "", b"")).collect();
        distinct.into_iter().cycle().take(count).collect()
    }

    /// The types of a fleet's things.
    pub(crate) fn fleet_types(&self) -> Vec<Rc<[u8]>> {
        let path = |n| format!("/thing-types/fleet-{n}");
        (0..TYPES).map(|n| self.request("POST", &path(n), "", b"{}")).collect()
    }

    /// A fleet's things, each of which can be found by its number.
    pub(crate) fn fleet(&self, numbers: Range<usize>) -> Vec<Rc<[u8]>> {
        numbers
            .map(|n| {
                let body = format!(
                    r#"{{"thingTypeName":"fleet-{}","attributePayload":{{"attributes":{{"model":"m{}","serial":"s-{n}","site":"site-{}"}}}}}}"#,
                    n % TYPES,
                    n % 7,
                    n / TYPES % SITES,
                );
                self.request("POST", &fleet_path(n), "", body.as_bytes())
            })
            .collect()
    }

    /// `count` descriptions of things anywhere in a fleet of `things`.
    pub(crate) fn fleet_descriptions(&self, count: usize, things: usize) -> Vec<Rc<[u8]>> {
        (0..count).map(|_| self.request("GET", &fleet_path(self.below(things)), "", b"")).collect()
    }

    /// The shadows of a fleet's things, about a kilobyte each.
    pub(crate) fn shadows(&self, numbers: Range<usize>) -> Vec<Rc<[u8]>> {
        let request = |n| self.request("POST", &shadow_path(n), "", shadow(n).as_bytes());
        numbers.map(request).collect()
    }

    /// Shadows like those, by name, of few things: each has as many, numbered from 0.
    pub(crate) fn named_shadows(&self, numbers: Range<usize>) -> Vec<Rc<[u8]>> {
        let (holders, holder) = (self.options.holders.max(1), &self.options.holder);
        let request = |n| {
            let path = format!("/things/{holder}{}/shadow", n % holders);
            let query = format!("name={:010}", n / holders);
            self.request("POST", &path, &query, shadow(n).as_bytes())
        };
        numbers.map(request).collect()
    }

    /// `count` updates of shadows anywhere in a fleet of `things`: a device reports three values.
    pub(crate) fn shadow_updates(&self, count: usize, things: usize) -> Vec<Rc<[u8]>> {
        (0..count)
            .map(|n| {
                let value = self.below(1000);
                let body = format!(
                    r#"{{"state":{{"reported":{{"setting03":{{"value":{value}}},"setting07":{{"value":{value}}},"seen":{n}}}}}}}"#
                );
                self.request("POST", &shadow_path(self.below(things)), "", body.as_bytes())
            })
            .collect()
    }

    /// `count` reads of shadows anywhere in a fleet of `things`.
    pub(crate) fn shadow_reads(&self, count: usize, things: usize) -> Vec<Rc<[u8]>> {
        (0..count).map(|_| self.request("GET", &shadow_path(self.below(things)), "", b"")).collect()
    }

    /// `count` first pages of a fleet's things.
    pub(crate) fn lists(&self, count: usize, list: List) -> Vec<Rc<[u8]>> {
        (0..count).map(|_| self.request("GET", "/things", &self.list_query(list), b"")).collect()
    }

    /// `count` keys with their certificates.
    pub(crate) fn keys(&self, count: usize) -> Vec<Rc<[u8]>> {
        vec![self.request("POST", "/keys-and-certificate", "", b""); count]
    }

    /// `count` certificates for one signing request.
    pub(crate) fn signing_requests(&self, count: usize) -> Vec<Rc<[u8]>> {
        let body = format!(r#"{{"certificateSigningRequest":"{SIGNING_REQUEST}"}}"#);
        vec![self.request("POST", "/certificates", "", body.as_bytes()); count]
    }

    fn list_query(&self, list: List) -> String {
        let page = format!("maxResults={PAGE}");
        let of_type = || format!("thingTypeName=fleet-{}", self.below(TYPES));
        let at_site = || format!("attributeName=site&attributeValue=site-{}", self.below(SITES));
        match list {
            List::All => page,
            List::OfType => format!("{page}&{}", of_type()),
            List::AtSite => format!("{}&{page}", at_site()),
            List::OfTypeAtSite => format!("{}&{page}&{}", at_site(), of_type()),
        }
    }

    fn below(&self, bound: usize) -> usize {
        let drawn = usize::from_be_bytes(self.env.random.bytes());
        drawn % bound.max(1)
    }

    fn path(&self, n: usize) -> String {
        format!("/things/load-{:08x}-{n}", self.run)
    }

    fn request(&self, method: &str, path: &str, query: &str, body: &[u8]) -> Rc<[u8]> {
        let options = self.options;
        let host = options.address.as_bytes();
        let request = Request {
            method,
            raw_path: path,
            raw_query: query,
            headers: &[("host", host)],
            payload: Payload::Bytes(body),
        };
        let credentials = Credentials {
            access_key_id: &options.access_key,
            secret_access_key: &options.secret_key,
            session_token: None,
        };
        let service = if path.ends_with("/shadow") { "iotdata" } else { "iot" };
        let scope = Scope { region: &options.region, service };
        let mark = if query.is_empty() { "" } else { "?" };
        let mut out =
            format!("{method} {path}{mark}{query} HTTP/1.1\r\nhost: {}\r\n", options.address);
        for (name, value) in sigv4::sign(&request, &credentials, &scope, self.now) {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        out.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let mut bytes = out.into_bytes();
        bytes.extend_from_slice(body);
        bytes.into()
    }
}

/// What a device is to be and says that it is.
fn shadow(n: usize) -> String {
    let setting = |of| format!(r#""setting{of:02}":{{"value":{},"unit":"mm"}}"#, n % 1000 + of);
    let settings = (0..12).map(setting).collect::<Vec<_>>().join(",");
    format!(r#"{{"state":{{"desired":{{{settings}}},"reported":{{{settings},"seen":0}}}}}}"#)
}

fn shadow_path(n: usize) -> String {
    format!("{}/shadow", fleet_path(n))
}

/// Names of one length, so that things of a small fleet are not cheaper by their names.
fn fleet_path(n: usize) -> String {
    format!("/things/fleet-{n:010}")
}

//! Signing and verifying, end to end.

extern crate ferrite_sigv4 as sigv4;

mod hostile;
mod properties;
mod refusals;
mod suite;
mod vectors;

use std::time::Duration;

use sigv4::{AuthError, Authorization, Request, SigningKey};
use types::Timestamp;

const KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const SKEW: Duration = Duration::from_secs(300);

/// 20150830T123600Z, when all the vectors were signed.
fn signing_time() -> Timestamp {
    Timestamp::from_amz_date("20150830T123600Z").expect("the date is valid")
}

/// What a server does that knows `KEY_ID` only.
fn check<'a>(request: &Request<'a>, now: Timestamp) -> Result<Authorization<'a>, AuthError> {
    let authorization = sigv4::parse(request)?.expect("the request is signed");
    let Authorization { date, region, service, .. } = &authorization;
    let key = SigningKey::derive(SECRET, date, region, service);
    sigv4::verify(request, &authorization, &key, now, SKEW)?;
    Ok(authorization)
}

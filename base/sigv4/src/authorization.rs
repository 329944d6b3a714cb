//! Reads who signed a request, when and for what, from its headers or its query.

use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

use types::Timestamp;

use crate::error::AuthError;
use crate::query::Presigned;
use crate::request::Request;
use crate::{ALGORITHM, EXPIRES_S_MAX, SIGNED_HEADERS_MAX};

/// The claims of a signature, none of them checked yet against a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization<'a> {
    /// Whose secret signed.
    pub access_key_id: Cow<'a, str>,
    /// The day of the credential scope, `YYYYMMDD`.
    pub date: Cow<'a, str>,
    /// The region of the credential scope.
    pub region: Cow<'a, str>,
    /// The service of the credential scope.
    pub service: Cow<'a, str>,
    /// The signed headers' names, joined by `;`.
    pub signed_headers: Cow<'a, str>,
    /// The signature, in hexadecimal.
    pub signature: Cow<'a, str>,
    /// When the client signed.
    pub timestamp: Timestamp,
    /// The session token that goes with temporary credentials.
    pub session_token: Option<Cow<'a, str>>,
    /// Whether the signature stands in the query.
    pub presigned: bool,
    /// How long a presigned request is valid, if it says so.
    pub expires: Option<Duration>,
}

impl std::fmt::Debug for Authorization<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorization")
            .field("access_key_id", &self.access_key_id)
            .field("scope", &(&self.date, &self.region, &self.service))
            .field("signed_headers", &self.signed_headers)
            .field("timestamp", &self.timestamp)
            .field("presigned", &self.presigned)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Reads the signature's claims; `None` if the request carries no AWS signature at all.
pub fn parse<'a>(request: &Request<'a>) -> Result<Option<Authorization<'a>>, AuthError> {
    let presigned = Presigned::read(request.raw_query)?;
    match (signed_header(request)?, &presigned.algorithm) {
        (None, None) => Ok(None),
        (Some(parameters), None) => from_headers(request, parameters).map(Some),
        (None, Some(_)) => from_query(presigned).map(Some),
        (Some(_), Some(_)) => Err(invalid(
            "Only one of the Authorization header and the query-string parameters may sign a \
             request.",
        )),
    }
}

/// What follows the algorithm in an `Authorization` header of AWS's schemes.
fn signed_header<'a>(request: &Request<'a>) -> Result<Option<&'a str>, AuthError> {
    let mut values = request.headers.iter().filter(|(name, _)| *name == "authorization");
    let Some((_, value)) = values.next() else { return Ok(None) };
    let repeated = values.next().is_some();
    let Some((algorithm, parameters)) = split_scheme(value)? else { return Ok(None) };
    if repeated {
        return Err(incomplete("The Authorization header must be given once."));
    }
    check_algorithm(algorithm)?;
    Ok(Some(parameters))
}

fn split_scheme(value: &[u8]) -> Result<Option<(&str, &str)>, AuthError> {
    if !value.starts_with(b"AWS4-") {
        return Ok(None);
    }
    let text = std::str::from_utf8(value)
        .map_err(|_| incomplete("The Authorization header is not valid UTF-8."))?;
    Ok(Some(text.split_once(' ').unwrap_or((text, ""))))
}

fn check_algorithm(algorithm: &str) -> Result<(), AuthError> {
    if algorithm == ALGORITHM {
        return Ok(());
    }
    Err(AuthError::Incomplete(format!("Unsupported AWS 'algorithm': '{algorithm}'.")))
}

fn from_headers<'a>(
    request: &Request<'a>,
    parameters: &'a str,
) -> Result<Authorization<'a>, AuthError> {
    let found = HeaderParameters::read(parameters)?;
    let date = header_text(request, "x-amz-date").or_else(|| header_text(request, "date"));
    let (Some(credential), Some(signature), Some(signed_headers), Some(date)) =
        (found.credential, found.signature, found.signed_headers, date)
    else {
        return Err(found.missing(date));
    };
    let timestamp = read_date(date)?;
    check_signed_headers(signed_headers)?;
    let [access_key_id, date, region, service] = scope(credential, timestamp)?.map(Cow::Borrowed);
    Ok(Authorization {
        access_key_id,
        date,
        region,
        service,
        signed_headers: Cow::Borrowed(signed_headers),
        signature: Cow::Borrowed(signature),
        timestamp,
        session_token: header_text(request, "x-amz-security-token").map(Cow::Borrowed),
        presigned: false,
        expires: None,
    })
}

fn from_query(found: Presigned<'_>) -> Result<Authorization<'_>, AuthError> {
    let credential = required(found.credential, "X-Amz-Credential")?;
    let date = required(found.date, "X-Amz-Date")?;
    let signed_headers = required(found.signed_headers, "X-Amz-SignedHeaders")?;
    let signature = required(found.signature, "X-Amz-Signature")?;
    check_algorithm(&found.algorithm.unwrap_or_default())?;
    check_signed_headers(&signed_headers)?;
    let timestamp = read_date(&date)?;
    let [access_key_id, date, region, service] = match credential {
        Cow::Borrowed(text) => scope(text, timestamp)?.map(Cow::Borrowed),
        Cow::Owned(text) => scope(&text, timestamp)?.map(|part| Cow::Owned(part.to_owned())),
    };
    Ok(Authorization {
        access_key_id,
        date,
        region,
        service,
        signed_headers,
        signature,
        timestamp,
        session_token: found.security_token,
        presigned: true,
        expires: found.expires.as_deref().map(read_expires).transpose()?,
    })
}

/// The parameters of an `Authorization` header.
#[derive(Default)]
struct HeaderParameters<'a> {
    credential: Option<&'a str>,
    signature: Option<&'a str>,
    signed_headers: Option<&'a str>,
}

impl<'a> HeaderParameters<'a> {
    fn read(parameters: &'a str) -> Result<Self, AuthError> {
        let mut found = Self::default();
        for pair in parameters.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let Some((name, value)) = pair.split_once('=') else {
                let text =
                    "not a valid key=value pair (missing equal-sign) in Authorization header";
                return Err(AuthError::Incomplete(format!("'{pair}' {text}.")));
            };
            let slot = match name {
                "Credential" => &mut found.credential,
                "Signature" => &mut found.signature,
                "SignedHeaders" => &mut found.signed_headers,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                let text = format!("Authorization header parameter '{name}' must be given once.");
                return Err(AuthError::Incomplete(text));
            }
        }
        Ok(found)
    }

    fn missing(&self, date: Option<&str>) -> AuthError {
        let parts = [
            (self.credential, "'Credential' parameter"),
            (self.signature, "'Signature' parameter"),
            (self.signed_headers, "'SignedHeaders' parameter"),
            (date, "existence of either a 'X-Amz-Date' or a 'Date' header"),
        ];
        let lines = parts.iter().filter(|(found, _)| found.is_none());
        let lines = lines.map(|(_, what)| format!("Authorization header requires {what}."));
        AuthError::Incomplete(lines.collect::<Vec<_>>().join(" "))
    }
}

/// Splits `keyid/date/region/service/aws4_request`, whose day must be that of `timestamp`.
fn scope(credential: &str, timestamp: Timestamp) -> Result<[&str; 4], AuthError> {
    let mut parts = credential.rsplitn(5, '/');
    let (Some(term), Some(service), Some(region), Some(date), Some(access_key_id)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(AuthError::Incomplete(format!(
            "Credential must have at least 5 slash-delimited elements, e.g. \
             keyid/date/region/service/term, got '{credential}'"
        )));
    };
    if term != "aws4_request" {
        return Err(AuthError::Invalid(format!(
            "Credential should be scoped with a valid terminator: 'aws4_request', not '{term}'."
        )));
    }
    let signed = timestamp.to_amz_date();
    if signed.split('T').next() != Some(date) {
        return Err(AuthError::Invalid(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
             HTTP: '{date}', from '{signed}'."
        )));
    }
    Ok([access_key_id, date, region, service])
}

/// `Host` must be signed, no name twice, and no more than the bound.
fn check_signed_headers(names: &str) -> Result<(), AuthError> {
    if names.split(';').nth(SIGNED_HEADERS_MAX).is_some() {
        let text = format!("At most {SIGNED_HEADERS_MAX} headers may be signed.");
        return Err(AuthError::Invalid(text));
    }
    let mut sorted: Vec<&str> = names.split(';').collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
        return Err(invalid("'SignedHeaders' must name each header once."));
    }
    if sorted.binary_search(&"host").is_err() {
        let text = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.";
        return Err(invalid(text));
    }
    Ok(())
}

/// Reads `20150830T123600Z` or the form of the `Date` header.
fn read_date(text: &str) -> Result<Timestamp, AuthError> {
    if let Ok(timestamp) = Timestamp::from_amz_date(text) {
        return Ok(timestamp);
    }
    let since =
        httpdate::parse_http_date(text).ok().and_then(|d| d.duration_since(UNIX_EPOCH).ok());
    since.map(|since| Timestamp::EPOCH.plus(since)).ok_or_else(|| {
        AuthError::Incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{text}'. See \
             http://en.wikipedia.org/wiki/ISO_8601"
        ))
    })
}

fn read_expires(text: &str) -> Result<Duration, AuthError> {
    match text.parse() {
        Ok(secs) if secs <= EXPIRES_S_MAX => Ok(Duration::from_secs(secs)),
        _ => Err(AuthError::Invalid(format!(
            "X-Amz-Expires must be a number of seconds from 0 to {EXPIRES_S_MAX}, not '{text}'."
        ))),
    }
}

fn header_text<'a>(request: &Request<'a>, name: &str) -> Option<&'a str> {
    std::str::from_utf8(request.header(name)?).ok().map(str::trim)
}

fn required<'a>(value: Option<Cow<'a, str>>, name: &str) -> Result<Cow<'a, str>, AuthError> {
    value.filter(|text| !text.is_empty()).ok_or_else(|| {
        AuthError::Incomplete(format!(
            "AWS query-string parameters must include '{name}'. Re-examine the query-string \
             parameters."
        ))
    })
}

fn incomplete(text: &str) -> AuthError {
    AuthError::Incomplete(text.to_owned())
}

fn invalid(text: &str) -> AuthError {
    AuthError::Invalid(text.to_owned())
}

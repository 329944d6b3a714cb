//! What is refused, and in which words; and which differences between clients are not.

use std::time::Duration;

use sigv4::{AuthError, Credentials, Payload, Request, SIGNED_HEADERS_MAX, Scope};

use super::{KEY_ID, SECRET, check, signing_time};

const HOST: &str = "iot.local";

fn credentials(session_token: Option<&str>) -> Credentials<'_> {
    Credentials { access_key_id: KEY_ID, secret_access_key: SECRET, session_token }
}

fn get<'a>(raw_path: &'a str, raw_query: &'a str, headers: &'a [(&str, &[u8])]) -> Request<'a> {
    Request { method: "GET", raw_path, raw_query, headers, payload: Payload::Bytes(b"") }
}

fn presigned(service: &str, token: Option<&str>, expires: Option<u64>) -> String {
    let scope = Scope { region: "us-east-1", service };
    let expires = expires.map(Duration::from_secs);
    let headers: &[(&str, &[u8])] = &[("host", HOST.as_bytes())];
    sigv4::presign(&get("/mqtt", "", headers), &credentials(token), &scope, signing_time(), expires)
}

fn check_query(query: &str, host: &str, later_s: u64) -> Result<(), AuthError> {
    let headers: &[(&str, &[u8])] = &[("host", host.as_bytes())];
    let now = signing_time().plus(Duration::from_secs(later_s));
    check(&get("/mqtt", query, headers), now).map(drop)
}

fn parse_header(authorization: &str, date: Option<&str>) -> AuthError {
    let mut headers: Vec<(&str, &[u8])> =
        vec![("host", b"h"), ("authorization", authorization.as_bytes())];
    headers.extend(date.map(|date| ("x-amz-date", date.as_bytes())));
    sigv4::parse(&get("/", "", &headers)).expect_err("the header is refused")
}

#[test]
fn an_unsigned_request_has_no_authorization() {
    for value in ["Bearer x", "Basic eDp5", "", "AWS4"] {
        let headers: &[(&str, &[u8])] = &[("host", b"h"), ("authorization", value.as_bytes())];
        assert_eq!(sigv4::parse(&get("/", "a=b", headers)), Ok(None), "{value}");
    }
}

#[test]
#[rustfmt::skip]
fn an_incomplete_or_contradictory_header_is_refused_in_words_of_aws() {
    const DATE: Option<&str> = Some("20150830T123600Z");
    const OK: &str = "Credential=A/20150830/us-east-1/iot/aws4_request";
    let rest = "SignedHeaders=host, Signature=00";
    for (parameters, date, code, message) in [
        ("", None, "Incomplete", "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."),
        (&format!("{OK}, {rest}"), None, "Incomplete", "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."),
        (&format!("{OK}, {rest}, {OK}"), DATE, "Incomplete", "Authorization header parameter 'Credential' must be given once."),
        (&format!("{OK}, {rest}, x"), DATE, "Incomplete", "'x' not a valid key=value pair (missing equal-sign) in Authorization header."),
        (&format!("Credential=A/iot/aws4_request, {rest}"), DATE, "Incomplete", "Credential must have at least 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'A/iot/aws4_request'"),
        (&format!("{OK}, {rest}"), Some("yesterday"), "Incomplete", "Date must be in ISO-8601 'basic format'. Got 'yesterday'. See http://en.wikipedia.org/wiki/ISO_8601"),
        (&format!("Credential=A/20150830/r/iot/aws5_request, {rest}"), DATE, "Invalid", "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'."),
        (&format!("Credential=A/20150829/r/iot/aws4_request, {rest}"), DATE, "Invalid", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20150829', from '20150830T123600Z'."),
        (&format!("{OK}, SignedHeaders=x-amz-date, Signature=00"), DATE, "Invalid", "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."),
        (&format!("{OK}, SignedHeaders=host;host, Signature=00"), DATE, "Invalid", "'SignedHeaders' must name each header once."),
        (&format!("{OK}, SignedHeaders=host{}, Signature=00", ";a".repeat(SIGNED_HEADERS_MAX)), DATE, "Invalid", "At most 100 headers may be signed."),
    ] {
        let error = parse_header(&format!("AWS4-HMAC-SHA256 {parameters}"), date);
        assert_eq!((error.to_string().as_str(), error.code()), (message, &*format!("{code}SignatureException")));
    }
    let error = parse_header("AWS4-ECDSA-P256-SHA256 x", DATE);
    assert_eq!(error.to_string(), "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'.");
}

#[test]
fn a_presigned_query_must_be_whole_and_unambiguous() {
    let query = presigned("iotdata", None, Some(900));
    for (wrong, message) in [
        (
            query.replace("X-Amz-Date", "x"),
            "AWS query-string parameters must include 'X-Amz-Date'. Re-examine the query-string parameters.",
        ),
        (
            format!("{query}&X-Amz-Date=20150830T123600Z"),
            "AWS query-string parameter 'X-Amz-Date' must be given once.",
        ),
        (
            query.replace("Expires=900", "Expires=604801"),
            "X-Amz-Expires must be a number of seconds from 0 to 604800, not '604801'.",
        ),
        (
            query.replace("Expires=900", "Expires=-1"),
            "X-Amz-Expires must be a number of seconds from 0 to 604800, not '-1'.",
        ),
        (
            query.replace("HMAC-SHA256", "HMAC-SHA1"),
            "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA1'.",
        ),
    ] {
        assert_eq!(check_query(&wrong, HOST, 0).unwrap_err().to_string(), message);
    }
}

#[test]
fn a_request_may_be_signed_one_way_only() {
    let query = presigned("iotdata", None, None);
    let headers: &[(&str, &[u8])] = &[("host", b"h"), ("authorization", b"AWS4-HMAC-SHA256 x")];
    let error = sigv4::parse(&get("/mqtt", &query, headers)).unwrap_err();
    assert_eq!(error.code(), "InvalidSignatureException");
}

#[test]
fn a_signature_lives_as_long_as_it_says() {
    let (short, long) = (presigned("iotdata", None, None), presigned("iotdata", None, Some(900)));
    assert_eq!(check_query(&short, HOST, 300), Ok(()));
    assert!(matches!(check_query(&short, HOST, 301), Err(AuthError::Expired { .. })));
    assert_eq!(check_query(&long, HOST, 900), Ok(()));
    let error = check_query(&long, HOST, 901).unwrap_err().to_string();
    assert!(error.ends_with("(20150830T125101Z - 15 min.)"), "{error}");
    let headers: &[(&str, &[u8])] = &[("host", HOST.as_bytes())];
    let early = types::Timestamp::from_amz_date("20150830T123059Z").unwrap();
    let error = check(&get("/mqtt", &long, headers), early).unwrap_err();
    assert!(matches!(error, AuthError::NotYetCurrent { .. }));
}

#[test]
fn the_session_token_may_be_signed_or_appended() {
    for service in ["iotdevicegateway", "iotdata"] {
        let query = presigned(service, Some("a+b/c="), Some(60));
        assert_eq!(query.ends_with("&X-Amz-Security-Token=a%2Bb%2Fc%3D"), service != "iotdata");
        assert_eq!(check_query(&query, HOST, 0), Ok(()), "{service}");
    }
}

#[test]
fn the_host_may_be_signed_with_or_without_its_port() {
    let query = presigned("iotdata", None, None);
    assert_eq!(check_query(&query, "iot.local:8443", 0), Ok(()));
    assert_eq!(check_query(&query, "iot.other:8443", 0), Err(AuthError::Mismatch));
    let headers: &[(&str, &[u8])] = &[("host", b"iot.local:443")];
    let scope = Scope { region: "us-east-1", service: "iotdata" };
    let request = get("/mqtt", "", headers);
    let query = sigv4::presign(&request, &credentials(None), &scope, signing_time(), None);
    assert_eq!(check_query(&query, HOST, 0), Ok(()));
}

#[test]
fn a_declared_body_hash_must_be_that_of_the_body() {
    let hash = sigv4::payload_hash(b"body");
    for (declared, payload, expect) in [
        ("UNSIGNED-PAYLOAD", Payload::Unsigned, true),
        ("UNSIGNED-PAYLOAD", Payload::Bytes(b"body"), true),
        (&hash, Payload::Bytes(b"body"), true),
        (&hash, Payload::Hash(&hash), true),
        (&hash, Payload::Bytes(b"other"), false),
        (&hash, Payload::Unsigned, false),
    ] {
        let signed = match declared {
            "UNSIGNED-PAYLOAD" => Payload::Unsigned,
            hash => Payload::Hash(hash),
        };
        let headers: Vec<(&str, &[u8])> =
            vec![("host", b"h"), ("x-amz-content-sha256", declared.as_bytes())];
        let request = Request { payload: signed, ..get("/", "", &headers) };
        let scope = Scope { region: "us-east-1", service: "iot" };
        let added = sigv4::sign(&request, &credentials(None), &scope, signing_time());
        let mut whole: Vec<_> = headers.clone();
        whole.retain(|(name, _)| added.iter().all(|(other, _)| other != name));
        whole.extend(added.iter().map(|(name, value)| (*name, value.as_bytes())));
        let request = Request { payload, ..get("/", "", &whole) };
        assert_eq!(check(&request, signing_time()).is_ok(), expect, "{declared} {payload:?}");
    }
}

#[test]
fn a_plus_in_the_query_may_mean_itself_or_a_blank() {
    for (signed, sent) in [("q=a%20b", "q=a+b"), ("q=a%2Bb", "q=a+b"), ("q=%7e", "q=~")] {
        let headers: &[(&str, &[u8])] = &[("host", HOST.as_bytes())];
        let scope = Scope { region: "us-east-1", service: "iot" };
        let request = get("/", signed, headers);
        let query = sigv4::presign(&request, &credentials(None), &scope, signing_time(), None);
        let query = query.replacen(signed, sent, 1);
        assert!(check(&get("/", &query, headers), signing_time()).is_ok(), "{signed} as {sent}");
    }
}

#[test]
fn the_date_header_serves_without_x_amz_date() {
    let headers: &[(&str, &[u8])] = &[
        ("host", b"h"),
        ("date", b"Sun, 30 Aug 2015 12:36:00 GMT"),
        ("authorization", b"AWS4-HMAC-SHA256 Credential=A/20150830/r/iot/aws4_request,SignedHeaders=date;host,Signature=00"),
    ];
    let authorization = sigv4::parse(&get("/", "", headers)).unwrap().unwrap();
    assert_eq!(authorization.timestamp, signing_time());
}

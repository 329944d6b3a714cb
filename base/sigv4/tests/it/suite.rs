//! The test suite that AWS published for Signature Version 4.

use sigv4::{Credentials, Payload, Request, Scope};

use super::{KEY_ID, SECRET, check, signing_time};

type Case<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, &'a str);

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const VANILLA: &str = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";

/// Name, request line, added headers, body, signature; all of service `service`.
#[rustfmt::skip]
const CASES: &[Case<'_>] = &[
    ("get-vanilla", "GET /", "", &[], "", VANILLA),
    ("get-vanilla-empty-query-key", "GET /", "Param1=value1", &[], "", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
    ("get-vanilla-query-order-key-case", "GET /", "Param2=value2&Param1=value1", &[], "", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    ("get-vanilla-query-unreserved", "GET /", "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", &[], "", "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"),
    ("get-vanilla-utf8-query", "GET /", "ሴ=bar", &[], "", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
    ("get-unreserved", "GET /-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "", &[], "", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
    ("get-utf8", "GET /ሴ", "", &[], "", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
    ("get-space", "GET /example space/", "", &[], "", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
    ("get-relative", "GET /example/..", "", &[], "", VANILLA),
    ("get-relative-relative", "GET /example1/example2/../..", "", &[], "", VANILLA),
    ("get-slash", "GET //", "", &[], "", VANILLA),
    ("get-slash-dot-slash", "GET /./", "", &[], "", VANILLA),
    ("get-slash-pointless-dot", "GET /./example", "", &[], "", "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"),
    ("get-slashes", "GET //example//", "", &[], "", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
    ("get-header-key-duplicate", "GET /", "", &[("my-header1", "value2"), ("my-header1", "value2"), ("my-header1", "value1")], "", "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"),
    ("get-header-value-order", "GET /", "", &[("my-header1", "value4"), ("my-header1", "value1"), ("my-header1", "value3"), ("my-header1", "value2")], "", "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"),
    ("get-header-value-trim", "GET /", "", &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")], "", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
    ("post-vanilla", "POST /", "", &[], "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ("post-vanilla-query", "POST /", "Param1=value1", &[], "", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
    ("post-header-key-sort", "POST /", "", &[("my-header1", "value1")], "", "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"),
    ("post-header-value-case", "POST /", "", &[("my-header1", "VALUE1")], "", "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"),
    ("post-x-www-form-urlencoded", "POST /", "", &[FORM], "Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
];

#[test]
fn the_published_suite_signs_and_verifies() {
    for (name, line, raw_query, extra, body, expect) in CASES {
        let (method, raw_path) = line.split_once(' ').unwrap();
        let mut headers: Vec<(&str, &[u8])> = vec![("host", b"example.amazonaws.com")];
        headers.extend(extra.iter().map(|(name, value)| (*name, value.as_bytes())));
        let payload = Payload::Bytes(body.as_bytes());
        let request = Request { method, raw_path, raw_query, headers: &headers, payload };
        let credentials =
            Credentials { access_key_id: KEY_ID, secret_access_key: SECRET, session_token: None };
        let scope = Scope { region: "us-east-1", service: "service" };
        let added = sigv4::sign(&request, &credentials, &scope, signing_time());
        let signed = &added.last().unwrap().1;
        assert!(signed.ends_with(&format!("Signature={expect}")), "{name}: {signed}");
        let mut whole = headers.clone();
        whole.extend(added.iter().map(|(name, value)| (*name, value.as_bytes())));
        let whole = Request { headers: &whole, ..request };
        check(&whole, signing_time()).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

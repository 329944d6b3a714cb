//! Requests that botocore signed, in `vectors.json`; `vectors.py` writes them.

use serde::Deserialize;
use sigv4::{Credentials, Payload, Request, Scope};

use super::{KEY_ID, SECRET, check, signing_time};

#[derive(Deserialize)]
struct Vector {
    kind: String,
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
    service: String,
    token: Option<String>,
}

impl Vector {
    fn headers(&self) -> Vec<(&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
    }

    fn body(&self) -> Vec<u8> {
        self.body.chars().map(|c| u8::try_from(c).expect("a byte")).collect()
    }

    fn header(&self, wanted: &str) -> Option<&str> {
        self.headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("vectors.json")).expect("the vectors are readable")
}

#[test]
fn what_botocore_signs_verifies() {
    for vector in vectors() {
        let (headers, body) = (vector.headers(), vector.body());
        let request = Request {
            method: &vector.method,
            raw_path: &vector.path,
            raw_query: &vector.query,
            headers: &headers,
            payload: Payload::Bytes(&body),
        };
        let what = format!("{} {}?{}", vector.method, vector.path, vector.query);
        let authorization =
            check(&request, signing_time()).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(authorization.access_key_id, KEY_ID);
        assert_eq!(authorization.service, vector.service);
        assert_eq!(authorization.session_token.as_deref(), vector.token.as_deref());
        assert_eq!(authorization.presigned, vector.kind == "query");
    }
}

#[test]
fn we_sign_as_botocore_does() {
    for vector in vectors().iter().filter(|v| v.kind != "query") {
        let (headers, body) = (vector.headers(), vector.body());
        // The query forms that botocore leaves badly encoded are encoded strictly here.
        if vector.query.contains(['+', '/']) {
            continue;
        }
        let request = Request {
            method: &vector.method,
            raw_path: &vector.path,
            raw_query: &vector.query,
            headers: &headers,
            payload: Payload::Bytes(&body),
        };
        let credentials = Credentials {
            access_key_id: KEY_ID,
            secret_access_key: SECRET,
            session_token: vector.token.as_deref(),
        };
        let scope = Scope { region: "us-east-1", service: &vector.service };
        let added = sigv4::sign(&request, &credentials, &scope, signing_time());
        for (name, value) in added {
            assert_eq!(Some(value.as_str()), vector.header(name), "{} {name}", vector.path);
        }
    }
}

//! Calls the running server, signed with the root key that it wrote into its data directory.

use anyhow::Context as _;
use bytes::Bytes;
use env::Clock;
use http::header::{CONNECTION, HOST};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use serde_json::Value;
use sigv4::{Credentials, Payload, Scope};
use tokio::net::TcpStream;

use crate::config::Config;
use crate::credentials::Profile;

/// Everything but what SigV4 leaves bare.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The keys and the address of the server of this data directory.
pub(crate) fn profile(config: &Config) -> anyhow::Result<Profile> {
    let data_dir = config.data_dir.display();
    Profile::read(&config.data_dir)?.with_context(|| {
        format!(
            "no server has run with the data directory {data_dir}; start one with: \
             ferrite serve --data-dir {data_dir}"
        )
    })
}

/// What the server is asked.
pub(crate) struct Call<'c> {
    pub(crate) method: &'c str,
    pub(crate) path_and_query: &'c str,
    /// Headers besides those of the signature.
    pub(crate) headers: &'c [(&'static str, &'c str)],
    /// Null is none.
    pub(crate) body: &'c Value,
}

/// The server's refusal.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refused {
    /// The error's name, such as `ResourceNotFoundException`.
    pub(crate) code: String,
    pub(crate) message: String,
}

/// Whether `error` is the server's refusal with this name.
pub(crate) fn is_refusal(error: &anyhow::Error, code: &str) -> bool {
    error.downcast_ref::<Refused>().is_some_and(|refused| refused.code == code)
}

/// One word of a path or query, percent-encoded.
pub(crate) fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, RESERVED).to_string()
}

/// One call, and the JSON that it answers.
pub(crate) fn call(
    config: &Config,
    method: &str,
    path_and_query: &str,
    body: &Value,
) -> anyhow::Result<Value> {
    send(config, &Call { method, path_and_query, headers: &[], body })
}

/// One call, and the JSON that it answers; null if it answers nothing.
pub(crate) fn send(config: &Config, call: &Call<'_>) -> anyhow::Result<Value> {
    let profile = profile(config)?;
    let request = sign(&profile, call)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let response = runtime.block_on(exchange(&profile, request)).with_context(|| {
        let data_dir = config.data_dir.display();
        format!(
            "the server of {data_dir} does not answer at {}; start it with: \
             ferrite serve --data-dir {data_dir}",
            profile.url
        )
    })?;
    read(&response)
}

fn read(response: &Response<Bytes>) -> anyhow::Result<Value> {
    let answer = match &response.body()[..] {
        [] => Value::Null,
        body => serde_json::from_slice(body).context("the answer is not JSON")?,
    };
    if response.status().is_success() {
        return Ok(answer);
    }
    let code = response.headers().get("x-amzn-errortype").and_then(|code| code.to_str().ok());
    let message = answer.get("message").and_then(Value::as_str);
    Err(anyhow::Error::new(Refused {
        code: code.unwrap_or_default().to_owned(),
        message: message.unwrap_or("the server refused without a reason").to_owned(),
    }))
}

fn authority(profile: &Profile) -> &str {
    profile.url.strip_prefix("http://").unwrap_or(&profile.url)
}

fn sign(profile: &Profile, call: &Call<'_>) -> anyhow::Result<Request<Full<Bytes>>> {
    let &Call { method, path_and_query, .. } = call;
    let body = if call.body.is_null() { Bytes::new() } else { call.body.to_string().into() };
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let host = authority(profile);
    let mut headers = vec![("host", host.as_bytes())];
    headers.extend(call.headers.iter().map(|(name, value)| (*name, value.as_bytes())));
    let credentials = Credentials {
        access_key_id: &profile.access_key_id,
        secret_access_key: profile.secret.expose(),
        session_token: None,
    };
    let signed = sigv4::sign(
        &sigv4::Request {
            method,
            raw_path: path,
            raw_query: query,
            headers: &headers,
            payload: Payload::Bytes(&body),
        },
        &credentials,
        &Scope { region: profile.region.as_str(), service: "iot" },
        Clock::system().now(),
    );
    let mut request = Request::builder().method(method).uri(path_and_query);
    request = request.header(HOST, host).header(CONNECTION, "close");
    for (name, value) in signed {
        request = request.header(name, value);
    }
    for (name, value) in call.headers {
        request = request.header(*name, *value);
    }
    Ok(request.body(Full::new(body))?)
}

async fn exchange(
    profile: &Profile,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<Response<Bytes>> {
    let stream = TcpStream::connect(authority(profile)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = async move {
        let (head, body) = sender.send_request(request).await?.into_parts();
        anyhow::Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    };
    // The connection moves the bytes; how it ended is told by the answer.
    let (answer, _) = tokio::join!(answer, connection);
    answer
}

//! Calls the running server, signed with the root key that it wrote into its data directory.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use env::Clock;
use http::header::{CONNECTION, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sigv4::{Credentials, Payload, Scope};
use tokio::net::TcpStream;

use crate::config::Config;
use crate::credentials::Profile;

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

/// One call, and the JSON that it answers.
pub(crate) fn call(
    config: &Config,
    method: &str,
    path_and_query: &str,
    body: &Value,
) -> anyhow::Result<Value> {
    let profile = profile(config)?;
    let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    let request = sign(&profile, method, path_and_query, body)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (status, answer) = runtime.block_on(exchange(&profile, request)).with_context(|| {
        let data_dir = config.data_dir.display();
        format!(
            "the server of {data_dir} does not answer at {}; start it with: \
             ferrite serve --data-dir {data_dir}",
            profile.url
        )
    })?;
    let answer: Value = serde_json::from_slice(&answer).context("the answer is not JSON")?;
    if !status.is_success() {
        let message = answer.get("message").and_then(Value::as_str);
        bail!("{}", message.unwrap_or("the server refused without a reason"));
    }
    Ok(answer)
}

fn authority(profile: &Profile) -> &str {
    profile.url.strip_prefix("http://").unwrap_or(&profile.url)
}

fn sign(
    profile: &Profile,
    method: &str,
    path_and_query: &str,
    body: Bytes,
) -> anyhow::Result<Request<Full<Bytes>>> {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let host = authority(profile);
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
            headers: &[("host", host.as_bytes())],
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
    Ok(request.body(Full::new(body))?)
}

async fn exchange(
    profile: &Profile,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let stream = TcpStream::connect(authority(profile)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = async move {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        anyhow::Ok((status, body))
    };
    // The connection moves the bytes; how it ended is told by the answer.
    let (answer, _) = tokio::join!(answer, connection);
    answer
}

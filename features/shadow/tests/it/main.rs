//! Shadows, called as the gateway and the broker call them, on the store that
//! `FERRITE_TEST_STORE` names.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod faults;
mod history;
mod hostile;
mod http;
mod mqtt;
mod races;
mod rates;
mod registered;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ferrite_shadow as shadow;
use model::iot_data::op::{DeleteThingShadow, GetThingShadow, UpdateThingShadow};
use serde_json::{Value, json};
use service::ApiError;
use testing::Server;

/// What the clock shows at first, in seconds.
const START: i64 = 1_767_323_045;

/// A server with shadows alone.
async fn server() -> Server {
    Server::build(|app| vec![shadow::feature(app)]).await
}

/// A shadow's names, as operations have them.
fn named(thing: &str, shadow: Option<&str>) -> Value {
    match shadow {
        None => json!({"thingName": thing}),
        Some(shadow) => json!({"thingName": thing, "shadowName": shadow}),
    }
}

/// Updates a shadow by HTTP with a body that need not be JSON.
async fn post(
    server: &Server,
    thing: &str,
    shadow: Option<&str>,
    body: impl AsRef<[u8]>,
) -> Result<Value, ApiError> {
    let mut request = named(thing, shadow);
    request["payload"] = json!(STANDARD.encode(body));
    server.call::<UpdateThingShadow>(request).await
}

/// Updates a thing's classic shadow.
async fn update(server: &Server, thing: &str, body: Value) -> Value {
    post(server, thing, None, body.to_string()).await.unwrap()
}

async fn get(server: &Server, thing: &str) -> Result<Value, ApiError> {
    server.call::<GetThingShadow>(named(thing, None)).await
}

async fn delete(server: &Server, thing: &str) -> Result<Value, ApiError> {
    server.call::<DeleteThingShadow>(named(thing, None)).await
}

/// The code and the message of a refusal.
fn refusal(result: Result<Value, ApiError>) -> (&'static str, String) {
    let error = result.expect_err("a refusal is expected");
    (error.code, error.message)
}

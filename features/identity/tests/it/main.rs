//! Accounts, access keys and STS against a server without a network.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access_keys;
mod accounts;
mod audit;
mod changes;
mod sts;

use std::sync::{Arc, OnceLock};

use ferrite_identity as identity;
use http::StatusCode;
use serde_json::{Value, json};
use service::ApiError;
use testing::Server;

use crate::identity::Identity;

/// A server with an account of its own, and its keeper of keys.
async fn server() -> (Server, Arc<Identity>) {
    let identity = OnceLock::new();
    let server = Server::build(|app| {
        let started = identity.get_or_init(|| Identity::start(app));
        vec![identity::feature(started)]
    })
    .await;
    let identity = identity.into_inner().unwrap();
    identity.bootstrap().await.unwrap();
    (server, identity)
}

/// Calls a route of the administration.
async fn call(server: &Server, method: &str, path: &str, body: Value) -> Result<Value, ApiError> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = server.raw(method, path, body).await?;
    assert_eq!(status, StatusCode::OK);
    Ok(serde_json::from_slice(&answer).unwrap())
}

/// Creates an access key, and returns its id and its secret.
async fn create_key(server: &Server, request: Value) -> Result<(String, String), ApiError> {
    let answer = call(server, "POST", "/_ferrite/v1/access-keys", request).await?;
    let text = |name: &str| answer["accessKey"][name].as_str().unwrap().to_owned();
    Ok((text("id"), text("secret")))
}

async fn create_account(server: &Server, id: &str) -> Result<Value, ApiError> {
    call(server, "POST", "/_ferrite/v1/accounts", json!({ "id": id })).await
}

async fn delete_key(server: &Server, id: &str) -> Result<Value, ApiError> {
    call(server, "DELETE", &format!("/_ferrite/v1/access-keys/{id}"), Value::Null).await
}

//! The registry, called as the gateway calls it, on the store that `FERRITE_TEST_STORE` names.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attachments;
mod authorization;
mod billing_groups;
mod ca_certificates;
mod certificate_providers;
mod certificate_transfers;
mod certificates;
mod certificates_of_cas;
mod connectivity;
mod devices;
mod dynamic_thing_groups;
mod endpoints;
mod events;
mod names;
mod openssl;
mod policies;
mod races;
mod tags;
mod thing_group_memberships;
mod thing_groups;
mod thing_types;
mod things;

use std::collections::BTreeSet;

use ferrite_registry as registry;
use model::iot::op::{
    AddThingToThingGroup, CreateKeysAndCertificate, CreatePolicy, CreateThing, CreateThingGroup,
    UpdateCertificate,
};
use serde_json::{Value, json};
use service::ApiError;
use testing::Server;

/// A policy's document.
const DOCUMENT: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}]}"#;
/// An id that no certificate has.
const NO_ID: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A server with the registry alone.
async fn server() -> Server {
    Server::with(vec![registry::feature()]).await
}

/// The code of a refusal. Says what was answered if it is none.
fn code(result: Result<Value, ApiError>) -> &'static str {
    result.expect_err("a refusal is expected").code
}

/// The code and the message of a refusal.
fn refusal(result: Result<Value, ApiError>) -> (&'static str, String) {
    let error = result.expect_err("a refusal is expected");
    (error.code, error.message)
}

/// Creates a thing without type or attributes.
async fn create_thing(server: &Server, name: &str) -> Value {
    server.call::<CreateThing>(json!({"thingName": name})).await.unwrap()
}

/// Creates a thing group, below a parent if `parent` is not empty.
async fn create_group(server: &Server, name: &str, parent: &str) -> Value {
    let mut request = json!({"thingGroupName": name});
    if !parent.is_empty() {
        request["parentGroupName"] = json!(parent);
    }
    server.call::<CreateThingGroup>(request).await.unwrap()
}

/// Puts a thing into a group.
async fn add_to_group(server: &Server, thing: &str, group: &str) {
    let request = json!({"thingName": thing, "thingGroupName": group});
    server.call::<AddThingToThingGroup>(request).await.unwrap();
}

/// The ARN of a thing group.
fn group_arn(name: &str) -> String {
    format!("arn:aws:iot:us-east-1:000000000000:thinggroup/{name}")
}

/// Creates a policy.
async fn create_policy(server: &Server, name: &str) -> Value {
    let request = json!({"policyName": name, "policyDocument": DOCUMENT});
    server.call::<CreatePolicy>(request).await.unwrap()
}

/// Creates an active certificate; returns its id and ARN.
async fn create_certificate(server: &Server) -> (String, String) {
    let created = server.call::<CreateKeysAndCertificate>(json!({"setAsActive": true}));
    let created = created.await.unwrap();
    let text = |member: &str| created[member].as_str().unwrap().to_owned();
    (text("certificateId"), text("certificateArn"))
}

/// Makes a certificate inactive.
async fn deactivate(server: &Server, id: &str) {
    let request = json!({"certificateId": id, "newStatus": "INACTIVE"});
    server.call::<UpdateCertificate>(request).await.unwrap();
}

/// `member` of each element, in the list's order.
fn each(list: &Value, member: &str) -> Vec<String> {
    let text = |element: &Value| element[member].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(text).collect()
}

/// The members of an object.
fn members(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

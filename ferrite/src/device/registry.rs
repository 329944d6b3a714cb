//! What the commands ask of the server's registry, as any AWS client would.

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::client::{self, Call, encode};
use crate::config::Config;

/// What `DescribeThing` and `GetPolicy` answer where there is none.
const NOT_FOUND: &str = "ResourceNotFoundException";

/// A certificate that was just made.
pub(super) struct Issued {
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) pem: String,
    pub(super) private_key: String,
}

/// The host that devices of this server connect to.
pub(super) fn endpoint(config: &Config) -> anyhow::Result<String> {
    let answer = get(config, "/endpoint?endpointType=iot%3AData-ATS")?;
    member(&answer, "endpointAddress")
}

/// The ARN of a thing, if there is such a thing.
pub(super) fn find_thing(config: &Config, name: &str) -> anyhow::Result<Option<String>> {
    let answer = found(get(config, &thing_path(name)))?;
    answer.map(|thing| member(&thing, "thingArn")).transpose()
}

/// Makes a thing, and returns its ARN.
pub(super) fn create_thing(config: &Config, name: &str) -> anyhow::Result<String> {
    member(&client::call(config, "POST", &thing_path(name), &json!({}))?, "thingArn")
}

pub(super) fn delete_thing(config: &Config, name: &str) -> anyhow::Result<()> {
    client::call(config, "DELETE", &thing_path(name), &Value::Null).map(drop)
}

/// The document of a policy, if there is such a policy.
pub(super) fn find_policy(config: &Config, name: &str) -> anyhow::Result<Option<String>> {
    let answer = found(get(config, &policy_path(name)))?;
    answer.map(|policy| member(&policy, "policyDocument")).transpose()
}

pub(super) fn create_policy(config: &Config, name: &str, document: &str) -> anyhow::Result<()> {
    let body = json!({ "policyDocument": document });
    client::call(config, "POST", &policy_path(name), &body).map(drop)
}

pub(super) fn delete_policy(config: &Config, name: &str) -> anyhow::Result<()> {
    client::call(config, "DELETE", &policy_path(name), &Value::Null).map(drop)
}

/// Whether anybody has the policy.
pub(super) fn is_policy_in_use(config: &Config, name: &str) -> anyhow::Result<bool> {
    let path = format!("/policy-targets/{}", encode(name));
    let answer = client::call(config, "POST", &path, &Value::Null)?;
    Ok(!texts(&answer, "/targets", "").is_empty())
}

/// Makes a certificate that is active at once.
pub(super) fn create_certificate(config: &Config) -> anyhow::Result<Issued> {
    let path = "/keys-and-certificate?setAsActive=true";
    let answer = client::call(config, "POST", path, &Value::Null)?;
    let private_key = answer.pointer("/keyPair/PrivateKey").and_then(Value::as_str);
    Ok(Issued {
        id: member(&answer, "certificateId")?,
        arn: member(&answer, "certificateArn")?,
        pem: member(&answer, "certificatePem")?,
        private_key: private_key.context("the answer has no private key")?.to_owned(),
    })
}

/// Deletes a certificate that nothing holds any more.
pub(super) fn delete_certificate(config: &Config, arn: &str) -> anyhow::Result<()> {
    let Some((_, id)) = arn.rsplit_once('/') else { bail!("{arn} is no certificate") };
    let path = format!("/certificates/{}", encode(id));
    client::call(config, "PUT", &format!("{path}?newStatus=INACTIVE"), &Value::Null)?;
    client::call(config, "DELETE", &path, &Value::Null).map(drop)
}

pub(super) fn attach_policy(config: &Config, policy: &str, target: &str) -> anyhow::Result<()> {
    client::call(config, "PUT", &target_path(policy), &json!({ "target": target })).map(drop)
}

pub(super) fn detach_policy(config: &Config, policy: &str, target: &str) -> anyhow::Result<()> {
    client::call(config, "POST", &target_path(policy), &json!({ "target": target })).map(drop)
}

/// The names of the policies that a certificate has: AWS allows ten, less than a page.
pub(super) fn policies_of(config: &Config, target: &str) -> anyhow::Result<Vec<String>> {
    let path = format!("/attached-policies/{}", encode(target));
    let answer = client::call(config, "POST", &path, &Value::Null)?;
    Ok(texts(&answer, "/policies", "/policyName"))
}

pub(super) fn attach_thing(config: &Config, thing: &str, principal: &str) -> anyhow::Result<()> {
    with_principal(config, "PUT", &format!("{}/principals", thing_path(thing)), principal).map(drop)
}

pub(super) fn detach_thing(config: &Config, thing: &str, principal: &str) -> anyhow::Result<()> {
    with_principal(config, "DELETE", &format!("{}/principals", thing_path(thing)), principal)
        .map(drop)
}

/// The first page of what a thing connects with.
pub(super) fn principals_of(config: &Config, thing: &str) -> anyhow::Result<Vec<String>> {
    let answer = get(config, &format!("{}/principals", thing_path(thing)))?;
    Ok(texts(&answer, "/principals", ""))
}

/// The first page of the things that connect with a certificate.
pub(super) fn things_of(config: &Config, principal: &str) -> anyhow::Result<Vec<String>> {
    let answer = with_principal(config, "GET", "/principals/things", principal)?;
    Ok(texts(&answer, "/things", ""))
}

fn get(config: &Config, path_and_query: &str) -> anyhow::Result<Value> {
    client::call(config, "GET", path_and_query, &Value::Null)
}

fn with_principal(
    config: &Config,
    method: &str,
    path: &str,
    principal: &str,
) -> anyhow::Result<Value> {
    let headers = &[("x-amzn-principal", principal)];
    client::send(config, &Call { method, path_and_query: path, headers, body: &Value::Null })
}

/// Nothing instead of the refusal that there is none.
fn found(answer: anyhow::Result<Value>) -> anyhow::Result<Option<Value>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if client::is_refusal(&error, NOT_FOUND) => Ok(None),
        Err(error) => Err(error),
    }
}

fn thing_path(name: &str) -> String {
    format!("/things/{}", encode(name))
}

fn policy_path(name: &str) -> String {
    format!("/policies/{}", encode(name))
}

fn target_path(policy: &str) -> String {
    format!("/target-policies/{}", encode(policy))
}

fn member(answer: &Value, name: &str) -> anyhow::Result<String> {
    let value = answer.get(name).and_then(Value::as_str).map(str::to_owned);
    value.with_context(|| format!("the answer has no {name}"))
}

/// The text at `pointer` in each entry of a list.
fn texts(answer: &Value, list: &str, pointer: &str) -> Vec<String> {
    let entries = answer.pointer(list).and_then(Value::as_array).into_iter().flatten();
    let text = |entry: &Value| entry.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    entries.filter_map(text).collect()
}

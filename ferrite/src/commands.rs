//! The commands that go through the running server.
#![allow(clippy::print_stdout, reason = "commands answer on the terminal")]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};
use types::AccountId;

use crate::client;
use crate::config::Config;

/// `ferrite account create`.
pub(crate) fn create_account(
    config: &Config,
    id: Option<AccountId>,
    name: Option<String>,
) -> anyhow::Result<()> {
    let body = json!({ "id": id, "name": name });
    let answer = client::call(config, "POST", "/_ferrite/v1/accounts", &body)?;
    println!("account            {}", text(&answer, "/account/id"));
    print_key(&answer);
    Ok(())
}

/// `ferrite account list`.
pub(crate) fn list_accounts(config: &Config) -> anyhow::Result<()> {
    let answer = client::call(config, "GET", "/_ferrite/v1/accounts", &Value::Null)?;
    for account in list(&answer, "accounts") {
        println!("{}  {}", text(account, "/id"), text(account, "/name"));
    }
    Ok(())
}

/// `ferrite access-key create`.
pub(crate) fn create_access_key(
    config: &Config,
    account: Option<AccountId>,
    name: Option<String>,
    policy: Option<PathBuf>,
) -> anyhow::Result<()> {
    let policy = policy.as_deref().map(read_policy).transpose()?;
    let body = json!({ "account": account, "name": name, "policy": policy });
    let answer = client::call(config, "POST", "/_ferrite/v1/access-keys", &body)?;
    print_key(&answer);
    Ok(())
}

/// `ferrite access-key list`.
pub(crate) fn list_access_keys(config: &Config, account: Option<AccountId>) -> anyhow::Result<()> {
    let query = account.map(|account| format!("?account={account}")).unwrap_or_default();
    let path = format!("/_ferrite/v1/access-keys{query}");
    let answer = client::call(config, "GET", &path, &Value::Null)?;
    for key in list(&answer, "accessKeys") {
        let scope = if key.get("policy").is_none_or(Value::is_null) {
            "everything"
        } else {
            "what its policy allows"
        };
        println!("{}  {}  {scope}", text(key, "/id"), text(key, "/arn"));
    }
    Ok(())
}

/// `ferrite access-key delete`.
pub(crate) fn delete_access_key(config: &Config, id: &str) -> anyhow::Result<()> {
    let is_id = id.bytes().all(|b| b.is_ascii_alphanumeric());
    anyhow::ensure!(is_id, "an access key's id has letters and digits alone: {id}");
    let path = format!("/_ferrite/v1/access-keys/{id}");
    client::call(config, "DELETE", &path, &Value::Null)?;
    println!("deleted {id}");
    Ok(())
}

/// `ferrite backup`.
pub(crate) fn backup(config: &Config, directory: &Path, with_keys: bool) -> anyhow::Result<()> {
    let directory = std::path::absolute(directory)?;
    let name = directory.to_str().context("the directory's name is not UTF-8")?;
    let body = json!({ "directory": name, "withKeys": with_keys });
    let answer = client::call(config, "POST", "/_ferrite/v1/backup", &body)?;
    let bytes = answer.get("bytes").and_then(Value::as_u64).unwrap_or(0);
    println!("backed up the store ({bytes} bytes) and the root certificate into {name}");
    for left_out in list(&answer, "leftOut") {
        println!("not in it: {}", left_out.as_str().unwrap_or_default());
    }
    println!("restore it with: ferrite restore {name} --data-dir NEW");
    Ok(())
}

/// The text itself is sent, so that a fault in it is found where policies are read.
fn read_policy(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))
}

fn print_key(answer: &Value) {
    println!("access key id      {}", text(answer, "/accessKey/id"));
    println!("secret access key  {}", text(answer, "/accessKey/secret"));
    println!("principal          {}", text(answer, "/accessKey/arn"));
    println!("The secret is not shown again.");
}

fn text<'a>(answer: &'a Value, pointer: &str) -> &'a str {
    answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(answer: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    answer.get(name).and_then(Value::as_array).into_iter().flatten()
}

//! `/_ferrite/v1/access-keys`: for an account's own root, and for the root of the server's own
//! account in every account.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use service::{Access, ApiError, Cx, RawRequest, RawResponse, RawRoute, RouteMatch};
use types::AccountId;

use crate::access_key::{Plan, StoredKey};
use crate::{Identity, NewAccessKey, caller, json, store};

const PATH: &str = "/_ferrite/v1/access-keys";
const PATH_OF_ONE: &str = "/_ferrite/v1/access-keys/";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateAccessKey {
    account: Option<AccountId>,
    name: Option<String>,
    /// The document itself, or its text.
    policy: Option<Value>,
}

pub(crate) fn routes(identity: &Arc<Identity>) -> [RawRoute; 3] {
    let (creator, deleter) = (Arc::clone(identity), Arc::clone(identity));
    let create = move |cx, request| create(Arc::clone(&creator), cx, request);
    let delete = move |cx, request| delete(Arc::clone(&deleter), cx, request);
    let access = Access::Signed;
    [
        RawRoute::new(RouteMatch::Path("POST", PATH), access, "CreateAccessKey", create),
        RawRoute::new(RouteMatch::Path("GET", PATH), access, "ListAccessKeys", list),
        RawRoute::new(RouteMatch::Prefix("DELETE", PATH_OF_ONE), access, "DeleteAccessKey", delete),
    ]
}

/// A new key with its secret, which is not shown again.
pub(crate) fn shown_once(key: &NewAccessKey) -> Value {
    json!({
        "id": key.id,
        "secret": key.secret.expose(),
        "account": key.account,
        "arn": key.arn,
    })
}

async fn create(
    identity: Arc<Identity>,
    cx: Cx,
    request: RawRequest,
) -> Result<RawResponse, ApiError> {
    let CreateAccessKey { account, name, policy } = json::body(&request)?;
    let account = caller::account(&cx, account)?;
    let policy = policy.map(|policy| match policy {
        Value::String(text) => text,
        document => document.to_string(),
    });
    let key = identity.create_key(&cx, account, Plan { name, policy }).await?;
    RawResponse::json(&json!({ "accessKey": shown_once(&key) }))
}

async fn list(cx: Cx, request: RawRequest) -> Result<RawResponse, ApiError> {
    let account = caller::account(&cx, json::account(&request)?)?;
    let max = cx.app.limits.access_keys_per_account_max;
    let keys = store::access_keys(cx.store(), account, max).await?;
    let keys: Vec<Value> = keys.iter().map(shown).collect();
    RawResponse::json(&json!({ "accessKeys": keys }))
}

async fn delete(
    identity: Arc<Identity>,
    cx: Cx,
    request: RawRequest,
) -> Result<RawResponse, ApiError> {
    let id = request.path.strip_prefix(PATH_OF_ONE).unwrap_or_default();
    identity.delete_key(&cx, id).await?;
    RawResponse::json(&json!({}))
}

fn shown(key: &StoredKey) -> Value {
    let policy = key
        .policy
        .as_deref()
        .map(|text| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())));
    json!({
        "id": key.id,
        "account": key.account,
        "arn": key.arn(),
        "name": key.name,
        "policy": policy,
        "createdAt": key.created_at,
    })
}

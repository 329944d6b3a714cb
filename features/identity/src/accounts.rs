//! `/_ferrite/v1/accounts`: for the root of the server's own account.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use service::{Access, ApiError, Cx, RawRequest, RawResponse, RawRoute, RouteMatch};
use types::AccountId;

use crate::account::Account;
use crate::{Identity, json, store};

const PATH: &str = "/_ferrite/v1/accounts";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateAccount {
    id: Option<AccountId>,
    name: Option<String>,
}

pub(crate) fn routes(identity: &Arc<Identity>) -> [RawRoute; 2] {
    let identity = Arc::clone(identity);
    let create = move |cx, request| create(Arc::clone(&identity), cx, request);
    let access = Access::Administrator;
    [
        RawRoute::new(RouteMatch::Path("POST", PATH), access, "CreateAccount", create),
        RawRoute::new(RouteMatch::Path("GET", PATH), access, "ListAccounts", list),
    ]
}

/// Creates an account, and shows the secret of its root key this once.
async fn create(
    identity: Arc<Identity>,
    cx: Cx,
    request: RawRequest,
) -> Result<RawResponse, ApiError> {
    let CreateAccount { id, name } = json::body(&request)?;
    let (account, key) = identity.create_account(&cx, id, name).await?;
    RawResponse::json(&json!({
        "account": shown(&account),
        "accessKey": crate::access_keys::shown_once(&key),
    }))
}

async fn list(cx: Cx, _: RawRequest) -> Result<RawResponse, ApiError> {
    let accounts = store::accounts(cx.store(), cx.app.limits.accounts_max).await?;
    let accounts: Vec<Value> = accounts.iter().map(shown).collect();
    RawResponse::json(&json!({ "accounts": accounts }))
}

fn shown(account: &Account) -> Value {
    json!({ "id": account.id, "name": account.name, "createdAt": account.created_at })
}

//! Who may call the API: accounts, access keys and the policies that limit them, and STS.
//!
//! Every account is born with a root key, which may do everything in it. Secrets lie sealed in
//! the store and leave it once, when a key is created. What the gateway asks on every request is
//! answered from memory; see [`Identity`].

mod access_key;
mod access_keys;
mod account;
mod accounts;
mod audit;
mod cache;
mod caller;
mod identity;
mod json;
mod query;
mod store;
mod sts;

pub use access_key::NewAccessKey;
pub use identity::Identity;

use std::sync::Arc;

use service::Feature;

/// The routes of accounts, access keys, the audit trail and STS.
pub fn feature(identity: &Arc<Identity>) -> Feature {
    let mut raw_routes = vec![sts::route(), audit::route()];
    raw_routes.extend(accounts::routes(identity));
    raw_routes.extend(access_keys::routes(identity));
    Feature { raw_routes, ..Feature::default() }
}

//! Access keys: who signs a request, as the gateway asks identity.

use std::sync::Arc;

use policy::Document;
use types::{AccountId, Secret};

use crate::{ApiError, BoxFuture};

/// An access key and whom it stands for.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// `AKIA…`.
    pub id: String,
    /// What requests are signed with.
    pub secret: Secret,
    /// Whose resources it reaches.
    pub account: AccountId,
    /// `arn:aws:iam::123456789012:root` or `…:user/NAME`.
    pub arn: String,
    /// The unique id that `GetCallerIdentity` tells.
    pub user_id: String,
    /// What it may do; `None` is everything, the root key's case.
    pub policy: Option<Arc<Document>>,
}

/// Looks access keys up. Identity implements it; the gateway asks it on every request.
pub trait AccessKeys: Send + Sync {
    /// The key with this id, if there is one.
    fn find<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Arc<AccessKey>>, ApiError>>;
}

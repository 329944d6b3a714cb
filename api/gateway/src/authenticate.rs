//! Who signed a request: the access key that it names, and whether its signature holds.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::request::Parts;
use service::{AccessKey, ApiError};
use sigv4::{AuthError, Authorization, Payload, Request, SigningKey};

use crate::Gateway;

/// Signing keys kept ready; a derivation costs four HMACs.
const SIGNING_KEYS_MAX: usize = 4096;

/// Derived signing keys, by access key and scope.
#[derive(Default)]
pub(crate) struct SigningKeys(RwLock<HashMap<String, SigningKey>>);

impl SigningKeys {
    fn get(&self, key: &AccessKey, authorization: &Authorization<'_>) -> SigningKey {
        let Authorization { date, region, service, .. } = authorization;
        let name = [&*key.id, &**date, &**region, &**service].join("/");
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        known.unwrap_or_else(|| {
            let derived = SigningKey::derive(key.secret.expose(), date, region, service);
            let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
            if keys.len() >= SIGNING_KEYS_MAX {
                keys.clear();
            }
            keys.insert(name, derived.clone());
            derived
        })
    }
}

/// The headers of a request as the signature sees them.
pub(crate) fn signed_form(head: &Parts) -> Vec<(&str, &[u8])> {
    head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

/// A request in the form that `sigv4` reads.
pub(crate) fn request<'a>(
    head: &'a Parts,
    headers: &'a [(&'a str, &'a [u8])],
    payload: Payload<'a>,
) -> Request<'a> {
    let raw_path = head.uri.path();
    let raw_query = head.uri.query().unwrap_or_default();
    Request { method: head.method.as_str(), raw_path, raw_query, headers, payload }
}

/// Whether a request has a signature of AWS's, good or bad.
pub(crate) fn is_signed(request: &Request<'_>) -> bool {
    !matches!(sigv4::parse(request), Ok(None))
}

impl Gateway {
    /// The signature of a request and the key that it names; the signature is not yet checked.
    pub(crate) async fn identify<'a>(
        &self,
        request: &Request<'a>,
    ) -> Result<(Authorization<'a>, Arc<AccessKey>), ApiError> {
        let authorization = sigv4::parse(request).map_err(refused)?.ok_or_else(|| {
            ApiError::new("MissingAuthenticationTokenException", "Missing Authentication Token")
        })?;
        let found = self.neighbours.keys.find(&authorization.access_key_id).await?;
        let is_usable = self.app.settings.is_dev || authorization.session_token.is_none();
        let key = found.filter(|_| is_usable).ok_or_else(|| {
            ApiError::new(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            )
        })?;
        Ok((authorization, key))
    }

    /// Checks the signature over the whole request. Under `--dev` every signature holds.
    pub(crate) fn verify(
        &self,
        request: &Request<'_>,
        authorization: &Authorization<'_>,
        key: &AccessKey,
    ) -> Result<(), ApiError> {
        if self.app.settings.is_dev {
            return Ok(());
        }
        let signing_key = self.signing_keys.get(key, authorization);
        let skew = Duration::from_secs(self.app.limits.signature_skew_s);
        let now = self.app.env.clock.now();
        sigv4::verify(request, authorization, &signing_key, now, skew).map_err(refused)
    }
}

fn refused(error: AuthError) -> ApiError {
    ApiError::new(error.code(), error.to_string())
}

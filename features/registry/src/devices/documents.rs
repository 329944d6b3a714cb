//! Policy documents that are ready to be evaluated, one for all who have the policy.
//!
//! A version's text never changes, and a policy that is created again has another generation: what
//! is kept here needs no news of changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use policy::{Dialect, Document, Malformed};
use types::TenantId;

use crate::store::policies::Policy;

/// Documents kept; beyond that those that nobody holds are forgotten.
const DOCUMENTS_MAX: usize = 10_000;

/// The documents.
#[derive(Default)]
pub(super) struct Documents(Mutex<HashMap<Version, Arc<Document>>>);

/// A policy's default version.
#[derive(PartialEq, Eq, Hash)]
struct Version {
    tenant: TenantId,
    policy: String,
    generation: String,
    number: u64,
}

impl Version {
    fn of(tenant: TenantId, policy: &Policy) -> Self {
        Self {
            tenant,
            policy: policy.name.clone(),
            generation: policy.generation_id.clone(),
            number: policy.default_version,
        }
    }
}

impl Documents {
    /// The document of a policy's default version, if it was read before.
    pub(super) fn find(&self, tenant: TenantId, policy: &Policy) -> Option<Arc<Document>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&Version::of(tenant, policy)).cloned()
    }

    /// Reads `text`, which is that of the policy's default version, and keeps the document.
    pub(super) fn read(
        &self,
        tenant: TenantId,
        policy: &Policy,
        text: &str,
    ) -> Result<Arc<Document>, Malformed> {
        let document = Arc::new(Document::parse(text, Dialect::Iot)?);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= DOCUMENTS_MAX {
            known.retain(|_, document| Arc::strong_count(document) > 1);
        }
        if known.len() >= DOCUMENTS_MAX {
            known.clear();
        }
        let kept = known.entry(Version::of(tenant, policy)).or_insert(document);
        Ok(Arc::clone(kept))
    }
}

#[cfg(test)]
mod tests {
    use types::Timestamp;

    use super::*;

    const TEXT: &str = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

    fn policy(generation: &str) -> Policy {
        Policy::new("p".to_owned(), generation.to_owned(), Timestamp::EPOCH)
    }

    #[test]
    fn a_document_is_read_once_for_all() {
        let documents = Documents::default();
        let tenant = TenantId(1);
        assert!(documents.find(tenant, &policy("a")).is_none());
        let first = documents.read(tenant, &policy("a"), TEXT).unwrap();
        let second = documents.read(tenant, &policy("a"), TEXT).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&first, &documents.find(tenant, &policy("a")).unwrap()));
    }

    #[test]
    fn another_tenant_and_another_generation_have_their_own() {
        let documents = Documents::default();
        documents.read(TenantId(1), &policy("a"), TEXT).unwrap();
        assert!(documents.find(TenantId(2), &policy("a")).is_none());
        assert!(documents.find(TenantId(1), &policy("b")).is_none());
        let mut second = policy("a");
        second.default_version = 2;
        assert!(documents.find(TenantId(1), &second).is_none());
    }
}

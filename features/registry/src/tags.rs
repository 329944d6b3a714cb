//! Tags: set, remove, list. Those of policies, thing types, groups, CA certificates and certificate
//! providers, and of what other features say.

use std::collections::BTreeMap;

use model::iot::{
    ListTagsForResourceRequest, ListTagsForResourceResponse, Tag, TagResourceRequest,
    TagResourceResponse, UntagResourceRequest, UntagResourceResponse,
};
use service::retry::{Setback, retry};
pub(crate) use service::tags::of_new_resource;
use service::tags::{RecordOf, checked, too_many};
use service::{ApiError, Cx, operations};
use store::Batch;
use types::Arn;

use crate::store::{
    billing_groups, ca_certificates, certificate_providers, policies, tags, thing_groups,
    thing_types,
};

operations! { iot:
    TagResource => tag_resource,
    UntagResource => untag_resource,
    ListTagsForResource => list_tags_for_resource,
}

/// Sets tags; those with other keys stay.
async fn tag_resource(
    cx: &Cx,
    request: TagResourceRequest,
) -> Result<TagResourceResponse, ApiError> {
    let resource = Taggable::parse(cx, &request.resource_arn)?;
    let given = checked(request.tags)?;
    let set = |tags: &mut BTreeMap<String, String>| {
        tags.extend(given.clone());
        if tags.len() > cx.app.limits.tags_max {
            return Err(ApiError::limit_exceeded(too_many(cx.app.limits.tags_max)));
        }
        Ok(())
    };
    retry(|| change(cx, &resource, &set)).await?;
    Ok(TagResourceResponse {})
}

/// Removes tags. Removing what is not there is not an error.
async fn untag_resource(
    cx: &Cx,
    request: UntagResourceRequest,
) -> Result<UntagResourceResponse, ApiError> {
    let resource = Taggable::parse(cx, &request.resource_arn)?;
    let remove = |tags: &mut BTreeMap<String, String>| {
        tags.retain(|key, _| !request.tag_keys.contains(key));
        Ok(())
    };
    retry(|| change(cx, &resource, &remove)).await?;
    Ok(UntagResourceResponse {})
}

/// Lists all tags by key. They are few enough for one page, so there is no token to pass.
async fn list_tags_for_resource(
    cx: &Cx,
    request: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResponse, ApiError> {
    let resource = Taggable::parse(cx, &request.resource_arn)?;
    if request.next_token.is_some() {
        return Err(ApiError::invalid("The token is invalid: all tags are on one page."));
    }
    resource.check_exists(cx).await?;
    let stored = tags::find(cx, &resource.arn).await?;
    let found = stored.map(|stored| stored.document.tags).unwrap_or_default();
    let listed = found.into_iter().map(|(key, value)| Tag { key, value: Some(value) });
    Ok(ListTagsForResourceResponse { tags: Some(listed.collect()), next_token: None })
}

/// A resource that carries tags.
struct Taggable {
    arn: String,
    name: String,
    kind: TaggableKind,
}

enum TaggableKind {
    CaCertificate,
    CertificateProvider,
    Policy,
    ThingType,
    BillingGroup,
    ThingGroup,
    /// Of another feature.
    Other(RecordOf),
}

impl Taggable {
    fn parse(cx: &Cx, text: &str) -> Result<Self, ApiError> {
        let invalid = || ApiError::invalid(format!("Invalid resource ARN: {text}"));
        let arn = Arn::parse(text).map_err(|_| invalid())?;
        // Another way to write an ARN would be another resource to policies, and to its tags.
        let provider = arn.resource.strip_prefix("certificateprovider:");
        let provider = provider.map(|name| ("certificateprovider:", name));
        let (kind, name) = provider.or_else(|| arn.type_and_name()).ok_or_else(invalid)?;
        if arn.service != "iot" || !cx.tenant.owns(&arn) || name.is_empty() {
            return Err(invalid());
        }
        let kind = match kind {
            "cacert" => TaggableKind::CaCertificate,
            "certificateprovider:" => TaggableKind::CertificateProvider,
            "policy" => TaggableKind::Policy,
            "thingtype" => TaggableKind::ThingType,
            "billinggroup" => TaggableKind::BillingGroup,
            "thinggroup" => TaggableKind::ThingGroup,
            _ => TaggableKind::Other(cx.app.taggable.find(kind).ok_or_else(|| {
                let message = format!("Tagging is not supported for resources of type {kind}.");
                ApiError::invalid(message)
            })?),
        };
        Ok(Self { arn: cx.arn(arn.resource), name: name.to_owned(), kind })
    }

    async fn check_exists(&self, cx: &Cx) -> Result<(), ApiError> {
        let exists = match self.kind {
            TaggableKind::CaCertificate => ca_certificates::find(cx, &self.name).await?.is_some(),
            TaggableKind::CertificateProvider => {
                let found = certificate_providers::find(cx).await?;
                found.is_some_and(|stored| stored.document.name == self.name)
            }
            TaggableKind::Policy => policies::find(cx, &self.name).await?.is_some(),
            TaggableKind::ThingType => thing_types::find(cx, &self.name).await?.is_some(),
            TaggableKind::BillingGroup => billing_groups::find(cx, &self.name).await?.is_some(),
            TaggableKind::ThingGroup => thing_groups::find(cx, &self.name).await?.is_some(),
            TaggableKind::Other(record) => {
                cx.store().get(&record(&cx.tenant, &self.name)).await?.is_some()
            }
        };
        if exists {
            return Ok(());
        }
        Err(ApiError::not_found(format!("The resource {} does not exist.", self.arn)))
    }

    /// Makes the batch fail if the resource goes away.
    fn require(&self, cx: &Cx, batch: &mut Batch) {
        match self.kind {
            TaggableKind::CaCertificate => ca_certificates::require(cx, batch, &self.name),
            TaggableKind::CertificateProvider => certificate_providers::require(cx, batch),
            TaggableKind::Policy => policies::require(cx, batch, &self.name),
            TaggableKind::ThingType => thing_types::require(cx, batch, &self.name),
            TaggableKind::BillingGroup => billing_groups::require(cx, batch, &self.name),
            TaggableKind::ThingGroup => thing_groups::require(cx, batch, &self.name),
            TaggableKind::Other(record) => {
                batch.require_exists(record(&cx.tenant, &self.name));
            }
        }
    }
}

async fn change(
    cx: &Cx,
    resource: &Taggable,
    edit: &(impl Fn(&mut BTreeMap<String, String>) -> Result<(), ApiError> + Sync),
) -> Result<(), Setback> {
    resource.check_exists(cx).await?;
    let before = tags::find(cx, &resource.arn).await?;
    let current = before.as_ref().map(|stored| stored.document.tags.clone()).unwrap_or_default();
    let mut after = current.clone();
    edit(&mut after)?;
    if after != current {
        let mut batch = Batch::new();
        resource.require(cx, &mut batch);
        tags::replace(cx, &mut batch, &resource.arn, before.as_ref(), &after);
        cx.commit(batch).await?;
    }
    Ok(())
}

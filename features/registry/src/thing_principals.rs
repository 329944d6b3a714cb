//! Things and their principals: attach, detach, list from either side.

use model::iot::{
    AttachThingPrincipalRequest, AttachThingPrincipalResponse, DetachThingPrincipalRequest,
    DetachThingPrincipalResponse, ListPrincipalThingsRequest, ListPrincipalThingsResponse,
    ListPrincipalThingsV2Request, ListPrincipalThingsV2Response, ListThingPrincipalsRequest,
    ListThingPrincipalsResponse, ListThingPrincipalsV2Request, ListThingPrincipalsV2Response,
    PrincipalThingObject, ThingPrincipalObject, ThingPrincipalType,
};
use service::retry::{Setback, retry};
use service::{ApiError, Cx, PageRequest, operations};
use store::{Batch, CommitError, Condition};

use crate::certificates::check_registered;
use crate::principal::Principal;
use crate::store::thing_principals::Attachment;
use crate::store::{certificates, thing_principals, things};
use crate::things::not_found;

operations! { iot:
    AttachThingPrincipal => attach_thing_principal,
    DetachThingPrincipal => detach_thing_principal,
    ListThingPrincipals => list_thing_principals,
    ListThingPrincipalsV2 => list_thing_principals_v2,
    ListPrincipalThings => list_principal_things,
    ListPrincipalThingsV2 => list_principal_things_v2,
}

/// Attaches a principal to a thing. Attaching it again is not an error, as in AWS.
async fn attach_thing_principal(
    cx: &Cx,
    request: AttachThingPrincipalRequest,
) -> Result<AttachThingPrincipalResponse, ApiError> {
    let principal = Principal::parse(&request.principal, &cx.tenant)?;
    retry(|| try_attach(cx, &request, &principal)).await?;
    Ok(AttachThingPrincipalResponse {})
}

async fn try_attach(
    cx: &Cx,
    request: &AttachThingPrincipalRequest,
    principal: &Principal,
) -> Result<(), Setback> {
    let thing = &request.thing_name;
    check_both_exist(cx, thing, principal).await?;
    let wanted = request.thing_principal_type;
    if let Some(attached) = thing_principals::find(cx, thing, principal).await? {
        let is_same = wanted.is_none_or(|kind| kind == attached.document.kind);
        return if is_same { Ok(()) } else { Err(other_kind(&attached.document).into()) };
    }
    let binding = thing_principals::binding(cx, principal).await?;
    if let Some(other) = binding.as_ref().and_then(|b| b.document.exclusive_thing.as_deref()) {
        return Err(ApiError::invalid(format!(
            "The principal is attached exclusively to the thing {other}. Detach it there first."
        ))
        .into());
    }
    let kind = wanted.unwrap_or(ThingPrincipalType::NonExclusiveThing);
    let mut batch = Batch::new();
    things::require(cx, &mut batch, thing);
    require_exists(cx, &mut batch, principal);
    thing_principals::attach(cx, &mut batch, thing, principal, kind, binding.as_ref());
    match cx.commit(batch).await {
        Ok(_) => Ok(()),
        Err(CommitError::Conflict(Condition::Empty(_))) => Err(ApiError::invalid(
            "The principal is attached to other things, so it cannot be attached exclusively. \
             Detach it there first.",
        )
        .into()),
        Err(error) => Err(error.into()),
    }
}

/// Detaches a principal from a thing. Detaching what is not attached is not an error.
async fn detach_thing_principal(
    cx: &Cx,
    request: DetachThingPrincipalRequest,
) -> Result<DetachThingPrincipalResponse, ApiError> {
    let principal = Principal::parse(&request.principal, &cx.tenant)?;
    retry(|| try_detach(cx, &request.thing_name, &principal)).await?;
    Ok(DetachThingPrincipalResponse {})
}

async fn try_detach(cx: &Cx, thing: &str, principal: &Principal) -> Result<(), Setback> {
    let Some(attached) = thing_principals::find(cx, thing, principal).await? else {
        check_both_exist(cx, thing, principal).await?;
        return Ok(());
    };
    let mut batch = Batch::new();
    thing_principals::detach(cx, &mut batch, &attached);
    cx.commit(batch).await?;
    Ok(())
}

async fn list_thing_principals(
    cx: &Cx,
    request: ListThingPrincipalsRequest,
) -> Result<ListThingPrincipalsResponse, ApiError> {
    let page = PageRequest::forward(&request.next_token, request.max_results);
    let (attachments, next_token) = principals_of(cx, &request.thing_name, page).await?;
    let principals = attachments.into_iter().map(|attachment| attachment.principal).collect();
    Ok(ListThingPrincipalsResponse { principals: Some(principals), next_token })
}

async fn list_thing_principals_v2(
    cx: &Cx,
    request: ListThingPrincipalsV2Request,
) -> Result<ListThingPrincipalsV2Response, ApiError> {
    let page = PageRequest::forward(&request.next_token, request.max_results);
    let (attachments, next_token) = principals_of(cx, &request.thing_name, page).await?;
    let objects = of_kind(attachments, request.thing_principal_type)
        .map(|a| ThingPrincipalObject {
            principal: a.principal,
            thing_principal_type: Some(a.kind),
        })
        .collect();
    Ok(ListThingPrincipalsV2Response { thing_principal_objects: Some(objects), next_token })
}

async fn list_principal_things(
    cx: &Cx,
    request: ListPrincipalThingsRequest,
) -> Result<ListPrincipalThingsResponse, ApiError> {
    let page = PageRequest::forward(&request.next_token, request.max_results);
    let (attachments, next_token) = things_of(cx, &request.principal, page).await?;
    let things = attachments.into_iter().map(|attachment| attachment.thing).collect();
    Ok(ListPrincipalThingsResponse { things: Some(things), next_token })
}

async fn list_principal_things_v2(
    cx: &Cx,
    request: ListPrincipalThingsV2Request,
) -> Result<ListPrincipalThingsV2Response, ApiError> {
    let page = PageRequest::forward(&request.next_token, request.max_results);
    let (attachments, next_token) = things_of(cx, &request.principal, page).await?;
    let objects = of_kind(attachments, request.thing_principal_type)
        .map(|a| PrincipalThingObject { thing_name: a.thing, thing_principal_type: Some(a.kind) })
        .collect();
    Ok(ListPrincipalThingsV2Response { principal_thing_objects: Some(objects), next_token })
}

async fn principals_of(
    cx: &Cx,
    thing: &str,
    page: PageRequest<'_>,
) -> Result<(Vec<Attachment>, Option<String>), ApiError> {
    if things::find(cx, thing).await?.is_none() {
        return Err(ApiError::not_found(format!(
            "Failed to list principals for thing {thing} because the thing does not exist in \
             your account"
        )));
    }
    thing_principals::page_of_thing(cx, thing, page).await
}

async fn things_of(
    cx: &Cx,
    principal: &str,
    page: PageRequest<'_>,
) -> Result<(Vec<Attachment>, Option<String>), ApiError> {
    let principal = Principal::parse(principal, &cx.tenant)?;
    check_registered(cx, &principal).await?;
    thing_principals::page_of_principal(cx, &principal, page).await
}

fn of_kind(
    attachments: Vec<Attachment>,
    wanted: Option<ThingPrincipalType>,
) -> impl Iterator<Item = Attachment> {
    attachments.into_iter().filter(move |a| wanted.is_none_or(|kind| a.kind == kind))
}

async fn check_both_exist(cx: &Cx, thing: &str, principal: &Principal) -> Result<(), ApiError> {
    if things::find(cx, thing).await?.is_none() {
        return Err(not_found(thing));
    }
    check_registered(cx, principal).await
}

/// Makes the batch fail if the principal goes away. Cognito's identities are not known here.
fn require_exists(cx: &Cx, batch: &mut Batch, principal: &Principal) {
    if let Principal::Certificate { id, .. } = principal {
        certificates::require(cx, batch, id);
    }
}

fn other_kind(attached: &Attachment) -> ApiError {
    ApiError::invalid(format!(
        "The principal is attached to the thing {} as {}. Detach it first to attach it otherwise.",
        attached.thing,
        attached.kind.as_str()
    ))
}

//! Shadows over HTTP: get, update, delete, list.

use std::sync::Arc;

use bytes::Bytes;
use model::iot_data::{
    DeleteThingShadowRequest, GetThingShadowRequest, ListNamedShadowsForThingRequest,
    ListNamedShadowsForThingResponse, UpdateThingShadowRequest, op,
};
use service::{ApiError, Cx, Endpoint, PageRequest};

use crate::name::ShadowName;
use crate::outcomes::Asked;
use crate::shadows::Shadows;
use crate::store;
use crate::store::history::Author;

/// The operations of this module.
pub(crate) fn endpoints(shadows: &Arc<Shadows>) -> Vec<Endpoint> {
    let [get, update, delete, list] = [(); 4].map(|()| Arc::clone(shadows));
    vec![
        Endpoint::answering::<op::GetThingShadow, _, _>(move |cx, request| {
            get_thing_shadow(Arc::clone(&get), cx, request)
        }),
        Endpoint::answering::<op::UpdateThingShadow, _, _>(move |cx, request| {
            update_thing_shadow(Arc::clone(&update), cx, request)
        }),
        Endpoint::answering::<op::DeleteThingShadow, _, _>(move |cx, request| {
            delete_thing_shadow(Arc::clone(&delete), cx, request)
        }),
        Endpoint::new::<op::ListNamedShadowsForThing, _, _>(move |cx, request| {
            list_named_shadows_for_thing(Arc::clone(&list), cx, request)
        }),
    ]
}

async fn get_thing_shadow(
    shadows: Arc<Shadows>,
    cx: Cx,
    request: GetThingShadowRequest,
) -> Result<Bytes, ApiError> {
    let name = ShadowName { thing: request.thing_name, shadow: request.shadow_name };
    let done = shadows.get(&cx.tenant, &name, &[]).await;
    Ok(shadows.outcomes.over_http(Asked::Get, done)?.into())
}

async fn update_thing_shadow(
    shadows: Arc<Shadows>,
    cx: Cx,
    request: UpdateThingShadowRequest,
) -> Result<Bytes, ApiError> {
    let name = ShadowName { thing: request.thing_name, shadow: request.shadow_name };
    let done = shadows.update(&cx.tenant, &name, &request.payload.0, author(&cx), true).await;
    let accepted = shadows.outcomes.over_http(Asked::Update, done)?;
    Ok(accepted.unwrap_or_default().into())
}

async fn delete_thing_shadow(
    shadows: Arc<Shadows>,
    cx: Cx,
    request: DeleteThingShadowRequest,
) -> Result<Bytes, ApiError> {
    let name = ShadowName { thing: request.thing_name, shadow: request.shadow_name };
    let done = shadows.delete(&cx.tenant, &name, &[], author(&cx)).await;
    Ok(shadows.outcomes.over_http(Asked::Delete, done)?.into())
}

/// The named shadows of a thing. One that nobody knows has none.
async fn list_named_shadows_for_thing(
    shadows: Arc<Shadows>,
    cx: Cx,
    request: ListNamedShadowsForThingRequest,
) -> Result<ListNamedShadowsForThingResponse, ApiError> {
    shadows.admit_list(&cx.tenant, &request.thing_name)?;
    let page = PageRequest::forward(&request.next_token, request.page_size);
    let listing = cx.page(store::named(&cx.tenant, &request.thing_name), page).await?;
    let names = listing.entries.iter().filter_map(|entry| store::shadow_of(&entry.key)).collect();
    Ok(ListNamedShadowsForThingResponse {
        results: Some(names),
        next_token: listing.next,
        timestamp: Some(cx.now().secs()),
    })
}

/// Who calls, as versions remember it.
fn author(cx: &Cx) -> Author<'_> {
    let principal = Some(cx.caller.arn.as_str().into());
    Author { principal, client_id: None, source_ip: Some(cx.caller.source_ip) }
}

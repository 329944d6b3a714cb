//! Things: create, describe, update, delete, list.

use model::iot::{
    CreateThingRequest, CreateThingResponse, DeleteThingRequest, DeleteThingResponse,
    DescribeThingRequest, DescribeThingResponse, EventType, ListThingsRequest, ListThingsResponse,
    ThingAttribute, UpdateThingRequest, UpdateThingResponse,
};
use service::retry::{Setback, retry};
use service::{ApiError, Cx, PageRequest, operations};
use store::{Batch, CommitError, Condition};

use crate::attributes::{self, Attributes, AttributesRefused};
use crate::events::{self, Change, Event};
use crate::expected_version;
use crate::store::Stored;
use crate::store::thing_group_memberships;
use crate::store::things::{self, AttributeFilter, Filter, Thing};
use crate::{billing_groups, thing_types};

operations! { iot:
    CreateThing => create_thing,
    DescribeThing => describe_thing,
    UpdateThing => update_thing,
    DeleteThing => delete_thing,
    ListThings => list_things,
}

/// Creates a thing, or returns the existing one if it is identical.
async fn create_thing(
    cx: &Cx,
    request: CreateThingRequest,
) -> Result<CreateThingResponse, ApiError> {
    let payload = request.attribute_payload.unwrap_or_default();
    // Empty values count here, though they are not kept.
    let sent = payload.attributes.clone().unwrap_or_default();
    attributes::check(&sent, request.thing_type_name.is_some(), &cx.app.limits)?;
    let attributes = attributes::updated(&Attributes::new(), &payload);
    let id = cx.new_uuid().to_string();
    let (type_name, group) = (request.thing_type_name, request.billing_group_name);
    let wanted = Thing::new(request.thing_name, id, type_name, group, attributes);
    let thing = retry(|| create_or_find(cx, &wanted)).await?;
    Ok(CreateThingResponse {
        thing_arn: Some(arn(cx, &thing.name)),
        thing_name: Some(thing.name),
        thing_id: Some(thing.id),
    })
}

async fn create_or_find(cx: &Cx, thing: &Thing) -> Result<Thing, Setback> {
    if let Some(existing) = things::find(cx, &thing.name).await? {
        let existing = existing.document;
        let is_same = existing.type_name == thing.type_name
            && existing.billing_group_name == thing.billing_group_name
            && existing.attributes == thing.attributes;
        return if is_same { Ok(existing) } else { Err(already_exists(cx, &existing).into()) };
    }
    let mut batch = Batch::new();
    if let Some(type_name) = &thing.type_name {
        let saying = "Can not create new thing with depreated thing type:";
        thing_types::associate(cx, &mut batch, type_name, saying).await?;
    }
    if let Some(group) = &thing.billing_group_name {
        billing_groups::join(cx, &mut batch, group).await?;
    }
    things::create(cx, &mut batch, thing);
    let told = || events(Change::Created, None, Some(thing));
    events::commit(cx, batch, &events::wanted(cx).await?, told).await?;
    Ok(thing.clone())
}

async fn describe_thing(
    cx: &Cx,
    request: DescribeThingRequest,
) -> Result<DescribeThingResponse, ApiError> {
    let thing = find(cx, &request.thing_name).await?.document;
    Ok(DescribeThingResponse {
        default_client_id: Some(thing.name.clone()),
        thing_arn: Some(arn(cx, &thing.name)),
        thing_name: Some(thing.name),
        thing_id: Some(thing.id),
        thing_type_name: thing.type_name,
        attributes: Some(thing.attributes),
        version: Some(thing.version),
        billing_group_name: thing.billing_group_name,
    })
}

async fn update_thing(
    cx: &Cx,
    request: UpdateThingRequest,
) -> Result<UpdateThingResponse, ApiError> {
    if request.thing_type_name.is_some() && request.remove_thing_type == Some(true) {
        return Err(ApiError::invalid(
            "thingTypeName and removeThingType cannot be used together: set a type or remove it.",
        ));
    }
    retry(|| try_update(cx, &request)).await?;
    Ok(UpdateThingResponse {})
}

async fn try_update(cx: &Cx, request: &UpdateThingRequest) -> Result<(), Setback> {
    let before = find(cx, &request.thing_name).await?;
    check_version(&before.document, request.expected_version)?;
    let mut batch = Batch::new();
    let mut after = before.document.clone();
    after.version += 1;
    if request.remove_thing_type == Some(true) {
        after.type_name = None;
    }
    if let Some(wanted) = &request.thing_type_name {
        let saying = "Can not update a thing to use deprecated thing type: ";
        thing_types::associate(cx, &mut batch, wanted, saying).await?;
        after.type_name = Some(wanted.clone());
    }
    if let Some(payload) = &request.attribute_payload {
        after.attributes = attributes::updated(&after.attributes, payload);
    }
    attributes::check(&after.attributes, after.type_name.is_some(), &cx.app.limits)
        .map_err(ApiError::from)?;
    things::replace(cx, &mut batch, &before, &after);
    let told = || events(Change::Updated, Some(&before.document), Some(&after));
    events::commit(cx, batch, &events::wanted(cx).await?, told).await?;
    Ok(())
}

/// Deletes a thing that has no principals, and takes it out of its groups. Deleting an unknown
/// thing succeeds, as in AWS.
async fn delete_thing(
    cx: &Cx,
    request: DeleteThingRequest,
) -> Result<DeleteThingResponse, ApiError> {
    retry(|| try_delete(cx, &request)).await?;
    Ok(DeleteThingResponse {})
}

async fn try_delete(cx: &Cx, request: &DeleteThingRequest) -> Result<(), Setback> {
    let Some(thing) = things::find(cx, &request.thing_name).await? else {
        return Ok(());
    };
    check_version(&thing.document, request.expected_version)?;
    let groups = thing_group_memberships::find(cx, &request.thing_name).await?;
    let mut batch = Batch::new();
    things::delete(cx, &mut batch, &thing);
    thing_group_memberships::replace(cx, &mut batch, &request.thing_name, groups.as_ref(), &[]);
    let wanted = events::wanted(cx).await?;
    let left = if wanted.has(EventType::ThingGroupMembership) {
        thing_group_memberships::current(cx, groups.as_ref()).await?
    } else {
        Vec::new()
    };
    let told = || {
        let mut told = events(Change::Deleted, Some(&thing.document), None);
        told.extend(events::groups::memberships(cx, &thing.document, &left, &[]));
        told
    };
    match events::commit(cx, batch, &wanted, told).await {
        Ok(()) => Ok(()),
        Err(CommitError::Conflict(Condition::Empty(_))) => {
            let name = &request.thing_name;
            Err(Setback::Refused(ApiError::invalid(format!(
                "Cannot delete. Thing {name} is still attached to one or more principals"
            ))))
        }
        Err(error) => Err(error.into()),
    }
}

/// Lists things by name, or by the index that the filters name.
async fn list_things(cx: &Cx, request: ListThingsRequest) -> Result<ListThingsResponse, ApiError> {
    let attribute = match (&request.attribute_name, &request.attribute_value) {
        (Some(name), Some(value)) => {
            let is_prefix = request.use_prefix_attribute_value == Some(true);
            Some(AttributeFilter { name, value, is_prefix })
        }
        (None, None) => None,
        _ => {
            return Err(ApiError::invalid("attributeName and attributeValue are given together."));
        }
    };
    let filter = Filter { type_name: request.thing_type_name.as_deref(), attribute };
    let page = PageRequest::forward(&request.next_token, request.max_results);
    let (things, next_token) = things::page(cx, filter, page).await?;
    let listed = |thing| listed(cx, thing);
    Ok(ListThingsResponse { things: Some(things.into_iter().map(listed).collect()), next_token })
}

fn listed(cx: &Cx, thing: Thing) -> ThingAttribute {
    ThingAttribute {
        thing_arn: Some(arn(cx, &thing.name)),
        thing_name: Some(thing.name),
        thing_type_name: thing.type_name,
        attributes: Some(thing.attributes),
        version: Some(thing.version),
    }
}

fn arn(cx: &Cx, name: &str) -> String {
    cx.arn(&format!("thing/{name}"))
}

/// What a change of a thing is told by: that of the thing, and what it means for its type.
fn events(change: Change, before: Option<&Thing>, after: Option<&Thing>) -> Vec<Event> {
    let described = after.or(before).map(|thing| events::thing(change, thing));
    described.into_iter().chain(events::associations(before, after)).collect()
}

/// The thing called `name`, or the refusal that it is not there.
pub(crate) async fn find(cx: &Cx, name: &str) -> Result<Stored<Thing>, ApiError> {
    things::find(cx, name).await?.ok_or_else(|| not_found(name))
}

/// The refusal of a thing that is not there.
pub(crate) fn not_found(name: &str) -> ApiError {
    ApiError::not_found(format!("Thing {name} cannot be found."))
}

fn already_exists(cx: &Cx, existing: &Thing) -> ApiError {
    let name = &existing.name;
    let message = format!("Thing {name} already exists in account with different attributes");
    ApiError::already_exists(message, &existing.id, &arn(cx, name))
}

fn check_version(thing: &Thing, expected: Option<i64>) -> Result<(), ApiError> {
    expected_version::check("thing", &thing.name, thing.version, expected)
}

impl From<AttributesRefused> for ApiError {
    fn from(refused: AttributesRefused) -> Self {
        Self::invalid(refused.to_string())
    }
}

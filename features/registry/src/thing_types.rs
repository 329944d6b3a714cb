//! Thing types: create, describe, list, deprecate, update, delete.

use std::time::Duration;

use model::iot::{
    CreateThingTypeRequest, CreateThingTypeResponse, DeleteThingTypeRequest,
    DeleteThingTypeResponse, DeprecateThingTypeRequest, DeprecateThingTypeResponse,
    DescribeThingTypeRequest, DescribeThingTypeResponse, ListThingTypesRequest,
    ListThingTypesResponse, Mqtt5Configuration, PropagatingAttribute, ThingTypeDefinition,
    ThingTypeMetadata, ThingTypeProperties, UpdateThingTypeRequest, UpdateThingTypeResponse,
};
use service::retry::{Setback, retry};
use service::{ApiError, Cx, Limits, PageRequest, operations};
use store::{Batch, CommitError, Condition};

use crate::events::{self, Change};
use crate::store::thing_types::{self, ThingType};
use crate::store::{Stored, tags};
use crate::tags::of_new_resource;

/// What messages can carry beside attributes of their thing.
pub(crate) const CLIENT_ID: &str = "iot:ClientId";
/// As [`CLIENT_ID`].
pub(crate) const THING_NAME: &str = "iot:Thing.ThingName";

operations! { iot:
    CreateThingType => create_thing_type,
    DescribeThingType => describe_thing_type,
    ListThingTypes => list_thing_types,
    UpdateThingType => update_thing_type,
    DeprecateThingType => deprecate_thing_type,
    DeleteThingType => delete_thing_type,
}

/// Makes the batch, which gives a thing the type `name`, fail if the type goes away. A type that
/// is deprecated takes no more things: the refusal is `saying` with the name after it.
pub(crate) async fn associate(
    cx: &Cx,
    batch: &mut Batch,
    name: &str,
    saying: &str,
) -> Result<(), ApiError> {
    let thing_type = find(cx, name).await?;
    if thing_type.document.deprecated.is_some() {
        return Err(ApiError::invalid(format!("{saying}{name}")));
    }
    thing_types::require(cx, batch, name);
    Ok(())
}

/// Creates a type, or returns the existing one if its properties are the same.
async fn create_thing_type(
    cx: &Cx,
    request: CreateThingTypeRequest,
) -> Result<CreateThingTypeResponse, ApiError> {
    let properties = request.thing_type_properties.unwrap_or_default();
    check_properties(&properties, &cx.app.limits)?;
    let tags = of_new_resource(request.tags, &cx.app.limits)?;
    let id = cx.new_uuid().to_string();
    let thing_type = ThingType::new(request.thing_type_name, id, properties, cx.now());
    let created = retry(|| async {
        if let Some(existing) = thing_types::find(cx, &thing_type.name).await? {
            return existing_or_refused(cx, existing.document, &thing_type);
        }
        let mut batch = Batch::new();
        thing_types::create(cx, &mut batch, &thing_type);
        let arn = thing_types::arn(cx, &thing_type.name);
        tags::create(cx, &mut batch, &arn, &tags);
        let told = || vec![events::thing_type(Change::Created, &thing_type)];
        events::commit(cx, batch, &events::wanted(cx).await?, told).await?;
        Ok(thing_type.clone())
    });
    let created = created.await?;
    Ok(CreateThingTypeResponse {
        thing_type_arn: Some(thing_types::arn(cx, &created.name)),
        thing_type_name: Some(created.name),
        thing_type_id: Some(created.id),
    })
}

fn existing_or_refused(
    cx: &Cx,
    existing: ThingType,
    wanted: &ThingType,
) -> Result<ThingType, Setback> {
    if existing.properties == wanted.properties {
        return Ok(existing);
    }
    let name = &existing.name;
    let message = format!("Thing type {name} already exists in account with different properties");
    let arn = thing_types::arn(cx, name);
    Err(ApiError::already_exists(message, &existing.id, &arn).into())
}

async fn describe_thing_type(
    cx: &Cx,
    request: DescribeThingTypeRequest,
) -> Result<DescribeThingTypeResponse, ApiError> {
    let thing_type = find(cx, &request.thing_type_name).await?.document;
    let metadata = metadata(&thing_type);
    Ok(DescribeThingTypeResponse {
        thing_type_arn: Some(thing_types::arn(cx, &thing_type.name)),
        thing_type_name: Some(thing_type.name),
        thing_type_id: Some(thing_type.id),
        thing_type_properties: Some(thing_type.properties),
        thing_type_metadata: Some(metadata),
    })
}

/// Lists all types by name, or the one that `thingTypeName` names.
async fn list_thing_types(
    cx: &Cx,
    request: ListThingTypesRequest,
) -> Result<ListThingTypesResponse, ApiError> {
    let (found, next_token) = match &request.thing_type_name {
        Some(name) => {
            let stored = thing_types::find(cx, name).await?;
            (stored.into_iter().map(|stored| stored.document).collect(), None)
        }
        None => {
            let page = PageRequest::forward(&request.next_token, request.max_results);
            thing_types::page(cx, page).await?
        }
    };
    let listed = found.into_iter().map(|thing_type| ThingTypeDefinition {
        thing_type_arn: Some(thing_types::arn(cx, &thing_type.name)),
        thing_type_metadata: Some(metadata(&thing_type)),
        thing_type_name: Some(thing_type.name),
        thing_type_properties: Some(thing_type.properties),
    });
    Ok(ListThingTypesResponse { thing_types: Some(listed.collect()), next_token })
}

/// Changes what messages carry. Description and searchable attributes stay as they were created.
async fn update_thing_type(
    cx: &Cx,
    request: UpdateThingTypeRequest,
) -> Result<UpdateThingTypeResponse, ApiError> {
    let wanted = request.thing_type_properties.unwrap_or_default();
    check_properties(&wanted, &cx.app.limits)?;
    let update = |current: &ThingType| {
        let ThingTypeProperties { thing_type_description, searchable_attributes, .. } =
            &current.properties;
        if is_other(&wanted.thing_type_description, thing_type_description)
            || is_other(&wanted.searchable_attributes, searchable_attributes)
        {
            return Err(ApiError::invalid("Can only update mqtt5Configuration."));
        }
        let mut changed = current.clone();
        if wanted.mqtt5_configuration.is_some() {
            changed.properties.mqtt5_configuration = wanted.mqtt5_configuration.clone();
        }
        Ok(changed)
    };
    change(cx, &request.thing_type_name, update).await?;
    Ok(UpdateThingTypeResponse {})
}

/// Whether the request has a value that is not the current one.
fn is_other<T: PartialEq>(wanted: &Option<T>, current: &Option<T>) -> bool {
    wanted.is_some() && wanted != current
}

/// Deprecates a type, or takes that back. Doing either twice changes nothing.
async fn deprecate_thing_type(
    cx: &Cx,
    request: DeprecateThingTypeRequest,
) -> Result<DeprecateThingTypeResponse, ApiError> {
    let is_undone = request.undo_deprecate == Some(true);
    let now = cx.now();
    let update = |current: &ThingType| {
        let mut changed = current.clone();
        changed.deprecated = if is_undone { None } else { current.deprecated.or(Some(now)) };
        Ok(changed)
    };
    change(cx, &request.thing_type_name, update).await?;
    Ok(DeprecateThingTypeResponse {})
}

/// Replaces the type called `name` by what `update` makes of it, if that differs.
async fn change(
    cx: &Cx,
    name: &str,
    update: impl Fn(&ThingType) -> Result<ThingType, ApiError> + Sync,
) -> Result<(), ApiError> {
    retry(|| try_change(cx, name, &update)).await
}

async fn try_change(
    cx: &Cx,
    name: &str,
    update: &(impl Fn(&ThingType) -> Result<ThingType, ApiError> + Sync),
) -> Result<(), Setback> {
    let before = find(cx, name).await?;
    let after = update(&before.document)?;
    if after == before.document {
        return Ok(());
    }
    let mut batch = Batch::new();
    thing_types::replace(&mut batch, &before, &after);
    let told = || vec![events::thing_type(Change::Updated, &after)];
    events::commit(cx, batch, &events::wanted(cx).await?, told).await?;
    Ok(())
}

async fn delete_thing_type(
    cx: &Cx,
    request: DeleteThingTypeRequest,
) -> Result<DeleteThingTypeResponse, ApiError> {
    retry(|| try_delete(cx, &request.thing_type_name)).await?;
    Ok(DeleteThingTypeResponse {})
}

async fn try_delete(cx: &Cx, name: &str) -> Result<(), Setback> {
    let thing_type = find(cx, name).await?;
    let refused = |why: &str| {
        Setback::Refused(ApiError::invalid(format!("Cannot delete thing type : {name}. {why}")))
    };
    let Some(since) = thing_type.document.deprecated else {
        return Err(refused("Deprecate it first, and delete it 5 minutes later"));
    };
    if cx.now().since(since) < Duration::from_secs(cx.app.limits.thing_type_deprecated_s_min) {
        // Terraform tries again on this text alone.
        return Err(refused("Please wait for 5 minutes after deprecation and then retry"));
    }
    let mut batch = Batch::new();
    thing_types::delete(cx, &mut batch, &thing_type);
    let told = || vec![events::thing_type(Change::Deleted, &thing_type.document)];
    match events::commit(cx, batch, &events::wanted(cx).await?, told).await {
        Ok(()) => Ok(()),
        Err(CommitError::Conflict(Condition::Empty(_))) => {
            Err(refused("It is still associated with one or more things"))
        }
        Err(error) => Err(error.into()),
    }
}

async fn find(cx: &Cx, name: &str) -> Result<Stored<ThingType>, ApiError> {
    let stored = thing_types::find(cx, name).await?;
    stored.ok_or_else(|| ApiError::not_found(format!("Thing type {name} cannot be found.")))
}

fn metadata(thing_type: &ThingType) -> ThingTypeMetadata {
    ThingTypeMetadata {
        deprecated: Some(thing_type.deprecated.is_some()),
        deprecation_date: thing_type.deprecated,
        creation_date: Some(thing_type.created),
    }
}

fn check_properties(properties: &ThingTypeProperties, limits: &Limits) -> Result<(), ApiError> {
    let found = properties.searchable_attributes.as_ref().map_or(0, Vec::len);
    let max = limits.searchable_attributes_max;
    if found > max {
        return Err(ApiError::invalid(format!(
            "A thing type can have at most {max} searchable attributes, not {found}."
        )));
    }
    properties.mqtt5_configuration.as_ref().map_or(Ok(()), |mqtt5| check_mqtt5(mqtt5, limits))
}

fn check_mqtt5(configuration: &Mqtt5Configuration, limits: &Limits) -> Result<(), ApiError> {
    let propagating = configuration.propagating_attributes.as_deref().unwrap_or_default();
    let (found, max) = (propagating.len(), limits.propagating_attributes_max);
    if found > max {
        return Err(ApiError::invalid(format!(
            "A thing type can have at most {max} propagating attributes, not {found}."
        )));
    }
    if propagating.iter().all(is_whole) {
        return Ok(());
    }
    Err(ApiError::invalid(
        "A propagating attribute has a userPropertyKey, and either a thingAttribute or a \
         connectionAttribute, which is iot:ClientId or iot:Thing.ThingName.",
    ))
}

fn is_whole(attribute: &PropagatingAttribute) -> bool {
    attribute.user_property_key.is_some()
        && match (attribute.thing_attribute.as_deref(), attribute.connection_attribute.as_deref()) {
            (Some(_), None) => true,
            (None, Some(name)) => [CLIENT_ID, THING_NAME].contains(&name),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_have_bounds() {
        let named = |count: usize| ThingTypeProperties {
            searchable_attributes: Some(vec!["a".to_owned(); count]),
            ..ThingTypeProperties::default()
        };
        let limits = Limits::default();
        assert!(check_properties(&named(3), &limits).is_ok());
        assert_eq!(check_properties(&named(4), &limits).unwrap_err().code, ApiError::INVALID);
    }

    #[test]
    fn a_propagating_attribute_has_one_source() {
        let attribute = |thing: Option<&str>, connection: Option<&str>| PropagatingAttribute {
            user_property_key: Some("k".to_owned()),
            thing_attribute: thing.map(str::to_owned),
            connection_attribute: connection.map(str::to_owned),
        };
        assert!(is_whole(&attribute(Some("a"), None)));
        assert!(is_whole(&attribute(None, Some("iot:ClientId"))));
        assert!(is_whole(&attribute(None, Some("iot:Thing.ThingName"))));
        assert!(!is_whole(&attribute(None, Some("iot:Certificate"))));
        assert!(!is_whole(&attribute(None, None)));
        assert!(!is_whole(&attribute(Some("a"), Some("iot:ClientId"))));
    }
}

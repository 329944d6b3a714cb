//! Which events are told of: describe and update. All are off at first.

use model::iot::{
    Configuration, DescribeEventConfigurationsRequest, DescribeEventConfigurationsResponse,
    EventType, UpdateEventConfigurationsRequest, UpdateEventConfigurationsResponse,
};
use service::retry::{Setback, retry};
use service::{ApiError, Cx, operations};
use store::Batch;

use crate::store::event_configurations::{self, EventConfigurations};

/// Whatever there are events of.
const EVENT_TYPES: [EventType; 11] = [
    EventType::Thing,
    EventType::ThingGroup,
    EventType::ThingType,
    EventType::ThingGroupMembership,
    EventType::ThingGroupHierarchy,
    EventType::ThingTypeAssociation,
    EventType::Job,
    EventType::JobExecution,
    EventType::Policy,
    EventType::Certificate,
    EventType::CaCertificate,
];

operations! { iot:
    DescribeEventConfigurations => describe_event_configurations,
    UpdateEventConfigurations => update_event_configurations,
}

async fn describe_event_configurations(
    cx: &Cx,
    _: DescribeEventConfigurationsRequest,
) -> Result<DescribeEventConfigurationsResponse, ApiError> {
    let stored = event_configurations::find(cx).await?.map(|stored| stored.document);
    let is_enabled = |kind| stored.as_ref().is_some_and(|stored| stored.enabled.contains(&kind));
    let configuration = |kind| (kind, Configuration { enabled: Some(is_enabled(kind)) });
    Ok(DescribeEventConfigurationsResponse {
        event_configurations: Some(EVENT_TYPES.into_iter().map(configuration).collect()),
        creation_date: stored.as_ref().map(|stored| stored.created),
        last_modified_date: stored.as_ref().map(|stored| stored.modified),
    })
}

/// Switches events on and off; those that are not mentioned stay as they are.
async fn update_event_configurations(
    cx: &Cx,
    request: UpdateEventConfigurationsRequest,
) -> Result<UpdateEventConfigurationsResponse, ApiError> {
    retry(|| try_update(cx, &request)).await?;
    Ok(UpdateEventConfigurationsResponse {})
}

async fn try_update(cx: &Cx, request: &UpdateEventConfigurationsRequest) -> Result<(), Setback> {
    let before = event_configurations::find(cx).await?;
    let now = cx.now();
    let mut after = match &before {
        Some(stored) => stored.document.clone(),
        None => EventConfigurations::new(now),
    };
    after.modified = now;
    for (kind, configuration) in request.event_configurations.iter().flatten() {
        if configuration.enabled == Some(true) {
            after.enabled.insert(*kind);
        } else {
            after.enabled.remove(kind);
        }
    }
    let mut batch = Batch::new();
    event_configurations::replace(cx, &mut batch, before.as_ref(), &after);
    cx.commit(batch).await?;
    Ok(())
}

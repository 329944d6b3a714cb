//! `GetRetainedMessage` and `ListRetainedMessages`.

use model::Blob;
use model::iot_data::{
    GetRetainedMessageRequest, GetRetainedMessageResponse, ListRetainedMessagesRequest,
    ListRetainedMessagesResponse, RetainedMessageSummary,
};
use serde_json::json;
use service::{ApiError, Cx, PageRequest, operations};

use super::record::{Record, Summary, list_range, message_key};

operations! { iot_data:
    GetRetainedMessage => get_retained_message,
    ListRetainedMessages => list_retained_messages,
}

/// Tells the message that is kept for a topic.
async fn get_retained_message(
    cx: &Cx,
    request: GetRetainedMessageRequest,
) -> Result<GetRetainedMessageResponse, ApiError> {
    let topic = request.topic;
    let missing =
        || ApiError::not_found(format!("No retained message is stored for the topic {topic}."));
    let key = message_key(cx.tenant.id, &topic);
    let found = cx.store().get(&key).await?.ok_or_else(missing)?;
    let record: Record = service::decode(&found)?;
    if record.is_over(cx.now()) {
        return Err(missing());
    }
    Ok(GetRetainedMessageResponse {
        last_modified_time: Some(record.last_modified().millis()),
        payload: Some(Blob::from(record.payload_bytes())),
        qos: Some(i32::from(record.qos())),
        user_properties: user_properties(&record)?,
        topic: Some(topic),
    })
}

/// The pairs as AWS writes them: a list of objects with one member each.
fn user_properties(record: &Record) -> Result<Option<Blob>, ApiError> {
    if record.user_properties().is_empty() {
        return Ok(None);
    }
    let pairs = record.user_properties().iter();
    let pairs: Vec<_> = pairs.map(|(name, value)| json!({ name.as_str(): value })).collect();
    let text = serde_json::to_vec(&pairs).map_err(ApiError::internal)?;
    Ok(Some(Blob::from(text)))
}

/// Lists the topics that have a message, by topic.
async fn list_retained_messages(
    cx: &Cx,
    request: ListRetainedMessagesRequest,
) -> Result<ListRetainedMessagesResponse, ApiError> {
    let page = PageRequest::forward(&request.next_token, request.max_results);
    let listing = cx.page(list_range(cx.tenant.id), page).await?;
    let now = cx.now();
    let mut topics = Vec::with_capacity(listing.entries.len());
    for entry in &listing.entries {
        let summary: Summary = serde_json::from_slice(&entry.value).map_err(ApiError::internal)?;
        if summary.expires.is_none_or(|expires| expires >= now) {
            topics.push(RetainedMessageSummary {
                last_modified_time: Some(summary.last_modified.millis()),
                payload_size: i64::try_from(summary.payload_size).ok(),
                qos: Some(i32::from(summary.qos)),
                topic: Some(summary.topic),
            });
        }
    }
    Ok(ListRetainedMessagesResponse { retained_topics: Some(topics), next_token: listing.next })
}

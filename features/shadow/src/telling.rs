//! Who is told of a change, and when: in the commit where it must not be lost, after it where it
//! may, and not at all where nobody listens.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use service::{ApiError, App, OutgoingMessage, Reach};
use store::{Batch, CommitError};
use types::Tenant;

use crate::name::ShadowName;

/// What is told of an update, in this order: AWSIoTPythonSDK drops a delta whose version it was told
/// before.
pub(crate) const OF_UPDATE: &[&str] = &["update/delta", "update/accepted", "update/documents"];
/// What is told of a deletion.
pub(crate) const OF_DELETION: &[&str] = &["delete/accepted"];

/// Messages that have begun to be published.
pub(crate) type Publishing<'p> = Pin<Box<dyn Future<Output = ()> + Send + 'p>>;

/// Commits a change of a shadow and tells of it by `messages`, each of which `make` writes, if there
/// is anything to say. Nothing is returned if the shadow is no longer as it was read, and nothing
/// has happened. Otherwise whoever is connected has the messages, and what is returned resolves when
/// they are safe wherever they have to be.
pub(crate) async fn commit<'p>(
    app: &'p App,
    (tenant, name): (&'p Tenant, &ShadowName),
    mut batch: Batch,
    messages: &[&str],
    make: impl Fn(&str) -> Option<String>,
) -> Result<Option<Publishing<'p>>, ApiError> {
    let reach = |topic: &str| app.publisher.reach(tenant, topic);
    let told = messages.iter().map(|message| {
        let topic = name.topic(message);
        let reached = reach(&topic);
        (*message, topic, reached)
    });
    let told: Vec<(&str, String, Reach)> = told.collect();
    let written =
        |message, topic| make(message).map(|payload| OutgoingMessage::new(topic, payload));
    // All of them together, so that they come in their order.
    let is_kept = told.iter().any(|(_, _, reached)| *reached == Reach::Kept);
    let (heard, unheard): (Vec<_>, Vec<_>) =
        told.into_iter().partition(|(_, _, reached)| is_kept && *reached != Reach::Nobody);
    let kept = heard.into_iter().filter_map(|(message, topic, _)| written(message, topic));
    let posted = app.outbox.put(&mut batch, tenant, kept.collect());
    match app.store.commit(batch).await {
        Ok(_) => {}
        Err(CommitError::Conflict(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    // Asked once more: whoever has subscribed meanwhile may have read what was before.
    let passing = unheard.into_iter().filter(|(_, topic, _)| reach(topic) != Reach::Nobody);
    let passing = passing.filter_map(|(message, topic, _)| written(message, topic));
    let passing: Vec<OutgoingMessage> = passing.collect();
    let publishing = Box::pin(async move {
        app.outbox.publish(&app.publisher, posted).await;
        for message in passing {
            if let Err(error) = app.publisher.publish(tenant, message).await {
                tracing::warn!(%error, "a message of a shadow was not told");
            }
        }
    });
    Ok(Some(begun(publishing).await))
}

/// Has messages on their way before anything else is done.
async fn begun(mut publishing: Publishing<'_>) -> Publishing<'_> {
    let is_done = poll_fn(|cx| Poll::Ready(publishing.as_mut().poll(cx).is_ready())).await;
    if is_done { Box::pin(std::future::ready(())) } else { publishing }
}

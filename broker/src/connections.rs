//! The connections API: what is told of a client, what it subscribes to, and how it is cut off.

use std::sync::Arc;
use std::time::Duration;

use model::iot_data::{
    DeleteConnectionRequest, GetConnectionRequest, GetConnectionResponse, ListSubscriptionsRequest,
    ListSubscriptionsResponse, SubscriptionSummary, op,
};
use model::spec::Operation;
use service::{ApiError, Cx, Endpoint, PageRequest};
use store::Batch;

use crate::Broker;
use crate::departures::Facts;
use crate::direct;
use crate::ending::Ending;
use crate::space::Client;

/// How long a caller waits for a connection to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(5);
/// Subscriptions on a page where the request names no number.
const SUBSCRIPTIONS_DEFAULT: u32 = 20;

/// The operations on connections.
pub(crate) fn endpoints(broker: &Arc<Broker>) -> Vec<Endpoint> {
    vec![
        endpoint::<op::GetConnection, _, _>(broker, get_connection),
        endpoint::<op::DeleteConnection, _, _>(broker, delete_connection),
        endpoint::<op::ListSubscriptions, _, _>(broker, list_subscriptions),
        endpoint::<op::SendDirectMessage, _, _>(broker, direct::send_direct_message),
    ]
}

/// Ties `handler` to the operation `O` and to the broker.
fn endpoint<O, H, F>(broker: &Arc<Broker>, handler: H) -> Endpoint
where
    O: Operation,
    H: Fn(Arc<Broker>, Cx, O::Input) -> F + Send + Sync + Copy + 'static,
    F: Future<Output = Result<O::Output, ApiError>> + Send,
{
    let broker = Arc::clone(broker);
    Endpoint::new::<O, _, _>(move |cx, input| handler(Arc::clone(&broker), cx, input))
}

/// The client that is connected with this id.
pub(crate) fn present(broker: &Broker, cx: &Cx, id: &str) -> Result<Arc<Client>, ApiError> {
    broker
        .space(&cx.tenant)
        .client(id)
        .ok_or_else(|| ApiError::not_found(format!("The client {id} is not connected.")))
}

/// Tells of a client that is connected, or was until lately.
async fn get_connection(
    broker: Arc<Broker>,
    cx: Cx,
    request: GetConnectionRequest,
) -> Result<GetConnectionResponse, ApiError> {
    let GetConnectionRequest { client_id: id, include_socket_information } = request;
    let shows_sockets = include_socket_information.unwrap_or_default();
    let space = broker.space(&cx.tenant);
    if let Some(client) = space.client(&id) {
        return Ok(GetConnectionResponse {
            connected: Some(true),
            connected_since: Some(client.connected_at.millis()),
            ..description(id, client.facts(), shows_sockets)
        });
    }
    let departure = space.departure(&id, cx.now()).ok_or_else(|| {
        ApiError::not_found(format!("The client {id} is not connected, nor was it lately."))
    })?;
    Ok(GetConnectionResponse {
        connected: Some(false),
        disconnected_since: Some(departure.at.millis()),
        disconnect_reason: Some(departure.reason.to_owned()),
        ..description(id, departure.facts, shows_sockets)
    })
}

fn description(id: String, facts: Facts, shows_sockets: bool) -> GetConnectionResponse {
    let mut told = GetConnectionResponse {
        client_id: Some(id),
        thing_name: facts.thing,
        clean_session: Some(facts.is_clean),
        keep_alive_duration: Some(i32::from(facts.keep_alive_s)),
        // Every session ends with its connection.
        session_expiry: Some(0),
        ..GetConnectionResponse::default()
    };
    if shows_sockets {
        told.source_ip = Some(facts.source.ip().to_canonical().to_string());
        told.source_port = Some(i32::from(facts.source.port()));
        told.target_ip = facts.target.map(|target| target.ip().to_canonical().to_string());
        told.target_port = facts.target.map(|target| i32::from(target.port()));
    }
    told
}

/// Cuts a client off. It may come back at once.
async fn delete_connection(
    broker: Arc<Broker>,
    cx: Cx,
    request: DeleteConnectionRequest,
) -> Result<(), ApiError> {
    let client = present(&broker, &cx, &request.client_id)?;
    // Nothing is stored, but for the record of who did it.
    cx.commit(Batch::new()).await?;
    let with_will = !request.prevent_will_message.unwrap_or_default();
    // The session ends with its connection, whatever `cleanSession` says.
    let ended = client.mailbox.close(Ending::Deleted { with_will });
    // An error says that it has ended; one that takes longer ends all the same.
    drop(tokio::time::timeout(GONE_WITHIN, ended).await);
    Ok(())
}

/// Lists what a client that is connected subscribes to, sorted by filter.
async fn list_subscriptions(
    broker: Arc<Broker>,
    cx: Cx,
    request: ListSubscriptionsRequest,
) -> Result<ListSubscriptionsResponse, ApiError> {
    let asked = PageRequest::forward(&request.next_token, request.max_results);
    let cursor = cx.cursor(&request.client_id, asked, SUBSCRIPTIONS_DEFAULT)?;
    let client = present(&broker, &cx, &request.client_id)?;
    let (page, has_more) = client.subscriptions.page(cursor.after.as_deref(), cursor.limit);
    let last = page.last().filter(|_| has_more);
    let next_token = last.map(|(filter, _)| cursor.token(&cx, filter));
    let summary = |(filter, qos)| SubscriptionSummary {
        topic_filter: String::from(filter),
        qos: i32::from(qos as u8),
    };
    let subscriptions = Some(page.into_iter().map(summary).collect());
    Ok(ListSubscriptionsResponse { subscriptions, next_token })
}

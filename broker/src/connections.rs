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
use crate::sessions::Unavailable;
use crate::space::{Client, Space};

/// How long a caller waits for a connection to be gone.
pub(crate) const GONE_WITHIN: Duration = Duration::from_secs(5);
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
            session_expiry: Some(client.kept.as_ref().map_or(0, |kept| i64::from(kept.expiry_s()))),
            ..description(id, client.facts(), shows_sockets)
        });
    }
    let session = space.session(&id);
    let kept = session.as_ref().and_then(|session| session.left());
    let departure = kept.or_else(|| space.departure(&id, cx.now())).ok_or_else(|| {
        ApiError::not_found(format!("The client {id} is not connected, nor was it lately."))
    })?;
    Ok(GetConnectionResponse {
        connected: Some(false),
        disconnected_since: Some(departure.at.millis()),
        disconnect_reason: Some(departure.reason.into_owned()),
        session_expiry: Some(session.map_or(0, |session| i64::from(session.expiry_s()))),
        ..description(id, departure.facts, shows_sockets)
    })
}

fn description(id: String, facts: Facts, shows_sockets: bool) -> GetConnectionResponse {
    let mut told = GetConnectionResponse {
        client_id: Some(id),
        thing_name: facts.thing,
        clean_session: Some(facts.is_clean),
        keep_alive_duration: Some(i32::from(facts.keep_alive_s)),
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
    let space = broker.space(&cx.tenant);
    let (client, session) = (space.client(&request.client_id), space.session(&request.client_id));
    if client.is_none() && session.is_none() {
        let why =
            format!("The client {} is not connected, nor has it a session.", request.client_id);
        return Err(ApiError::not_found(why));
    }
    // Nothing is stored here, but for the record of who did it.
    cx.commit(Batch::new()).await?;
    let ends_session = request.clean_session.unwrap_or_default();
    if let Some(client) = client {
        let with_will = !request.prevent_will_message.unwrap_or_default();
        let ended = client.mailbox.close(Ending::Deleted { with_will, ends_session });
        // An error says that it has ended; one that takes longer ends all the same.
        drop(tokio::time::timeout(GONE_WITHIN, ended).await);
    }
    if ends_session {
        let with_will = !request.prevent_will_message.unwrap_or_default();
        let ended = broker.end_session(&space, &request.client_id, with_will).await;
        ended.map_err(|_| ApiError::unavailable("The session could not be removed. Try again."))?;
    }
    Ok(())
}

impl Broker {
    /// Ends the session of a client that is away; it has ended for good when this returns.
    async fn end_session(
        &self,
        space: &Space,
        client_id: &str,
        with_will: bool,
    ) -> Result<(), Unavailable> {
        // Nobody comes back meanwhile.
        let door = space.door(client_id).lock().await;
        let session = space.session(client_id).filter(|session| !session.is_online());
        let will = match session {
            Some(session) => self.sessions.end(space, &session).await?,
            None => None,
        };
        drop(door);
        if let Some(will) = will.filter(|_| with_will) {
            self.publish_will(space, &will);
        }
        // It may have ended with its connection.
        self.sessions.flush().await
    }
}

/// Lists what a client subscribes to that is connected or has a session, sorted by filter.
async fn list_subscriptions(
    broker: Arc<Broker>,
    cx: Cx,
    request: ListSubscriptionsRequest,
) -> Result<ListSubscriptionsResponse, ApiError> {
    let asked = PageRequest::forward(&request.next_token, request.max_results);
    let cursor = cx.cursor(&request.client_id, asked, SUBSCRIPTIONS_DEFAULT)?;
    let space = broker.space(&cx.tenant);
    let kept = space.session(&request.client_id).map(|kept| Arc::clone(&kept.subscriptions));
    let subscriptions = match kept {
        Some(kept) => kept,
        None => Arc::clone(&present(&broker, &cx, &request.client_id)?.subscriptions),
    };
    let (page, has_more) = subscriptions.page(cursor.after.as_deref(), cursor.limit);
    let last = page.last().filter(|_| has_more);
    let next_token = last.map(|(filter, _)| cursor.token(&cx, filter));
    let summary = |(filter, qos)| SubscriptionSummary {
        topic_filter: String::from(filter),
        qos: i32::from(qos as u8),
    };
    let subscriptions = Some(page.into_iter().map(summary).collect());
    Ok(ListSubscriptionsResponse { subscriptions, next_token })
}

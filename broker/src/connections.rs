//! The connections API: what is told of a client, what it subscribes to, and how it is cut off.

use std::sync::Arc;
use std::time::Duration;

use model::iot_data::{
    DeleteConnectionRequest, GetConnectionRequest, GetConnectionResponse, ListSubscriptionsRequest,
    ListSubscriptionsResponse, SubscriptionSummary, op,
};
use model::spec::Operation;
use service::{ApiError, ClientState, Cx, Endpoint, PageRequest, Sender, Sessions};
use store::Batch;
use types::{Tenant, Timestamp};

use crate::Broker;
use crate::departures::Facts;
use crate::direct;
use crate::ending::Ending;
use crate::quotas::Call;
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
    let space = broker.space(&cx.tenant);
    space.client(id).ok_or_else(|| {
        ApiError::not_found(match space.session(id) {
            Some(_) => format!("The client {id} is not connected; its session is kept."),
            None => format!("The client {id} is not connected, and has no session."),
        })
    })
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
    space.quotas.check(Call::GetConnection, &id)?;
    let state = describe(&space, &id, cx.now()).ok_or_else(|| {
        ApiError::not_found(format!("The client {id} is not connected, nor was it lately."))
    })?;
    let (is_connected, since) = (state.disconnect_reason.is_none(), state.since.millis());
    let mut told = GetConnectionResponse {
        client_id: Some(id),
        connected: Some(is_connected),
        connected_since: is_connected.then_some(since),
        disconnected_since: (!is_connected).then_some(since),
        disconnect_reason: state.disconnect_reason,
        thing_name: state.thing,
        clean_session: Some(state.is_clean),
        keep_alive_duration: state.keep_alive_s.map(i32::from),
        session_expiry: Some(i64::from(state.session_expiry_s)),
        ..GetConnectionResponse::default()
    };
    if shows_sockets {
        told.source_ip = state.source.map(|source| source.ip().to_canonical().to_string());
        told.source_port = state.source.map(|source| i32::from(source.port()));
        told.target_ip = state.target.map(|target| target.ip().to_canonical().to_string());
        told.target_port = state.target.map(|target| i32::from(target.port()));
    }
    Ok(told)
}

/// What is known of a client that is connected, has a session, or left not long ago.
fn describe(space: &Space, id: &str, now: Timestamp) -> Option<ClientState> {
    if let Some(client) = space.client(id) {
        let expiry_s = client.kept.as_ref().map_or(0, |kept| kept.expiry_s());
        return Some(state(client.facts(), client.connected_at, None, expiry_s));
    }
    let session = space.session(id);
    let kept = session.as_ref().and_then(|session| session.left());
    let departure = kept.or_else(|| space.departure(id, now))?;
    let reason = Some(departure.reason.into_owned());
    let expiry_s = session.map_or(0, |session| session.expiry_s());
    Some(state(departure.facts, departure.at, reason, expiry_s))
}

fn state(
    facts: Facts,
    since: Timestamp,
    disconnect_reason: Option<String>,
    session_expiry_s: u32,
) -> ClientState {
    let Facts { thing, is_clean, keep_alive_s, source, target } = facts;
    ClientState {
        disconnect_reason,
        since,
        thing,
        is_clean,
        keep_alive_s,
        session_expiry_s,
        source,
        target,
    }
}

impl Sessions for Broker {
    fn describe(&self, tenant: &Tenant, client_id: &str) -> Option<ClientState> {
        describe(&*self.known_space(tenant.id)?, client_id, self.app.env.clock.now())
    }
}

/// Cuts a client off. It may come back at once.
async fn delete_connection(
    broker: Arc<Broker>,
    cx: Cx,
    request: DeleteConnectionRequest,
) -> Result<(), ApiError> {
    let space = broker.space(&cx.tenant);
    space.quotas.check(Call::DeleteConnection, &request.client_id)?;
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
            let client_id = Some(client_id.to_owned());
            self.publish_will(space, &will, Sender { client_id, ..Sender::default() });
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
    space.quotas.check(Call::ListSubscriptions, &request.client_id)?;
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

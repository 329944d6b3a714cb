//! Whether a thing is connected: its client is the one that has its name for an id.

use std::net::SocketAddr;

use model::Sensitive;
use model::iot::{
    DisconnectReasonValue, GetThingConnectivityDataRequest, GetThingConnectivityDataResponse,
};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error, StrDeserializer};
use service::{ApiError, ClientState, Cx, operations};

use crate::store::things;
use crate::things::not_found;

operations! { iot:
    GetThingConnectivityData => get_thing_connectivity_data,
}

/// Tells of the connection of a thing, or of its end. Of one that was not there lately nothing is
/// known but that it is not there.
async fn get_thing_connectivity_data(
    cx: &Cx,
    request: GetThingConnectivityDataRequest,
) -> Result<GetThingConnectivityDataResponse, ApiError> {
    let name = request.thing_name.0;
    things::find(cx, &name).await?.ok_or_else(|| not_found(&name))?;
    let sessions = cx.app.sessions.get();
    let known = sessions.and_then(|sessions| sessions.describe(&cx.tenant, &name));
    let Some(state) = known else {
        return Ok(GetThingConnectivityDataResponse {
            thing_name: Some(Sensitive(name)),
            connected: Some(false),
            disconnect_reason: Some(DisconnectReasonValue::Unknown),
            ..GetThingConnectivityDataResponse::default()
        });
    };
    let shows_sockets = request.include_socket_information.unwrap_or_default();
    Ok(description(name, state, shows_sockets))
}

fn description(
    name: String,
    state: ClientState,
    shows_sockets: bool,
) -> GetThingConnectivityDataResponse {
    let mut told = GetThingConnectivityDataResponse {
        connected: Some(state.disconnect_reason.is_none()),
        disconnect_reason: Some(reason(state.disconnect_reason.as_deref())),
        timestamp: Some(state.since),
        keep_alive_duration: state.keep_alive_s.map(i32::from),
        clean_session: Some(state.is_clean),
        session_expiry: Some(i64::from(state.session_expiry_s)),
        client_id: Some(name.clone()),
        thing_name: Some(Sensitive(name)),
        ..GetThingConnectivityDataResponse::default()
    };
    if shows_sockets {
        let address = |socket: SocketAddr| Sensitive(socket.ip().to_canonical().to_string());
        told.source_ip = state.source.map(address);
        told.source_port = state.source.map(|source| i32::from(source.port()));
        told.target_ip = state.target.map(address);
        told.target_port = state.target.map(|target| i32::from(target.port()));
    }
    told
}

/// AWS's word for why a client left; there is one for whoever is there, too.
fn reason(word: Option<&str>) -> DisconnectReasonValue {
    let Some(word) = word else { return DisconnectReasonValue::None };
    let word: StrDeserializer<'_, Error> = word.into_deserializer();
    DisconnectReasonValue::deserialize(word).unwrap_or(DisconnectReasonValue::Unknown)
}

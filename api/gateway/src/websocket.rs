//! MQTT over WebSocket: `GET /mqtt`, signed in its query or its headers, becomes a stream of bytes
//! for whoever speaks MQTT.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use model::ServiceId;
use service::{
    AccessKey, ApiError, Knock, Permissions, Principal, PrincipalKind, Refusal, Rights, Visitor,
};
use sigv4::Payload;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use types::{Region, Tenant};
use uuid::Uuid;

use crate::device::Connection;
use crate::frames::Frames;
use crate::{Gateway, authenticate, respond};

/// Where MQTT is spoken.
const PATH: &str = "/mqtt";
/// What a client may offer to speak, by preference; the second is what old SDKs call it.
const PROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];
/// What a signature for MQTT is scoped to.
const SCOPES: [&str; 2] = ["iotdevicegateway", "iotdata"];
/// The only version of the protocol there is.
const WEBSOCKET_VERSION: &str = "13";
/// How often it is looked whether the access key is still there.
const KEY_CHECKED_EVERY: Duration = Duration::from_secs(5);

/// An upgrade that was granted; its stream is there once the answer is sent.
pub(crate) struct Granted {
    upgrade: OnUpgrade,
    key: Arc<AccessKey>,
    visitor: Visitor,
}

/// Whether a request asks to speak MQTT over WebSocket.
pub(crate) fn is_wanted<B>(request: &Request<B>) -> bool {
    request.method() == Method::GET
        && request.uri().path() == PATH
        && has_word(request.headers(), UPGRADE, "websocket")
}

impl Gateway {
    /// Answers a request to speak MQTT; one that is granted is left with its `connection`.
    pub(crate) async fn upgrade<B>(
        &self,
        mut request: Request<B>,
        connection: &Connection,
        id: Uuid,
    ) -> Response<Bytes> {
        let upgrade = hyper::upgrade::on(&mut request);
        let (head, _) = request.into_parts();
        let granted = async {
            let (key, visitor) = self.visitor(&head, &connection.knock).await?;
            let answer = switching(&head)?;
            Ok::<_, ApiError>((Granted { upgrade, key, visitor }, answer))
        };
        match granted.await {
            Ok((granted, answer)) => {
                connection.grant(granted);
                answer
            }
            Err(error) => {
                tracing::debug!(request_id = %id, code = error.code, message = %error.message, "upgrade refused");
                let service = ServiceId::IotData.service();
                let mut response = respond::failure(Some(service), None, &error, id);
                let version = HeaderValue::from_static(WEBSOCKET_VERSION);
                response.headers_mut().insert(SEC_WEBSOCKET_VERSION, version);
                response
            }
        }
    }

    /// Who signed the request, if the signature holds.
    async fn visitor(
        &self,
        head: &Parts,
        knock: &Knock,
    ) -> Result<(Arc<AccessKey>, Visitor), ApiError> {
        let headers = authenticate::signed_form(head);
        let request = authenticate::request(head, &headers, Payload::Bytes(b""));
        let (authorization, key) = self.identify(&request).await?;
        self.verify(&request, &authorization, &key)?;
        let scope = &*authorization.service;
        let invalid = |message| ApiError::new("InvalidSignatureException", message);
        if !SCOPES.contains(&scope) {
            let [one, other] = SCOPES;
            return Err(invalid(format!(
                "Credential should be scoped to {one} or {other}, not to '{scope}'."
            )));
        }
        let region = authorization.region.parse::<Region>();
        let region =
            region.map_err(|error| invalid(format!("The credential scope's region: {error}.")))?;
        let tenant = self.app.tenants.find(key.account, region).await?;
        let permissions = Arc::new(Permissions::new(rights(&key, &tenant, knock)));
        let principal = Arc::new(Principal {
            tenant,
            id: format!("{}/{}", key.account, key.user_id),
            kind: PrincipalKind::Caller { arn: key.arn.clone() },
            knock: Knock { certificate: None, ..knock.clone() },
        });
        Ok((key, Visitor { principal, permissions }))
    }

    /// Serves MQTT on an upgraded connection until it ends.
    pub(crate) async fn serve_upgraded(&self, granted: Granted) {
        let Granted { upgrade, key, visitor } = granted;
        let upgraded = match upgrade.await {
            Ok(upgraded) => TokioIo::new(upgraded),
            Err(error) => return tracing::debug!(%error, "an upgrade was not completed"),
        };
        let stream = Frames::new(upgraded, self.app.limits.websocket_message_bytes_max).await;
        let permissions = Arc::clone(&visitor.permissions);
        let door = Arc::clone(&self.neighbours.mqtt);
        tokio::select! {
            () = door.serve(Box::new(stream), visitor) => {}
            () = self.watch(&key.id, &permissions) => {}
        }
    }

    /// Ends `permissions` once the access key is gone; never returns.
    async fn watch(&self, key_id: &str, permissions: &Permissions) {
        loop {
            tokio::time::sleep(KEY_CHECKED_EVERY).await;
            // A store that does not answer now may answer next time.
            if matches!(self.neighbours.keys.find(key_id).await, Ok(None)) {
                permissions.end(Refusal {
                    reason: "ACCESS_KEY_DELETED",
                    detail: format!("the access key {key_id} was deleted"),
                });
            }
        }
    }
}

/// What the key's policy allows, and what that may ask for.
fn rights(key: &AccessKey, tenant: &Tenant, knock: &Knock) -> Rights {
    let mut context = vec![
        ("aws:SourceIp", knock.peer.ip().to_canonical().to_string()),
        ("aws:SecureTransport", knock.is_over_tls().to_string()),
        ("aws:userid", key.user_id.clone()),
        ("aws:PrincipalArn", key.arn.clone()),
        ("aws:PrincipalAccount", key.account.to_string()),
        ("aws:RequestedRegion", tenant.region.to_string()),
    ];
    let user_name = key.arn.split_once(":user/").map(|(_, name)| name.to_owned());
    context.extend(user_name.map(|name| ("aws:username", name)));
    context.extend(knock.server_name.clone().map(|name| ("iot:DomainName", name)));
    let policy =
        key.policy.as_ref().map(|document| ("access key".to_owned(), Arc::clone(document)));
    Rights {
        is_unlimited: policy.is_none(),
        depends_on_time: policy.as_ref().is_some_and(|(_, document)| document.depends_on_time()),
        policies: policy.into_iter().collect(),
        context: context.into_iter().map(|(name, value)| (name.to_owned(), vec![value])).collect(),
        ..Rights::default()
    }
}

/// The answer that turns HTTP into WebSocket (RFC 6455, 4.2.2). No extension is accepted.
fn switching(head: &Parts) -> Result<Response<Bytes>, ApiError> {
    let headers = &head.headers;
    let is_upgrade = has_word(headers, CONNECTION, "upgrade") && head.version == Version::HTTP_11;
    let version = headers.get(SEC_WEBSOCKET_VERSION).map(HeaderValue::as_bytes);
    if !is_upgrade || version != Some(WEBSOCKET_VERSION.as_bytes()) {
        return Err(ApiError::invalid(
            "An upgrade to WebSocket needs HTTP/1.1, Connection: Upgrade, Upgrade: websocket and \
             Sec-WebSocket-Version: 13.",
        ));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
    if key.is_empty() {
        return Err(ApiError::invalid("An upgrade to WebSocket needs a Sec-WebSocket-Key."));
    }
    let protocol = PROTOCOLS.into_iter().find(|p| has_word(headers, SEC_WEBSOCKET_PROTOCOL, p));
    let protocol = protocol.ok_or_else(|| {
        ApiError::invalid("Sec-WebSocket-Protocol has to offer mqtt or mqttv3.1 (MQTT-6.0.0-3).")
    })?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let accept = HeaderValue::try_from(derive_accept_key(key)).map_err(ApiError::internal)?;
    let answers = [
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_ACCEPT, accept),
        (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol)),
    ];
    response.headers_mut().extend(answers);
    Ok(response)
}

/// Whether a header, which may be given more than once, lists `word`.
fn has_word(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|found| found.trim().eq_ignore_ascii_case(word))
}

//! `/_ferrite/v1/explain` and `/_ferrite/v1/device-log`: why a device may or may not do something,
//! and what happened to it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use policy::Decision;
use serde_json::{Value, json};
use service::{
    Access, ApiError, Cx, DeviceEvent, Feature, Knock, Permissions, Principal, PrincipalKind,
    RawRequest, RawResponse, RawRoute, RouteMatch, Wish,
};

use crate::{Broker, connections, https, retained};

/// Entries of the device log that an explanation comes with.
const EVENTS_SHOWN: usize = 5;
/// Entries of the device log that a request without a number gets.
const EVENTS_DEFAULT: usize = 100;

/// Who is asked about, and whether it is connected now.
struct Subject {
    principal: Arc<Principal>,
    permissions: Arc<Permissions>,
    is_connected: bool,
}

/// What the broker serves over HTTP.
pub fn feature(broker: &Arc<Broker>) -> Feature {
    let explainer = Arc::clone(broker);
    let explain = move |cx, request| explain(Arc::clone(&explainer), cx, request);
    let get = |path| RouteMatch::Path("GET", path);
    let access = Access::Signed;
    let raw_routes = vec![
        RawRoute::new(get("/_ferrite/v1/explain"), access, "ExplainDevice", explain),
        RawRoute::new(get("/_ferrite/v1/device-log"), access, "ListDeviceEvents", list_events),
    ];
    let mut endpoints = connections::endpoints(broker);
    endpoints.extend(https::endpoints(broker));
    endpoints.extend(retained::endpoints());
    Feature { endpoints, raw_routes, ..Feature::default() }
}

async fn list_events(cx: Cx, request: RawRequest) -> Result<RawResponse, ApiError> {
    let client_id = parameter(&request, "clientId");
    let max = match parameter(&request, "max") {
        Some(text) => text
            .parse()
            .map_err(|_| ApiError::invalid(format!("max is a number of entries, not {text}.")))?,
        None => EVENTS_DEFAULT,
    };
    RawResponse::json(&json!({ "events": newest(&cx, client_id.as_deref(), max) }))
}

async fn explain(
    broker: Arc<Broker>,
    cx: Cx,
    request: RawRequest,
) -> Result<RawResponse, ApiError> {
    let needed = |name| {
        parameter(&request, name)
            .ok_or_else(|| ApiError::invalid(format!("The query needs {name}.")))
    };
    let (client_id, action) = (needed("clientId")?, needed("action")?);
    let action = if action.contains(':') { action } else { format!("iot:{action}") };
    let resource = needed("resource")?;
    let resource = if resource.starts_with("arn:") { resource } else { cx.arn(&resource) };
    let certificate_id = parameter(&request, "certificateId");
    let subject = broker.subject(&cx, &client_id, certificate_id.as_deref()).await?;
    let mut answer = explanation(&cx, &subject, &action, &resource);
    answer["clientId"] = json!(client_id);
    answer["lastEvents"] = json!(newest(&cx, Some(&client_id), EVENTS_SHOWN));
    RawResponse::json(&answer)
}

fn explanation(cx: &Cx, subject: &Subject, action: &str, resource: &str) -> Value {
    let rights = subject.permissions.rights();
    // A plain CONNECT: without a Will, and without a session to keep.
    let plain: [(&str, &[&str]); 1] = [("iot:ConnectAttributes", &[])];
    let context = if action == "iot:Connect" { &plain[..] } else { &[] };
    let wish = Wish { action, resource, context, now: cx.now() };
    let (word, sentence, hints) = if rights.is_unlimited {
        ("ALLOWED", "allowed: under --dev the plain door asks for no policy".to_owned(), Vec::new())
    } else {
        let decision = rights.decide(&wish);
        (word(&decision), decision.to_string(), rights.hints(&wish))
    };
    let names: Vec<&str> = rights.policies.iter().map(|(name, _)| name.as_str()).collect();
    let arn = match &subject.principal.kind {
        PrincipalKind::Certificate { arn } | PrincipalKind::Caller { arn } => Some(arn.as_str()),
        PrincipalKind::Administrator | PrincipalKind::Policy(_) => None,
    };
    json!({
        "decision": word,
        "explanation": sentence,
        "hints": hints,
        "action": action,
        "resource": resource,
        "principal": {
            "id": subject.principal.id,
            "arn": arn,
            "connected": subject.is_connected,
        },
        "thing": rights.thing.as_ref().map(|thing| thing.name.as_str()),
        "policies": names,
    })
}

impl Broker {
    /// Whom a question about `client_id` is about: whoever is connected so, else the certificate
    /// that is named, else the one that last tried.
    async fn subject(
        &self,
        cx: &Cx,
        client_id: &str,
        certificate_id: Option<&str>,
    ) -> Result<Subject, ApiError> {
        let present = self.space(&cx.tenant).client(client_id);
        if let Some(client) = present
            && certificate_id.is_none_or(|id| id == client.principal.id)
        {
            return Ok(Subject {
                principal: Arc::clone(&client.principal),
                permissions: Arc::clone(&client.permissions),
                is_connected: true,
            });
        }
        let id = certificate_id.map(str::to_owned).or_else(|| last_principal(cx, client_id));
        let id = id.ok_or_else(|| {
            ApiError::not_found(format!(
                "No client {client_id} is connected, and none tried lately. Name the certificate \
                 that it would use with certificateId."
            ))
        })?;
        let principal = Arc::new(absent(cx, id));
        let permissions = self.policies.permissions(&principal, Some(client_id)).await;
        let permissions = permissions.map_err(|refusal| ApiError::not_found(refusal.detail))?;
        Ok(Subject { principal, permissions, is_connected: false })
    }
}

/// The certificate with which `client_id` last tried to connect.
fn last_principal(cx: &Cx, client_id: &str) -> Option<String> {
    // An access key's principal is written with a slash.
    let is_certificate = |id: &String| !id.contains('/');
    let is_it = |event: &DeviceEvent| {
        event.principal_id.as_ref().is_some_and(is_certificate) && is_of(cx, event, client_id)
    };
    cx.app.device_log.newest(1, is_it).pop().and_then(|event| event.principal_id)
}

/// The principal of a certificate that is not connected: where it would come from is not known.
fn absent(cx: &Cx, id: String) -> Principal {
    Principal {
        tenant: cx.tenant.clone(),
        kind: PrincipalKind::Certificate { arn: cx.arn(&format!("cert/{id}")) },
        id,
        knock: Knock {
            door: "mqtts",
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            local: None,
            server_name: None,
            certificate: None,
        },
    }
}

/// What the device log has for the caller, newest first. Who was never recognized is nobody's,
/// and shown to whoever looks after the server.
fn newest(cx: &Cx, client_id: Option<&str>, max: usize) -> Vec<DeviceEvent> {
    cx.app.device_log.newest(max, |event| match client_id {
        Some(client_id) => is_of(cx, event, client_id),
        None => is_callers(cx, event),
    })
}

fn is_of(cx: &Cx, event: &DeviceEvent, client_id: &str) -> bool {
    is_callers(cx, event) && event.client_id.as_deref() == Some(client_id)
}

fn is_callers(cx: &Cx, event: &DeviceEvent) -> bool {
    match &event.account_id {
        Some(account) => {
            account == cx.tenant.account.as_str()
                && event.region.as_deref() == Some(cx.tenant.region.as_str())
        }
        None => cx.caller.account == cx.app.settings.account && cx.caller.is_root,
    }
}

fn word(decision: &Decision<'_>) -> &'static str {
    match decision {
        Decision::Allowed { .. } => "ALLOWED",
        Decision::ExplicitDeny { .. } => "EXPLICIT_DENY",
        Decision::ImplicitDeny { .. } => "IMPLICIT_DENY",
    }
}

/// A parameter of the query; an empty one is none.
fn parameter(request: &RawRequest, name: &str) -> Option<String> {
    let value = request.query_value(name)?;
    let value = percent_encoding::percent_decode_str(value).decode_utf8().ok()?;
    Some(value.into_owned()).filter(|value| !value.is_empty())
}

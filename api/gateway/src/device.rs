//! Requests of devices: known by the certificate of their connection, bound by IoT policies.
//!
//! Who a device is, is asked once for each connection; what it may do is a handle that is kept
//! current, and looked at for each request. The control plane is not for certificates.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use model::ServiceId;
use model::spec::Service;
use service::{
    ApiError, Caller, Cx, DeviceEvent, Knock, LogBudget, Permissions, Principal, Refusal, Wish,
};

use crate::Gateway;
use crate::answer::{Request, Trace};
use crate::authorize::Grants;
use crate::route::Match;
use crate::websocket::Granted;

/// The services that a certificate opens.
const DATA_PLANE: [ServiceId; 2] = [ServiceId::IotData, ServiceId::IotJobsData];

/// One connection, and what is known of whoever is at its other end.
pub(crate) struct Connection {
    pub(crate) knock: Knock,
    device: Mutex<Option<Device>>,
    log_budget: Mutex<LogBudget>,
    granted: Mutex<Option<Granted>>,
}

/// A device that is recognized.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) principal: Arc<Principal>,
    permissions: Arc<Permissions>,
}

impl Connection {
    pub(crate) fn new(knock: Knock) -> Self {
        Self {
            knock,
            device: Mutex::default(),
            log_budget: Mutex::default(),
            granted: Mutex::default(),
        }
    }

    /// Keeps an upgrade until its answer is sent.
    pub(crate) fn grant(&self, granted: Granted) {
        *self.granted.lock().unwrap_or_else(PoisonError::into_inner) = Some(granted);
    }

    /// The upgrade that was granted, if one was.
    pub(crate) fn into_granted(self) -> Option<Granted> {
        self.granted.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// The device, if it was recognized and its certificate is still good.
    fn known(&self) -> Option<Device> {
        let device = self.device.lock().unwrap_or_else(PoisonError::into_inner).clone();
        device.filter(|device| device.permissions.ending().is_none())
    }

    fn remember(&self, device: &Device) {
        *self.device.lock().unwrap_or_else(PoisonError::into_inner) = Some(device.clone());
    }
}

impl Device {
    fn caller(&self) -> Caller {
        let Principal { tenant, id, knock, .. } = &*self.principal;
        Caller {
            access_key_id: String::new(),
            account: tenant.account,
            arn: tenant.arn("iot", &format!("cert/{id}")),
            user_id: id.clone(),
            source_ip: knock.peer.ip(),
            is_over_tls: knock.is_over_tls(),
            is_root: false,
        }
    }

    /// Refuses what no policy of the device allows, and says why.
    pub(crate) fn check(&self, cx: &Cx, action: &str, resource: &str) -> Result<(), ApiError> {
        let rights = self.permissions.rights();
        let wish = Wish { action, resource, context: &[], now: cx.now() };
        if rights.allows(&wish) {
            return Ok(());
        }
        Err(forbidden(format!("{action} on {resource}: {}", rights.decide(&wish))))
    }
}

impl Gateway {
    /// Serves a request that is not signed and comes with a certificate.
    pub(crate) async fn serve_device<B>(
        &self,
        request: &Request<'_>,
        body: B,
        trace: &mut Trace,
    ) -> Result<Response<Bytes>, ApiError>
    where
        B: Future<Output = Result<Bytes, ApiError>> + Send,
    {
        let (service, found) = self.device_route(request.head)?;
        trace.service = Some(service);
        trace.operation = Some(found.operation);
        let device = match self.recognize(request.connection).await {
            Ok(device) => device,
            Err(refusal) => {
                let event = DeviceEvent::failure("Connect", refusal.reason, refusal.detail.clone());
                self.log_refusal(request.connection, event);
                return Err(forbidden(refusal.detail));
            }
        };
        let served = self.serve_known(request, &found, &device, body, trace).await;
        if let Err(error) = &served {
            self.log_error(request.connection, &found, &device, error);
        }
        served
    }

    async fn serve_known<B>(
        &self,
        request: &Request<'_>,
        found: &Match<'_>,
        device: &Device,
        body: B,
        trace: &mut Trace,
    ) -> Result<Response<Bytes>, ApiError>
    where
        B: Future<Output = Result<Bytes, ApiError>> + Send,
    {
        let tenant = device.principal.tenant.clone();
        let cx = self.cx(request, tenant, Arc::new(device.caller()), found.operation.name);
        trace.cx = Some(cx.clone());
        if !DATA_PLANE.contains(&found.operation.service) {
            let name = found.operation.name;
            return Err(forbidden(format!(
                "{name} is not for certificates: sign the request with an access key"
            )));
        }
        let body = body.await?;
        self.dispatch(cx, found, Grants::Device(device), (request, &body), trace).await
    }

    /// The operation that a request without a signature names: of the data plane, or of the
    /// control plane so that its refusal can be worded.
    fn device_route<'p>(&self, head: &'p Parts) -> Result<(&'static Service, Match<'p>), ApiError> {
        let services = DATA_PLANE.into_iter().chain([ServiceId::Iot]).map(ServiceId::service);
        let mut wrong_method = None;
        for service in services {
            match self.route(service, head) {
                Ok(found) => return Ok((service, found)),
                Err(error) if error.code == "MethodNotAllowedException" => {
                    wrong_method = Some(error);
                }
                Err(_) => {}
            }
        }
        Err(wrong_method.unwrap_or_else(|| {
            let message = "Missing Authentication Token";
            ApiError::new("MissingAuthenticationTokenException", message)
        }))
    }

    async fn recognize(&self, connection: &Connection) -> Result<Device, Refusal> {
        if let Some(device) = connection.known() {
            return Ok(device);
        }
        let principal = self.neighbours.authenticator.authenticate(&connection.knock, None).await?;
        let permissions = self.neighbours.policies.permissions(&principal, None).await?;
        let device = Device { principal, permissions };
        connection.remember(&device);
        Ok(device)
    }

    fn log_error(
        &self,
        connection: &Connection,
        found: &Match<'_>,
        device: &Device,
        error: &ApiError,
    ) {
        let event_type = match found.operation.name {
            "Publish" => "Publish-In",
            other => other,
        };
        let reason = match error.code {
            "ForbiddenException" => "AUTHORIZATION_FAILURE",
            "RequestEntityTooLargeException" => "PAYLOAD_TOO_LARGE",
            "NotImplementedException" => "NOT_IMPLEMENTED",
            "ServiceUnavailableException" | ApiError::INTERNAL => "SERVER_ERROR",
            _ => "INVALID_REQUEST",
        };
        let topic = found.labels.iter().find(|(label, _)| *label == "topic");
        let Principal { tenant, id, .. } = &*device.principal;
        let event = DeviceEvent {
            account_id: Some(tenant.account.to_string()),
            region: Some(tenant.region.to_string()),
            principal_id: Some(id.clone()),
            topic_name: topic.map(|(_, topic)| topic.to_string()),
            ..DeviceEvent::failure(event_type, reason, error.message.clone())
        };
        self.log_refusal(connection, event);
    }

    /// Puts a refusal into the device log, as far as the connection's budget goes.
    fn log_refusal(&self, connection: &Connection, mut event: DeviceEvent) {
        let now = self.app.env.clock.now();
        let mut budget = connection.log_budget.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(untold) = budget.take(now) else { return };
        drop(budget);
        if untold > 0 {
            event.details = format!("{} (and {untold} more that are not listed)", event.details);
        }
        let source = Some(connection.knock.peer);
        self.app.device_log.record(DeviceEvent { protocol: "HTTP", source, ..event });
    }
}

fn forbidden(why: String) -> ApiError {
    ApiError::new("ForbiddenException", why)
}

//! The life of a request, from its head to its response.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use model::ServiceId;
use model::spec::{OperationSpec, Protocol, Service};
use serde_json::Value;
use service::{Access, AccessKey, ApiError, Caller, Cx, Knock, RawRequest, RawRoute, RouteMatch};
use sigv4::Payload;
use types::{Region, Tenant};
use uuid::Uuid;

use crate::authorize::Grants;
use crate::bind::{Parts as Bindable, Unbindable, bind, bind_json11};
use crate::device::Connection;
use crate::resources::Resources;
use crate::route::{Match, NoRoute};
use crate::validate::{Refusal, validate};
use crate::{Gateway, authenticate, resources, respond, select};

/// A request on its way, as far as it is known.
pub(crate) struct Request<'r> {
    pub(crate) head: &'r Parts,
    pub(crate) connection: &'r Connection,
    pub(crate) id: Uuid,
}

impl Request<'_> {
    fn source_ip(&self) -> IpAddr {
        self.connection.knock.peer.ip()
    }
}

/// What is known of a request when it fails, so that the failure can be worded.
#[derive(Default)]
pub(crate) struct Trace {
    pub(crate) service: Option<&'static Service>,
    pub(crate) operation: Option<&'static OperationSpec>,
    pub(crate) cx: Option<Cx>,
}

impl Gateway {
    /// Answers one request. The body is read only once the access key is known.
    pub(crate) async fn answer<B>(&self, request: Request<'_>, body: B) -> Response<Bytes>
    where
        B: Future<Output = Result<Bytes, ApiError>> + Send,
    {
        let mut trace = Trace::default();
        let response = match self.serve(&request, body, &mut trace).await {
            Ok(response) => response,
            Err(error) => {
                self.log_failure(&trace, &error, request.id);
                if is_for_sts(request.head) {
                    return respond::query_failure(&error, request.id);
                }
                respond::failure(trace.service, trace.operation, &error, request.id)
            }
        };
        count(&trace, &response);
        response
    }

    async fn serve<B>(
        &self,
        request: &Request<'_>,
        body: B,
        trace: &mut Trace,
    ) -> Result<Response<Bytes>, ApiError>
    where
        B: Future<Output = Result<Bytes, ApiError>> + Send,
    {
        if let Some(route) = self.open_route(request) {
            return self.serve_open(route, request, body.await?, trace).await;
        }
        let headers = authenticate::signed_form(request.head);
        let unsigned = authenticate::request(request.head, &headers, Payload::Unsigned);
        if request.connection.knock.certificate.is_some() && !authenticate::is_signed(&unsigned) {
            return self.serve_device(request, body, trace).await;
        }
        let (authorization, key) = self.identify(&unsigned).await?;
        let body = body.await?;
        let whole = authenticate::request(request.head, &headers, Payload::Bytes(&body));
        self.verify(&whole, &authorization, &key)?;
        let region = authorization.region.parse::<Region>().map_err(|error| {
            ApiError::new(
                "InvalidSignatureException",
                format!("The credential scope's region: {error}."),
            )
        })?;
        let tenant = self.app.tenants.find(key.account, region).await?;
        let caller = caller(&key, &request.connection.knock);
        let cx = |operation| self.cx(request, tenant.clone(), Arc::clone(&caller), operation);

        if let Some(route) = self.signed_route(request, &authorization.service) {
            let cx = cx(route.operation);
            trace.cx = Some(cx.clone());
            return self.serve_raw(route, cx, &key, request, body).await;
        }
        let service = named_service(request.head, &authorization.service)?;
        trace.service = Some(service);
        let found = self.route(service, request.head)?;
        trace.operation = Some(found.operation);
        let cx = cx(found.operation.name);
        trace.cx = Some(cx.clone());
        self.dispatch(cx, &found, Grants::Key(&key), (request, &body), trace).await
    }

    pub(crate) async fn dispatch(
        &self,
        mut cx: Cx,
        found: &Match<'_>,
        grants: Grants<'_>,
        (request, body): (&Request<'_>, &Bytes),
        trace: &mut Trace,
    ) -> Result<Response<Bytes>, ApiError> {
        let operation = found.operation;
        let endpoint = self.endpoints.get(&(operation.service, operation.name));
        let endpoint = endpoint.ok_or_else(|| not_built(operation))?;
        let mut input = read_input(found, request.head, body)?;
        resources::lower_case(operation.service, &mut input);
        let resources = Resources::of(operation, &cx.tenant, &input)?;
        cx.resource = resources.subject.into();
        trace.cx = Some(cx.clone());
        grants.check(&cx, operation, &resources.asked, &input)?;
        let output = endpoint.call(cx.clone(), input).await?;
        if is_change(operation.name) {
            self.app.audit.log(&cx, "success");
        }
        Ok(respond::success(operation, output, request.id))
    }

    pub(crate) fn cx(
        &self,
        request: &Request<'_>,
        tenant: Tenant,
        caller: Arc<Caller>,
        operation: &'static str,
    ) -> Cx {
        let app = Arc::clone(&self.app);
        Cx { app, tenant, caller, request_id: request.id, operation, resource: "*".into() }
    }

    pub(crate) fn route<'p>(
        &self,
        service: &'static Service,
        head: &'p Parts,
    ) -> Result<Match<'p>, ApiError> {
        let path = head.uri.path();
        if service.protocol == Protocol::Json11 {
            return by_target(service, head);
        }
        let found =
            self.routes.get(service.id as usize).map(|r| r.find(head.method.as_str(), path));
        match found.unwrap_or(Err(NoRoute::Path)) {
            Ok(found) => Ok(found),
            Err(NoRoute::Path) => Err(unknown_operation(format!(
                "{} has no operation at {} {path}.",
                service.name, head.method
            ))),
            Err(NoRoute::Method(allowed)) => Err(wrong_method(service, head, &allowed)),
            Err(NoRoute::Encoding) => {
                Err(ApiError::new("SerializationException", "The path is not valid UTF-8."))
            }
        }
    }

    fn open_route(&self, request: &Request<'_>) -> Option<&RawRoute> {
        let is_own = request.head.uri.path().starts_with("/_ferrite/");
        let access = if is_own { Access::Open } else { Access::Link };
        let mut routes = self.raw_routes.iter().filter(|r| r.access == access);
        let route = routes.find(|route| is_match(route.matches, request.head, ""))?;
        (is_own || !has_signature(request.head)).then_some(route)
    }

    fn signed_route(&self, request: &Request<'_>, scope: &str) -> Option<&RawRoute> {
        let is_signed = |route: &&RawRoute| !matches!(route.access, Access::Open | Access::Link);
        let mut routes = self.raw_routes.iter().filter(is_signed);
        routes.find(|route| is_match(route.matches, request.head, scope))
    }

    async fn serve_open(
        &self,
        route: &RawRoute,
        request: &Request<'_>,
        body: Bytes,
        trace: &mut Trace,
    ) -> Result<Response<Bytes>, ApiError> {
        if request.head.headers.contains_key("origin") {
            let message = "A page in a browser may not call this: what it asks is not signed.";
            return Err(ApiError::new("AccessDeniedException", message));
        }
        let settings = &self.app.settings;
        let tenant = self.app.tenants.find(settings.account, settings.region.clone()).await?;
        let caller = Caller {
            access_key_id: String::new(),
            account: settings.account,
            arn: "anonymous".into(),
            user_id: "anonymous".into(),
            source_ip: request.source_ip(),
            is_over_tls: request.connection.knock.is_over_tls(),
            is_root: false,
        };
        let cx = self.cx(request, tenant, Arc::new(caller), route.operation);
        trace.cx = Some(cx.clone());
        let answer = route.call(cx, raw_request(request, body)).await?;
        Ok(respond::raw(answer, request.id))
    }

    async fn serve_raw(
        &self,
        route: &RawRoute,
        cx: Cx,
        key: &AccessKey,
        request: &Request<'_>,
        body: Bytes,
    ) -> Result<Response<Bytes>, ApiError> {
        let is_own_root = cx.caller.is_root && key.account == self.app.settings.account;
        if route.access == Access::Administrator && !is_own_root {
            let message = format!(
                "User: {} is not authorized to perform: {}. Only the root key of the server's own \
                 account may.",
                cx.caller.arn, route.operation
            );
            return Err(ApiError::new("AccessDeniedException", message));
        }
        let answer = route.call(cx, raw_request(request, body)).await?;
        Ok(respond::raw(answer, request.id))
    }

    fn log_failure(&self, trace: &Trace, error: &ApiError, request_id: Uuid) {
        let operation = trace.operation.map_or("-", |o| o.name);
        if error.source.is_some() {
            tracing::error!(%request_id, operation, ?error, "request failed");
        } else {
            tracing::debug!(%request_id, operation, code = error.code, message = %error.message, "request refused");
        }
        let Some(spec) = trace.operation else { return };
        let code = respond::modelled(spec, error.code);
        debug_assert!(respond::is_listed(spec, code), "{} does not list {code}", spec.name);
        if let Some(cx) = trace.cx.as_ref().filter(|_| is_change(spec.name)) {
            self.app.audit.refused(cx, code);
            self.app.audit.log(cx, code);
        }
    }
}

fn has_signature(head: &Parts) -> bool {
    let headers = authenticate::signed_form(head);
    authenticate::is_signed(&authenticate::request(head, &headers, Payload::Unsigned))
}

fn count(trace: &Trace, response: &Response<Bytes>) {
    let operation = match (trace.operation, &trace.cx) {
        (Some(spec), _) => spec.name,
        (None, Some(cx)) => cx.operation,
        (None, None) => "none",
    };
    let status = match response.status().as_u16() {
        200..=299 => "2xx",
        400..=499 => "4xx",
        501 => "501",
        _ => "5xx",
    };
    metrics::counter!("ferrite_api_requests_total", "operation" => operation, "status" => status)
        .increment(1);
}

/// Whether a request is signed for STS, whose clients read XML.
fn is_for_sts(head: &Parts) -> bool {
    let signed = head.headers.get("authorization").and_then(|value| value.to_str().ok());
    signed.is_some_and(|value| value.contains("/sts/aws4_request"))
}

fn caller(key: &AccessKey, knock: &Knock) -> Arc<Caller> {
    Arc::new(Caller {
        access_key_id: key.id.clone(),
        account: key.account,
        arn: key.arn.clone(),
        user_id: key.user_id.clone(),
        source_ip: knock.peer.ip(),
        is_over_tls: knock.is_over_tls(),
        is_root: key.policy.is_none(),
    })
}

fn is_match(matches: RouteMatch, head: &Parts, scope: &str) -> bool {
    let (method, path) = (head.method.as_str(), head.uri.path());
    match matches {
        RouteMatch::Path(m, p) => m == method && p == path,
        RouteMatch::Prefix(m, p) => m == method && path.starts_with(p),
        RouteMatch::SigningService(service) => service == scope,
    }
}

fn raw_request(request: &Request<'_>, body: Bytes) -> RawRequest {
    RawRequest {
        method: request.head.method.as_str().to_owned(),
        path: request.head.uri.path().to_owned(),
        query: request.head.uri.query().unwrap_or_default().to_owned(),
        headers: request.head.headers.clone(),
        body,
        source_ip: request.source_ip(),
    }
}

/// The operation that `X-Amz-Target` names.
fn by_target<'p>(service: &'static Service, head: &Parts) -> Result<Match<'p>, ApiError> {
    let target = head.headers.get("x-amz-target").and_then(|t| t.to_str().ok()).unwrap_or_default();
    let name = target.strip_prefix(service.target_prefix).and_then(|n| n.strip_prefix('.'));
    let operation = service.operations.iter().find(|o| Some(o.name) == name);
    let operation = operation.ok_or_else(|| {
        unknown_operation(format!("{} has no operation '{target}'.", service.name))
    })?;
    Ok(Match { operation, labels: Vec::new() })
}

/// Binds and validates the input of an operation.
pub(crate) fn read_input(found: &Match<'_>, head: &Parts, body: &Bytes) -> Result<Value, ApiError> {
    let service = found.operation.service.service();
    let bound = match service.protocol {
        Protocol::Json11 => bind_json11(found.operation, body),
        Protocol::RestJson => {
            let query = head.uri.query().unwrap_or_default();
            bind(found, &Bindable { query, headers: &head.headers, body })
        }
    };
    let unreadable = |text: String| ApiError::new("SerializationException", text);
    let mut input = bound.map_err(|Unbindable(text)| unreadable(text))?;
    let Some(shape) = found.operation.input else { return Ok(input) };
    match validate(service, shape, &mut input) {
        Ok(()) => Ok(input),
        Err(Refusal::Type(text)) => Err(unreadable(text)),
        Err(Refusal::Constraints(text)) => Err(ApiError::invalid(text)),
    }
}

/// The service that the signature's scope names.
fn named_service(head: &Parts, scope: &str) -> Result<&'static Service, ApiError> {
    let host = head.headers.get("host").and_then(|h| h.to_str().ok()).unwrap_or_default();
    select::by_scope(scope, host).ok_or_else(|| {
        let message = format!(
            "Credential should be scoped to a correct service: '{scope}' is none of Ferrite's."
        );
        ApiError::new("InvalidSignatureException", message)
    })
}

/// The path is right and the method is not, for which the data plane has an error of its own.
fn wrong_method(service: &Service, head: &Parts, allowed: &[&str]) -> ApiError {
    let (method, path) = (&head.method, head.uri.path());
    let message = format!(
        "{} has no operation at {method} {path}, only {}.",
        service.name,
        allowed.join(", ")
    );
    let is_data = service.id == ServiceId::IotData;
    let code = if is_data { "MethodNotAllowedException" } else { "UnknownOperationException" };
    ApiError::new(code, message)
}

fn unknown_operation(message: String) -> ApiError {
    ApiError::new("UnknownOperationException", message)
}

fn not_built(operation: &OperationSpec) -> ApiError {
    let message = format!(
        "{} is not implemented by this version of Ferrite; docs/compatibility.md lists what is.",
        operation.name
    );
    ApiError::new("NotImplementedException", message)
}

/// Whether an operation changes what somebody administers, by AWS's way of naming the ones that do
/// not. A message passes and changes nothing that is kept; a shadow is what devices change all day.
fn is_change(operation: &str) -> bool {
    const OTHERS: [&str; 8] =
        ["Describe", "Get", "List", "Publish", "Search", "Send", "Test", "Validate"];
    !OTHERS.iter().any(|verb| operation.starts_with(verb)) && !operation.ends_with("ThingShadow")
}

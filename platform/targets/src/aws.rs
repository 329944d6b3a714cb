//! `aws` back ends: one signed call each, to AWS or to what speaks its protocols.

mod failure;
mod roles;
pub(crate) mod xml;

use std::sync::Arc;

use bytes::Bytes;
use env::Clock;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use outbound::{AccessKey, Request, Response, Url};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use types::{Arn, Region, Secret};

use crate::{Caller, Service, Settings, TargetError};

pub(crate) use failure::is_transient_code;

/// What stays as it is in a form.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Calls services.
pub(crate) struct Aws {
    settings: Arc<Settings>,
    client: outbound::Client,
    clock: Clock,
    roles: roles::Roles,
}

/// One request, before it is known where it goes and who signs it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    service: Service,
    method: Method,
    /// What comes before the service's host on AWS: a bucket.
    pub(crate) host_prefix: Option<String>,
    /// The region that the request itself names.
    pub(crate) region: Option<String>,
    /// Percent-encoded.
    path: String,
    headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Call {
    /// A request without headers or body.
    pub(crate) fn new(service: Service, method: Method, path: String) -> Self {
        let (headers, body) = (Vec::new(), Bytes::new());
        Self { service, method, host_prefix: None, region: None, path, headers, body }
    }

    /// A request of the JSON protocols.
    pub(crate) fn json(
        service: Service,
        content_type: &str,
        target: &str,
        body: &impl Serialize,
    ) -> Self {
        let mut call = Self::new(service, Method::POST, "/".to_owned());
        call.header("content-type", content_type);
        call.header("x-amz-target", target);
        call.body = serde_json::to_vec(body).expect("a request is JSON").into();
        call
    }

    /// A request of the query protocol.
    pub(crate) fn query(service: Service, parameters: &[(&str, &str)]) -> Self {
        let mut call = Self::new(service, Method::POST, "/".to_owned());
        call.header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        let encoded = |text| utf8_percent_encode(text, FORM);
        let pairs =
            parameters.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        call.body = pairs.collect::<Vec<_>>().join("&").into();
        call
    }

    pub(crate) fn header(&mut self, name: &'static str, value: &str) {
        self.headers.push((name, value.to_owned()));
    }
}

impl Aws {
    pub(crate) fn new(settings: Arc<Settings>, client: outbound::Client, clock: Clock) -> Self {
        Self { settings, client, clock, roles: roles::Roles::default() }
    }

    /// Calls as the rule's role; whatever is not a success is an error.
    pub(crate) async fn send(&self, caller: &Caller, call: Call) -> Result<Response, TargetError> {
        let key = self.key_of(call.service, caller).await?;
        self.send_as(&key, caller, call).await
    }

    async fn send_as(
        &self,
        key: &AccessKey,
        caller: &Caller,
        call: Call,
    ) -> Result<Response, TargetError> {
        let service = call.service;
        let request = self.signed(key, caller, call)?;
        let response = self.client.send(request).await.map_err(|error| {
            let is_transient = error.is_transient();
            let text = format!("Unable to execute HTTP request: {}", error.chain());
            let failed = TargetError::unanswered(service, text).caused_by(error);
            TargetError { is_transient, ..failed }
        })?;
        match response.status.is_success() {
            true => Ok(response),
            false => Err(failure::read(service, &response)),
        }
    }

    fn signed(&self, key: &AccessKey, caller: &Caller, call: Call) -> Result<Request, TargetError> {
        let Call { service, method, host_prefix, region, path, headers, body } = call;
        let place = self.settings.place(service);
        // It comes from a message, maybe, and becomes a part of the host's name.
        let named = region.as_deref().filter(|region| region.parse::<Region>().is_ok());
        let region = place.region.as_deref().or(named);
        let region = region.unwrap_or(caller.tenant.region.as_str());
        let base = match &place.endpoint {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None => endpoint_of(service, region, host_prefix.as_deref()),
        };
        let unusable = |what: &str| {
            let setting = service.setting();
            TargetError::unanswered(service, format!("{what}: see targets.{setting}.endpoint"))
                .lasting()
        };
        let url = Url::parse(&format!("{base}{path}"))
            .map_err(|error| unusable("The URL is not valid").caused_by(error))?;
        let mut request = Request { method, ..Request::post(url, body) };
        let host = ("host", request.url.authority());
        put(service, &mut request.headers, std::iter::once(host).chain(headers))?;
        let added = sign(&request, key, region, service.signing_name(), &self.clock);
        put(service, &mut request.headers, added)?;
        Ok(request)
    }

    /// Signs a request of somebody else's as the caller's role.
    pub(crate) async fn sign(
        &self,
        caller: &Caller,
        scope: sigv4::Scope<'_>,
        request: &mut Request,
    ) -> Result<(), TargetError> {
        let key = self.key_of(Service::Sts, caller).await?;
        let host = ("host", request.url.authority());
        put(Service::Sts, &mut request.headers, [host])?;
        let added = sign(request, &key, scope.region, scope.service, &self.clock);
        put(Service::Sts, &mut request.headers, added)
    }
}

fn sign(
    request: &Request,
    key: &AccessKey,
    region: &str,
    service: &str,
    clock: &Clock,
) -> Vec<(&'static str, String)> {
    let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let headers: Vec<_> = headers.collect();
    let unsigned = sigv4::Request {
        method: request.method.as_str(),
        raw_path: request.url.path(),
        raw_query: request.url.query(),
        headers: &headers,
        payload: sigv4::Payload::Bytes(&request.body),
    };
    let scope = sigv4::Scope { region, service };
    let credentials = sigv4::Credentials {
        access_key_id: &key.id,
        secret_access_key: key.secret.expose(),
        session_token: key.session_token.as_ref().map(Secret::expose),
    };
    sigv4::sign(&unsigned, &credentials, &scope, clock.now())
}

/// Sets headers; what a rule made of a message may be no header's value.
fn put(
    service: Service,
    headers: &mut HeaderMap,
    added: impl IntoIterator<Item = (&'static str, String)>,
) -> Result<(), TargetError> {
    for (name, value) in added {
        let Ok(value) = HeaderValue::try_from(value) else {
            let message = format!("The value of {name} has characters that no header may have.");
            return Err(TargetError::refused(service, "InvalidArgument", message));
        };
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(())
}

/// The region of an ARN, if it has one.
pub(crate) fn region_of(arn: &str) -> Option<String> {
    let arn = Arn::parse(arn).ok()?;
    (!arn.region.is_empty()).then(|| arn.region.to_owned())
}

fn endpoint_of(service: Service, region: &str, host_prefix: Option<&str>) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let prefix = host_prefix.map(|prefix| format!("{prefix}.")).unwrap_or_default();
    format!("https://{prefix}{}.{region}.{domain}", service.signing_name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_has_its_host() {
        let s3 = endpoint_of(Service::S3, "eu-west-1", Some("my-bucket"));
        assert_eq!(s3, "https://my-bucket.s3.eu-west-1.amazonaws.com");
        let metrics = endpoint_of(Service::CloudWatch, "cn-north-1", None);
        assert_eq!(metrics, "https://monitoring.cn-north-1.amazonaws.com.cn");
    }

    #[test]
    fn a_form_has_everything_encoded() {
        let call = Call::query(Service::Sns, &[("Action", "Publish"), ("Message", "a b&c=ü\n+")]);
        assert_eq!(call.body, "Action=Publish&Message=a%20b%26c%3D%C3%BC%0A%2B");
    }
}

//! HTTP: what is selected is posted to a URL that has confirmed that it wants it.

mod batches;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use model::iot::{HttpAction, SigV4Authorization};
use outbound::{Error, Request, Response, Url};
use serde_json::{Value, json};
use service::{ApiError, BoxFuture};
use sql::{Halt, Payload, Statement, Template};
use targets::Caller;
use tokio::time::{Instant, sleep, timeout_at};
use types::Tenant;

use self::batches::Batches;
use super::{Action, ActionError, Call, Selected, template};
use crate::engine::log::Resources;
use crate::engine::world::World;

/// All tries together (AWS IoT developer guide, "HTTP", retry logic).
const WITHIN: Duration = Duration::from_secs(3);
/// Tries, the first included.
const TRIES_MAX: u32 = 3;
/// An answer that is longer is not tried again.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes of a URL.
const URL_BYTES_MAX: usize = 2048;

/// An HTTP action.
pub(crate) struct Http {
    url: Template,
    confirmation_url: Template,
    headers: Vec<(HeaderName, Template)>,
    signer: Option<Arc<SigV4Authorization>>,
    batches: Option<Arc<Batches>>,
}

impl Http {
    /// Reads the action.
    pub(crate) fn compile(action: &HttpAction, statement: &Statement) -> Result<Self, ApiError> {
        let confirmation_url = action.confirmation_url.as_ref().unwrap_or(&action.url);
        let headers = action.headers.as_deref().unwrap_or_default().iter().map(|header| {
            let name = HeaderName::try_from(&header.key)
                .map_err(|_| ApiError::invalid(format!("{} is no header.", header.key)))?;
            Ok((name, template("http.headers.value", &header.value, statement)?))
        });
        Ok(Self {
            url: template("http.url", &action.url, statement)?,
            confirmation_url: template("http.confirmationUrl", confirmation_url, statement)?,
            headers: headers.collect::<Result<_, ApiError>>()?,
            signer: action.auth.as_ref().and_then(|auth| auth.sigv4.clone()).map(Arc::new),
            batches: Batches::compile(action),
        })
    }
}

impl Action for Http {
    fn name(&self) -> &'static str {
        "HttpAction"
    }

    fn call(&self, selected: &Selected<'_>) -> Result<Box<dyn Call>, Halt> {
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            headers.push((name.clone(), selected.text(value)?));
        }
        Ok(Box::new(Post {
            tenant: selected.heard.tenant.clone(),
            url: selected.text(&self.url)?,
            confirmation_url: selected.text(&self.confirmation_url)?,
            headers,
            body: selected.payload.clone(),
            topic: selected.heard.topic.clone(),
            signer: self.signer.clone(),
            batches: self.batches.clone(),
        }))
    }
}

struct Post {
    tenant: Tenant,
    url: String,
    confirmation_url: String,
    headers: Vec<(HeaderName, String)>,
    body: Bytes,
    topic: String,
    signer: Option<Arc<SigV4Authorization>>,
    batches: Option<Arc<Batches>>,
}

/// What is posted.
struct Body {
    bytes: Bytes,
    is_json: bool,
}

impl Call for Post {
    fn resource(&self) -> String {
        self.url.clone()
    }

    fn resources(&self) -> Resources {
        vec![("Url", self.url.clone())]
    }

    fn details(&self) -> String {
        format!("Action: http, URL: {}", self.url)
    }

    fn inputs(&self) -> Value {
        let headers = self.headers.iter().map(|(name, value)| (name.to_string(), json!(value)));
        json!({
            "url": self.url,
            "headers": headers.collect::<serde_json::Map<_, _>>(),
            "body": String::from_utf8_lossy(&self.body),
        })
    }

    /// It tries again by itself.
    fn tries_max(&self) -> u32 {
        1
    }

    fn run<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<(), ActionError>> {
        Box::pin(async move {
            if !world.may_send_to(&self.tenant, &self.confirmation_url) {
                let reason = "the destination is not enabled: confirm it first";
                return Err(failed(reason));
            }
            match &self.batches {
                Some(batches) => batches.send(world, self).await,
                None => {
                    let is_json = Payload::read(&self.body).is_json();
                    let body = Body { bytes: self.body.clone(), is_json };
                    self.deliver(world, body, &self.headers).await
                }
            }
        })
    }
}

impl Post {
    /// Posts `body`, and again while that may help.
    async fn deliver(
        &self,
        world: &World,
        body: Body,
        headers: &[(HeaderName, String)],
    ) -> Result<(), ActionError> {
        let request = self.request(body, headers).map_err(|reason| failed(&reason))?;
        let request = self.signed(world, request).await?;
        let until = Instant::now() + WITHIN;
        let mut tries = 1;
        loop {
            let answer = timeout_at(until, world.outside.client.send(request.clone())).await;
            let answer = answer.map_err(|_| failed("no answer within 3 seconds"))?;
            match judge(answer) {
                Verdict::Done => return Ok(()),
                Verdict::Again(_)
                    if tries < TRIES_MAX && Instant::now() + PAUSE * tries < until =>
                {
                    sleep(PAUSE * tries).await;
                    tries += 1;
                }
                Verdict::Again(reason) | Verdict::Failed(reason) => return Err(failed(&reason)),
            }
        }
    }

    fn request(&self, body: Body, headers: &[(HeaderName, String)]) -> Result<Request, String> {
        if self.url.len() > URL_BYTES_MAX {
            return Err(format!("the URL has more than {URL_BYTES_MAX} bytes"));
        }
        let url = Url::parse(&self.url).map_err(|error| error.to_string())?;
        if !url.is_https() {
            return Err("the URL does not begin with https".to_owned());
        }
        let mut request = Request::post(url, body.bytes);
        request.timeout = Some(WITHIN);
        request.response_bytes_max = Some(ANSWER_BYTES_MAX);
        let kind = if body.is_json { "application/json" } else { "application/octet-stream" };
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        for (name, value) in headers {
            let value = HeaderValue::try_from(value)
                .map_err(|_| format!("the header {name} has a value that cannot be sent"))?;
            request.headers.insert(name.clone(), value);
        }
        Ok(request)
    }

    /// The request, signed if the rule wants that.
    async fn signed(&self, world: &World, mut request: Request) -> Result<Request, ActionError> {
        let Some(signer) = &self.signer else { return Ok(request) };
        let role_arn = Some(signer.role_arn.clone());
        let caller = Caller { tenant: self.tenant.clone(), role_arn };
        let (region, service) = (&signer.signing_region, &signer.service_name);
        let signed = world.outside.targets.sign(&caller, region, service, &mut request).await;
        signed.map_err(|error| failed(&error.to_string()))?;
        Ok(request)
    }
}

/// What an answer means.
enum Verdict {
    Done,
    Again(String),
    Failed(String),
}

fn judge(answer: Result<Response, Error>) -> Verdict {
    match answer {
        Ok(response) if response.status.is_success() => Verdict::Done,
        Ok(response) => {
            let reason = format!("HTTP status {}", response.status.as_u16());
            let may_pass = response.status.is_server_error() || response.status.as_u16() == 429;
            if may_pass { Verdict::Again(reason) } else { Verdict::Failed(reason) }
        }
        // An answer that is too long is one all the same.
        Err(Error::TooLarge { status, .. }) if (200..300).contains(&status) => Verdict::Done,
        Err(error) => Verdict::Failed(error.chain()),
    }
}

fn failed(reason: &str) -> ActionError {
    let message = "Failed to send the HTTP request";
    ActionError::lasting(format!("{message}. The error received was {reason}"))
}

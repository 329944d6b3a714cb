//! Functions on AWS Lambda, or behind an API that is compatible with it.

use bytes::Bytes;
use data_encoding::BASE64;
use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use outbound::{AccessKey, Client, Request, Url};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use types::Secret;

use crate::credentials::Credentials;
use crate::error::InvokeError;
use crate::functions::Host;
use crate::identity::FunctionId;
use crate::invocation::{FunctionResponse, Invocation, RESPONSE_BYTES_MAX};
use crate::settings::RemoteSettings;
use crate::webhook::{of_outbound, set, understood};

/// What stands in a URL's path as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A function elsewhere.
pub(crate) struct RemoteFunction {
    settings: RemoteSettings,
    /// The key of its settings.
    key: String,
    credentials: Credentials,
}

impl RemoteFunction {
    pub(crate) fn new(key: &str, settings: RemoteSettings) -> Self {
        let credentials = Credentials::new(settings.key.clone());
        Self { settings, key: key.to_owned(), credentials }
    }

    /// Calls `Invoke`.
    pub(crate) async fn invoke(
        &self,
        (host, client): (&Host, &Client),
        id: &FunctionId,
        invocation: Invocation,
    ) -> Result<FunctionResponse, InvokeError> {
        let missing = |reason| {
            let (function, key) = (id.arn.clone(), self.key.clone());
            InvokeError::Credentials { function, key, reason }
        };
        let access_key = self.credentials.key(&host.environment, host.env.clock.now()).await;
        let access_key = access_key.map_err(missing)?;
        let url = self.url(id).ok_or_else(|| InvokeError::Name { text: id.invoked_arn() })?;
        let kind = invocation.kind;
        let mut request = Request::post(url, Bytes::clone(&invocation.payload));
        set(&mut request.headers, "x-amz-invocation-type", kind.as_str());
        if let Some(context) = &invocation.client_context {
            set(&mut request.headers, "x-amz-client-context", &BASE64.encode(context.as_bytes()));
        }
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.timeout = Some(self.settings.timeout);
        request.response_bytes_max = Some(RESPONSE_BYTES_MAX);
        self.sign(&mut request, host, id, &access_key);
        let response = client.send(request).await.map_err(|error| of_outbound(id, error))?;
        understood(id, kind, response)
    }

    fn region<'a>(&'a self, id: &'a FunctionId) -> &'a str {
        self.settings.region.as_deref().unwrap_or(&id.region)
    }

    fn url(&self, id: &FunctionId) -> Option<Url> {
        let base = match &self.settings.endpoint {
            Some(endpoint) => endpoint.to_string(),
            None => format!("https://lambda.{}.amazonaws.com", self.region(id)),
        };
        let name = self.settings.function.as_deref().unwrap_or(&id.name);
        let name = utf8_percent_encode(name, PLAIN);
        let base = base.trim_end_matches('/');
        let mut url = format!("{base}/2015-03-31/functions/{name}/invocations");
        if let Some(qualifier) = &id.qualifier {
            url.push_str("?Qualifier=");
            url.extend(utf8_percent_encode(qualifier, PLAIN));
        }
        Url::parse(&url).ok()
    }

    fn sign(&self, request: &mut Request, host: &Host, id: &FunctionId, key: &AccessKey) {
        let authority = HeaderValue::try_from(request.url.authority());
        request.headers.insert(HOST, authority.expect("a host is a header's value"));
        let headers: Vec<(&str, &[u8])> =
            request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let signed = sigv4::Request {
            method: request.method.as_str(),
            raw_path: request.url.path(),
            raw_query: request.url.query(),
            headers: &headers,
            payload: sigv4::Payload::Bytes(&request.body),
        };
        let credentials = sigv4::Credentials {
            access_key_id: &key.id,
            secret_access_key: key.secret.expose(),
            session_token: key.session_token.as_ref().map(Secret::expose),
        };
        let scope = sigv4::Scope { region: self.region(id), service: "lambda" };
        let added = sigv4::sign(&signed, &credentials, &scope, host.env.clock.now());
        for (name, value) in added {
            // A key with a line break in it signs nothing; the other side will say so.
            if let Ok(value) = HeaderValue::from_str(&value) {
                request.headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

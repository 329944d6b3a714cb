//! The server that tests call.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use env::Clock;
use http::{HeaderMap, StatusCode};
use journal::Recovered;
use model::spec::Operation;
use serde_json::Value;
use service::{
    ApiError, App, Caller, Cx, Endpoint, Feature, Output, RawRequest, RawRoute, RouteMatch,
};
use types::{AccountId, Region};

use crate::parts::{Choices, Parts};

/// A running server without a network. Its clones and views share one store.
#[derive(Clone)]
pub struct Server {
    parts: Arc<Parts>,
    features: Arc<Vec<Feature>>,
    account: AccountId,
    region: Region,
}

impl Server {
    /// A server with an empty store and these features.
    pub async fn with(features: Vec<Feature>) -> Self {
        Self::build(|_| features).await
    }

    /// A server with the features that `make` makes of its parts.
    pub async fn build(make: impl FnOnce(&Arc<App>) -> Vec<Feature>) -> Self {
        Self::build_with(|_| {}, make).await
    }

    /// As [`Server::build`], with choices that `change` changes.
    pub async fn build_with(
        change: impl FnOnce(&mut Choices),
        make: impl FnOnce(&Arc<App>) -> Vec<Feature>,
    ) -> Self {
        let parts = Arc::new(Parts::open(change).await);
        let features = Arc::new(make(&parts.app));
        let settings = &parts.app.settings;
        let (account, region) = (settings.account, settings.region.clone());
        Self { parts, features, account, region }
    }

    /// The server's parts.
    pub fn app(&self) -> &Arc<App> {
        &self.parts.app
    }

    /// What waited in the journal when this server began; given once.
    pub fn take_waiting(&self) -> Recovered {
        let mut waiting = self.parts.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.take().unwrap_or_default()
    }

    /// The simulated clock.
    pub fn clock(&self) -> &Clock {
        &self.parts.app.env.clock
    }

    /// The same server, as called in another region.
    #[must_use]
    pub fn in_region(&self, region: &str) -> Self {
        let region = region.parse().expect("a test names a valid region");
        Self { region, ..self.clone() }
    }

    /// The same server, as called with the root key of another account.
    #[must_use]
    pub fn in_account(&self, account: &str) -> Self {
        let account = account.parse().expect("a test names a valid account");
        Self { account, ..self.clone() }
    }

    /// Calls the operation `O`. Answers its members, headers and payload included, by their wire
    /// names; `null` if it has no output.
    pub async fn call<O: Operation>(&self, input: Value) -> Result<Value, ApiError> {
        let endpoint = self.endpoint::<O>();
        match endpoint.call(self.cx(O::SPEC.name).await, input).await? {
            Output::Empty => Ok(Value::Null),
            Output::Body(body) => Ok(read_json(&body)),
            Output::Members(members) => Ok(members),
        }
    }

    /// Sends a signed request to the raw route that takes it, whoever may call it.
    pub async fn raw(
        &self,
        method: &str,
        path_and_query: &str,
        body: impl Into<Bytes>,
    ) -> Result<(StatusCode, Bytes), ApiError> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let route = self.raw_route(method, path);
        let request = RawRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: HeaderMap::new(),
            body: body.into(),
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let response = route.call(self.cx(route.operation).await, request).await?;
        Ok((response.status, response.body))
    }

    /// The context of a request that the account's root sends.
    pub async fn cx(&self, operation: &'static str) -> Cx {
        let tenant = self.app().tenants.find(self.account, self.region.clone()).await;
        let caller = Caller {
            access_key_id: "AKIATESTTESTTESTTEST".to_owned(),
            account: self.account,
            arn: format!("arn:aws:iam::{}:root", self.account),
            user_id: self.account.to_string(),
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            is_over_tls: false,
            is_root: true,
        };
        Cx {
            app: Arc::clone(self.app()),
            tenant: tenant.expect("a tenant can be made"),
            caller: Arc::new(caller),
            request_id: uuid::Builder::from_random_bytes(self.app().env.random.bytes()).into_uuid(),
            operation,
            resource: "*".into(),
        }
    }

    fn endpoint<O: Operation>(&self) -> &Endpoint {
        let wanted = (O::SPEC.service, O::SPEC.name);
        let mut endpoints = self.features.iter().flat_map(|f| &f.endpoints);
        endpoints
            .find(|e| (e.spec.service, e.spec.name) == wanted)
            .unwrap_or_else(|| unserved(O::SPEC.name))
    }

    fn raw_route(&self, method: &str, path: &str) -> &RawRoute {
        let mut routes = self.features.iter().flat_map(|f| &f.raw_routes);
        routes
            .find(|route| match route.matches {
                RouteMatch::Path(m, p) => (m, p) == (method, path),
                RouteMatch::Prefix(m, p) => m == method && path.starts_with(p),
                RouteMatch::SigningService(_) => path == "/",
            })
            .unwrap_or_else(|| unserved(path))
    }
}

fn read_json(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("an operation answers JSON")
}

#[allow(clippy::panic, reason = "the test asks for what the server does not have")]
fn unserved<T>(what: &str) -> T {
    panic!("no feature of this server serves {what}")
}

//! The HTTPS API of all ten services: authenticate, route, bind, validate, authorize, dispatch,
//! respond.
//!
//! The tables of `model` say what each operation looks like; the features' endpoints say what it
//! does. An operation without an endpoint answers 501 and names itself.

mod answer;
mod authenticate;
mod authorize;
mod bind;
pub mod compatibility;
mod device;
mod frames;
pub mod offline;
mod resources;
mod respond;
mod route;
mod select;
mod server;
mod validate;
mod websocket;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::{SERVICES, ServiceId};
use service::{
    AccessKeys, App, Authenticator, Endpoint, Feature, MqttDoor, PolicySource, RawRoute,
};
use tokio::sync::Semaphore;

use crate::authenticate::SigningKeys;
use crate::route::Routes;

/// Writes the metrics of the server in Prometheus' text form.
pub type MetricsText = Box<dyn Fn() -> String + Send + Sync>;

/// Those whom the gateway asks, and never learns their name.
pub struct Neighbours {
    /// Who signs a request.
    pub keys: Arc<dyn AccessKeys>,
    /// Who a device is that comes with a certificate.
    pub authenticator: Arc<dyn Authenticator>,
    /// What such a device may do.
    pub policies: Arc<dyn PolicySource>,
    /// Who speaks MQTT with whoever comes by WebSocket.
    pub mqtt: Arc<dyn MqttDoor>,
}

/// The API's engine, shared by every connection.
pub struct Gateway {
    app: Arc<App>,
    neighbours: Neighbours,
    routes: Vec<Routes>,
    endpoints: HashMap<(ServiceId, &'static str), Endpoint>,
    raw_routes: Vec<RawRoute>,
    signing_keys: SigningKeys,
    /// One permit per request that runs.
    requests: Semaphore,
    /// One permit per KiB of the larger bodies that are in memory.
    body_room: Semaphore,
    is_ready: AtomicBool,
    metrics: MetricsText,
}

impl Gateway {
    /// An engine that serves what `features` bring, to whom its `neighbours` know.
    pub fn new(
        app: Arc<App>,
        features: Vec<Feature>,
        neighbours: Neighbours,
        metrics: MetricsText,
    ) -> Arc<Self> {
        let (mut endpoints, mut raw_routes) = (HashMap::new(), Vec::new());
        for feature in features {
            raw_routes.extend(feature.raw_routes);
            for endpoint in feature.endpoints {
                let operation = (endpoint.spec.service, endpoint.spec.name);
                let other = endpoints.insert(operation, endpoint);
                assert!(other.is_none(), "two endpoints for {operation:?}");
            }
        }
        let requests = Semaphore::new(app.limits.http_requests_max);
        let body_room = Semaphore::new(app.limits.http_bodies_bytes_max / 1024);
        Arc::new(Self {
            app,
            neighbours,
            routes: SERVICES.iter().map(|service| Routes::new(service)).collect(),
            endpoints,
            raw_routes,
            signing_keys: SigningKeys::default(),
            requests,
            body_room,
            is_ready: AtomicBool::new(false),
            metrics,
        })
    }

    /// What `/_ferrite/ready` answers from now on.
    pub fn set_ready(&self, is_ready: bool) {
        self.is_ready.store(is_ready, Ordering::Release);
    }
}

//! Devices at the door: who is let in, what they may do, and what becomes of it.

mod door;
mod follow;
mod groups;
mod just_in_time;
mod rights;
mod trial;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::iot::op::{
    AttachPolicy, AttachThingPrincipal, CreatePolicy, RegisterCertificateWithoutCA,
};
use registry::Devices;
use serde_json::json;
use service::{
    Authenticator as _, Knock, Login, Permissions, PolicySource as _, Principal, Refusal, Wish,
};
use testing::{Choices, Server};
use types::Timestamp;

use crate::registry;

/// A certificate with everything in it that policies know, valid in January 2026.
const PUMP: &str = include_str!("pump.pem");
/// A certificate that is valid from November 2026 on.
const FOREIGN: &str = include_str!("foreign.pem");
/// How long something that must happen may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server with the registry, and its keeper of devices.
struct House {
    server: Server,
    devices: Arc<Devices>,
}

/// A registered certificate.
struct Certificate {
    id: String,
    arn: String,
    der: Bytes,
}

impl House {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut service::Settings)) -> Self {
        Self::choosing(|choices| change(&mut choices.settings)).await
    }

    async fn choosing(change: impl FnOnce(&mut Choices)) -> Self {
        let mut devices = None;
        let server = Server::build_with(change, |app| {
            devices = Some(Devices::start(app));
            vec![registry::feature()]
        })
        .await;
        Self { server, devices: devices.unwrap() }
    }

    /// Registers the certificate in `pem` with a status.
    async fn register(&self, pem: &str, status: &str) -> Certificate {
        register(&self.server, pem, status).await
    }

    async fn authenticate(&self, knock: &Knock) -> Result<Arc<Principal>, Refusal> {
        self.devices.authenticate(knock, None).await
    }

    async fn login(&self, knock: &Knock, user: Option<&str>) -> Result<Arc<Principal>, Refusal> {
        let login = Login { user_name: user.map(str::to_owned), password: None };
        self.devices.authenticate(knock, Some(&login)).await
    }

    /// What the holder of a certificate may do under a client id.
    async fn connect(&self, certificate: &Certificate, client_id: &str) -> Arc<Permissions> {
        let principal = self.authenticate(&certificate.knock(None)).await.unwrap();
        self.devices.permissions(&principal, Some(client_id)).await.unwrap()
    }

    /// Creates a policy with one statement for each of `statements`.
    async fn policy(&self, name: &str, statements: &[&str]) {
        let request = json!({"policyName": name, "policyDocument": document(statements)});
        self.server.call::<CreatePolicy>(request).await.unwrap();
    }

    async fn attach_policy(&self, name: &str, certificate: &Certificate) {
        let request = json!({"policyName": name, "target": certificate.arn});
        self.server.call::<AttachPolicy>(request).await.unwrap();
    }

    async fn attach_thing(&self, name: &str, certificate: &Certificate, kind: &str) {
        let principal = &certificate.arn;
        let request =
            json!({"thingName": name, "principal": principal, "thingPrincipalType": kind});
        self.server.call::<AttachThingPrincipal>(request).await.unwrap();
    }
}

impl Certificate {
    fn knock(&self, server_name: Option<&str>) -> Knock {
        knock("mqtts", server_name, Some(self.der.clone()))
    }
}

async fn register(server: &Server, pem: &str, status: &str) -> Certificate {
    let request = json!({"certificatePem": pem, "status": status});
    let answer = server.call::<RegisterCertificateWithoutCA>(request).await.unwrap();
    let text = |member: &str| answer[member].as_str().unwrap().to_owned();
    let der = pki::parse_pem_certificate(pem).unwrap().der.into();
    Certificate { id: text("certificateId"), arn: text("certificateArn"), der }
}

fn knock(door: &'static str, server_name: Option<&str>, certificate: Option<Bytes>) -> Knock {
    let peer = SocketAddr::from(([192, 0, 2, 1], 40_000));
    Knock { door, peer, local: None, server_name: server_name.map(str::to_owned), certificate }
}

fn document(statements: &[&str]) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","))
}

/// A statement that allows to publish to `topic`.
fn allow(topic: &str) -> String {
    format!(
        r#"{{"Effect":"Allow","Action":"iot:Publish","Resource":"arn:aws:iot:us-east-1:000000000000:topic/{topic}"}}"#
    )
}

/// Whether publishing to `topic` is allowed now.
fn may_publish(permissions: &Permissions, topic: &str) -> bool {
    let resource = format!("arn:aws:iot:us-east-1:000000000000:topic/{topic}");
    let now = Timestamp::from_secs(1_767_323_045);
    let wish = Wish { action: "iot:Publish", resource: &resource, context: &[], now };
    permissions.rights().allows(&wish)
}

//! What it costs to let a device in, and to tell many of a change of their policy.
//!
//! `FERRITE_TEST_STORE` names the store; in memory it is the cost of the code alone.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use ferrite_registry::{Devices, feature};
use model::iot::op::{
    AttachPolicy, AttachThingPrincipal, CreateKeysAndCertificate, CreatePolicy,
    CreatePolicyVersion, CreateThing, DeletePolicyVersion,
};
use serde_json::{Value, json};
use service::{Authenticator as _, Knock, Permissions, PolicySource as _, Principal};
use testing::Server;
use tokio::runtime::Runtime;

/// Connections that share a policy.
const CONNECTIONS: usize = 10_000;
const DOCUMENT: &str = r#"{"Version":"2012-10-17","Statement":[
 {"Effect":"Allow","Action":"iot:Connect","Resource":"arn:aws:iot:us-east-1:000000000000:client/${iot:Connection.Thing.ThingName}"},
 {"Effect":"Allow","Action":["iot:Publish","iot:Receive"],"Resource":"arn:aws:iot:us-east-1:000000000000:topic/devices/*"}]}"#;

struct House {
    server: Server,
    devices: Arc<Devices>,
    knock: Knock,
}

impl House {
    /// A server with one device: thing `lamp`, an active certificate, policy `p`.
    async fn new() -> Self {
        let mut devices = None;
        let server = Server::build(|app| {
            devices = Some(Devices::start(app));
            vec![feature()]
        })
        .await;
        let devices = devices.expect("the server was built");
        let request = json!({"setAsActive": true});
        let created = server.call::<CreateKeysAndCertificate>(request).await.expect("it is made");
        let (arn, pem) = (&created["certificateArn"], created["certificatePem"].as_str());
        let request = json!({"policyName": "p", "policyDocument": DOCUMENT});
        server.call::<CreatePolicy>(request).await.expect("the policy is made");
        let request = json!({"policyName": "p", "target": arn});
        server.call::<AttachPolicy>(request).await.expect("the policy is attached");
        let request = json!({"thingName": "lamp"});
        server.call::<CreateThing>(request).await.expect("the thing is made");
        let request = json!({"thingName": "lamp", "principal": arn});
        server.call::<AttachThingPrincipal>(request).await.expect("the thing is attached");
        let certificate = pki::parse_pem_certificate(pem.unwrap_or_default());
        let certificate = certificate.expect("the certificate is read").der;
        let peer = SocketAddr::from(([192, 0, 2, 1], 1));
        let knock = Knock {
            door: "mqtts",
            peer,
            local: None,
            server_name: None,
            certificate: Some(certificate.into()),
        };
        Self { server, devices, knock }
    }

    async fn principal(&self) -> Arc<Principal> {
        self.devices.authenticate(&self.knock, None).await.expect("the device is let in")
    }

    async fn permissions(&self, principal: &Arc<Principal>, client_id: &str) -> Arc<Permissions> {
        self.devices
            .permissions(principal, Some(client_id))
            .await
            .expect("the device has permissions")
    }

    /// Makes another version of the policy its default, and waits until all have it.
    async fn change(&self, all: &[Arc<Permissions>], version: &mut u64) {
        let before: Vec<u64> = all.iter().map(|permissions| permissions.generation()).collect();
        let request = json!({"policyName": "p", "policyDocument": DOCUMENT, "setAsDefault": true});
        let made = self.server.call::<CreatePolicyVersion>(request).await.expect("it is made");
        debug_assert_ne!(made, Value::Null);
        for (permissions, before) in all.iter().zip(before) {
            while permissions.generation() == before {
                tokio::task::yield_now().await;
            }
        }
        let old = json!({"policyName": "p", "policyVersionId": version.to_string()});
        self.server.call::<DeletePolicyVersion>(old).await.expect("the old version is deleted");
        *version += 1;
    }
}

fn connect(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let house = runtime.block_on(House::new());
    c.bench_function("a device is let in and gets its permissions", |b| {
        b.iter(|| {
            runtime.block_on(async {
                let principal = house.principal().await;
                black_box(house.permissions(&principal, "lamp").await);
            });
        });
    });
    let all = runtime.block_on(async {
        let principal = house.principal().await;
        let mut all = Vec::with_capacity(CONNECTIONS);
        for i in 0..CONNECTIONS {
            all.push(house.permissions(&principal, &format!("lamp-{i}")).await);
        }
        all
    });
    let mut version = 1;
    let mut group = c.benchmark_group("many");
    group.sample_size(10);
    group.bench_function("10,000 connections learn of another version of their policy", |b| {
        b.iter(|| runtime.block_on(house.change(&all, &mut version)));
    });
    group.finish();
}

criterion_group!(benches, connect);
criterion_main!(benches);

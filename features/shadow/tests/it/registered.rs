//! Shadows where only registered things may have any.

use std::sync::Arc;
use std::task::{Context, Waker};

use serde_json::json;
use service::{
    ApiError, BoxFuture, Feature, OutgoingMessage, Publisher, Reach, ReservedTopic, Things, kinds,
};
use store::{Batch, Key, Store};
use testing::{Ear, Server};
use types::Tenant;

use crate::mqtt::{error, publish};
use crate::{delete, get, post, refusal, shadow};

/// Things that are registered by a record of this key.
struct Registered;

impl Things for Registered {
    fn record_of(&self, tenant: &Tenant, thing: &str) -> Key {
        Key::new(tenant.id, kinds::THING).text(thing)
    }
}

/// A server, and who serves its topics.
async fn server() -> (Server, Arc<dyn ReservedTopic>) {
    let mut topics = Vec::new();
    let server = Server::build(|app| {
        let feature = || shadow::feature_of_registered(app, Arc::new(Registered));
        let Feature { hooks, .. } = feature();
        topics = hooks.reserved;
        vec![feature()]
    });
    (server.await, topics.remove(0))
}

async fn change(server: &Server, thing: &str, make: impl FnOnce(&mut Batch, Key)) {
    let tenant = server.cx("test").await.tenant;
    let mut batch = Batch::new();
    make(&mut batch, Registered.record_of(&tenant, thing));
    server.app().store.commit(batch).await.unwrap();
}

async fn register(server: &Server, thing: &str) {
    change(server, thing, |batch, key| _ = batch.put(key, "{}")).await;
}

async fn remove(server: &Server, thing: &str) {
    change(server, thing, |batch, key| _ = batch.delete(key)).await;
}

#[tokio::test]
async fn a_thing_that_is_not_registered_has_no_shadow() {
    let (server, serves) = server().await;
    let ear = Ear::at(&server);
    let not_found = ("ResourceNotFoundException", "Thing not found".to_owned());
    let report = r#"{"state":{"reported":{"up":1}},"clientToken":"t"}"#;
    assert_eq!(refusal(post(&server, "lamp", None, report).await), not_found);
    assert_eq!(refusal(get(&server, "lamp").await), not_found);
    publish(&server, &serves, "lamp/shadow/update", report, 0).await;
    let mut refused = error(404, "Thing not found");
    refused["clientToken"] = json!("t");
    assert_eq!(ear.told(), [("$aws/things/lamp/shadow/update/rejected".to_owned(), refused)]);

    register(&server, "lamp").await;
    assert_eq!(post(&server, "lamp", None, report).await.unwrap()["version"], 1);
    assert_eq!(get(&server, "lamp").await.unwrap()["state"], json!({"reported": {"up": 1}}));
}

#[tokio::test]
async fn what_a_thing_left_can_be_deleted_and_nothing_else() {
    let (server, _) = server().await;
    register(&server, "lamp").await;
    post(&server, "lamp", None, r#"{"state":{"reported":{"up":1}}}"#).await.unwrap();
    remove(&server, "lamp").await;
    assert_eq!(refusal(get(&server, "lamp").await).1, "Thing not found");
    assert_eq!(delete(&server, "lamp").await.unwrap()["version"], 1);
    assert_eq!(refusal(delete(&server, "lamp").await).1, "No shadow exists with name: 'lamp'");
}

/// Whoever would publish a change, and removes the thing before it is committed.
struct Removes {
    store: Store,
    thing: Key,
}

impl Publisher for Removes {
    fn reach(&self, _: &Tenant, _: &str) -> Reach {
        let mut batch = Batch::new();
        batch.delete(self.thing.clone());
        let mut removal = Box::pin(self.store.commit(batch));
        let done = removal.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(done.is_ready(), "a store in memory does not wait");
        Reach::Nobody
    }

    fn publish<'a>(
        &'a self,
        _: &'a Tenant,
        _: OutgoingMessage,
    ) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn a_thing_that_is_removed_meanwhile_gets_no_shadow() {
    let (server, _) = server().await;
    let store = server.app().store.clone();
    if store.faults().is_none() {
        return;
    }
    register(&server, "lamp").await;
    let thing = Registered.record_of(&server.cx("test").await.tenant, "lamp");
    let publisher: Arc<dyn Publisher> = Arc::new(Removes { store, thing });
    server.app().publisher.set(Arc::downgrade(&publisher));
    let report = r#"{"state":{"reported":{"up":1}}}"#;
    assert_eq!(refusal(post(&server, "lamp", None, report).await).1, "Thing not found");
    register(&server, "lamp").await;
    assert_eq!(refusal(get(&server, "lamp").await).1, "No shadow exists with name: 'lamp'");
}

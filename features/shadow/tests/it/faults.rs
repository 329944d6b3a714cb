//! A store that fails: what was there is still there, and goes on.

use model::iot_data::op::DeleteThingShadow;
use serde_json::{Value, json};
use testing::Server;

use crate::{delete, get, named, post, server, update};

/// What is there, as far as it says anything about the time.
async fn there(server: &Server) -> Option<(Value, Value)> {
    let shadow = get(server, "lamp").await.ok()?;
    Some((shadow["state"].clone(), shadow["version"].clone()))
}

#[tokio::test]
async fn whatever_commit_fails_the_shadow_is_as_it_was() {
    let server = server().await;
    let Some(faults) = server.app().store.faults() else { return };
    let body = |n: u64| json!({"state": {"desired": {"n": n}, "reported": {"n": n / 2}}});
    for n in 1..20_u64 {
        let before = there(&server).await;
        faults.fail_commit(1);
        assert!(post(&server, "lamp", None, body(n).to_string()).await.is_err());
        assert_eq!(there(&server).await, before);
        let version = update(&server, "lamp", body(n)).await["version"].as_u64().unwrap();
        assert_eq!(version, n, "a version that was not made is not left out");
        if n % 3 == 0 {
            faults.fail_commit(1);
            let deleted = server.call::<DeleteThingShadow>(named("lamp", None));
            assert!(deleted.await.is_err());
            assert_eq!(there(&server).await.unwrap().1, n);
            delete(&server, "lamp").await.unwrap();
        }
    }
}

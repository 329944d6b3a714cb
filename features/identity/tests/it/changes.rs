//! What another server changes in the same store.

use std::time::Duration;

use serde_json::json;
use service::{AccessKeys as _, kinds};
use store::{Batch, Key};
use types::TenantId;

use crate::{create_key, server};

/// The clock of the runtime stands still and jumps from timer to timer: no test waits.
#[tokio::test(start_paused = true)]
async fn a_key_that_another_server_deletes_is_gone_within_a_second() {
    let (server, identity) = server().await;
    let (id, _) = create_key(&server, json!({})).await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(identity.find(&id).await.unwrap().is_some());

    let mut batch = Batch::new();
    batch.delete(Key::new(TenantId::GLOBAL, kinds::ACCESS_KEY).text(&id));
    server.app().store.commit(batch).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(identity.find(&id).await.unwrap().is_none());
}

//! The audit trail of an account.

use serde_json::{Value, json};

use crate::{call, create_account, create_key, server};

#[tokio::test]
async fn a_change_is_in_the_trail_of_its_account() {
    let (server, _) = server().await;
    create_account(&server, "111122223333").await.unwrap();
    let other = server.in_account("111122223333");
    create_key(&other, json!({ "name": "ci" })).await.unwrap();
    let trail = call(&other, "GET", "/_ferrite/v1/audit?limit=10", Value::Null).await.unwrap();
    let records = trail["records"].as_array().unwrap();
    assert_eq!(records.len(), 1, "{trail}");
    assert_eq!(records[0]["operation"], "CreateAccessKey");
    assert_eq!(records[0]["resource"], "arn:aws:iam::111122223333:user/ci");
    assert_eq!(records[0]["outcome"], "success");
}

#[tokio::test]
async fn the_limit_of_a_trail_is_a_number_in_its_bounds() {
    let (server, _) = server().await;
    for wrong in ["0", "1001", "x", ""] {
        let path = format!("/_ferrite/v1/audit?limit={wrong}");
        let refusal = call(&server, "GET", &path, Value::Null).await.unwrap_err();
        assert_eq!(refusal.code, "InvalidRequestException", "{wrong}");
    }
}

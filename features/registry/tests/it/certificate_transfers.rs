//! Certificates that go from one account to another.

use std::time::Duration;

use model::iot::op::{
    AcceptCertificateTransfer, AttachPolicy, AttachThingPrincipal, CancelCertificateTransfer,
    DeleteCertificate, DescribeCertificate, DetachPolicy, DetachThingPrincipal, ListCertificates,
    ListOutgoingCertificates, RegisterCertificateWithoutCA, RejectCertificateTransfer,
    TransferCertificate, UpdateCertificate,
};
use serde_json::{Value, json};
use service::ApiError;
use testing::Server;
use tokio::join;

use crate::openssl::Ca;
use crate::{
    NO_ID, code, create_certificate, create_policy, create_thing, deactivate, each, members, server,
};

const TARGET: &str = "111122223333";
const STATE: &str = "CertificateStateException";
const CONFLICT: &str = "TransferConflictException";
const COMPLETED: &str = "TransferAlreadyCompletedException";
const MISSING: &str = "ResourceNotFoundException";
const INVALID: &str = "InvalidRequestException";

/// A server, as the account that has a certificate and as the one that may have it.
async fn accounts() -> (Server, Server) {
    let server = server().await;
    let target = server.in_account(TARGET);
    (server, target)
}

/// A certificate that can be transferred.
async fn inactive(server: &Server) -> String {
    let (id, _) = create_certificate(server).await;
    deactivate(server, &id).await;
    id
}

async fn transfer(server: &Server, id: &str) -> Result<Value, ApiError> {
    let message = "With love";
    let request =
        json!({"certificateId": id, "targetAwsAccount": TARGET, "transferMessage": message});
    server.call::<TransferCertificate>(request).await
}

async fn accept(server: &Server, id: &str) -> Result<Value, ApiError> {
    server.call::<AcceptCertificateTransfer>(json!({"certificateId": id})).await
}

async fn reject(server: &Server, id: &str) -> Result<Value, ApiError> {
    let request = json!({"certificateId": id, "rejectReason": "Not ours"});
    server.call::<RejectCertificateTransfer>(request).await
}

async fn cancel(server: &Server, id: &str) -> Result<Value, ApiError> {
    server.call::<CancelCertificateTransfer>(json!({"certificateId": id})).await
}

async fn describe(server: &Server, id: &str) -> Result<Value, ApiError> {
    let described = server.call::<DescribeCertificate>(json!({"certificateId": id})).await;
    described.map(|answer| answer["certificateDescription"].clone())
}

async fn ids(server: &Server) -> Vec<String> {
    let listed = server.call::<ListCertificates>(json!({})).await.unwrap();
    each(&listed["certificates"], "certificateId")
}

async fn outgoing(server: &Server) -> Vec<String> {
    let listed = server.call::<ListOutgoingCertificates>(json!({})).await.unwrap();
    each(&listed["outgoingCertificates"], "certificateId")
}

#[tokio::test]
async fn an_accepted_certificate_is_the_other_accounts() {
    let (server, target) = accounts().await;
    for active in [false, true] {
        let id = inactive(&server).await;
        let before = describe(&server, &id).await.unwrap();
        let transferred = transfer(&server, &id).await.unwrap();
        assert_eq!(transferred["transferredCertificateArn"], before["certificateArn"]);
        let offered = describe(&server, &id).await.unwrap();
        assert_eq!(offered["status"], "PENDING_TRANSFER");
        assert_eq!(members(&offered["transferData"]).len(), 2, "{offered}");
        assert_eq!(offered["transferData"]["transferMessage"], "With love");
        assert_eq!(code(describe(&target, &id).await), MISSING);

        server.clock().advance(Duration::from_secs(60));
        let request = json!({"certificateId": id, "setAsActive": active});
        target.call::<AcceptCertificateTransfer>(request).await.unwrap();
        assert_eq!(code(describe(&server, &id).await), MISSING);
        let taken = describe(&target, &id).await.unwrap();
        assert_eq!(taken["status"], if active { "ACTIVE" } else { "INACTIVE" });
        assert_eq!(taken["ownedBy"], TARGET);
        assert_eq!(taken["previousOwnedBy"], "000000000000");
        assert_eq!(taken["certificatePem"], before["certificatePem"]);
        let arn = format!("arn:aws:iot:us-east-1:{TARGET}:cert/{id}");
        assert_eq!(taken["certificateArn"], arn);
        let data = &taken["transferData"];
        assert_eq!(members(data).len(), 3, "{data}");
        assert_eq!(data["transferDate"], offered["transferData"]["transferDate"]);
        let waited = data["acceptDate"].as_i64().unwrap() - data["transferDate"].as_i64().unwrap();
        assert_eq!(waited, 60);
        assert!(ids(&target).await.contains(&id) && !ids(&server).await.contains(&id));
        assert_eq!(outgoing(&server).await, [""; 0]);
        for refused in
            [accept(&target, &id).await, reject(&target, &id).await, cancel(&server, &id).await]
        {
            assert_eq!(code(refused), COMPLETED);
        }
    }
}

#[tokio::test]
async fn a_rejected_certificate_stays_and_tells_why() {
    let (server, target) = accounts().await;
    let id = inactive(&server).await;
    transfer(&server, &id).await.unwrap();
    reject(&target, &id).await.unwrap();
    let described = describe(&server, &id).await.unwrap();
    assert_eq!(described["status"], "INACTIVE");
    assert_eq!(described["transferData"]["rejectReason"], "Not ours");
    assert_eq!(members(&described["transferData"]).len(), 4, "{described}");
    assert_eq!(outgoing(&server).await, [""; 0]);
    assert_eq!(code(cancel(&server, &id).await), COMPLETED);
    assert_eq!(code(accept(&target, &id).await), MISSING);
    transfer(&server, &id).await.unwrap();
    accept(&target, &id).await.unwrap();
}

#[tokio::test]
async fn a_cancelled_transfer_leaves_nothing() {
    let (server, target) = accounts().await;
    let id = inactive(&server).await;
    assert_eq!(code(cancel(&server, &id).await), INVALID);
    transfer(&server, &id).await.unwrap();
    assert_eq!(code(cancel(&target, &id).await), MISSING);
    cancel(&server, &id).await.unwrap();
    let described = describe(&server, &id).await.unwrap();
    assert_eq!(described["status"], "INACTIVE");
    assert_eq!(described["transferData"], json!({}));
    assert_eq!(outgoing(&server).await, [""; 0]);
    for refused in [accept(&target, &id).await, reject(&target, &id).await] {
        assert_eq!(code(refused), MISSING);
    }
}

#[tokio::test]
async fn only_the_account_that_is_meant_takes_a_certificate() {
    let (server, target) = accounts().await;
    let id = inactive(&server).await;
    transfer(&server, &id).await.unwrap();
    for other in [server.in_account("444455556666"), target.in_region("eu-west-1"), server] {
        for refused in [accept(&other, &id).await, reject(&other, &id).await] {
            assert_eq!(code(refused), MISSING);
        }
    }
    accept(&target, &id).await.unwrap();
}

#[tokio::test]
async fn what_is_in_use_is_not_transferred() {
    let (server, _) = accounts().await;
    let (id, arn) = create_certificate(&server).await;
    assert_eq!(code(transfer(&server, &id).await), STATE);
    deactivate(&server, &id).await;
    create_thing(&server, "lamp").await;
    create_policy(&server, "p").await;
    let policy = json!({"policyName": "p", "target": arn});
    server.call::<AttachPolicy>(policy.clone()).await.unwrap();
    assert_eq!(code(transfer(&server, &id).await), CONFLICT);
    server.call::<DetachPolicy>(policy).await.unwrap();
    let thing = json!({"thingName": "lamp", "principal": arn});
    server.call::<AttachThingPrincipal>(thing.clone()).await.unwrap();
    assert_eq!(code(transfer(&server, &id).await), CONFLICT);
    server.call::<DetachThingPrincipal>(thing).await.unwrap();
    let revoke = json!({"certificateId": id, "newStatus": "REVOKED"});
    server.call::<UpdateCertificate>(revoke).await.unwrap();
    assert_eq!(code(transfer(&server, &id).await), STATE);

    let id = inactive(&server).await;
    for account in ["000000000000", "abc"] {
        let request = json!({"certificateId": id, "targetAwsAccount": account});
        assert_eq!(code(server.call::<TransferCertificate>(request).await), INVALID);
    }
    assert_eq!(code(transfer(&server, NO_ID).await), MISSING);
    assert_eq!(code(cancel(&server, NO_ID).await), MISSING);
}

#[tokio::test]
async fn a_certificate_on_its_way_is_neither_changed_nor_deleted() {
    let (server, _) = accounts().await;
    let id = inactive(&server).await;
    transfer(&server, &id).await.unwrap();
    assert_eq!(code(transfer(&server, &id).await), STATE);
    for status in ["ACTIVE", "INACTIVE", "REVOKED"] {
        let request = json!({"certificateId": id, "newStatus": status});
        assert_eq!(code(server.call::<UpdateCertificate>(request).await), STATE, "{status}");
    }
    for force in [false, true] {
        let request = json!({"certificateId": id, "forceDelete": force});
        assert_eq!(code(server.call::<DeleteCertificate>(request).await), STATE);
    }
    assert_eq!(describe(&server, &id).await.unwrap()["status"], "PENDING_TRANSFER");
}

#[tokio::test]
async fn an_account_gets_the_same_certificate_once() {
    let (server, target) = accounts().await;
    let other = server.in_account("444455556666");
    let pem = Ca::new("Mill CA").issue("pump");
    let request = json!({"certificatePem": pem, "status": "INACTIVE"});
    let mut id = String::new();
    for owner in [&server, &other] {
        let registered = owner.call::<RegisterCertificateWithoutCA>(request.clone()).await;
        id = registered.unwrap()["certificateId"].as_str().unwrap().to_owned();
    }
    let (one, another) = join!(transfer(&server, &id), transfer(&other, &id));
    assert_ne!(one.is_ok(), another.is_ok());
    assert_eq!(code(if one.is_ok() { another } else { one }), CONFLICT);
    target.call::<RegisterCertificateWithoutCA>(request.clone()).await.unwrap();
    assert_eq!(code(accept(&target, &id).await), INVALID);
    reject(&target, &id).await.unwrap();
    assert_eq!(code(transfer(&server, &id).await), CONFLICT);
    target.call::<DeleteCertificate>(json!({"certificateId": id})).await.unwrap();
    transfer(&server, &id).await.unwrap();
}

#[tokio::test]
async fn what_was_attached_on_its_way_does_not_come_along() {
    let (server, target) = accounts().await;
    let id = inactive(&server).await;
    let arn = describe(&server, &id).await.unwrap()["certificateArn"].clone();
    transfer(&server, &id).await.unwrap();
    create_thing(&server, "lamp").await;
    create_policy(&server, "p").await;
    let policy = json!({"policyName": "p", "target": arn});
    server.call::<AttachPolicy>(policy).await.unwrap();
    let thing = json!({"thingName": "lamp", "principal": arn});
    server.call::<AttachThingPrincipal>(thing.clone()).await.unwrap();
    assert_eq!(code(accept(&target, &id).await), INVALID);
    server.call::<DetachThingPrincipal>(thing).await.unwrap();
    accept(&target, &id).await.unwrap();
    let targets = json!({"policyName": "p"});
    let listed = server.call::<model::iot::op::ListTargetsForPolicy>(targets).await.unwrap();
    assert_eq!(listed["targets"], json!([]));
}

#[tokio::test]
async fn what_leaves_is_listed_in_pages() {
    let (server, target) = accounts().await;
    let mut offered = Vec::new();
    for _ in 0..3 {
        let id = inactive(&server).await;
        transfer(&server, &id).await.unwrap();
        offered.push(id);
        server.clock().advance(Duration::from_secs(1));
    }
    let list =
        async |request: Value| server.call::<ListOutgoingCertificates>(request).await.unwrap();
    let page = list(json!({"pageSize": 2, "ascendingOrder": true})).await;
    let shown = &page["outgoingCertificates"];
    assert_eq!(each(shown, "certificateId"), offered[..2]);
    let described = describe(&server, &offered[0]).await.unwrap();
    let first = json!({
        "certificateArn": described["certificateArn"],
        "certificateId": offered[0],
        "transferredTo": TARGET,
        "transferDate": described["transferData"]["transferDate"],
        "transferMessage": "With love",
        "creationDate": described["creationDate"],
    });
    assert_eq!(shown[0], first);
    let rest = json!({"pageSize": 2, "ascendingOrder": true, "marker": page["nextMarker"]});
    let rest = list(rest).await;
    assert_eq!(each(&rest["outgoingCertificates"], "certificateId"), offered[2..]);
    assert_eq!(rest.get("nextMarker"), None);
    offered.reverse();
    assert_eq!(outgoing(&server).await, offered);
    assert_eq!(outgoing(&target).await, [""; 0]);
}

#[tokio::test]
async fn a_certificate_is_accepted_or_taken_back_but_not_both() {
    let (server, target) = accounts().await;
    for _ in 0..8 {
        let id = inactive(&server).await;
        transfer(&server, &id).await.unwrap();
        let (accepted, cancelled, rejected) =
            join!(accept(&target, &id), cancel(&server, &id), reject(&target, &id));
        let done = [&accepted, &cancelled, &rejected].iter().filter(|done| done.is_ok()).count();
        assert_eq!(done, 1, "{accepted:?} {cancelled:?} {rejected:?}");
        assert_eq!(describe(&target, &id).await.is_ok(), accepted.is_ok());
        assert_eq!(describe(&server, &id).await.is_ok(), accepted.is_err());
    }
}

//! Certificates: issued, registered, described, listed, updated, deleted.

use std::time::Duration;

use ferrite_registry as registry;
use model::iot::op::{
    AttachPolicy, AttachThingPrincipal, CreateCertificateFromCsr, CreateKeysAndCertificate,
    DeleteCertificate, DeletePolicy, DescribeCertificate, DetachThingPrincipal, ListCertificates,
    ListPrincipalThings, ListTargetsForPolicy, RegisterCertificate, RegisterCertificateWithoutCA,
    UpdateCertificate,
};
use serde_json::{Value, json};
use testing::Server;

use crate::openssl::{self, Ca, ED25519, FUTURE, LONG, P256, PAST, RSA_1024, SECP256K1, forged};
use crate::{
    NO_ID, code, create_certificate, create_policy, create_thing, deactivate, each, refusal, server,
};

/// A self-signed EC certificate.
const FOREIGN: &str = include_str!("foreign.pem");
/// A signing request with an EC key.
const REQUEST: &str = include_str!("request.pem");

async fn describe(server: &Server, id: &Value) -> Value {
    let described = server.call::<DescribeCertificate>(json!({"certificateId": id}));
    described.await.unwrap()["certificateDescription"].clone()
}

#[tokio::test]
async fn more_keys_than_can_be_made_are_throttled() {
    let change = |choices: &mut testing::Choices| choices.limits.certificate_keys_waiting_max = 1;
    let server = Server::build_with(change, |_| vec![registry::feature()]).await;
    let create = || server.call::<CreateKeysAndCertificate>(json!({}));
    // Which of the two comes first to ask for a key depends on the store.
    let (one, two) = tokio::join!(create(), create());
    let refused = if one.is_ok() { two } else { two.and(one) };
    let (code, message) = refusal(refused);
    assert_eq!(code, "ThrottlingException");
    assert!(message.contains("CreateCertificateFromCsr"), "{message}");
    create().await.unwrap();
}

#[tokio::test]
async fn a_certificate_is_described_as_issued() {
    let server = server().await;
    let request = json!({"setAsActive": true});
    let issued = server.call::<CreateKeysAndCertificate>(request).await.unwrap();
    let id = &issued["certificateId"];
    let pem = issued["certificatePem"].as_str().unwrap();
    assert_eq!(*id, json!(pki::parse_pem_certificate(pem).unwrap().id()));
    let key = issued["keyPair"]["PrivateKey"].as_str().unwrap();
    assert!(key.starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    let description = describe(&server, id).await;
    for member in ["certificateId", "certificateArn", "certificatePem"] {
        assert_eq!(description[member], issued[member]);
    }
    assert_eq!(description["status"], "ACTIVE");
    assert_eq!(description["ownedBy"], "000000000000");
    assert_eq!(description["certificateMode"], "DEFAULT");
    assert_eq!(description["customerVersion"], 1);
    assert_eq!(description["creationDate"], description["lastModifiedDate"]);
    assert_eq!(description["validity"]["notAfter"], 2_524_607_999_i64);
    assert_eq!(description.get("caCertificateId"), None);
}

#[tokio::test]
async fn a_request_becomes_a_new_certificate_each_time() {
    let server = server().await;
    let request = json!({"certificateSigningRequest": REQUEST});
    let first = server.call::<CreateCertificateFromCsr>(request.clone()).await.unwrap();
    let second = server.call::<CreateCertificateFromCsr>(request).await.unwrap();
    assert_ne!(first["certificateId"], second["certificateId"]);
    assert_eq!(describe(&server, &first["certificateId"]).await["status"], "INACTIVE");
    let nonsense = json!({"certificateSigningRequest": "hello"});
    let refused = server.call::<CreateCertificateFromCsr>(nonsense).await;
    assert_eq!(code(refused), "InvalidRequestException");
}

#[tokio::test]
async fn a_request_that_proves_nothing_or_has_a_key_of_another_kind_becomes_no_certificate() {
    let server = server().await;
    let whole = openssl::request(P256);
    for (request, saying) in [
        (forged(&whole), "signature does not verify"),
        (openssl::request(RSA_1024), "1024"),
        (openssl::request(SECP256K1), "1.3.132.0.10"),
        (openssl::request(ED25519), "1.3.101.112"),
        (format!("{whole}{whole}"), "found 2"),
        (FOREIGN.to_owned(), "CERTIFICATE REQUEST"),
    ] {
        let request = json!({"certificateSigningRequest": request});
        let (code, message) = refusal(server.call::<CreateCertificateFromCsr>(request).await);
        assert_eq!(code, "InvalidRequestException", "{message}");
        assert!(message.contains(saying), "{message}");
    }
    let listed = server.call::<ListCertificates>(json!({})).await.unwrap();
    assert_eq!(listed["certificates"], json!([]));
    let whole = json!({"certificateSigningRequest": whole});
    server.call::<CreateCertificateFromCsr>(whole).await.unwrap();
}

#[tokio::test]
async fn a_certificate_with_a_key_of_another_kind_or_in_a_chain_is_not_registered() {
    let server = server().await;
    let ca = Ca::new("Mill CA");
    let pump = ca.issue("pump");
    for (pem, saying) in [
        (ca.issue_with("pump", RSA_1024, LONG), "1024"),
        (ca.issue_with("pump", SECP256K1, LONG), "1.3.132.0.10"),
        (ca.issue_with("pump", ED25519, LONG), "1.3.101.112"),
        (format!("{pump}{}", ca.pem), "found 2"),
        (format!("{}{pump}", ca.pem), "found 2"),
        (openssl::request(P256), "CERTIFICATE"),
    ] {
        let request = json!({"certificatePem": pem});
        let refused = server.call::<RegisterCertificateWithoutCA>(request).await;
        let (code, message) = refusal(refused);
        assert_eq!(code, "CertificateValidationException", "{message}");
        assert!(message.contains(saying), "{message}");
    }
    let listed = server.call::<ListCertificates>(json!({})).await.unwrap();
    assert_eq!(listed["certificates"], json!([]));
}

#[tokio::test]
async fn a_certificate_is_registered_whatever_its_dates_which_the_door_asks() {
    let server = server().await;
    let ca = Ca::new("Mill CA");
    for dates in [PAST, FUTURE] {
        let request = json!({"certificatePem": ca.issue_with("pump", P256, dates)});
        server.call::<RegisterCertificateWithoutCA>(request).await.unwrap();
    }
}

#[tokio::test]
async fn certificates_are_listed_by_creation() {
    let server = server().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let request = json!({"certificateSigningRequest": REQUEST});
        let created = server.call::<CreateCertificateFromCsr>(request).await.unwrap();
        ids.push(created["certificateId"].as_str().unwrap().to_owned());
        server.clock().advance(Duration::from_secs(1));
    }
    let list = async |request: Value| {
        let listed = server.call::<ListCertificates>(request).await.unwrap();
        each(&listed["certificates"], "certificateId")
    };
    assert_eq!(list(json!({"ascendingOrder": true})).await, ids);
    ids.reverse();
    assert_eq!(list(json!({})).await, ids);
    let page = server.call::<ListCertificates>(json!({"pageSize": 2})).await.unwrap();
    let rest = json!({"pageSize": 2, "marker": page["nextMarker"]});
    assert_eq!(list(rest).await, ids[2..]);
}

#[tokio::test]
async fn a_certificate_of_ours_is_registered_again_after_its_deletion() {
    let server = server().await;
    let issued = server.call::<CreateKeysAndCertificate>(json!({})).await.unwrap();
    let register = json!({"certificatePem": issued["certificatePem"], "setAsActive": true});
    let error = server.call::<RegisterCertificate>(register.clone()).await.unwrap_err();
    assert_eq!(error.code, "ResourceAlreadyExistsException");
    assert_eq!(error.message, "The certificate is already provisioned or registered");
    assert_eq!(error.members["resourceId"], issued["certificateId"]);
    assert_eq!(error.members["resourceArn"], issued["certificateArn"]);
    let id = json!({"certificateId": issued["certificateId"]});
    server.call::<DeleteCertificate>(id).await.unwrap();
    let again = server.call::<RegisterCertificate>(register).await.unwrap();
    assert_eq!(again["certificateId"], issued["certificateId"]);
    assert_eq!(describe(&server, &again["certificateId"]).await["status"], "ACTIVE");
}

#[tokio::test]
async fn a_foreign_certificate_is_registered_without_ca_alone() {
    let server = server().await;
    let request = json!({"certificatePem": FOREIGN, "status": "ACTIVE"});
    let refused = server.call::<RegisterCertificate>(request.clone()).await;
    assert_eq!(code(refused), "CertificateValidationException");
    for server in [server.clone(), server.in_region("eu-west-1")] {
        let registered =
            server.call::<RegisterCertificateWithoutCA>(request.clone()).await.unwrap();
        let description = describe(&server, &registered["certificateId"]).await;
        assert_eq!(description["certificatePem"], FOREIGN);
        assert_eq!(description["certificateMode"], "SNI_ONLY");
        assert_eq!(description["status"], "ACTIVE");
    }
    let twice = server.call::<RegisterCertificateWithoutCA>(request).await;
    assert_eq!(code(twice), "ResourceAlreadyExistsException");
    let nonsense = json!({"certificatePem": "hello"});
    let refused = server.call::<RegisterCertificateWithoutCA>(nonsense).await;
    assert_eq!(code(refused), "CertificateValidationException");
}

#[tokio::test]
async fn a_status_is_set_and_revocation_is_final() {
    let server = server().await;
    let (id, _) = create_certificate(&server).await;
    let set = |status: &str| json!({"certificateId": id, "newStatus": status});
    for status in ["INACTIVE", "INACTIVE", "ACTIVE", "REVOKED", "REVOKED"] {
        server.call::<UpdateCertificate>(set(status)).await.unwrap();
        assert_eq!(describe(&server, &json!(id)).await["status"], status);
    }
    assert_eq!(describe(&server, &json!(id)).await["customerVersion"], 4);
    for (status, expected) in [
        ("ACTIVE", "CertificateStateException"),
        ("PENDING_TRANSFER", "InvalidRequestException"),
        ("PENDING_ACTIVATION", "InvalidRequestException"),
        ("REGISTER_INACTIVE", "InvalidRequestException"),
    ] {
        let refused = server.call::<UpdateCertificate>(set(status)).await;
        assert_eq!(code(refused), expected, "{status}");
    }
}

#[tokio::test]
async fn an_unknown_certificate_is_not_found() {
    let server = server().await;
    let id = json!({"certificateId": NO_ID, "newStatus": "ACTIVE"});
    let expected = "ResourceNotFoundException";
    assert_eq!(code(server.call::<DescribeCertificate>(id.clone()).await), expected);
    assert_eq!(code(server.call::<UpdateCertificate>(id.clone()).await), expected);
    assert_eq!(code(server.call::<DeleteCertificate>(id).await), expected);
}

#[tokio::test]
async fn a_certificate_is_deleted_once_nothing_holds_it() {
    let server = server().await;
    let (id, arn) = create_certificate(&server).await;
    create_thing(&server, "lamp").await;
    create_policy(&server, "p").await;
    let attachment = json!({"thingName": "lamp", "principal": arn});
    server.call::<AttachThingPrincipal>(attachment.clone()).await.unwrap();
    server.call::<AttachPolicy>(json!({"policyName": "p", "target": arn})).await.unwrap();
    let delete = async |force: bool| {
        let request = json!({"certificateId": id, "forceDelete": force});
        server.call::<DeleteCertificate>(request).await
    };
    let active = format!("Certificate must be deactivated (not ACTIVE) before deletion. Id: {id}");
    let things = format!("Things must be detached before deletion (arn: {arn})");
    let policies = format!("Certificate policies must be detached before deletion (arn: {arn})");
    for force in [false, true] {
        assert_eq!(refusal(delete(force).await), ("CertificateStateException", active.clone()));
    }
    deactivate(&server, &id).await;
    for force in [false, true] {
        assert_eq!(refusal(delete(force).await), ("DeleteConflictException", things.clone()));
    }
    server.call::<DetachThingPrincipal>(attachment).await.unwrap();
    assert_eq!(refusal(delete(false).await), ("DeleteConflictException", policies));
    delete(true).await.unwrap();
    let targets = server.call::<ListTargetsForPolicy>(json!({"policyName": "p"})).await.unwrap();
    assert_eq!(targets["targets"], json!([]));
    server.call::<DeletePolicy>(json!({"policyName": "p"})).await.unwrap();
    let things = server.call::<ListPrincipalThings>(json!({"principal": arn})).await;
    assert_eq!(code(things), "ResourceNotFoundException");
}

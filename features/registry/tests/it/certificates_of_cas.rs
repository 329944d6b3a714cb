//! Certificates that a registered CA signed: registered, described, listed.

use std::time::Duration;

use model::iot::op::{
    DeleteCACertificate, DeleteCertificate, DescribeCertificate, ListCertificatesByCA,
    RegisterCertificate,
};
use serde_json::{Value, json};
use service::ApiError;
use testing::Server;

use crate::ca_certificates::{register as register_ca, register_sni_only, update as update_ca};
use crate::openssl::{Ca, FUTURE, LONG, P384, RSA, forged, id};
use crate::{NO_ID, code, each, refusal, server};

const INVALID: &str = "CertificateValidationException";

async fn register(server: &Server, pem: &str) -> Result<Value, ApiError> {
    server.call::<RegisterCertificate>(json!({"certificatePem": pem})).await
}

async fn register_with(server: &Server, pem: &str, ca: &Ca) -> Result<Value, ApiError> {
    let request = json!({"certificatePem": pem, "caCertificatePem": ca.pem});
    server.call::<RegisterCertificate>(request).await
}

async fn describe(server: &Server, id: &str) -> Value {
    let described = server.call::<DescribeCertificate>(json!({"certificateId": id}));
    described.await.unwrap()["certificateDescription"].clone()
}

async fn ids_by_ca(server: &Server, ca: &str) -> Vec<String> {
    let request = json!({"caCertificateId": ca, "ascendingOrder": true});
    let listed = server.call::<ListCertificatesByCA>(request).await.unwrap();
    each(&listed["certificates"], "certificateId")
}

#[tokio::test]
async fn what_a_ca_signed_is_registered_under_it() {
    let server = server().await;
    for key in [P384, RSA] {
        let ca = Ca::root(&format!("Mill {}", key.len()), key, LONG);
        let ca_id = register_ca(&server, &ca, json!({})).await;
        let pump = ca.issue_with("pump", key, LONG);
        let registered = register(&server, &pump).await.unwrap();
        assert_eq!(registered["certificateId"], id(&pump));
        let described = describe(&server, &id(&pump)).await;
        assert_eq!(described["caCertificateId"], ca_id);
        assert_eq!(described["certificateMode"], "DEFAULT");
        assert_eq!(described["status"], "INACTIVE");
        assert_eq!(described["certificatePem"], pump);
        assert_eq!(code(register(&server, &pump).await), "ResourceAlreadyExistsException");
        assert_eq!(ids_by_ca(&server, &ca_id).await, [id(&pump)]);
    }
}

#[tokio::test]
async fn what_this_server_issued_is_registered_under_its_root_of_then_or_now() {
    let server = server().await;
    let app = server.app();
    let old = app.authority.get();
    let issue =
        || app.authority.get().issue_with_new_key(&app.env).unwrap().certificate.certificate_pem;
    let before = issue();
    server.clock().set(pki::NOT_AFTER);
    app.authority.replace(old.renewed(&app.env).unwrap().unwrap());
    let new = app.authority.get();
    let namesake = pki::Authority::create(&app.env).unwrap();
    let register = async |pem: &str, root: &pki::Authority| {
        let root = root.certificate_pem();
        let request = json!({"certificatePem": pem, "caCertificatePem": root});
        server.call::<RegisterCertificate>(request).await
    };
    for pem in [&before, &issue()] {
        assert_eq!(code(register(pem, &namesake).await), INVALID);
    }
    assert_eq!(register(&before, &new).await.unwrap()["certificateId"], id(&before));
    for root in [&old, &new] {
        let pem = issue();
        assert_eq!(register(&pem, root).await.unwrap()["certificateId"], id(&pem));
    }
}

#[tokio::test]
async fn what_a_shared_ca_signed_needs_sni() {
    let server = server().await;
    let ca = Ca::new("Mill CA");
    register_sni_only(&server, &ca, json!({})).await.unwrap();
    let pump = ca.issue("pump");
    register(&server, &pump).await.unwrap();
    assert_eq!(describe(&server, &id(&pump)).await["certificateMode"], "SNI_ONLY");
}

#[tokio::test]
async fn the_ca_that_signed_has_to_be_registered_itself() {
    let server = server().await;
    let root = Ca::new("Mill Root");
    let intermediate = root.intermediate("Mill Line 1");
    register_ca(&server, &root, json!({})).await;
    let pump = intermediate.issue("pump");
    for refused in [
        register(&server, &pump).await,
        register_with(&server, &pump, &intermediate).await,
        register_with(&server, &pump, &root).await,
        register(&server, &Ca::new("Other CA").issue("pump")).await,
        register(&server, &Ca::new("Mill Root").issue("pump")).await,
        register(&server, &forged(&root.issue("pump"))).await,
        register(&server, &format!("{pump}{}", intermediate.pem)).await,
        register(&server, &format!("{}{pump}", intermediate.pem)).await,
    ] {
        assert_eq!(code(refused), INVALID);
    }
    register_ca(&server, &intermediate, json!({})).await;
    register(&server, &pump).await.unwrap();
    // Its dates are for the door to ask.
    register(&server, &root.issue_with("pump", P384, FUTURE)).await.unwrap();
}

#[tokio::test]
async fn of_several_cas_with_one_subject_the_client_names_the_one_that_signed() {
    let server = server().await;
    let (one, other) = (Ca::new("Mill CA"), Ca::new("Mill CA"));
    let one_id = register_ca(&server, &one, json!({})).await;
    register_ca(&server, &other, json!({})).await;
    let pump = one.issue("pump");
    assert_eq!(code(register(&server, &pump).await), "CertificateConflictException");
    assert_eq!(code(register_with(&server, &pump, &other).await), INVALID);
    register_with(&server, &pump, &one).await.unwrap();
    assert_eq!(describe(&server, &id(&pump)).await["caCertificateId"], one_id);
}

#[tokio::test]
async fn a_ca_that_is_not_in_force_vouches_for_nobody() {
    let server = server().await;
    let ca = Ca::new("Mill CA");
    let ca_id = register_ca(&server, &ca, json!({"setAsActive": false})).await;
    let pump = ca.issue("pump");
    assert_eq!(code(register(&server, &pump).await), "CertificateStateException");
    update_ca(&server, &ca_id, json!({"newStatus": "ACTIVE"})).await;
    server.clock().advance(Duration::from_secs(4 * 366 * 86_400));
    let (code, message) = refusal(register(&server, &pump).await);
    assert_eq!((code, message.contains("expired")), (INVALID, true), "{message}");
}

#[tokio::test]
async fn what_a_ca_signed_is_listed_in_pages_and_outlives_it() {
    let server = server().await;
    let ca = Ca::new("Mill CA");
    let ca_id = register_ca(&server, &ca, json!({})).await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        let pem = ca.issue(name);
        register(&server, &pem).await.unwrap();
        ids.push(id(&pem));
        server.clock().advance(Duration::from_secs(1));
    }
    let request = json!({"caCertificateId": ca_id, "pageSize": 2});
    let page = server.call::<ListCertificatesByCA>(request).await.unwrap();
    assert_eq!(each(&page["certificates"], "certificateId"), [ids[2].clone(), ids[1].clone()]);
    let request = json!({"caCertificateId": ca_id, "pageSize": 2, "marker": page["nextMarker"]});
    let rest = server.call::<ListCertificatesByCA>(request).await.unwrap();
    assert_eq!(each(&rest["certificates"], "certificateId"), ids[..1]);
    assert_eq!(rest.get("nextMarker"), None);

    update_ca(&server, &ca_id, json!({"newStatus": "INACTIVE"})).await;
    let gone = json!({"certificateId": ca_id});
    server.call::<DeleteCACertificate>(gone).await.unwrap();
    server.call::<DeleteCertificate>(json!({"certificateId": ids[1]})).await.unwrap();
    assert_eq!(ids_by_ca(&server, &ca_id).await, [ids[0].clone(), ids[2].clone()]);
    assert_eq!(describe(&server, &ids[0]).await["caCertificateId"], ca_id);
    assert_eq!(ids_by_ca(&server, NO_ID).await, [""; 0]);
}

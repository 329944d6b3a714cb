//! Certificates that are registered when their holders first connect.

use std::time::Duration;

use model::iot::op::{
    DeleteCertificate, DescribeCertificate, ListCertificatesByCA, UpdateCertificate,
};
use serde_json::{Value, json};
use service::{ApiError, Knock, Refusal};
use testing::{Ear, Server};

use super::{House, knock};
use crate::ca_certificates::{register, register_sni_only, update};
use crate::openssl::{Ca, FUTURE, LATE, LONG, P384, PAST, RSA, forged, id};
use crate::{code, each};

const PENDING: &str = "CERTIFICATE_PENDING_ACTIVATION";
const UNKNOWN: &str = "UNKNOWN_CERTIFICATE";

fn knock_with(pem: &str, server_name: Option<&str>) -> Knock {
    let der = pki::parse_pem_certificate(pem).unwrap().der;
    knock("mqtts", server_name, Some(der.into()))
}

async fn refused(house: &House, pem: &str, server_name: Option<&str>) -> Refusal {
    let knock = knock_with(pem, server_name);
    house.authenticate(&knock).await.expect_err("a refusal is expected")
}

async fn describe(server: &Server, pem: &str) -> Result<Value, ApiError> {
    let request = json!({"certificateId": id(pem)});
    let described = server.call::<DescribeCertificate>(request).await;
    described.map(|answer| answer["certificateDescription"].clone())
}

/// A name of the tenant's endpoint.
async fn endpoint(server: &Server) -> String {
    let tenant = server.cx("-").await.tenant;
    format!("{}-ats.iot.{}.example.com", tenant.endpoint_prefix(), tenant.region)
}

fn automatic() -> Value {
    json!({"allowAutoRegistration": true})
}

#[tokio::test]
async fn a_stranger_is_registered_and_told_of_until_somebody_activates_it() {
    let house = House::new().await;
    let server = &house.server;
    let published = Ear::at(server);
    for key in [P384, RSA] {
        let ca = Ca::root(&format!("Mill {}", key.len()), key, LONG);
        let ca_id = register(server, &ca, automatic()).await;
        let pump = ca.issue_with("pump", key, LONG);
        let mut at = server.clock().now().millis();
        let registered = at.to_string();
        for _ in 0..2 {
            let refusal = refused(&house, &pump, None).await;
            assert_eq!(refusal.reason, PENDING);
            assert!(refusal.detail.contains("aws iot update-certificate"), "{}", refusal.detail);
            let event = json!({
                "certificateId": id(&pump),
                "caCertificateId": ca_id,
                "timestamp": at,
                "certificateStatus": "PENDING_ACTIVATION",
                "awsAccountId": "000000000000",
                "certificateRegistrationTimestamp": registered,
            });
            let topic = format!("$aws/events/certificates/registered/{ca_id}");
            assert_eq!(published.told(), [(topic, event)]);
            server.clock().advance(Duration::from_secs(1));
            at += 1000;
        }
        let described = describe(server, &pump).await.unwrap();
        assert_eq!(described["status"], "PENDING_ACTIVATION");
        assert_eq!(described["caCertificateId"], ca_id);
        assert_eq!(described["certificateMode"], "DEFAULT");
        assert_eq!(described["certificatePem"], pump);
        let activate = json!({"certificateId": id(&pump), "newStatus": "ACTIVE"});
        server.call::<UpdateCertificate>(activate).await.unwrap();
        let principal = house.authenticate(&knock_with(&pump, None)).await.unwrap();
        assert_eq!(principal.id, id(&pump));
        assert!(published.told().is_empty());
    }
}

#[tokio::test]
async fn a_refused_status_other_than_pending_is_not_told_of() {
    let house = House::new().await;
    let published = Ear::at(&house.server);
    let ca = Ca::new("Mill CA");
    register(&house.server, &ca, automatic()).await;
    let pump = ca.issue("pump");
    refused(&house, &pump, None).await;
    for (status, reason) in
        [("INACTIVE", "CERTIFICATE_INACTIVE"), ("REVOKED", "CERTIFICATE_REVOKED")]
    {
        let set = json!({"certificateId": id(&pump), "newStatus": status});
        house.server.call::<UpdateCertificate>(set).await.unwrap();
        assert_eq!(refused(&house, &pump, None).await.reason, reason);
    }
    assert_eq!(published.told().len(), 1);
}

#[tokio::test]
async fn a_stranger_is_let_alone_unless_an_active_ca_registers_what_it_signed() {
    let house = House::new().await;
    let server = &house.server;
    let published = Ear::at(server);
    let ca = Ca::new("Mill CA");
    let ca_id = register(server, &ca, json!({})).await;
    let pump = ca.issue("pump");
    assert_eq!(refused(&house, &pump, None).await.reason, UNKNOWN);
    update(server, &ca_id, json!({"newAutoRegistrationStatus": "ENABLE", "newStatus": "INACTIVE"}))
        .await;
    assert_eq!(refused(&house, &pump, None).await.reason, UNKNOWN);
    update(server, &ca_id, json!({"newStatus": "ACTIVE"})).await;
    let namesake = Ca::new("Mill CA");
    for stranger in
        [namesake.issue("pump"), forged(&pump), ca.intermediate("Mill Line 1").issue("pump")]
    {
        assert_eq!(refused(&house, &stranger, None).await.reason, UNKNOWN);
        assert_eq!(code(describe(server, &stranger).await), "ResourceNotFoundException");
    }
    let past = ca.issue_with("pump", P384, PAST);
    assert_eq!(refused(&house, &past, None).await.reason, "CERTIFICATE_EXPIRED");
    let future = ca.issue_with("pump", P384, FUTURE);
    assert_eq!(refused(&house, &future, None).await.reason, "CERTIFICATE_NOT_YET_VALID");
    let listed = server.call::<ListCertificatesByCA>(json!({"caCertificateId": ca_id})).await;
    assert_eq!(listed.unwrap()["certificates"], json!([]));
    assert!(published.told().is_empty());

    assert_eq!(refused(&house, &pump, None).await.reason, PENDING);
    server.clock().advance(Duration::from_secs(4 * 366 * 86_400));
    let late = ca.issue_with("valve", P384, LATE);
    assert_eq!(refused(&house, &late, None).await.reason, UNKNOWN);
}

#[tokio::test]
async fn the_ca_that_signed_is_found_among_its_namesakes() {
    let house = House::new().await;
    let server = &house.server;
    let (one, other) = (Ca::new("Mill CA"), Ca::new("Mill CA"));
    let mut ids = Vec::new();
    for ca in [&one, &other] {
        ids.push(register(server, ca, automatic()).await);
    }
    for (ca, ca_id) in [(&one, &ids[0]), (&other, &ids[1])] {
        let pump = ca.issue("pump");
        assert_eq!(refused(&house, &pump, None).await.reason, PENDING);
        let request = json!({"caCertificateId": ca_id});
        let listed = server.call::<ListCertificatesByCA>(request).await.unwrap();
        assert_eq!(each(&listed["certificates"], "certificateId"), [id(&pump)]);
    }
}

/// A server that verifies so many signatures for a client.
async fn verifying(signatures: usize) -> House {
    House::choosing(|choices| choices.limits.ca_certificates_per_subject_max = signatures).await
}

/// Three regions with a CA of one name each, on a server that verifies one signature for a client.
async fn namesakes() -> (House, Vec<(Server, Ca)>) {
    let house = verifying(1).await;
    let mut all = Vec::new();
    for region in ["eu-west-1", "eu-west-2", "eu-west-3"] {
        let (server, ca) = (house.server.in_region(region), Ca::new("Mill CA"));
        register(&server, &ca, automatic()).await;
        all.push((server, ca));
    }
    (house, all)
}

#[tokio::test]
async fn the_key_that_a_certificate_names_chooses_the_ca_before_signatures_are_verified() {
    let (house, namesakes) = namesakes().await;
    for (server, ca) in &namesakes {
        let pump = ca.issue("pump");
        assert_eq!(refused(&house, &pump, None).await.reason, PENDING);
        assert!(describe(server, &pump).await.is_ok());
    }
}

#[tokio::test]
async fn few_signatures_are_verified_of_a_certificate_that_names_no_key() {
    let (house, namesakes) = namesakes().await;
    let mut found = 0;
    for (server, ca) in &namesakes {
        let pump = ca.issue_terse("pump");
        let refusal = refused(&house, &pump, None).await;
        found += usize::from(refusal.reason == PENDING);
        let name = endpoint(server).await;
        assert_eq!(refused(&house, &pump, Some(&name)).await.reason, PENDING);
    }
    assert_eq!(found, 1);
}

#[tokio::test]
async fn many_cas_of_one_tenant_do_not_keep_that_of_another_from_being_asked() {
    let house = verifying(2).await;
    let [first, second] = ["eu-west-1", "eu-west-2"].map(|region| house.server.in_region(region));
    let ca = Ca::new("Mill CA");
    for (server, ca) in
        [(&first, &Ca::new("Mill CA")), (&first, &Ca::new("Mill CA")), (&second, &ca)]
    {
        register(server, ca, automatic()).await;
    }
    assert_eq!(refused(&house, &ca.issue_terse("pump"), None).await.reason, PENDING);
}

#[tokio::test]
async fn a_ca_that_several_tenants_have_is_verified_once() {
    let (house, _) = namesakes().await;
    let ca = Ca::new("Foundry CA");
    let tenants = ["eu-west-1", "eu-west-2"].map(|region| house.server.in_region(region));
    for server in &tenants {
        register_sni_only(server, &ca, automatic()).await.unwrap();
    }
    assert_eq!(refused(&house, &ca.issue_terse("pump"), None).await.reason, "SNI_REQUIRED");
}

#[tokio::test]
async fn the_name_that_the_client_asks_for_chooses_who_registers_it() {
    let house = House::new().await;
    let here = &house.server;
    let there = here.in_account("111122223333");
    let published = Ear::at(here);
    let ca = Ca::new("Mill CA");
    for server in [here, &there] {
        register_sni_only(server, &ca, automatic()).await.unwrap();
    }
    let pump = ca.issue("pump");
    for name in [None, Some("localhost")] {
        let refusal = refused(&house, &pump, name).await;
        assert_eq!(refusal.reason, "SNI_REQUIRED");
        assert!(refusal.detail.contains("its CA is in several accounts"), "{}", refusal.detail);
    }
    let elsewhere = endpoint(&here.in_region("eu-west-1")).await;
    assert_eq!(refused(&house, &pump, Some(&elsewhere)).await.reason, UNKNOWN);
    for server in [here, &there] {
        let name = endpoint(server).await;
        assert_eq!(refused(&house, &pump, Some(&name)).await.reason, PENDING);
        assert_eq!(describe(server, &pump).await.unwrap()["certificateMode"], "SNI_ONLY");
        let told = published.heard();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].0, server.cx("-").await.tenant);
    }
    assert_eq!(refused(&house, &pump, None).await.reason, "SNI_REQUIRED");
}

#[tokio::test]
async fn without_a_name_the_tenant_that_holds_the_key_registers_a_stranger() {
    let house = House::new().await;
    let here = &house.server;
    let there = here.in_account("111122223333");
    let ca = Ca::new("Mill CA");
    register_sni_only(here, &ca, automatic()).await.unwrap();
    register(&there, &ca, automatic()).await;
    let pump = ca.issue("pump");
    assert_eq!(refused(&house, &pump, None).await.reason, PENDING);
    assert!(describe(&there, &pump).await.is_ok());
    assert_eq!(code(describe(here, &pump).await), "ResourceNotFoundException");
}

#[tokio::test]
async fn a_certificate_that_was_deleted_comes_as_a_stranger_again() {
    let house = House::new().await;
    let ca = Ca::new("Mill CA");
    register(&house.server, &ca, automatic()).await;
    let pump = ca.issue("pump");
    for _ in 0..2 {
        assert_eq!(refused(&house, &pump, None).await.reason, PENDING);
        let request = json!({"certificateId": id(&pump)});
        house.server.call::<DeleteCertificate>(request).await.unwrap();
    }
}

#[tokio::test]
async fn two_connections_at_once_register_one_certificate() {
    let house = House::new().await;
    let ca = Ca::new("Mill CA");
    let ca_id = register(&house.server, &ca, automatic()).await;
    let pump = ca.issue("pump");
    let (one, other) = tokio::join!(refused(&house, &pump, None), refused(&house, &pump, None));
    assert!(one.reason == PENDING || other.reason == PENDING, "{one:?} {other:?}");
    let request = json!({"caCertificateId": ca_id});
    let listed = house.server.call::<ListCertificatesByCA>(request).await.unwrap();
    assert_eq!(each(&listed["certificates"], "certificateId"), [id(&pump)]);
}

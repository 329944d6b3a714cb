//! Who is let in.

use model::iot::op::{
    CancelCertificateTransfer, CreatePolicy, TransferCertificate, UpdateCertificate,
};
use serde_json::json;
use service::{PolicySource as _, PrincipalKind, Refusal};
use types::Tenant;

use super::{FOREIGN, House, PUMP, knock, register};
use crate::DOCUMENT;

/// The word of a refusal, and its sentence.
fn refused<T>(result: Result<T, Refusal>) -> (&'static str, String) {
    let refusal = result.err().expect("a refusal is expected");
    (refusal.reason, refusal.detail)
}

async fn tenant(server: &testing::Server) -> Tenant {
    server.cx("-").await.tenant
}

#[tokio::test]
async fn an_active_certificate_is_let_in_and_named() {
    let house = House::new().await;
    let pump = house.register(PUMP, "ACTIVE").await;
    let knock = pump.knock(Some("localhost"));
    let principal = house.authenticate(&knock).await.unwrap();
    assert_eq!(principal.id, pump.id);
    assert_eq!(principal.kind, PrincipalKind::Certificate { arn: pump.arn });
    assert_eq!(principal.tenant, tenant(&house.server).await);
    assert_eq!(principal.knock, service::Knock { certificate: None, ..knock });
}

#[tokio::test]
async fn a_certificate_that_is_not_registered_is_told_how_to_be() {
    let house = House::new().await;
    let der = pki::parse_pem_certificate(PUMP).unwrap().der;
    let unknown = knock("mqtts", None, Some(der.into()));
    let (reason, detail) = refused(house.authenticate(&unknown).await);
    assert_eq!(reason, "UNKNOWN_CERTIFICATE");
    assert!(detail.contains("aws iot register-certificate-without-ca"), "{detail}");
}

#[tokio::test]
async fn each_status_but_active_has_its_own_refusal() {
    let house = House::new().await;
    let pump = house.register(PUMP, "INACTIVE").await;
    let (reason, detail) = refused(house.authenticate(&pump.knock(None)).await);
    assert_eq!(reason, "CERTIFICATE_INACTIVE");
    let id = &pump.id;
    let expect = format!(
        "certificate {id} is INACTIVE; activate it: aws iot update-certificate --certificate-id \
         {id} --new-status ACTIVE"
    );
    assert_eq!(detail, expect);

    let transfer = json!({"certificateId": id, "targetAwsAccount": "111122223333"});
    house.server.call::<TransferCertificate>(transfer).await.unwrap();
    let (reason, detail) = refused(house.authenticate(&pump.knock(None)).await);
    assert_eq!(reason, "CERTIFICATE_PENDING_TRANSFER");
    assert!(detail.contains("accept-certificate-transfer"), "{detail}");
    let cancel = json!({"certificateId": id});
    house.server.call::<CancelCertificateTransfer>(cancel).await.unwrap();

    let revoke = json!({"certificateId": id, "newStatus": "REVOKED"});
    house.server.call::<UpdateCertificate>(revoke).await.unwrap();
    let (reason, detail) = refused(house.authenticate(&pump.knock(None)).await);
    assert_eq!(reason, "CERTIFICATE_REVOKED");
    assert!(detail.starts_with(&format!("certificate {id} is REVOKED; that is final")), "{detail}");
}

#[tokio::test]
async fn the_dates_count_whatever_the_status() {
    let house = House::new().await;
    for (pem, status) in [(PUMP, "ACTIVE"), (FOREIGN, "INACTIVE")] {
        house.register(pem, status).await;
    }
    let pump = pki::parse_pem_certificate(PUMP).unwrap();
    let foreign = pki::parse_pem_certificate(FOREIGN).unwrap();
    let knock = |der: &[u8]| knock("mqtts", None, Some(der.to_vec().into()));
    let (reason, detail) = refused(house.authenticate(&knock(&foreign.der)).await);
    assert_eq!(reason, "CERTIFICATE_NOT_YET_VALID");
    assert!(detail.contains("the server's clock says 2026-01-02T03:04:05Z"), "{detail}");

    // The last moment of its validity, and the first beyond.
    let left = pump.not_after.since(house.server.clock().now());
    house.server.clock().advance(left);
    house.authenticate(&knock(&pump.der)).await.unwrap();
    house.server.clock().advance(std::time::Duration::from_millis(1));
    let (reason, detail) = refused(house.authenticate(&knock(&pump.der)).await);
    assert_eq!(reason, "CERTIFICATE_EXPIRED");
    assert!(detail.contains("expired at 2026-02-01T00:00:00Z"), "{detail}");
}

#[tokio::test]
async fn the_name_that_the_client_asks_for_chooses_the_tenant() {
    let house = House::new().await;
    let other_region = house.server.in_region("eu-west-1");
    let first = house.register(PUMP, "ACTIVE").await;
    let second = register(&other_region, PUMP, "ACTIVE").await;
    let (here, there) = (tenant(&house.server).await, tenant(&other_region).await);
    assert_eq!(first.id, second.id);

    for (tenant, suffix) in [
        (&here, "-ats.iot.us-east-1.iot.example.com"),
        (&there, "-ats.iot.eu-west-1.iot.example.com"),
        (&there, ".iot.eu-west-1.amazonaws.com"),
        (&there, ".credentials.iot.eu-west-1.iot.example.com"),
        (&there, ".jobs.iot.eu-west-1.iot.example.com"),
    ] {
        let name = format!("{}{suffix}", tenant.endpoint_prefix());
        let principal = house.authenticate(&first.knock(Some(&name))).await.unwrap();
        assert_eq!(&principal.tenant, tenant, "{name}");
    }
    for name in [None, Some("localhost"), Some("iot.example.com")] {
        let (reason, detail) = refused(house.authenticate(&first.knock(name)).await);
        assert_eq!(reason, "SNI_REQUIRED");
        assert!(detail.contains(&here.endpoint_prefix()), "{detail}");
        assert!(detail.contains(&there.endpoint_prefix()), "{detail}");
    }
}

#[tokio::test]
async fn the_endpoint_of_another_tenant_does_not_let_in() {
    let house = House::new().await;
    let pump = house.register(PUMP, "ACTIVE").await;
    let other = tenant(&house.server.in_account("111122223333")).await;
    let name = format!("{}-ats.iot.us-east-1.example.com", other.endpoint_prefix());
    let (reason, detail) = refused(house.authenticate(&pump.knock(Some(&name))).await);
    assert_eq!(reason, "UNKNOWN_CERTIFICATE");
    let right = tenant(&house.server).await.endpoint_prefix();
    assert!(detail.contains(&name) && detail.contains(&right), "{detail}");
}

#[tokio::test]
async fn nobody_is_let_in_without_a_certificate() {
    let house = House::new().await;
    for (door, what_to_do) in
        [("mqtts", "certificate"), ("https", "certificate"), ("mqtt", "--dev")]
    {
        let knock = knock(door, None, None);
        let (reason, detail) = refused(house.login(&knock, Some("policy/p")).await);
        assert_eq!(reason, "NO_CREDENTIALS", "{door}");
        assert!(detail.contains(what_to_do), "{detail}");
        assert_eq!(refused(house.authenticate(&knock).await).0, "NO_CREDENTIALS", "{door}");
    }
}

#[tokio::test]
async fn the_plain_door_of_a_development_server_is_open() {
    let house = House::with(|settings| settings.is_dev = true).await;
    let plain = knock("mqtt", None, None);
    let request = json!({"policyName": "p", "policyDocument": DOCUMENT});
    house.server.call::<CreatePolicy>(request).await.unwrap();
    let policy = PrincipalKind::Policy("p".to_owned());
    for (user_name, expect) in [
        (None, &PrincipalKind::Administrator),
        (Some("somebody"), &PrincipalKind::Administrator),
        (Some("?SDK=Python"), &PrincipalKind::Administrator),
        (Some("policy/p"), &policy),
        (Some("policy/p?SDK=Python"), &policy),
    ] {
        let principal = house.login(&plain, user_name).await.unwrap();
        assert_eq!(&principal.kind, expect, "{user_name:?}");
        assert_eq!(principal.tenant, tenant(&house.server).await);
    }
    let (reason, detail) = refused(house.login(&plain, Some("policy/q")).await);
    assert_eq!(reason, "UNKNOWN_POLICY");
    assert!(detail.contains("aws iot create-policy --policy-name q"), "{detail}");
    // The other doors stay as they are.
    assert_eq!(refused(house.login(&knock("mqtts", None, None), None).await).0, "NO_CREDENTIALS");
}

#[tokio::test]
async fn a_certificate_that_is_no_longer_active_has_no_permissions() {
    let house = House::new().await;
    let pump = house.register(PUMP, "ACTIVE").await;
    let principal = house.authenticate(&pump.knock(None)).await.unwrap();
    crate::deactivate(&house.server, &pump.id).await;
    let (reason, _) = refused(house.devices.permissions(&principal, Some("c")).await);
    assert_eq!(reason, "CERTIFICATE_INACTIVE");
}

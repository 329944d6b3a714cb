//! CA certificates: registered with proof or without, described, listed, updated, deleted.

use std::time::Duration;

use model::iot::op::{
    DeleteCACertificate, DeleteRegistrationCode, DescribeCACertificate, GetRegistrationCode,
    ListCACertificates, ListTagsForResource, RegisterCACertificate, TagResource,
    UpdateCACertificate,
};
use serde_json::{Value, json};
use service::ApiError;
use testing::Server;

use crate::openssl::{Ca, FUTURE, LONG, P256, P384, PAST, RSA, forged, id};
use crate::{NO_ID, code, each, members, refusal, registry, server};

/// The tenant's registration code.
pub(crate) async fn registration_code(server: &Server) -> String {
    let answer = server.call::<GetRegistrationCode>(json!({})).await.unwrap();
    answer["registrationCode"].as_str().unwrap().to_owned()
}

/// Registers a CA in DEFAULT mode, active, with what `more` has besides. Returns its id.
pub(crate) async fn register(server: &Server, ca: &Ca, more: Value) -> String {
    let verification = ca.issue(&registration_code(server).await);
    let mut request = json!({"caCertificate": ca.pem, "verificationCertificate": verification});
    request["setAsActive"] = json!(true);
    add(&mut request, more);
    let answer = server.call::<RegisterCACertificate>(request).await.unwrap();
    answer["certificateId"].as_str().unwrap().to_owned()
}

/// Registers a CA in SNI_ONLY mode, active, with what `more` has besides.
pub(crate) async fn register_sni_only(
    server: &Server,
    ca: &Ca,
    more: Value,
) -> Result<Value, ApiError> {
    let mut request =
        json!({"caCertificate": ca.pem, "certificateMode": "SNI_ONLY", "setAsActive": true});
    add(&mut request, more);
    server.call::<RegisterCACertificate>(request).await
}

pub(crate) async fn update(server: &Server, id: &str, change: Value) {
    let mut request = json!({"certificateId": id});
    add(&mut request, change);
    server.call::<UpdateCACertificate>(request).await.unwrap();
}

fn add(request: &mut Value, more: Value) {
    let Value::Object(more) = more else { return };
    request.as_object_mut().unwrap().extend(more);
}

async fn describe(server: &Server, id: &str) -> Value {
    server.call::<DescribeCACertificate>(json!({"certificateId": id})).await.unwrap()
}

#[tokio::test]
async fn a_registration_code_stays_until_it_is_deleted() {
    let server = server().await;
    let first = registration_code(&server).await;
    assert!(first.len() == 64 && first.bytes().all(|b| b.is_ascii_hexdigit()), "{first}");
    assert_eq!(registration_code(&server).await, first);
    assert_ne!(registration_code(&server.in_region("eu-west-1")).await, first);
    server.call::<DeleteRegistrationCode>(json!({})).await.unwrap();
    let twice = server.call::<DeleteRegistrationCode>(json!({})).await;
    assert_eq!(code(twice), "ResourceNotFoundException");
    assert_ne!(registration_code(&server).await, first);
}

#[tokio::test]
async fn a_ca_is_registered_by_whoever_holds_its_key() {
    let server = server().await;
    for (key, setting) in [(P256, true), (P384, false), (RSA, false)] {
        let ca = Ca::root("Mill CA", key, LONG);
        let more = json!({"setAsActive": setting, "allowAutoRegistration": setting});
        let id = register(&server, &ca, more).await;
        assert_eq!(id, crate::openssl::id(&ca.pem));
        let answer = describe(&server, &id).await;
        let described = &answer["certificateDescription"];
        let arn = format!("arn:aws:iot:us-east-1:000000000000:cacert/{id}");
        assert_eq!(described["certificateArn"], arn);
        assert_eq!(described["certificateId"], id);
        assert_eq!(described["certificatePem"], ca.pem);
        assert_eq!(described["status"], if setting { "ACTIVE" } else { "INACTIVE" });
        let automatic = if setting { "ENABLE" } else { "DISABLE" };
        assert_eq!(described["autoRegistrationStatus"], automatic);
        assert_eq!(described["certificateMode"], "DEFAULT");
        assert_eq!(described["ownedBy"], "000000000000");
        assert_eq!(described["customerVersion"], 1);
        assert_eq!(described["creationDate"], described["lastModifiedDate"]);
        assert_eq!(described["validity"]["notBefore"], 1_735_689_600);
        assert_eq!(described["validity"]["notAfter"], 1_893_456_000);
        assert_eq!(members(&answer).len(), 1, "{answer}");
    }
}

#[tokio::test]
async fn an_intermediate_ca_is_registered_without_its_root() {
    let server = server().await;
    let intermediate = Ca::new("Mill Root").intermediate("Mill Line 1");
    let id = register(&server, &intermediate, json!({})).await;
    assert_eq!(describe(&server, &id).await["certificateDescription"]["status"], "ACTIVE");
}

#[tokio::test]
async fn the_verification_certificate_proves_that_the_key_is_held() {
    let server = server().await;
    let ca = Ca::new("Mill CA");
    let known = registration_code(&server).await;
    let namesake = Ca::new("Mill CA");
    let invalid = "CertificateValidationException";
    let wrong_code = "RegistrationCodeValidationException";
    for (verification, expected) in [
        (ca.issue("somebody"), wrong_code),
        (ca.issue(&known.to_uppercase()), wrong_code),
        (namesake.issue(&known), invalid),
        (Ca::new("Other CA").issue(&known), invalid),
        (forged(&ca.issue(&known)), invalid),
        (ca.issue_with(&known, P384, PAST), invalid),
        (ca.issue_with(&known, P384, FUTURE), invalid),
        (ca.pem.clone(), wrong_code),
        ("hello".to_owned(), invalid),
    ] {
        let request = json!({"caCertificate": ca.pem, "verificationCertificate": verification});
        let refused = server.call::<RegisterCACertificate>(request).await;
        assert_eq!(code(refused), expected, "{verification}");
    }
    let missing = server.call::<RegisterCACertificate>(json!({"caCertificate": ca.pem})).await;
    assert_eq!(code(missing), "InvalidRequestException");
    let needless = json!({"verificationCertificate": ca.issue(&known)});
    let needless = register_sni_only(&server, &ca, needless).await;
    assert_eq!(code(needless), "InvalidRequestException");

    let verification = ca.issue(&known);
    server.call::<DeleteRegistrationCode>(json!({})).await.unwrap();
    let request = json!({"caCertificate": ca.pem, "verificationCertificate": verification});
    let refused = server.call::<RegisterCACertificate>(request).await;
    assert_eq!(code(refused), wrong_code);
    register(&server, &ca, json!({})).await;
}

#[tokio::test]
async fn what_cannot_be_a_ca_now_is_refused() {
    let server = server().await;
    let root = Ca::new("Mill Root");
    let intermediate = root.intermediate("Mill Line 1");
    let chain = format!("{}{}", intermediate.pem, root.pem);
    let wrong_way_round = format!("{}{}", root.pem, intermediate.pem);
    for (pem, saying) in [
        (root.issue("pump"), "CA:true"),
        (Ca::root("Old", P384, PAST).pem, "expired at 2025-12-31T23:59:59Z"),
        (Ca::root("New", P384, FUTURE).pem, "not yet valid"),
        (forged(&root.pem), "signature does not verify"),
        (chain, "found 2"),
        (wrong_way_round, "found 2"),
        ("hello".to_owned(), "not valid PEM"),
    ] {
        let request = json!({"caCertificate": pem, "certificateMode": "SNI_ONLY"});
        let refused = server.call::<RegisterCACertificate>(request).await;
        let (code, message) = refusal(refused);
        assert_eq!(code, "CertificateValidationException", "{message}");
        assert!(message.contains(saying), "{message}");
    }
}

#[tokio::test]
async fn a_ca_is_in_default_mode_once_and_in_sni_only_mode_in_many_tenants() {
    let server = server().await;
    let ca = Ca::new("Mill CA");
    let others = [server.in_region("eu-west-1"), server.in_account("111122223333")];
    let id = register(&server, &ca, json!({})).await;
    let again = register_sni_only(&server, &ca, json!({})).await.unwrap_err();
    assert_eq!(again.code, "ResourceAlreadyExistsException");
    assert_eq!(again.members["resourceId"], id);
    let arn = format!("arn:aws:iot:us-east-1:000000000000:cacert/{id}");
    assert_eq!(again.members["resourceArn"], arn);
    for other in &others {
        let verification = ca.issue(&registration_code(other).await);
        let request = json!({"caCertificate": ca.pem, "verificationCertificate": verification});
        let refused = other.call::<RegisterCACertificate>(request.clone()).await.unwrap_err();
        assert_eq!(refused.code, "ResourceAlreadyExistsException");
        // Nobody learns whose it is.
        assert_eq!(refused.members.get("resourceArn"), None);
        let shared = register_sni_only(other, &ca, json!({})).await.unwrap();
        assert_eq!(shared["certificateId"], id);
        let described = describe(other, &id).await;
        assert_eq!(described["certificateDescription"]["certificateMode"], "SNI_ONLY");
    }
    delete(&server, &id).await;
    delete(&others[0], &id).await;
    register(&others[0], &ca, json!({})).await;
}

async fn delete(server: &Server, id: &str) {
    update(server, id, json!({"newStatus": "INACTIVE"})).await;
    server.call::<DeleteCACertificate>(json!({"certificateId": id})).await.unwrap();
}

#[tokio::test]
async fn few_cas_have_one_subject() {
    let server = Server::build_with(
        |choices| choices.limits.ca_certificates_per_subject_max = 2,
        |_| vec![registry::feature()],
    )
    .await;
    let first = register(&server, &Ca::new("Mill CA"), json!({})).await;
    let (second, third) = (Ca::new("Mill CA"), Ca::new("Mill CA"));
    let (one, other) = tokio::join!(
        register_sni_only(&server, &second, json!({})),
        register_sni_only(&server, &third, json!({})),
    );
    assert_ne!(one.is_ok(), other.is_ok());
    let third = if one.is_ok() { third } else { second };
    let refused = register_sni_only(&server, &third, json!({})).await;
    let message = "Limit reached for number of CA Certificates with same subject".to_owned();
    assert_eq!(refusal(refused), ("LimitExceededException", message));
    register_sni_only(&server, &Ca::new("Other CA"), json!({})).await.unwrap();
    let elsewhere = server.in_region("eu-west-1");
    register_sni_only(&elsewhere, &third, json!({})).await.unwrap();
    delete(&server, &first).await;
    register_sni_only(&server, &third, json!({})).await.unwrap();
}

#[tokio::test]
async fn cas_are_listed_by_creation_and_by_template() {
    let server = server().await;
    let mut ids = Vec::new();
    for number in 0..3 {
        let ca = Ca::new(&format!("Mill {number}"));
        let config = if number == 1 { json!({}) } else { json!({"templateName": "lamps"}) };
        let more = json!({"registrationConfig": config});
        register_sni_only(&server, &ca, more).await.unwrap();
        ids.push(id(&ca.pem));
        server.clock().advance(Duration::from_secs(1));
    }
    let list = async |request: Value| {
        let listed = server.call::<ListCACertificates>(request).await.unwrap();
        each(&listed["certificates"], "certificateId")
    };
    assert_eq!(list(json!({"ascendingOrder": true})).await, ids);
    let lamps = [ids[2].clone(), ids[0].clone()];
    assert_eq!(list(json!({"templateName": "lamps"})).await, lamps);
    assert_eq!(list(json!({"templateName": "pumps"})).await, [""; 0]);
    let page = server.call::<ListCACertificates>(json!({"pageSize": 2})).await.unwrap();
    assert_eq!(each(&page["certificates"], "certificateId"), [ids[2].clone(), ids[1].clone()]);
    let listed = members(&page["certificates"][0]).into_iter().collect::<Vec<_>>();
    assert_eq!(listed, ["certificateArn", "certificateId", "creationDate", "status"]);
    let rest = json!({"pageSize": 2, "marker": page["nextMarker"]});
    assert_eq!(list(rest).await, ids[..1]);
    update(&server, &ids[0], json!({"removeAutoRegistration": true})).await;
    assert_eq!(list(json!({"templateName": "lamps"})).await, ids[2..]);
}

#[tokio::test]
async fn a_ca_is_changed_in_what_is_given() {
    let server = server().await;
    let id = register(&server, &Ca::new("Mill CA"), json!({})).await;
    let body = r#"{"Resources":{}}"#;
    let role = "arn:aws:iam::000000000000:role/provisioning";
    let config = json!({"templateBody": body, "roleArn": role});
    for (change, status, automatic, kept, version) in [
        (json!({"newStatus": "ACTIVE"}), "ACTIVE", "DISABLE", None, 1),
        (json!({"newAutoRegistrationStatus": "ENABLE"}), "ACTIVE", "ENABLE", None, 2),
        (json!({"registrationConfig": config}), "ACTIVE", "ENABLE", Some(&config), 3),
        (json!({"newStatus": "INACTIVE"}), "INACTIVE", "ENABLE", Some(&config), 4),
        (json!({"removeAutoRegistration": true}), "INACTIVE", "DISABLE", None, 5),
        (json!({}), "INACTIVE", "DISABLE", None, 5),
    ] {
        update(&server, &id, change.clone()).await;
        let answer = describe(&server, &id).await;
        let described = &answer["certificateDescription"];
        assert_eq!(described["status"], status, "{change}");
        assert_eq!(described["autoRegistrationStatus"], automatic, "{change}");
        assert_eq!(described["customerVersion"], version, "{change}");
        assert_eq!(answer.get("registrationConfig"), kept, "{change}");
    }
    for wrong in [
        json!({"registrationConfig": {"templateBody": "hello"}}),
        json!({"registrationConfig": {"templateBody": body, "templateName": "lamps"}}),
        json!({"registrationConfig": config, "removeAutoRegistration": true}),
    ] {
        let mut request = json!({"certificateId": id});
        add(&mut request, wrong.clone());
        let refused = server.call::<UpdateCACertificate>(request).await;
        assert_eq!(code(refused), "InvalidRequestException", "{wrong}");
    }
}

#[tokio::test]
async fn a_ca_is_deleted_once_it_is_inactive_and_its_tags_with_it() {
    let server = server().await;
    let ca = Ca::new("Mill CA");
    let tags = json!([{"Key": "plant", "Value": "1"}]);
    let id = register(&server, &ca, json!({"tags": tags})).await;
    let arn = json!(format!("arn:aws:iot:us-east-1:000000000000:cacert/{id}"));
    let listed = server.call::<ListTagsForResource>(json!({"resourceArn": arn})).await.unwrap();
    assert_eq!(listed["tags"], tags);
    let more = json!({"resourceArn": arn, "tags": [{"Key": "line", "Value": "2"}]});
    server.call::<TagResource>(more.clone()).await.unwrap();

    let request = json!({"certificateId": id});
    let refused = server.call::<DeleteCACertificate>(request.clone()).await;
    assert_eq!(code(refused), "CertificateStateException");
    delete(&server, &id).await;
    let missing = "ResourceNotFoundException";
    assert_eq!(code(server.call::<DescribeCACertificate>(request.clone()).await), missing);
    assert_eq!(code(server.call::<DeleteCACertificate>(request).await), missing);
    assert_eq!(code(server.call::<TagResource>(more).await), missing);
    register(&server, &ca, json!({})).await;
    let listed = server.call::<ListTagsForResource>(json!({"resourceArn": arn})).await.unwrap();
    assert_eq!(listed["tags"], json!([]));
}

#[tokio::test]
async fn an_unknown_ca_is_not_found() {
    let server = server().await;
    let request = json!({"certificateId": NO_ID});
    let missing = "ResourceNotFoundException";
    assert_eq!(code(server.call::<DescribeCACertificate>(request.clone()).await), missing);
    assert_eq!(code(server.call::<UpdateCACertificate>(request.clone()).await), missing);
    assert_eq!(code(server.call::<DeleteCACertificate>(request).await), missing);
}

#[tokio::test]
async fn of_two_tenants_at_once_one_has_a_ca_in_default_mode() {
    let server = server().await;
    let other = server.in_account("111122223333");
    let ca = Ca::new("Mill CA");
    let mut requests = Vec::new();
    for tenant in [&server, &other] {
        let verification = ca.issue(&registration_code(tenant).await);
        requests.push(json!({"caCertificate": ca.pem, "verificationCertificate": verification}));
    }
    let (one, another) = tokio::join!(
        server.call::<RegisterCACertificate>(requests.remove(0)),
        other.call::<RegisterCACertificate>(requests.remove(0)),
    );
    assert_ne!(one.is_ok(), another.is_ok());
}

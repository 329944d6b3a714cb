//! What becomes of permissions when the registry changes.

use std::sync::Arc;
use std::time::Duration;

use model::iot::op::{
    CreatePolicyVersion, CreateThing, CreateThingType, DeleteCertificate, DeletePolicy,
    DeletePolicyVersion, DetachPolicy, DetachThingPrincipal, SetDefaultPolicyVersion,
    UpdateCertificate, UpdateThing, UpdateThingType,
};
use serde_json::json;
use service::{Permissions, PolicySource as _, Refusal, Rights};

use super::{Certificate, House, PATIENCE, PUMP, allow, document, knock, may_publish};

/// Waits until `holds`. How often it looks is of no importance, and that it comes to pass is.
pub(super) async fn until(permissions: &Permissions, holds: impl Fn(&Permissions) -> bool) {
    let wait = async {
        while !holds(permissions) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
}

/// Why the connection was ended. Waits until it is.
async fn ending(permissions: &Permissions) -> Refusal {
    let ended = std::future::poll_fn(|cx| permissions.poll_ended(cx));
    tokio::time::timeout(PATIENCE, ended).await.unwrap()
}

fn value(rights: &Rights, key: &str) -> Option<String> {
    let found = rights.context.iter().find(|(name, _)| name == key);
    found.map(|(_, values)| values.join(","))
}

/// A connection as `lamp` with policy `p`, which allows to publish to `a`.
async fn connected() -> (House, Certificate, Arc<Permissions>) {
    let house = House::new().await;
    let pump = house.register(PUMP, "ACTIVE").await;
    house.policy("p", &[&allow("a")]).await;
    house.attach_policy("p", &pump).await;
    house.server.call::<CreateThing>(json!({"thingName": "lamp"})).await.unwrap();
    let permissions = house.connect(&pump, "lamp").await;
    assert!(may_publish(&permissions, "a"));
    (house, pump, permissions)
}

async fn new_version(house: &House, topic: &str, is_default: bool) {
    let document = document(&[&allow(topic)]);
    let request =
        json!({"policyName": "p", "policyDocument": document, "setAsDefault": is_default});
    house.server.call::<CreatePolicyVersion>(request).await.unwrap();
}

#[tokio::test]
async fn another_default_version_is_in_force_at_once() {
    let (house, _, permissions) = connected().await;
    new_version(&house, "b", true).await;
    until(&permissions, |now| may_publish(now, "b") && !may_publish(now, "a")).await;
    let first = json!({"policyName": "p", "policyVersionId": "1"});
    house.server.call::<SetDefaultPolicyVersion>(first).await.unwrap();
    until(&permissions, |now| may_publish(now, "a") && !may_publish(now, "b")).await;
    assert_eq!(permissions.generation(), 2);
}

#[tokio::test]
async fn a_version_that_is_not_the_default_changes_nothing() {
    let (house, _, permissions) = connected().await;
    new_version(&house, "b", false).await;
    let second = json!({"policyName": "p", "policyVersionId": "2"});
    house.server.call::<DeletePolicyVersion>(second).await.unwrap();
    // What comes later was heard of later.
    new_version(&house, "c", true).await;
    until(&permissions, |now| may_publish(now, "c")).await;
    assert_eq!(permissions.generation(), 1);
}

#[tokio::test]
async fn attaching_and_detaching_a_policy_is_in_force_at_once() {
    let (house, pump, permissions) = connected().await;
    house.policy("q", &[&allow("b")]).await;
    house.attach_policy("q", &pump).await;
    until(&permissions, |now| may_publish(now, "b")).await;
    assert!(may_publish(&permissions, "a"));
    for name in ["p", "q"] {
        let request = json!({"policyName": name, "target": pump.arn});
        house.server.call::<DetachPolicy>(request).await.unwrap();
    }
    until(&permissions, |now| now.rights().policies.is_empty()).await;
    assert!(!may_publish(&permissions, "a"));
}

#[tokio::test]
async fn a_policy_that_was_attached_later_is_followed_too() {
    let (house, pump, permissions) = connected().await;
    let detach = json!({"policyName": "p", "target": pump.arn});
    house.server.call::<DetachPolicy>(detach).await.unwrap();
    until(&permissions, |now| now.rights().policies.is_empty()).await;
    house.server.call::<DeletePolicy>(json!({"policyName": "p"})).await.unwrap();
    house.policy("p", &[&allow("b")]).await;
    house.attach_policy("p", &pump).await;
    until(&permissions, |now| may_publish(now, "b")).await;
    assert!(!may_publish(&permissions, "a"));
    new_version(&house, "c", true).await;
    until(&permissions, |now| may_publish(now, "c")).await;
}

#[tokio::test]
async fn the_thing_is_bound_changed_and_let_go() {
    let (house, pump, permissions) = connected().await;
    assert_eq!(permissions.rights().thing, None);
    let title = "iot:Certificate.Subject.Title";
    house.policy("asking", &[&allow(&format!("${{{title}}}"))]).await;
    house.attach_policy("asking", &pump).await;
    until(&permissions, |now| value(&now.rights(), title).is_some()).await;
    house.attach_thing("lamp", &pump, "NON_EXCLUSIVE_THING").await;
    until(&permissions, |now| now.rights().thing.is_some()).await;
    let rights = permissions.rights();
    assert_eq!(value(&rights, "iot:Connection.Thing.IsAttached").as_deref(), Some("true"));
    let site = "iot:Connection.Thing.Attributes[site]";
    assert_eq!(value(&rights, site), None);

    for place in ["north", "south"] {
        let payload = json!({"attributes": {"site": place}});
        let request = json!({"thingName": "lamp", "attributePayload": payload});
        house.server.call::<UpdateThing>(request).await.unwrap();
        until(&permissions, |now| value(&now.rights(), site).as_deref() == Some(place)).await;
    }

    let request = json!({"thingName": "lamp", "principal": pump.arn});
    house.server.call::<DetachThingPrincipal>(request).await.unwrap();
    until(&permissions, |now| now.rights().thing.is_none()).await;
    let rights = permissions.rights();
    assert_eq!(value(&rights, site), None);
    assert_eq!(value(&rights, "iot:Connection.Thing.IsAttached").as_deref(), Some("false"));
    assert_eq!(value(&rights, "iot:ClientId").as_deref(), Some("lamp"));
    assert_eq!(value(&rights, title).as_deref(), Some("t2"));
}

#[tokio::test]
async fn an_exclusive_thing_binds_a_connection_of_any_name() {
    let (house, pump, _) = connected().await;
    let permissions = house.connect(&pump, "other").await;
    house.attach_thing("lamp", &pump, "EXCLUSIVE_THING").await;
    until(&permissions, |now| now.rights().thing.as_ref().is_some_and(|t| t.is_exclusive)).await;
    let payload = json!({"attributes": {"site": "north"}});
    let request = json!({"thingName": "lamp", "attributePayload": payload});
    house.server.call::<UpdateThing>(request).await.unwrap();
    let site = "iot:Connection.Thing.Attributes[site]";
    until(&permissions, |now| value(&now.rights(), site).is_some()).await;
}

#[tokio::test]
async fn a_certificate_that_is_made_inactive_or_revoked_ends_its_connections() {
    for (status, reason) in
        [("INACTIVE", "CERTIFICATE_INACTIVE"), ("REVOKED", "CERTIFICATE_REVOKED")]
    {
        let (house, pump, permissions) = connected().await;
        let other = house.connect(&pump, "other").await;
        let request = json!({"certificateId": pump.id, "newStatus": status});
        house.server.call::<UpdateCertificate>(request).await.unwrap();
        for permissions in [permissions, other] {
            assert_eq!(ending(&permissions).await.reason, reason);
            until(&permissions, |now| !may_publish(now, "a")).await;
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_deleted_ends_its_connections() {
    let (house, pump, _) = connected().await;
    let principal = house.authenticate(&pump.knock(None)).await.unwrap();
    let permissions = house.devices.permissions(&principal, Some("c")).await.unwrap();
    // Both changes may be heard of at once.
    crate::deactivate(&house.server, &pump.id).await;
    let request = json!({"certificateId": pump.id, "forceDelete": true});
    house.server.call::<DeleteCertificate>(request).await.unwrap();
    let reason = ending(&permissions).await.reason;
    assert!(["CERTIFICATE_INACTIVE", "UNKNOWN_CERTIFICATE"].contains(&reason), "{reason}");
    let refused = house.devices.permissions(&principal, Some("c")).await;
    assert_eq!(refused.err().unwrap().reason, "UNKNOWN_CERTIFICATE");
}

#[tokio::test]
async fn a_certificate_that_expires_ends_its_connections() {
    let (house, pump, permissions) = connected().await;
    let not_after = pki::parse_pem_certificate(PUMP).unwrap().not_after;
    let left = not_after.since(house.server.clock().now());
    house.server.clock().advance(left + Duration::from_millis(1));
    assert_eq!(ending(&permissions).await.reason, "CERTIFICATE_EXPIRED");
    assert!(!may_publish(&permissions, "a"));
    assert_eq!(
        house.authenticate(&pump.knock(None)).await.unwrap_err().reason,
        "CERTIFICATE_EXPIRED"
    );
}

#[tokio::test]
async fn a_store_that_is_emptied_ends_all_connections() {
    let (house, pump, permissions) = connected().await;
    house.server.app().store.wipe().await.unwrap();
    house.server.app().tenants.forget();
    assert_eq!(ending(&permissions).await.reason, "UNKNOWN_CERTIFICATE");
    // What comes after it is another connection's.
    let again = house.register(PUMP, "ACTIVE").await;
    assert_eq!(again.id, pump.id);
    let permissions = house.connect(&again, "lamp").await;
    assert!(!may_publish(&permissions, "a"));
}

/// After a reset, tenants get numbers anew: another one may come to have the number.
#[tokio::test]
async fn the_number_of_a_tenant_that_is_gone_lends_nothing_to_its_connections() {
    let (house, _, permissions) = connected().await;
    house.server.app().store.wipe().await.unwrap();
    house.server.app().tenants.forget();
    let other = house.server.in_account("111122223333");
    super::register(&other, PUMP, "ACTIVE").await;
    assert_eq!(ending(&permissions).await.reason, "UNKNOWN_CERTIFICATE");
}

#[tokio::test]
async fn the_policy_of_a_development_login_is_followed() {
    let house = House::with(|settings| settings.is_dev = true).await;
    house.policy("p", &[&allow("a")]).await;
    let principal = house.login(&knock("mqtt", None, None), Some("policy/p")).await.unwrap();
    let permissions = house.devices.permissions(&principal, Some("c")).await.unwrap();
    new_version(&house, "b", true).await;
    until(&permissions, |now| may_publish(now, "b")).await;
    let first = json!({"policyName": "p", "policyVersionId": "1"});
    house.server.call::<DeletePolicyVersion>(first).await.unwrap();
    house.server.call::<DeletePolicy>(json!({"policyName": "p"})).await.unwrap();
    assert_eq!(ending(&permissions).await.reason, "UNKNOWN_POLICY");
    assert!(!may_publish(&permissions, "b"));
}

#[tokio::test]
async fn a_policy_of_many_connections_reaches_every_one() {
    let (house, pump, _) = connected().await;
    let principal = house.authenticate(&pump.knock(None)).await.unwrap();
    let mut all = Vec::new();
    for i in 0..600 {
        all.push(house.devices.permissions(&principal, Some(&format!("c{i}"))).await.unwrap());
    }
    new_version(&house, "b", true).await;
    for permissions in &all {
        until(permissions, |now| may_publish(now, "b") && !may_publish(now, "a")).await;
    }
}

/// Connections come while the policy changes: none is left with what was before.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_comes_during_a_change_is_current_in_the_end() {
    let (house, pump, _) = connected().await;
    let principal = house.authenticate(&pump.knock(None)).await.unwrap();
    let changes = async {
        for i in 0..20 {
            new_version(&house, &format!("t{i}"), true).await;
            let old = json!({"policyName": "p", "policyVersionId": (i + 1).to_string()});
            house.server.call::<DeletePolicyVersion>(old).await.unwrap();
        }
    };
    let arrivals = async {
        let mut all = Vec::new();
        for i in 0..200 {
            all.push(house.devices.permissions(&principal, Some(&format!("c{i}"))).await.unwrap());
            tokio::task::yield_now().await;
        }
        all
    };
    let ((), all) = tokio::join!(changes, arrivals);
    for permissions in &all {
        until(permissions, |now| may_publish(now, "t19")).await;
    }
}

#[tokio::test]
async fn a_connection_that_is_gone_is_not_kept() {
    let (house, pump, permissions) = connected().await;
    let gone = Arc::downgrade(&house.connect(&pump, "other").await);
    assert!(gone.upgrade().is_none());
    new_version(&house, "b", true).await;
    until(&permissions, |now| may_publish(now, "b")).await;
}

#[tokio::test]
async fn what_messages_carry_follows_the_thing_and_its_type() {
    let (house, pump, permissions) = connected().await;
    house.attach_thing("lamp", &pump, "NON_EXCLUSIVE_THING").await;
    let carried = |key: &str| {
        let attribute = json!({"userPropertyKey": key, "thingAttribute": "site"});
        let properties = json!({"mqtt5Configuration": {"propagatingAttributes": [attribute]}});
        json!({"thingTypeName": "Lamp", "thingTypeProperties": properties})
    };
    house.server.call::<CreateThingType>(carried("a")).await.unwrap();
    let carries = |now: &Permissions, name: &str, value: &str| {
        let rights = now.rights();
        let carried = rights.user_properties.iter().map(|(name, value)| (&**name, &**value));
        carried.eq([(name, value)])
    };
    let update = |site: &str| {
        let payload = json!({"attributes": {"site": site}});
        json!({"thingName": "lamp", "thingTypeName": "Lamp", "attributePayload": payload})
    };
    house.server.call::<UpdateThing>(update("north")).await.unwrap();
    until(&permissions, |now| carries(now, "a", "north")).await;
    house.server.call::<UpdateThing>(update("south")).await.unwrap();
    until(&permissions, |now| carries(now, "a", "south")).await;
    house.server.call::<UpdateThingType>(carried("b")).await.unwrap();
    until(&permissions, |now| carries(now, "b", "south")).await;
    let request = json!({"thingName": "lamp", "removeThingType": true});
    house.server.call::<UpdateThing>(request).await.unwrap();
    until(&permissions, |now| now.rights().user_properties.is_empty()).await;
}

//! Whoever asks beforehand is told what the door will say.

use model::iot::op::{CreateThing, TestAuthorization};
use serde_json::json;

use super::{House, PUMP, allow, may_publish};

const TOPICS: [&str; 6] = ["open", "lamp", "other", "DE", "north", "true"];

/// A policy for each way in which a connection may be known.
const STATEMENTS: [&str; 5] = [
    "open",
    "${iot:ClientId}",
    "${iot:Certificate.Subject.Country}",
    "${iot:Connection.Thing.Attributes[site]}",
    "${iot:Connection.Thing.IsAttached}",
];

#[tokio::test]
async fn a_trial_ends_as_the_connection_will() {
    for kind in ["NON_EXCLUSIVE_THING", "EXCLUSIVE_THING"] {
        let house = House::new().await;
        let pump = house.register(PUMP, "ACTIVE").await;
        let payload = json!({"attributes": {"site": "north"}});
        let request = json!({"thingName": "lamp", "attributePayload": payload});
        house.server.call::<CreateThing>(request).await.unwrap();
        house.attach_thing("lamp", &pump, kind).await;
        for (number, topic) in STATEMENTS.iter().enumerate() {
            let name = format!("p{number}");
            house.policy(&name, &[&allow(topic)]).await;
            house.attach_policy(&name, &pump).await;
        }
        house.policy("denies", &[&allow("other").replace("Allow", "Deny")]).await;
        house.attach_policy("denies", &pump).await;

        let mut allowed = 0;
        for client_id in ["lamp", "other"] {
            let permissions = house.connect(&pump, client_id).await;
            for topic in TOPICS {
                let resource = format!("arn:aws:iot:us-east-1:000000000000:topic/{topic}");
                let info = json!({"actionType": "PUBLISH", "resources": [resource]});
                let request =
                    json!({"principal": pump.arn, "clientId": client_id, "authInfos": [info]});
                let answer = house.server.call::<TestAuthorization>(request).await.unwrap();
                let told = answer["authResults"][0]["authDecision"] == "ALLOWED";
                assert_eq!(told, may_publish(&permissions, topic), "{kind} {client_id} {topic}");
                allowed += usize::from(told);
            }
        }
        // An exclusive thing lends its attributes to the other client too.
        let expect = if kind == "EXCLUSIVE_THING" { 8 } else { 7 };
        assert_eq!(allowed, expect, "{kind}");
    }
}

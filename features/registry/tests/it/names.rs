//! Names that differ only in case: different resources, in every list and under every ARN.

use model::iot::op::{
    CreateBillingGroup, CreateThingType, DeleteThing, DescribeBillingGroup, DescribeThing,
    DescribeThingGroup, DescribeThingType, GetPolicy, ListThings,
};
use model::spec::Operation;
use serde_json::{Value, json};
use testing::Server;

use crate::{create_group, create_policy, create_thing, each, server};

const NAMES: [&str; 3] = ["LAMP", "Lamp", "lamp"];

/// What a description says of the name and the ARN of the resource called `name`.
async fn described<O: Operation>(server: &Server, kind: &str, name: &str) -> [Value; 2] {
    let [name_member, arn_member] = ["Name", "Arn"].map(|end| format!("{kind}{end}"));
    let answer = server.call::<O>(json!({&name_member: name})).await.unwrap();
    [answer[name_member].clone(), answer[arn_member].clone()]
}

#[tokio::test]
async fn names_that_differ_in_case_are_of_different_resources() {
    let server = server().await;
    for name in NAMES {
        create_thing(&server, name).await;
        create_group(&server, name, "").await;
        create_policy(&server, name).await;
        server.call::<CreateThingType>(json!({"thingTypeName": name})).await.unwrap();
        server.call::<CreateBillingGroup>(json!({"billingGroupName": name})).await.unwrap();
    }
    for name in NAMES {
        for (kind, [found, arn]) in [
            ("thing", described::<DescribeThing>(&server, "thing", name).await),
            ("thinggroup", described::<DescribeThingGroup>(&server, "thingGroup", name).await),
            ("policy", described::<GetPolicy>(&server, "policy", name).await),
            ("thingtype", described::<DescribeThingType>(&server, "thingType", name).await),
            (
                "billinggroup",
                described::<DescribeBillingGroup>(&server, "billingGroup", name).await,
            ),
        ] {
            assert_eq!(found, name);
            assert_eq!(arn, format!("arn:aws:iot:us-east-1:000000000000:{kind}/{name}"));
        }
    }
    server.call::<DeleteThing>(json!({"thingName": "Lamp"})).await.unwrap();
    let left = server.call::<ListThings>(json!({})).await.unwrap();
    assert_eq!(each(&left["things"], "thingName"), ["LAMP", "lamp"]);
}

//! Races: two requests at once leave what one after the other could have left.

use model::iot::op::{
    CreateTopicRuleDestination, DisableTopicRule, ListTopicRuleDestinations, ListTopicRules,
    ReplaceTopicRule,
};
use serde_json::json;
use tokio::join;

use crate::{code, create, get, payload, server};

/// Enough for the two to meet in every order.
const ROUNDS: usize = 8;

#[tokio::test]
async fn of_two_creators_one_is_refused() {
    let server = server().await;
    for round in 0..ROUNDS {
        let name = format!("r{round}");
        let (one, other) =
            join!(create(&server, &name, payload()), create(&server, &name, payload()));
        assert_ne!(one.is_ok(), other.is_ok());
        assert_eq!(code(one.and(other)), "ResourceAlreadyExistsException");
    }
    let listed = server.call::<ListTopicRules>(json!({})).await.unwrap();
    assert_eq!(listed["rules"].as_array().unwrap().len(), ROUNDS);
}

#[tokio::test]
async fn a_rule_that_is_turned_off_while_it_is_replaced_is_one_of_both() {
    let server = server().await;
    for round in 0..ROUNDS {
        let name = format!("r{round}");
        create(&server, &name, payload()).await.unwrap();
        let second = json!({"sql": "SELECT a FROM 'b'", "actions": [], "ruleDisabled": false});
        let replace = json!({"ruleName": name, "topicRulePayload": second});
        let (replaced, disabled) = join!(
            server.call::<ReplaceTopicRule>(replace),
            server.call::<DisableTopicRule>(json!({"ruleName": name})),
        );
        replaced.and(disabled).unwrap();
        let rule = get(&server, &name).await.unwrap();
        assert_eq!(rule["rule"]["sql"], "SELECT a FROM 'b'");
    }
}

#[tokio::test]
async fn one_url_has_one_destination() {
    let server = server().await;
    for round in 0..ROUNDS {
        let url = format!("https://example.com/{round}");
        let create = json!({"destinationConfiguration":
            {"httpUrlConfiguration": {"confirmationUrl": url}}});
        let (one, other) = join!(
            server.call::<CreateTopicRuleDestination>(create.clone()),
            server.call::<CreateTopicRuleDestination>(create),
        );
        assert_ne!(one.is_ok(), other.is_ok());
    }
    let listed = server.call::<ListTopicRuleDestinations>(json!({})).await.unwrap();
    assert_eq!(listed["destinationSummaries"].as_array().unwrap().len(), ROUNDS);
}

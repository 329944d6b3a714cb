//! SUBSCRIBE and UNSUBSCRIBE: what is granted, what a filter matches, what is refused and how.

use mqtt::{
    Packet, QoS, Subscribe, SubscribeProperties, Subscription, SubscriptionOptions, Version, reason,
};

use crate::BOTH;
use crate::client::{Client, publish, subscription, texts};
use crate::world::{World, arn, policy};

const QOS_0: QoS = QoS::AtMostOnce;
const QOS_1: QoS = QoS::AtLeastOnce;

fn without_own(filter: &str) -> Subscription {
    let plain = subscription(filter, QOS_1);
    Subscription { options: SubscriptionOptions { no_local: true, ..plain.options }, ..plain }
}

/// Sends a SUBSCRIBE and does not wait for its answer.
async fn ask(client: &mut Client, properties: SubscribeProperties, filters: &[(&str, QoS)]) {
    let subscriptions = filters.iter().map(|(filter, qos)| subscription(filter, *qos)).collect();
    let packet_id = client.new_id();
    client.send(Packet::Subscribe(Subscribe { packet_id, properties, subscriptions })).await;
}

/// Which of `topics` reach somebody who asks for `filter`.
async fn reached(world: &World, filter: &str, topics: &[&str]) -> Vec<String> {
    let mut ear = world.connect(Version::V5, "ear").await;
    ear.subscribe(filter, QOS_0).await;
    let mut lamp = world.connect(Version::V311, "lamp").await;
    for topic in topics {
        assert_eq!(lamp.deliver(topic, "").await, reason::SUCCESS);
    }
    texts(&ear.pending().await).into_iter().map(|(topic, _)| topic).collect()
}

#[tokio::test]
async fn each_filter_is_answered_in_its_place() {
    let world = World::new().await;
    for version in BOTH {
        let mut ear = world.connect(version, "ear").await;
        let filters = [("a", QOS_1), ("b/+", QOS_0), ("#", QOS_1)];
        assert_eq!(ear.ask_for(&filters).await, [1, 0, 1]);
    }
}

#[tokio::test]
async fn filters_match_as_on_aws() {
    let world = World::new().await;
    let topics = ["a", "a/", "a/b", "a/b/c", "/a", "b"];
    let cases: [(&str, &[&str]); 8] = [
        ("a", &["a"]),
        ("a/#", &["a/", "a/b", "a/b/c"]),
        ("#", &topics),
        ("+", &["a", "b"]),
        ("+/+", &["a/", "a/b", "/a"]),
        ("a/+", &["a/", "a/b"]),
        ("+/b/#", &["a/b/c"]),
        ("A", &[]),
    ];
    for (filter, expected) in cases {
        assert_eq!(reached(&world, filter, &topics).await, expected, "{filter}");
    }
}

#[tokio::test]
async fn overlapping_filters_bring_one_copy_with_the_highest_qos() {
    let world = World::new().await;
    let mut ear = world.connect(Version::V5, "ear").await;
    ear.ask_for(&[("a/#", QOS_0), ("a/b", QOS_1), ("+/b", QOS_0)]).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    lamp.deliver("a/b", "on").await;
    let heard = ear.pending().await;
    let [Packet::Publish(message)] = heard.as_slice() else { panic!("one copy, not {heard:?}") };
    assert_eq!(message.qos, QOS_1);
}

#[tokio::test]
async fn the_lower_qos_of_publisher_and_subscriber_holds() {
    let world = World::new().await;
    let mut ear = world.connect(Version::V5, "ear").await;
    ear.ask_for(&[("zero", QOS_0), ("one", QOS_1)]).await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    for topic in ["zero", "one"] {
        lamp.send(Packet::Publish(publish(topic, "0"))).await;
        lamp.deliver(topic, "1").await;
    }
    for expected in [QOS_0, QOS_0, QOS_0, QOS_1] {
        assert_eq!(ear.message().await.qos, expected);
    }
}

#[tokio::test]
async fn asking_again_replaces_the_qos() {
    let world = World::new().await;
    let mut ear = world.connect(Version::V5, "ear").await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    for qos in [QOS_1, QOS_0, QOS_1] {
        ear.subscribe("a/+", qos).await;
        lamp.deliver("a/b", "on").await;
        let heard = ear.pending().await;
        let [Packet::Publish(message)] = heard.as_slice() else { panic!("one copy: {heard:?}") };
        assert_eq!(message.qos, qos);
    }
}

#[tokio::test]
async fn a_client_hears_itself_unless_it_asks_not_to() {
    let world = World::new().await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    let wanted = vec![subscription("with", QOS_1), without_own("without")];
    lamp.subscribe_with(wanted).await;
    let mut other = world.connect(Version::V5, "other").await;
    other.deliver("without", "other's").await;
    lamp.send(Packet::Publish(publish("without", "own"))).await;
    lamp.send(Packet::Publish(publish("with", "own"))).await;
    let heard = texts(&lamp.pending().await);
    let expected = [("without", "other's"), ("with", "own")];
    assert_eq!(heard, expected.map(|(topic, payload)| (topic.to_owned(), payload.to_owned())));
}

#[tokio::test]
async fn one_filter_without_own_messages_does_not_hide_another_with_them() {
    let world = World::new().await;
    let mut lamp = world.connect(Version::V5, "lamp").await;
    lamp.subscribe_with(vec![without_own("a/b"), subscription("a/#", QOS_0)]).await;
    lamp.send(Packet::Publish(publish("a/b", "own"))).await;
    assert_eq!(lamp.pending().await.len(), 1);
}

#[tokio::test]
async fn a_request_has_at_most_8_filters() {
    let world = World::new().await;
    let filters: Vec<String> = (0..9).map(|number| format!("f/{number}")).collect();
    let nine: Vec<_> = filters.iter().map(|filter| (filter.as_str(), QOS_0)).collect();
    for version in BOTH {
        let mut ear = world.connect(version, "ear").await;
        assert_eq!(ear.ask_for(&nine[..8]).await, [0; 8]);
        ask(&mut ear, SubscribeProperties::default(), &nine).await;
        ear.is_cut_off(reason::QUOTA_EXCEEDED).await;
    }
}

#[tokio::test]
async fn qos_2_is_not_granted_as_less() {
    let world = World::new().await;
    for version in BOTH {
        let mut ear = world.connect(version, "ear").await;
        let filters = [("a", QOS_1), ("b", QoS::ExactlyOnce)];
        ask(&mut ear, SubscribeProperties::default(), &filters).await;
        ear.is_cut_off(reason::QOS_NOT_SUPPORTED).await;
    }
}

#[tokio::test]
async fn what_mqtt_5_adds_to_a_request_is_held_to_bounds() {
    let world = World::new().await;
    let numbered =
        SubscribeProperties { subscription_id: Some(1), ..SubscribeProperties::default() };
    let pairs = |bytes| vec![("".into(), "v".repeat(bytes).into())];
    let wordy =
        SubscribeProperties { user_properties: pairs(8193), ..SubscribeProperties::default() };
    let cases = [
        (numbered, reason::SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED),
        (wordy, reason::QUOTA_EXCEEDED),
    ];
    for (properties, code) in cases {
        let mut ear = world.connect(Version::V5, "ear").await;
        ask(&mut ear, properties, &[("a", QOS_0)]).await;
        ear.is_cut_off(code).await;
    }
    let mut ear = world.connect(Version::V5, "ear").await;
    let (packet_id, filters) = (ear.new_id(), vec!["a".into()]);
    let user_properties = pairs(8193);
    let request = mqtt::Unsubscribe { packet_id, user_properties, filters };
    ear.send(Packet::Unsubscribe(request)).await;
    ear.is_cut_off(reason::QUOTA_EXCEEDED).await;
}

#[tokio::test]
async fn filters_that_are_none_are_refused() {
    let world = World::new().await;
    let (long, longest) = ("x".repeat(257), "x".repeat(256));
    let bad = ["a#", "a/#/b", "a+", "", long.as_str(), "1/2/3/4/5/6/7/8/9"];
    for filter in bad {
        let mut ear = world.connect(Version::V5, "ear").await;
        let codes = ear.ask_for(&[("good", QOS_1), (filter, QOS_1)]).await;
        assert_eq!(codes, [1, reason::TOPIC_FILTER_INVALID], "{filter}");
        let mut ear = world.connect(Version::V311, "ear").await;
        ask(&mut ear, SubscribeProperties::default(), &[(filter, QOS_1)]).await;
        ear.is_cut_off(0).await;
    }
    let mut ear = world.connect(Version::V5, "ear").await;
    assert_eq!(ear.ask_for(&[(&longest, QOS_1), ("1/2/3/4/5/6/7/#", QOS_1)]).await, [1, 1]);
}

#[tokio::test]
async fn a_filter_that_no_policy_allows_is_refused_and_explained() {
    let world = World::new().await;
    world.set_policy(
        "ear",
        &policy(&[
            ("Allow", "Connect", "client/ear"),
            ("Allow", "Subscribe", "topicfilter/mine/+"),
        ]),
    );
    let mut ear = world.connect(Version::V5, "ear").await;
    let codes = ear.ask_for(&[("mine/+", QOS_1), ("mine/#", QOS_1), ("mine/a", QOS_0)]).await;
    assert_eq!(codes, [1, reason::NOT_AUTHORIZED, reason::NOT_AUTHORIZED]);
    let mut ear = world.connect(Version::V311, "ear").await;
    ask(&mut ear, SubscribeProperties::default(), &[("mine/#", QOS_1)]).await;
    ear.is_cut_off(0).await;
    let log = world.logged("Subscribe");
    let topics: Vec<_> = log.iter().map(|event| event.topic_name.as_deref().unwrap()).collect();
    assert_eq!(topics, ["mine/#", "mine/a", "mine/#"]);
    let begin = format!("iot:Subscribe on {}", arn("topicfilter/mine/#"));
    assert!(log[0].details.starts_with(&begin), "{}", log[0].details);
}

#[tokio::test]
async fn a_connection_has_so_many_subscriptions_and_no_more() {
    let world = World::new().await;
    let most = world.server.app().limits.mqtt_subscriptions_per_connection_max;
    let mut ear = world.connect(Version::V5, "ear").await;
    for number in (0..most).step_by(8) {
        let filters: Vec<_> = (number..most.min(number + 8)).map(|n| format!("f/{n}")).collect();
        let filters: Vec<_> = filters.iter().map(|filter| (filter.as_str(), QOS_0)).collect();
        assert!(ear.ask_for(&filters).await.iter().all(|code| *code == 0));
    }
    assert_eq!(ear.ask_for(&[("more", QOS_0), ("f/0", QOS_1)]).await, [reason::QUOTA_EXCEEDED, 1]);
    ear.unsubscribe(&["f/1"]).await;
    ear.subscribe("more", QOS_0).await;
}

#[tokio::test]
async fn nothing_comes_after_unsubscribe() {
    let world = World::new().await;
    for version in BOTH {
        let mut ear = world.connect(version, "ear").await;
        ear.ask_for(&[("a/+", QOS_1), ("a/#", QOS_1), ("b", QOS_1)]).await;
        let mut lamp = world.connect(version, "lamp").await;
        lamp.deliver("a/b", "1").await;
        assert_eq!(ear.pending().await.len(), 1);
        let codes = ear.unsubscribe(&["a/+", "never/asked"]).await;
        assert_eq!(codes, if version == Version::V5 { vec![0, 0] } else { vec![] });
        lamp.deliver("a/b", "2").await;
        assert_eq!(ear.pending().await.len(), 1, "the other filter still holds");
        ear.unsubscribe(&["a/#"]).await;
        lamp.deliver("a/b", "3").await;
        lamp.deliver("b", "4").await;
        assert_eq!(texts(&ear.pending().await), [("b".to_owned(), "4".to_owned())]);
    }
}

#[tokio::test]
async fn unsubscribe_says_which_filters_are_none() {
    let world = World::new().await;
    let mut ear = world.connect(Version::V5, "ear").await;
    let codes = ear.unsubscribe(&["a", "a#", ""]).await;
    assert_eq!(codes, [0, reason::TOPIC_FILTER_INVALID, reason::TOPIC_FILTER_INVALID]);
}

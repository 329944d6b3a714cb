//! CONNECT: what is answered, what is refused and how, and what a policy sees of it.

use mqtt::{
    Connack, ConnackProperties, Connect, ConnectProperties, Packet, QoS, Version, Will, reason,
};
use serde_json::json;
use service::Knock;
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use crate::BOTH;
use crate::client::{connect, will};
use crate::world::{World, arn, knock, policy};

fn with_properties(change: impl FnOnce(&mut ConnectProperties)) -> Connect {
    let mut asked = connect(Version::V5, "lamp");
    change(&mut asked.properties);
    asked
}

fn with_will(version: Version, change: impl FnOnce(&mut Will)) -> Connect {
    let mut left = will("last/words", "gone");
    change(&mut left);
    Connect { will: Some(left), ..connect(version, "lamp") }
}

#[tokio::test]
async fn an_mqtt_5_client_is_told_what_is_offered() {
    let world = World::new().await;
    let offered = ConnackProperties {
        receive_maximum: Some(100),
        maximum_qos: Some(1),
        retain_available: Some(true),
        maximum_packet_size: Some(149_504),
        topic_alias_maximum: Some(8),
        wildcard_subscription_available: Some(true),
        subscription_identifiers_available: Some(false),
        shared_subscription_available: Some(true),
        server_keep_alive_s: Some(1200),
        ..ConnackProperties::default()
    };
    let expected = Connack { session_present: false, code: 0, properties: offered };
    assert_eq!(world.answer(connect(Version::V5, "lamp")).await, Some(expected));
}

#[tokio::test]
async fn an_mqtt_3_client_is_told_that_it_is_in() {
    let world = World::new().await;
    for clean in [true, false] {
        let asked = Connect { clean, ..connect(Version::V311, "lamp") };
        assert_eq!(world.answer(asked).await, Some(Connack::default()));
    }
    assert_eq!(world.reasons("Connect"), vec![("lamp".to_owned(), "CONNECTED"); 2]);
}

#[tokio::test]
async fn a_client_is_told_for_how_long_its_session_is_kept_if_not_as_it_asked() {
    let world = World::new().await;
    for (asked_s, told_s) in
        [(None, None), (Some(0), None), (Some(1), None), (Some(604_801), Some(604_800))]
    {
        let asked = with_properties(|properties| properties.session_expiry_s = asked_s);
        let connack = world.answer(asked).await.unwrap();
        assert_eq!(connack.properties.session_expiry_s, told_s, "for {asked_s:?}");
        assert!(!connack.session_present);
    }
}

#[tokio::test]
async fn the_keep_alive_is_held_to_the_bounds_of_aws() {
    let world = World::new().await;
    let asked_and_told =
        [(0, 1200), (1, 30), (29, 30), (30, 30), (60, 60), (1200, 1200), (1201, 1200)];
    for (asked_s, told_s) in asked_and_told {
        let asked = Connect { keep_alive_s: asked_s, ..connect(Version::V5, "lamp") };
        let connack = world.answer(asked).await.unwrap();
        assert_eq!(connack.properties.server_keep_alive_s, Some(told_s), "for {asked_s}");
    }
}

#[tokio::test]
async fn a_client_without_an_id_gets_one_of_its_own() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let connack = world.answer(connect(Version::V5, "")).await.unwrap();
        ids.push(connack.properties.assigned_client_id.unwrap().to_string());
    }
    assert_ne!(ids[0], ids[1]);
    assert_eq!(world.answer(connect(Version::V311, "")).await, Some(Connack::default()));
    let connected = world.logged("Connect");
    let known = |at: usize| connected[at].client_id.clone().unwrap();
    assert_eq!([known(0), known(1)], [ids[0].clone(), ids[1].clone()]);
    assert!(known(2).starts_with("$GEN/"), "{}", known(2));
}

#[tokio::test]
async fn a_client_id_has_at_most_128_bytes() {
    let world = World::new().await;
    for (version, code) in [(Version::V311, 0x02), (Version::V5, 0x85)] {
        let longest = world.answer(connect(version, &"x".repeat(128))).await.unwrap();
        assert_eq!(longest.code, 0);
        let too_long = world.answer(connect(version, &"x".repeat(129))).await.unwrap();
        assert_eq!(too_long.code, code);
    }
    let nameless = Connect { clean: false, ..connect(Version::V311, "") };
    assert_eq!(world.answer(nameless).await.unwrap().code, 0x02);
    let refused = world.reasons("Connect").into_iter().filter(|(_, reason)| *reason != "CONNECTED");
    let reasons: Vec<_> = refused.map(|(_, reason)| reason).collect();
    assert_eq!(reasons, ["CLIENT_IDENTIFIER_NOT_VALID"; 3]);
}

#[tokio::test]
async fn what_mqtt_5_asks_for_is_held_to_bounds() {
    let world = World::new().await;
    let method = |p: &mut ConnectProperties| p.authentication_method = Some("SCRAM".into());
    let pairs = |bytes: usize| {
        move |p: &mut ConnectProperties| {
            p.user_properties = vec![("k".into(), "v".repeat(bytes - 1).into())];
        }
    };
    let size = |bytes| move |p: &mut ConnectProperties| p.maximum_packet_size = Some(bytes);
    let cases = [
        (with_properties(method), reason::BAD_AUTHENTICATION_METHOD),
        (with_properties(pairs(8192)), reason::SUCCESS),
        (with_properties(pairs(8193)), reason::QUOTA_EXCEEDED),
        (with_properties(size(512)), reason::SUCCESS),
        (with_properties(size(511)), reason::UNSPECIFIED_ERROR),
    ];
    for (asked, code) in cases {
        let connack = world.answer(asked.clone()).await.unwrap();
        assert_eq!(connack.code, code, "{asked:?}");
        assert_eq!(connack.properties.reason_string.is_some(), code != 0, "{connack:?}");
    }
}

#[tokio::test]
async fn a_will_that_cannot_be_published_is_refused_at_once() {
    let world = World::new().await;
    type Change = fn(&mut Will);
    let cases: [(Change, u8); 6] = [
        (|will| will.qos = QoS::ExactlyOnce, reason::QOS_NOT_SUPPORTED),
        (|will| will.retain = true, reason::SUCCESS),
        (|will| will.topic = "$aws/things/lamp/shadow/update".into(), reason::TOPIC_NAME_INVALID),
        (|will| will.topic = "x".repeat(257).into(), reason::TOPIC_NAME_INVALID),
        (|will| will.topic = "1/2/3/4/5/6/7/8/9".into(), reason::TOPIC_NAME_INVALID),
        (|will| will.topic = "1/2/3/4/5/6/7/8".into(), reason::SUCCESS),
    ];
    for (change, code) in cases {
        let told = world.answer(with_will(Version::V5, change)).await.unwrap().code;
        assert_eq!(told, code);
        let told = world.answer(with_will(Version::V311, change)).await;
        assert_eq!(told, (code == 0).then(Connack::default), "3.1.1 has no code for it");
    }
}

#[tokio::test]
async fn the_properties_of_a_will_are_held_to_the_bounds_of_a_message() {
    let world = World::new().await;
    type Change = fn(&mut mqtt::PublishProperties);
    let cases: [(Change, u8); 4] = [
        (|p| p.content_type = Some("x".repeat(257).into()), reason::QUOTA_EXCEEDED),
        (|p| p.correlation_data = Some(vec![0; 8193].into()), reason::QUOTA_EXCEEDED),
        (
            |p| p.user_properties = vec![("k".into(), "v".repeat(8192).into())],
            reason::QUOTA_EXCEEDED,
        ),
        (|p| p.content_type = Some("x".repeat(256).into()), reason::SUCCESS),
    ];
    for (change, code) in cases {
        let asked = with_will(Version::V5, |will| change(will.properties.get_or_insert_default()));
        assert_eq!(world.answer(asked).await.unwrap().code, code);
    }
}

#[tokio::test]
async fn a_client_that_no_policy_lets_connect_is_turned_away_and_told_why_in_the_log() {
    let world = World::new().await;
    world.set_policy("lamp", &policy(&[("Allow", "Connect", "client/fan")]));
    assert_eq!(world.answer(connect(Version::V311, "lamp")).await, None);
    assert_eq!(world.answer(connect(Version::V5, "lamp")).await.unwrap().code, 0x87);
    assert_eq!(world.answer(connect(Version::V5, "unbound")).await.unwrap().code, 0x87);
    assert_eq!(world.answer(connect(Version::V311, "unbound")).await, None);
    let log = world.logged("Connect");
    let why = &log[0].details;
    assert!(why.starts_with(&format!("iot:Connect on {}", arn("client/lamp"))), "{why}");
    let reasons: Vec<_> = log.iter().map(|event| event.reason).collect();
    let (denied, unbound) = ("AUTHORIZATION_FAILURE", "NOT_ATTACHED");
    assert_eq!(reasons, [denied, denied, unbound, unbound]);
    assert_eq!(log[0].principal_id.as_deref(), Some("c0ffee"));
}

#[tokio::test]
async fn a_policy_sees_whether_the_session_is_to_last_and_whether_there_is_a_will() {
    let world = World::new().await;
    let only = |attributes: &[&str]| {
        json!({
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"},
                {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*", "Condition":
                    {"ForAllValues:StringEquals": {"iot:ConnectAttributes": attributes}}},
            ],
        })
        .to_string()
    };
    let lasting = |version| match version {
        Version::V311 => Connect { clean: false, ..connect(version, "lamp") },
        Version::V5 => with_properties(|properties| properties.session_expiry_s = Some(60)),
    };
    let cases: [(&[&str], [bool; 3]); 4] = [
        (&["none"], [true, false, false]),
        (&["LastWill"], [true, true, false]),
        (&["PersistentConnect"], [true, false, true]),
        (&["LastWill", "PersistentConnect"], [true, true, true]),
    ];
    for (attributes, expected) in cases {
        world.set_policy("lamp", &only(attributes));
        for version in BOTH {
            let asked = [connect(version, "lamp"), with_will(version, |_| {}), lasting(version)];
            let mut let_in = Vec::new();
            for connect in asked {
                let_in.push(world.answer(connect).await.is_some_and(|connack| connack.code == 0));
            }
            assert_eq!(let_in, expected, "{version:?} with {attributes:?}");
        }
    }
}

#[tokio::test]
async fn a_policy_sees_the_topic_of_the_will() {
    let world = World::new().await;
    let text = json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"},
            {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*", "Condition":
                {"ArnEquals": {"iot:LastWillTopic": arn("topic/last/${iot:ClientId}")}}},
        ],
    });
    world.set_policy("lamp", &text.to_string());
    let code = async |topic: &str| {
        let asked = with_will(Version::V5, |will| will.topic = topic.into());
        world.answer(asked).await.unwrap().code
    };
    assert_eq!(code("last/lamp").await, 0);
    assert_eq!(code("last/fan").await, 0x87);
    assert_eq!(world.answer(connect(Version::V5, "lamp")).await.unwrap().code, 0x87);
}

#[tokio::test]
async fn whoever_may_not_publish_the_will_does_not_come_in() {
    let world = World::new().await;
    world.set_policy(
        "lamp",
        &policy(&[("Allow", "Connect", "client/lamp"), ("Allow", "Publish", "topic/first/*")]),
    );
    assert_eq!(world.answer(with_will(Version::V5, |_| {})).await.unwrap().code, 0x87);
    assert_eq!(world.answer(with_will(Version::V311, |_| {})).await, None);
    let why = &world.logged("Connect")[0].details;
    assert!(why.starts_with(&format!("iot:Publish on {}", arn("topic/last/words"))), "{why}");
    let asked = with_will(Version::V5, |will| will.topic = "first/words".into());
    assert_eq!(world.answer(asked).await.unwrap().code, 0);
}

#[tokio::test]
async fn a_bad_certificate_is_cut_off_before_its_first_byte() {
    let world = World::new().await;
    let knock = Knock { certificate: Some("inactive".into()), ..knock() };
    let mut client = world.dial_as(Version::V5, knock, 1);
    assert_eq!(client.rest().await, []);
    assert_eq!(world.reasons("Connect"), [(String::new(), "CERTIFICATE_INACTIVE")]);
}

#[tokio::test]
async fn a_client_without_a_certificate_is_asked_for_its_login() {
    let world = World::new().await;
    let plain = || Knock { door: "mqtt", certificate: None, ..knock() };
    let mut known = world.dial_as(Version::V5, plain(), 4096);
    known.let_in(connect(Version::V5, "lamp")).await;
    for (version, code) in [(Version::V5, Some(0x87)), (Version::V311, None)] {
        let mut stranger = world.dial_as(version, plain(), 4096);
        let asked = Connect { user_name: Some("stranger".into()), ..connect(version, "lamp") };
        stranger.send(Packet::Connect(Box::new(asked))).await;
        let codes: Vec<u8> = stranger.rest().await.iter().map(connack_code).collect();
        assert_eq!(codes, Vec::from_iter(code));
    }
    assert_eq!(known.pending().await, [], "a stranger replaces nobody");
}

fn connack_code(packet: &Packet) -> u8 {
    match packet {
        Packet::Connack(connack) => connack.code,
        other => panic!("CONNACK is expected, not {other:?}"),
    }
}

#[tokio::test]
async fn other_versions_of_mqtt_are_answered_in_a_form_that_they_may_know() {
    let world = World::new().await;
    let cases: [(&[u8], Version, u8); 3] = [
        (b"\x10\x10\0\x06MQIsdp\x03\x02\0\x3C\0\x02id", Version::V311, 0x01),
        (b"\x10\x0E\0\x04MQTT\x03\x02\0\x3C\0\x02id", Version::V311, 0x01),
        (b"\x10\x0F\0\x04MQTT\x06\x02\0\x3C\0\0\x02id", Version::V5, 0x84),
    ];
    for (bytes, version, code) in cases {
        let mut client = world.dial(version);
        client.write(bytes).await;
        let codes: Vec<u8> = client.rest().await.iter().map(connack_code).collect();
        assert_eq!(codes, [code]);
    }
}

#[tokio::test]
async fn whatever_is_no_connect_is_cut_off_without_a_word() {
    let world = World::new().await;
    let cases: [(&[u8], &str); 5] = [
        (b"\xC0\0", "MALFORMED_CONNECT"),
        (b"GET / HTTP/1.1\r\n\r\n", "MALFORMED_CONNECT"),
        (b"\x10\xFF\xFF\xFF\xFF\x01", "MALFORMED_CONNECT"),
        (b"\x10\xFF\xFF\x7F", "MALFORMED_CONNECT"),
        (b"\x10\x0E\0\x04MQTT\x04\x03\0\x3C\0\x02id", "MALFORMED_CONNECT"),
    ];
    for (bytes, _) in cases {
        let mut client = world.dial(Version::V311);
        client.write(bytes).await;
        assert_eq!(client.rest().await, [], "{bytes:?}");
    }
    let mut half = world.dial(Version::V311);
    half.write(b"\x10\x0E\0\x04MQTT").await;
    half.stream.shutdown().await.unwrap();
    assert_eq!(half.rest().await, []);
    let mut expected: Vec<_> = cases.iter().map(|(_, reason)| (String::new(), *reason)).collect();
    expected.push((String::new(), "CONNECTION_LOST"));
    assert_eq!(world.reasons("Connect"), expected);
}

#[tokio::test]
async fn whoever_does_not_connect_in_time_is_cut_off() {
    let world = World::new().await;
    let start = Instant::now();
    let mut client = world.dial(Version::V5);
    client.write(b"\x10\x0E\0\x04MQTT").await;
    assert_eq!(client.rest().await, []);
    assert_eq!(start.elapsed().as_secs(), 10);
    assert_eq!(world.reasons("Connect"), [(String::new(), "CONNECT_TIMEOUT")]);
}

#[tokio::test]
async fn a_second_connect_ends_the_connection() {
    let world = World::new().await;
    for version in BOTH {
        let mut client = world.connect(version, "lamp").await;
        client.send(Packet::Connect(Box::new(connect(version, "lamp")))).await;
        client.is_cut_off(reason::PROTOCOL_ERROR).await;
    }
    let expected = vec![("lamp".to_owned(), "PROTOCOL_ERROR"); 2];
    assert_eq!(world.reasons("Disconnect"), expected);
}

#[tokio::test]
async fn what_follows_connect_at_once_is_acted_on() {
    let world = World::new().await;
    for version in BOTH {
        let mut client = world.dial(version);
        let mut bytes =
            crate::client::bytes_of(version, &Packet::Connect(Box::new(connect(version, "hasty"))));
        Packet::Pingreq.encode(version, &mut bytes);
        client.write(&bytes).await;
        assert_eq!(connack_code(&client.packet().await), 0);
        assert_eq!(client.packet().await, Packet::Pingresp);
        client.leave().await;
    }
}

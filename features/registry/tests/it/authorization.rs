//! What a principal might do, asked before it connects, and the policies that count.

use model::iot::op::{
    AttachPolicy, AttachThingPrincipal, CreatePolicy, CreatePolicyVersion, CreateThing,
    GetEffectivePolicies, RegisterCertificateWithoutCA, TestAuthorization,
};
use serde_json::{Value, json};
use testing::Server;

use crate::{
    DOCUMENT, NO_ID, add_to_group, create_certificate, create_group, create_policy, create_thing,
    deactivate, each, group_arn, refusal, server,
};

const ARN: &str = "arn:aws:iot:us-east-1:000000000000";
const IDENTITY: &str = "us-east-1:12345678-1234-1234-1234-123456789abc";

/// A document; `ARN` stands for the tenant's.
fn document(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#).replace("ARN", ARN)
}

fn allow(action: &str, resource: &str) -> String {
    format!(r#"{{"Effect":"Allow","Action":"iot:{action}","Resource":"{resource}"}}"#)
}

fn deny(action: &str, resource: &str) -> String {
    allow(action, resource).replace("Allow", "Deny")
}

async fn create(server: &Server, name: &str, statements: &str) {
    let request = json!({"policyName": name, "policyDocument": document(statements)});
    server.call::<CreatePolicy>(request).await.unwrap();
}

async fn attach(server: &Server, name: &str, target: &str) {
    let request = json!({"policyName": name, "target": target});
    server.call::<AttachPolicy>(request).await.unwrap();
}

/// Creates a policy and attaches it.
async fn give(server: &Server, target: &str, name: &str, statements: &str) {
    create(server, name, statements).await;
    attach(server, name, target).await;
}

/// The request whether `principal` may do `action` to `resources` of the tenant.
fn question(principal: &str, action: &str, resources: &[&str]) -> Value {
    let resources: Vec<String> = resources.iter().map(|name| format!("{ARN}:{name}")).collect();
    let info = json!({"actionType": action, "resources": resources});
    json!({"principal": principal, "authInfos": [info]})
}

/// The only result.
async fn ask(server: &Server, question: Value) -> Value {
    let answer = server.call::<TestAuthorization>(question).await.unwrap();
    assert_eq!(answer["authResults"].as_array().map(Vec::len), Some(1));
    answer["authResults"][0].clone()
}

async fn decision(server: &Server, question: Value) -> String {
    ask(server, question).await["authDecision"].as_str().unwrap().to_owned()
}

/// The names of the policies that allow, that deny, and that say nothing.
fn policies(result: &Value) -> [Vec<String>; 3] {
    let denied = &result["denied"];
    [&result["allowed"], &denied["explicitDeny"], &denied["implicitDeny"]]
        .map(|list| each(&list["policies"], "policyName"))
}

#[tokio::test]
async fn each_policy_stands_where_it_belongs() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    give(&server, &arn, "allows", &allow("Publish", "ARN:topic/*")).await;
    give(&server, &arn, "denies", &deny("Publish", "ARN:topic/secret")).await;
    give(&server, &arn, "silent", &allow("Connect", "*")).await;

    let listed =
        |name: &str| json!({"policyName": name, "policyArn": format!("{ARN}:policy/{name}")});
    let result = ask(&server, question(&arn, "PUBLISH", &["topic/open"])).await;
    let expect = json!({
        "authInfo": {"actionType": "PUBLISH", "resources": [format!("{ARN}:topic/open")]},
        "allowed": {"policies": [listed("allows")]},
        "denied": {
            "implicitDeny": {"policies": [listed("denies"), listed("silent")]},
            "explicitDeny": {"policies": []},
        },
        "authDecision": "ALLOWED",
        "missingContextValues": [],
    });
    assert_eq!(result, expect);

    let result = ask(&server, question(&arn, "PUBLISH", &["topic/secret"])).await;
    assert_eq!(result["authDecision"], "EXPLICIT_DENY");
    assert_eq!(policies(&result), [vec!["allows"], vec!["denies"], vec!["silent"]]);

    let result = ask(&server, question(&arn, "SUBSCRIBE", &["topicfilter/open"])).await;
    assert_eq!(result["authDecision"], "IMPLICIT_DENY");
    assert_eq!(policies(&result), [vec![], vec![], vec!["allows", "denies", "silent"]]);
}

#[tokio::test]
async fn each_action_is_asked_for_by_its_own_name() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    let actions = ["Connect", "Publish", "Subscribe", "Receive"];
    for action in actions {
        create(&server, action, &allow(action, "*")).await;
    }
    for action in actions {
        let asked = question(&arn, &action.to_uppercase(), &["any/thing"]);
        for added in actions {
            let mut asked = asked.clone();
            asked["policyNamesToAdd"] = json!([added]);
            let expect = if added == action { "ALLOWED" } else { "IMPLICIT_DENY" };
            assert_eq!(decision(&server, asked).await, expect, "{action} by {added}");
        }
    }
}

#[tokio::test]
async fn every_resource_has_to_be_allowed() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    give(&server, &arn, "a", &allow("Publish", "ARN:topic/a")).await;
    give(&server, &arn, "b", &allow("Publish", "ARN:topic/b")).await;
    give(&server, &arn, "c", &deny("Publish", "ARN:topic/c")).await;
    for (resources, expect, stands) in [
        (&["topic/a", "topic/b"][..], "ALLOWED", [vec!["a", "b"], vec![], vec!["c"]]),
        (&["topic/a", "topic/x"], "IMPLICIT_DENY", [vec!["a"], vec![], vec!["b", "c"]]),
        (&["topic/c", "topic/x", "topic/a"], "EXPLICIT_DENY", [vec!["a"], vec!["c"], vec!["b"]]),
    ] {
        let result = ask(&server, question(&arn, "PUBLISH", resources)).await;
        assert_eq!(result["authDecision"], expect, "{resources:?}");
        assert_eq!(policies(&result), stands, "{resources:?}");
    }
}

#[tokio::test]
async fn results_come_in_the_order_of_the_questions() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    give(&server, &arn, "p", &allow("Publish", "ARN:topic/a")).await;
    let resources = [format!("{ARN}:topic/a")];
    let infos = ["CONNECT", "PUBLISH", "RECEIVE"]
        .map(|action| json!({"actionType": action, "resources": resources}));
    let request = json!({"principal": arn, "authInfos": infos});
    let answer = server.call::<TestAuthorization>(request).await.unwrap();
    let results = &answer["authResults"];
    assert_eq!(each(results, "authDecision"), ["IMPLICIT_DENY", "ALLOWED", "IMPLICIT_DENY"]);
    let echoed = results.as_array().unwrap().iter().map(|result| &result["authInfo"]);
    assert!(echoed.eq(&infos));
}

#[tokio::test]
async fn policies_are_added_and_skipped_for_the_question_alone() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    give(&server, &arn, "denies", &deny("Publish", "*")).await;
    create(&server, "allows", &allow("Publish", "*")).await;
    let asked = |add: &[&str], skip: &[&str]| {
        let mut asked = question(&arn, "PUBLISH", &["topic/a"]);
        asked["policyNamesToAdd"] = json!(add);
        asked["policyNamesToSkip"] = json!(skip);
        asked
    };
    for (add, skip, expect) in [
        (&[][..], &[][..], "EXPLICIT_DENY"),
        (&["allows"], &[], "EXPLICIT_DENY"),
        (&[], &["denies"], "IMPLICIT_DENY"),
        (&["allows"], &["denies"], "ALLOWED"),
        (&["allows", "allows", "denies"], &["denies"], "ALLOWED"),
        (&["allows"], &["denies", "allows", "unknown"], "IMPLICIT_DENY"),
    ] {
        assert_eq!(decision(&server, asked(add, skip)).await, expect, "{add:?} {skip:?}");
    }
    let mut nobody = question("", "PUBLISH", &["topic/a"]);
    nobody["policyNamesToAdd"] = json!(["allows"]);
    nobody.as_object_mut().unwrap().remove("principal");
    assert_eq!(decision(&server, nobody).await, "ALLOWED");
}

#[tokio::test]
async fn a_client_that_is_named_after_its_thing_has_the_things_variables() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    let payload = json!({"attributes": {"site": "north"}});
    let request = json!({"thingName": "lamp", "attributePayload": payload});
    server.call::<CreateThing>(request).await.unwrap();
    let request = json!({"thingName": "lamp", "principal": arn});
    server.call::<AttachThingPrincipal>(request).await.unwrap();
    let own =
        "ARN:topic/${iot:Connection.Thing.ThingName}/${iot:Connection.Thing.Attributes[site]}";
    give(&server, &arn, "own", &allow("Publish", own)).await;
    let asked = |client_id: Option<&str>| {
        let mut asked = question(&arn, "PUBLISH", &["topic/lamp/north"]);
        asked["clientId"] = json!(client_id);
        asked
    };
    let result = ask(&server, asked(Some("lamp"))).await;
    assert_eq!(result["authDecision"], "ALLOWED");
    assert_eq!(result["missingContextValues"], json!([]));
    for other in [Some("other"), None] {
        let result = ask(&server, asked(other)).await;
        assert_eq!(result["authDecision"], "IMPLICIT_DENY");
        let expect =
            json!(["iot:Connection.Thing.Attributes[site]", "iot:Connection.Thing.ThingName"]);
        assert_eq!(result["missingContextValues"], expect, "{other:?}");
    }
}

#[tokio::test]
async fn what_is_not_known_beforehand_is_named() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    let statement = r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"ARN:client/${iot:ClientId}",
        "Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},
        "ArnLikeIfExists":{"iot:LastWillTopic":"ARN:topic/w"},
        "ForAllValues:StringEquals":{"iot:ConnectAttributes":["LastWill"]},
        "DateGreaterThan":{"aws:CurrentTime":"2020-01-01"}}}"#;
    give(&server, &arn, "p", statement).await;
    let result = ask(&server, question(&arn, "CONNECT", &["client/c"])).await;
    assert_eq!(result["authDecision"], "IMPLICIT_DENY");
    let expect = json!(["aws:SourceIp", "iot:ClientId", "iot:LastWillTopic"]);
    assert_eq!(result["missingContextValues"], expect);
    let mut asked = question(&arn, "CONNECT", &["client/c"]);
    asked["clientId"] = json!("c");
    let expect = json!(["aws:SourceIp", "iot:LastWillTopic"]);
    assert_eq!(ask(&server, asked).await["missingContextValues"], expect);
}

#[tokio::test]
async fn what_the_certificate_says_counts_also_for_a_policy_that_is_added() {
    let server = server().await;
    let pem = include_str!("pump.pem");
    let request = json!({"certificatePem": pem, "status": "INACTIVE"});
    let registered = server.call::<RegisterCertificateWithoutCA>(request).await.unwrap();
    let arn = registered["certificateArn"].as_str().unwrap();
    create(&server, "p", &allow("Publish", "ARN:topic/${iot:Certificate.Subject.Country}")).await;
    let mut asked = question(arn, "PUBLISH", &["topic/DE"]);
    asked["policyNamesToAdd"] = json!(["p"]);
    assert_eq!(decision(&server, asked).await, "ALLOWED");
}

#[tokio::test]
async fn the_certificate_need_not_be_active() {
    let server = server().await;
    let (id, arn) = create_certificate(&server).await;
    give(&server, &arn, "p", &allow("Publish", "*")).await;
    deactivate(&server, &id).await;
    assert_eq!(decision(&server, question(&arn, "PUBLISH", &["topic/a"])).await, "ALLOWED");
}

#[tokio::test]
async fn an_identity_of_cognito_has_its_policies_and_its_thing() {
    let server = server().await;
    create_thing(&server, "lamp").await;
    let request = json!({"thingName": "lamp", "principal": IDENTITY});
    server.call::<AttachThingPrincipal>(request).await.unwrap();
    let own = "ARN:topic/${iot:Connection.Thing.ThingName}";
    give(&server, IDENTITY, "own", &allow("Publish", own)).await;
    let mut asked = question(IDENTITY, "PUBLISH", &["topic/lamp"]);
    assert_eq!(decision(&server, asked.clone()).await, "IMPLICIT_DENY");
    asked["clientId"] = json!("lamp");
    assert_eq!(decision(&server, asked).await, "ALLOWED");
}

/// A certificate whose thing `lamp` is in the group `floor`, which is below `house`; each of the
/// three, and the group `room` below them, has a policy of its own, which allows to publish to a
/// topic of its name.
async fn in_groups(server: &Server) -> String {
    let (_, arn) = create_certificate(server).await;
    create_thing(server, "lamp").await;
    let request = json!({"thingName": "lamp", "principal": arn});
    server.call::<AttachThingPrincipal>(request).await.unwrap();
    give(server, &arn, "own", &allow("Publish", "ARN:topic/own")).await;
    for (group, parent) in [("house", ""), ("floor", "house"), ("room", "floor")] {
        create_group(server, group, parent).await;
        let topic = format!("ARN:topic/{group}");
        give(server, &group_arn(group), group, &allow("Publish", &topic)).await;
    }
    add_to_group(server, "lamp", "floor").await;
    arn
}

#[tokio::test]
async fn policies_of_its_things_groups_count_for_a_certificate() {
    let server = server().await;
    let arn = in_groups(&server).await;
    let topics = ["own", "house", "floor", "room"];
    for (client_id, allowed) in [(Some("lamp"), 3), (Some("other"), 1), (None, 1)] {
        for (place, topic) in topics.iter().enumerate() {
            let mut asked = question(&arn, "PUBLISH", &[&format!("topic/{topic}")]);
            asked["clientId"] = json!(client_id);
            let expect = if place < allowed { "ALLOWED" } else { "IMPLICIT_DENY" };
            assert_eq!(decision(&server, asked).await, expect, "{client_id:?} {topic}");
        }
    }
    let mut asked = question(&arn, "PUBLISH", &["topic/house"]);
    asked["clientId"] = json!("lamp");
    let stands = policies(&ask(&server, asked.clone()).await);
    assert_eq!(stands, [vec!["house"], vec![], vec!["floor", "own"]]);
    asked["policyNamesToSkip"] = json!(["house"]);
    assert_eq!(decision(&server, asked).await, "IMPLICIT_DENY");

    let listed = async |request: Value| {
        let answer = server.call::<GetEffectivePolicies>(request).await.unwrap();
        each(&answer["effectivePolicies"], "policyName")
    };
    let asked = json!({"principal": arn, "thingName": "lamp"});
    assert_eq!(listed(asked).await, ["floor", "house", "own"]);
    assert_eq!(listed(json!({"principal": arn})).await, ["own"]);
}

#[tokio::test]
async fn a_thing_group_is_asked_about_with_what_is_above_it() {
    let server = server().await;
    in_groups(&server).await;
    for (topic, expect) in [
        ("own", "IMPLICIT_DENY"),
        ("house", "ALLOWED"),
        ("floor", "ALLOWED"),
        ("room", "IMPLICIT_DENY"),
    ] {
        let asked = question(&group_arn("floor"), "PUBLISH", &[&format!("topic/{topic}")]);
        assert_eq!(decision(&server, asked).await, expect, "{topic}");
    }
    give(&server, &group_arn("house"), "denies", &deny("Publish", "ARN:topic/floor")).await;
    let mut asked = question(&group_arn("floor"), "PUBLISH", &["topic/floor"]);
    let result = ask(&server, asked.clone()).await;
    assert_eq!(result["authDecision"], "EXPLICIT_DENY");
    assert_eq!(policies(&result), [vec!["floor"], vec!["denies"], vec!["house"]]);
    asked["policyNamesToSkip"] = json!(["denies"]);
    assert_eq!(decision(&server, asked).await, "ALLOWED");
    let mut asked = question(&group_arn("floor"), "PUBLISH", &["topic/room"]);
    asked["policyNamesToAdd"] = json!(["room"]);
    assert_eq!(decision(&server, asked).await, "ALLOWED");

    let request = json!({"principal": group_arn("floor")});
    let answer = server.call::<GetEffectivePolicies>(request).await.unwrap();
    let entry = |name: &str, statements: &str| {
        let (arn, document) = (format!("{ARN}:policy/{name}"), document(statements));
        json!({"policyName": name, "policyArn": arn, "policyDocument": document})
    };
    let topic = |name: &str| allow("Publish", &format!("ARN:topic/{name}"));
    let expect = json!([
        entry("denies", &deny("Publish", "ARN:topic/floor")),
        entry("floor", &topic("floor")),
        entry("house", &topic("house")),
    ]);
    assert_eq!(answer["effectivePolicies"], expect);
}

#[tokio::test]
async fn a_thing_group_that_is_not_there_is_not_asked_about() {
    let server = server().await;
    for (arn, code, message) in [
        (group_arn("none"), "ResourceNotFoundException", "does not exist in this account"),
        (group_arn(""), "InvalidRequestException", "Invalid principal or target"),
        (
            group_arn("g").replace("us-east-1", "eu-west-1"),
            "ResourceNotFoundException",
            "does not exist in this account",
        ),
    ] {
        let asked = question(&arn, "PUBLISH", &["topic/a"]);
        let refused = refusal(server.call::<TestAuthorization>(asked).await);
        assert_eq!(refused.0, code, "{refused:?}");
        assert!(refused.1.contains(message), "{refused:?}");
        let request = json!({"principal": arn});
        let refused = refusal(server.call::<GetEffectivePolicies>(request).await);
        assert_eq!(refused.0, code, "{refused:?}");
    }
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_refused() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    let asked = |member: &str, value: Value| {
        let mut asked = question(&arn, "PUBLISH", &["topic/a"]);
        asked[member] = value;
        asked
    };
    let info = |resources: Value| json!([{"actionType": "PUBLISH", "resources": resources}]);
    let nobody = format!("{ARN}:cert/{NO_ID}");
    let (invalid, unknown, limit) =
        ("InvalidRequestException", "ResourceNotFoundException", "LimitExceededException");
    for (request, code, message) in [
        (asked("principal", Value::Null), invalid, "Name a principal"),
        (asked("principal", json!("hello")), invalid, "Invalid principal or target hello"),
        (asked("principal", json!(nobody)), unknown, "does not exist in this account"),
        (asked("policyNamesToAdd", json!(["none"])), unknown, "Policy not found (name=none)"),
        (asked("policyNamesToAdd", json!(vec!["p"; 11])), limit, "at most 10 are allowed"),
        (asked("clientId", json!("c".repeat(129))), invalid, "at most 128 bytes"),
        (asked("authInfos", json!([{"resources": ["arn:a:b:c:d:e"]}])), invalid, "actionType"),
        (asked("authInfos", info(json!([]))), invalid, "needs a resource"),
        (asked("authInfos", info(json!(["topic/a"]))), invalid, "Invalid resource topic/a"),
        (asked("authInfos", info(json!(["*"]))), invalid, "Invalid resource *"),
        (asked("authInfos", info(json!(vec!["x"; 101]))), limit, "at most 100 are allowed"),
    ] {
        let refused = refusal(server.call::<TestAuthorization>(request).await);
        assert_eq!(refused.0, code, "{refused:?}");
        assert!(refused.1.contains(message), "{refused:?}");
    }
}

#[tokio::test]
async fn the_policies_that_count_are_listed_with_their_default_versions() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    let list = async |request: Value| server.call::<GetEffectivePolicies>(request).await;
    let asked = json!({"principal": arn});
    assert_eq!(list(asked.clone()).await.unwrap(), json!({"effectivePolicies": []}));
    for name in ["b", "a", "unattached"] {
        create_policy(&server, name).await;
    }
    attach(&server, "b", &arn).await;
    attach(&server, "a", &arn).await;
    let other = document(&allow("Publish", "*")) + " ";
    let request = json!({"policyName": "b", "policyDocument": other, "setAsDefault": true});
    server.call::<CreatePolicyVersion>(request).await.unwrap();
    let entry = |name: &str, document: &str| {
        let arn = format!("{ARN}:policy/{name}");
        json!({"policyName": name, "policyArn": arn, "policyDocument": document})
    };
    let expect = json!({"effectivePolicies": [entry("a", DOCUMENT), entry("b", &other)]});
    assert_eq!(list(asked).await.unwrap(), expect);
    create_thing(&server, "lamp").await;
    let asked = json!({"principal": arn, "thingName": "lamp"});
    assert_eq!(list(asked).await.unwrap(), expect);
}

#[tokio::test]
async fn the_policies_of_what_is_unknown_are_not_listed() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    let nobody = format!("{ARN}:cert/{NO_ID}");
    for (request, code, message) in [
        (json!({}), "InvalidRequestException", "Name a principal"),
        (json!({"principal": "hello"}), "InvalidRequestException", "Invalid principal"),
        (json!({"principal": nobody}), "ResourceNotFoundException", "does not exist"),
        (
            json!({"principal": arn, "thingName": "none"}),
            "ResourceNotFoundException",
            "Thing none cannot be found.",
        ),
    ] {
        let refused = refusal(server.call::<GetEffectivePolicies>(request).await);
        assert_eq!(refused.0, code, "{refused:?}");
        assert!(refused.1.contains(message), "{refused:?}");
    }
}

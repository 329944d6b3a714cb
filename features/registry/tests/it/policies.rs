//! Policies and their versions.

use model::iot::op::{
    AttachPolicy, CreatePolicy, CreatePolicyVersion, DeletePolicy, DeletePolicyVersion,
    DetachPolicy, GetPolicy, GetPolicyVersion, ListPolicies, ListPolicyVersions,
    SetDefaultPolicyVersion, TestAuthorization,
};
use serde_json::{Value, json};
use service::ApiError;
use testing::Server;

use crate::{
    DOCUMENT, code, create_certificate, create_group, create_policy, each, group_arn, refusal,
    server,
};

/// Another document, with blanks that must come back.
const OTHER: &str = " {\"Version\":\"2012-10-17\",\n\"Statement\":[{\"Effect\":\"Deny\",\"Action\":\"iot:*\",\"Resource\":\"*\"}]}\t";

fn named(name: &str) -> Value {
    json!({"policyName": name})
}

fn version(name: &str, id: &str) -> Value {
    json!({"policyName": name, "policyVersionId": id})
}

async fn versions(server: &Server, name: &str) -> Vec<(String, bool)> {
    let listed = server.call::<ListPolicyVersions>(named(name)).await.unwrap();
    let entry = |v: &Value| {
        let id = v["versionId"].as_str().unwrap().to_owned();
        (id, v["isDefaultVersion"].as_bool().unwrap())
    };
    listed["policyVersions"].as_array().unwrap().iter().map(entry).collect()
}

async fn add_version(server: &Server, name: &str, is_default: bool) -> Value {
    let request = json!({"policyName": name, "policyDocument": OTHER, "setAsDefault": is_default});
    server.call::<CreatePolicyVersion>(request).await.unwrap()
}

#[tokio::test]
async fn a_policy_is_read_back_byte_for_byte() {
    let server = server().await;
    let request = json!({"policyName": "p", "policyDocument": OTHER});
    let created = server.call::<CreatePolicy>(request).await.unwrap();
    let arn = "arn:aws:iot:us-east-1:000000000000:policy/p";
    let expected = json!({"policyName": "p", "policyArn": arn, "policyDocument": OTHER, "policyVersionId": "1"});
    assert_eq!(created, expected);
    let policy = server.call::<GetPolicy>(named("p")).await.unwrap();
    assert_eq!(policy["policyDocument"], OTHER);
    assert_eq!(policy["defaultVersionId"], "1");
    let first = server.call::<GetPolicyVersion>(version("p", "1")).await.unwrap();
    assert_eq!(first["policyDocument"], OTHER);
    assert_eq!(first["isDefaultVersion"], true);
}

#[tokio::test]
async fn a_name_that_is_taken_always_conflicts() {
    let server = server().await;
    let created = create_policy(&server, "p").await;
    let request = json!({"policyName": "p", "policyDocument": DOCUMENT});
    let error = server.call::<CreatePolicy>(request).await.unwrap_err();
    assert_eq!(error.code, "ResourceAlreadyExistsException");
    assert_eq!(error.message, "Policy cannot be created - name already exists (name=p)");
    assert_eq!(error.members["resourceArn"], created["policyArn"]);
}

/// Tries a document as a new policy, and as a version of a policy that there is.
async fn try_document(server: &Server, name: &str, document: &str) -> [Result<Value, ApiError>; 2] {
    let request = |name: &str| json!({"policyName": name, "policyDocument": document});
    [
        server.call::<CreatePolicy>(request(name)).await,
        server.call::<CreatePolicyVersion>(request("existing")).await,
    ]
}

#[tokio::test]
#[rustfmt::skip]
async fn a_malformed_document_is_refused_with_the_place_that_is_wrong() {
    let server = server().await;
    create_policy(&server, "existing").await;
    let statement = |members: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{{{members}}}]}}"#);
    for (document, expect) in [
        ("{}".to_owned(), "Statement: is missing"),
        ("hello".to_owned(), "document: expected value at line 1 column 1"),
        ("[".repeat(1000), "document: recursion limit exceeded at line 1 column 128"),
        (DOCUMENT.replace("2012", "2011"), "Version: must be 2008-10-17 or 2012-10-17"),
        (DOCUMENT.replace("Allow", "allow"), "Statement[0].Effect: must be Allow or Deny"),
        (DOCUMENT.replace("iot:Connect", "Connect"), "Statement[0].Action: `Connect` must be * or service:Action"),
        (DOCUMENT.replace("\"*\"", "\"topic/a\""), "Statement[0].Resource: `topic/a` must be * or an ARN"),
        (DOCUMENT.replace("\"*\"", "1"), "Statement[0].Resource: must be a string"),
        (statement(r#""Effect":"Allow","Effect":"Deny""#), "document: duplicate member `Effect` at line 1 column 63"),
        (statement(r#""Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"k":"perhaps"}}"#), "Statement[0].Condition.Bool.k: must be true or false"),
    ] {
        for tried in try_document(&server, "p", &document).await {
            let message = format!("Policy document is Malformed: {expect}");
            assert_eq!(refusal(tried), ("MalformedPolicyException", message), "{document}");
        }
    }
    assert_eq!(versions(&server, "existing").await.len(), 1);
    assert_eq!(code(server.call::<GetPolicy>(named("p")).await), "ResourceNotFoundException");
}

#[tokio::test]
async fn a_document_has_2048_characters_at_most_white_space_not_counted() {
    let server = server().await;
    create_policy(&server, "existing").await;
    // Characters are counted, not bytes, and blanks in texts are white space too.
    let document = |characters: usize| {
        let bare = DOCUMENT.replace("\"*\"", "\"arn:é \u{2003}\" \n\t");
        let counted = bare.chars().filter(|c| !c.is_whitespace()).count();
        bare.replace('é', &"é".repeat(characters - counted + 1)) + &" ".repeat(5000)
    };
    for tried in try_document(&server, "p", &document(2048)).await {
        tried.unwrap();
    }
    for tried in try_document(&server, "q", &document(2049)).await {
        let message = "The policy document has 2049 characters without white space; at most 2048 are allowed.";
        assert_eq!(refusal(tried), ("MalformedPolicyException", message.to_owned()));
    }
}

#[tokio::test]
async fn an_action_that_nothing_has_and_a_variable_misspelt_are_kept_and_match_nothing() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    let publish = "arn:aws:iot:us-east-1:000000000000:topic/";
    let statement = |action: &str, resource: &str| {
        let resource = format!("{publish}{resource}");
        json!({"Effect": "Allow", "Action": action, "Resource": resource})
    };
    let statements = [
        statement("iot:Publsih", "*"),
        statement("iot:Publish", "${iot:ClientID1}"),
        statement("iot:Publish", "${iot:Connection.Thing.ThingNam}"),
        statement("iot:Publish", "${iot:ClientId}"),
    ];
    let document = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    for tried in try_document(&server, "p", &document).await.into_iter().take(1) {
        assert_eq!(tried.unwrap()["policyDocument"], document);
    }
    server.call::<AttachPolicy>(json!({"policyName": "p", "target": arn})).await.unwrap();
    let decision = async |topic: &str| {
        let info = json!({"actionType": "PUBLISH", "resources": [format!("{publish}{topic}")]});
        let request = json!({"principal": arn, "clientId": "lamp", "authInfos": [info]});
        let answer = server.call::<TestAuthorization>(request).await.unwrap();
        answer["authResults"][0]["authDecision"].clone()
    };
    assert_eq!(decision("lamp").await, "ALLOWED");
    for topic in ["any", "", "${iot:ClientID1}", "${iot:Connection.Thing.ThingNam}"] {
        assert_eq!(decision(topic).await, "IMPLICIT_DENY", "{topic}");
    }
}

#[tokio::test]
async fn policies_are_listed_by_name_in_pages() {
    let server = server().await;
    for name in ["b", "c", "a"] {
        create_policy(&server, name).await;
    }
    let page = server.call::<ListPolicies>(json!({"pageSize": 2})).await.unwrap();
    assert_eq!(each(&page["policies"], "policyName"), ["a", "b"]);
    let rest = json!({"pageSize": 2, "marker": page["nextMarker"]});
    let rest = server.call::<ListPolicies>(rest).await.unwrap();
    assert_eq!(each(&rest["policies"], "policyName"), ["c"]);
    assert_eq!(rest.get("nextMarker"), None);
    let back = server.call::<ListPolicies>(json!({"ascendingOrder": false})).await.unwrap();
    assert_eq!(each(&back["policies"], "policyName"), ["c", "b", "a"]);
}

#[tokio::test]
async fn there_are_five_versions_at_most_and_one_default() {
    let server = server().await;
    create_policy(&server, "p").await;
    for number in 2..=5 {
        let added = add_version(&server, "p", number == 3).await;
        assert_eq!(added["policyVersionId"], number.to_string());
        assert_eq!(added["isDefaultVersion"], number == 3);
    }
    let expected = [("5", false), ("4", false), ("3", true), ("2", false), ("1", false)];
    assert_eq!(versions(&server, "p").await, expected.map(|(id, is)| (id.to_owned(), is)));
    let request = json!({"policyName": "p", "policyDocument": DOCUMENT});
    let message = "The policy p already has the maximum number of versions (5)";
    let added = server.call::<CreatePolicyVersion>(request).await;
    assert_eq!(refusal(added), ("VersionsLimitExceededException", message.to_owned()));
    assert_eq!(server.call::<GetPolicy>(named("p")).await.unwrap()["policyDocument"], OTHER);
    server.call::<SetDefaultPolicyVersion>(version("p", "1")).await.unwrap();
    assert_eq!(server.call::<GetPolicy>(named("p")).await.unwrap()["policyDocument"], DOCUMENT);
}

#[tokio::test]
async fn version_ids_are_never_used_again() {
    let server = server().await;
    create_policy(&server, "p").await;
    for number in 2..9 {
        let added = add_version(&server, "p", false).await;
        assert_eq!(added["policyVersionId"], number.to_string());
        let deleted = version("p", &number.to_string());
        server.call::<DeletePolicyVersion>(deleted).await.unwrap();
    }
}

#[tokio::test]
async fn the_default_version_is_not_deleted() {
    let server = server().await;
    create_policy(&server, "p").await;
    let deleted = server.call::<DeletePolicyVersion>(version("p", "1")).await;
    let message = "Cannot delete the default version of a policy";
    assert_eq!(refusal(deleted), ("DeleteConflictException", message.to_owned()));
}

#[tokio::test]
async fn a_policy_is_deleted_once_it_is_bare() {
    let server = server().await;
    let (_, arn) = create_certificate(&server).await;
    create_policy(&server, "p").await;
    add_version(&server, "p", true).await;
    let attachment = json!({"policyName": "p", "target": arn});
    server.call::<AttachPolicy>(attachment.clone()).await.unwrap();
    let delete = async || server.call::<DeletePolicy>(named("p")).await;
    let message = "Cannot delete the policy because it has one or more policy versions attached to it (name=p)";
    assert_eq!(refusal(delete().await), ("DeleteConflictException", message.to_owned()));
    server.call::<DeletePolicyVersion>(version("p", "1")).await.unwrap();
    let message = "The policy cannot be deleted as the policy is attached to one or more \
                   principals (name=p)";
    assert_eq!(refusal(delete().await), ("DeleteConflictException", message.to_owned()));
    server.call::<DetachPolicy>(attachment).await.unwrap();
    delete().await.unwrap();
    assert_eq!(code(delete().await), "ResourceNotFoundException");
    create_policy(&server, "p").await;
    let first = server.call::<GetPolicyVersion>(version("p", "1")).await.unwrap();
    assert_eq!(first["policyDocument"], DOCUMENT);
    let second = server.call::<GetPolicyVersion>(version("p", "2")).await;
    assert_eq!(code(second), "ResourceNotFoundException");
}

#[tokio::test]
async fn a_policy_that_a_thing_group_has_is_not_deleted() {
    let server = server().await;
    create_policy(&server, "p").await;
    create_group(&server, "house", "").await;
    let attachment = json!({"policyName": "p", "target": group_arn("house")});
    server.call::<AttachPolicy>(attachment.clone()).await.unwrap();
    let refused = server.call::<DeletePolicy>(named("p")).await;
    assert_eq!(code(refused), "DeleteConflictException");
    server.call::<DetachPolicy>(attachment).await.unwrap();
    server.call::<DeletePolicy>(named("p")).await.unwrap();
}

#[tokio::test]
async fn what_is_unknown_is_not_found() {
    let server = server().await;
    create_policy(&server, "p").await;
    let expected = "ResourceNotFoundException";
    assert_eq!(code(server.call::<GetPolicy>(named("none")).await), expected);
    assert_eq!(code(server.call::<ListPolicyVersions>(named("none")).await), expected);
    for unknown in [version("p", "9"), version("none", "1")] {
        assert_eq!(code(server.call::<GetPolicyVersion>(unknown.clone()).await), expected);
        assert_eq!(code(server.call::<SetDefaultPolicyVersion>(unknown.clone()).await), expected);
        assert_eq!(code(server.call::<DeletePolicyVersion>(unknown).await), expected);
    }
}

//! What a rule's SQL must be.

use model::iot::op::{DeleteTopicRule, ReplaceTopicRule};
use serde_json::json;

use crate::{ROLE, code, create, get, payload, refusal, server};

#[tokio::test]
async fn a_statement_that_cannot_be_read_is_refused_wherever_it_is_given() {
    let server = server().await;
    create(&server, "hot", payload()).await.unwrap();
    for sql in ["SELEC * FRM", "", "SELECT * FROM 'a/#/b'", "SELECT * FROM '$aws/rules/x'"] {
        let wrong = json!({"sql": sql, "actions": []});
        assert_eq!(code(create(&server, "new", wrong.clone()).await), "SqlParseException", "{sql}");
        let replace = json!({"ruleName": "hot", "topicRulePayload": wrong});
        assert_eq!(code(server.call::<ReplaceTopicRule>(replace).await), "SqlParseException");
    }
    assert_eq!(get(&server, "hot").await.unwrap()["rule"]["sql"], payload()["sql"]);
    assert_eq!(code(get(&server, "new").await), "UnauthorizedException");
}

#[tokio::test]
async fn a_role_that_a_function_is_called_with_is_one_where_it_is_no_expression() {
    let server = server().await;
    let check = async |call: &str, expect: Option<&str>| {
        let sql = format!("SELECT {call} AS a FROM 'a'");
        let header = json!([{"key": "x-a", "value": format!("${{{call}}}")}]);
        let http = json!({"http": {"url": "https://plant.example.com/", "headers": header}});
        for (sql, action) in
            [(sql.as_str(), payload()["actions"][0].clone()), ("SELECT * FROM 'a'", http)]
        {
            let rule = json!({"sql": sql, "awsIotSqlVersion": "2016-03-23", "actions": [action]});
            let result = create(&server, "new", rule).await;
            match expect {
                None => drop(result.unwrap()),
                Some(role) => {
                    let (code, message) = refusal(result);
                    assert_eq!(code, "InvalidRequestException", "{call}");
                    assert!(message.ends_with(&format!("is not the ARN of a role: {role}")));
                    assert!(message.contains("function in sql") || message.contains("headers"));
                }
            }
            let unnamed = json!({"ruleName": "new"});
            server.call::<DeleteTopicRule>(unnamed).await.unwrap();
        }
    };
    check(&format!("get_secret('s', 'SecretString', '{ROLE}')"), None).await;
    check("get_secret('s', 'SecretString', role)", None).await;
    check("get_secret('s')", None).await;
    check("get_secret('s', 'SecretString', 'key', 'me')", Some("me")).await;
    check("get_dynamodb('t', 'id', id, 'me')", Some("me")).await;
    check("machinelearning_predict('m', 'me', {'a': 1})", Some("me")).await;
}

#[tokio::test]
async fn a_version_of_sql_is_one_that_there_is() {
    let server = server().await;
    for version in ["2015-10-08", "2016-03-23", "beta"] {
        let name = version.replace('-', "_");
        let mut versioned = payload();
        versioned["awsIotSqlVersion"] = json!(version);
        create(&server, &name, versioned).await.unwrap();
        assert_eq!(get(&server, &name).await.unwrap()["rule"]["awsIotSqlVersion"], version);
    }
    let mut wrong = payload();
    wrong["awsIotSqlVersion"] = json!("2017-01-01");
    assert_eq!(code(create(&server, "wrong", wrong).await), "InvalidRequestException");
}

//! What a rule's SQL must be.

use model::iot::op::ReplaceTopicRule;
use serde_json::json;

use crate::{code, create, get, payload, server};

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

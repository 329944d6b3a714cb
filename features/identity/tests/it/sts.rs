//! `GetCallerIdentity` in the query protocol.

use http::StatusCode;

use crate::server;

async fn ask(form: &str) -> (StatusCode, String) {
    let (server, _) = server().await;
    let (status, body) = server.raw("POST", "/", form.to_owned()).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_caller_learns_who_it_is() {
    let (status, text) = ask("Action=GetCallerIdentity&Version=2011-06-15").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.starts_with(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
    ));
    for element in [
        "<Arn>arn:aws:iam::000000000000:root</Arn>",
        "<UserId>000000000000</UserId>",
        "<Account>000000000000</Account>",
        "<RequestId>",
    ] {
        assert!(text.contains(element), "{element}\n{text}");
    }
}

#[tokio::test]
async fn what_sts_does_not_do_is_refused_in_its_own_form() {
    let cases = [
        ("Action=Foo%3Cb%3E&Version=2011-06-15", 400, "InvalidAction"),
        ("Action=GetCallerIdentity&Version=1999-01-01", 400, "InvalidAction"),
        ("Action=AssumeRole&Version=2011-06-15", 501, "NotImplemented"),
        ("Version=2011-06-15", 400, "MissingAction"),
        ("", 400, "MissingAction"),
    ];
    for (form, status, code) in cases {
        let (answered, text) = ask(form).await;
        assert_eq!(answered.as_u16(), status, "{form}");
        assert!(text.contains(&format!("<Code>{code}</Code>")), "{text}");
        assert!(!text.contains("<b>"), "{text}");
    }
}

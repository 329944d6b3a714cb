//! Which settings a function has, and which settings cannot be.

use env::Env;
use ferrite_functions::Invocation;

use crate::server::{Server, answer};
use crate::{ARN, Stage, parse};

#[tokio::test]
async fn a_function_without_back_end_names_the_setting() {
    let stage = Stage::new("");
    let arn = "arn:aws:lambda:eu-west-1:123456789012:function:my-authorizer:live";
    let error = stage.functions.invoke(Invocation::request(arn, "{}".into())).await.unwrap_err();
    let expect = format!(
        "no back end for function {arn}: add [functions.\"my-authorizer\"] with command = [...], \
         url = \"...\" or lambda = {{ ... }}"
    );
    assert_eq!(error.to_string(), expect);
    assert!(!error.is_transient());
    assert!(!stage.functions.is_configured(arn).unwrap());
    let error = stage.functions.is_configured("no function").unwrap_err();
    let expect = "`no function` is neither the name nor the ARN of a function";
    assert_eq!(error.to_string(), expect);
}

#[tokio::test]
async fn the_setting_that_says_most_is_taken() {
    let env = Env::system();
    let mut toml = String::new();
    let keys = ["*", "fleet-*", "fleet-a*", "pump", "pump:live", "arn:*:eu-west-1:*", "pump:7*"];
    for key in keys {
        let server = Server::start(&env, &answer(200, "", key)).await;
        let secret = "0123456789abcdef";
        toml += &format!("[\"{key}\"]\nurl = \"{}\"\nsecret = \"{secret}\"\n", server.url);
    }
    let stage = Stage::new(&toml);
    let abroad = "arn:aws:lambda:eu-west-1:000000000000:function:x";
    for (function, expect) in [
        ("pump", "pump"),
        (&*format!("{ARN}:pump"), "pump"),
        ("pump:live", "pump:live"),
        ("pump:2", "pump"),
        ("pump:7", "pump"),
        ("fleet-b", "fleet-*"),
        ("fleet-abc", "fleet-a*"),
        ("other", "*"),
        (abroad, "arn:*:eu-west-1:*"),
    ] {
        let invocation = Invocation::request(function, "{}".into());
        let answer = stage.functions.invoke(invocation).await.unwrap().payload;
        assert_eq!(std::str::from_utf8(&answer).unwrap(), expect, "{function}");
    }
}

#[tokio::test]
async fn a_setting_that_cannot_be_is_named() {
    for (toml, expect) in [
        ("", ": set one of command, url and lambda"),
        ("command = [\"a\"]\nurl = \"http://a\"", ": set one of command, url and lambda"),
        ("command = []", ".command: name a program"),
        ("command = [\"a\"]\nsecret = \"0123456789abcdef\"", ".secret: does not go with command"),
        ("command = [\"a\"]\ntimeout_s = 0", ".timeout_s: must be at least 1"),
        ("command = [\"a\"]\ntimeout_s = 901", ".timeout_s: at most 900"),
        ("command = [\"a\"]\nconcurrency = 0", ".concurrency: must be at least 1"),
        ("command = [\"a\"]\nmemory_mb = 0", ".memory_mb: must be at least 1"),
        (
            "command = [\"a\"]\nenvironment = { AWS_LAMBDA_RUNTIME_API = \"x\" }",
            ".environment: `AWS_LAMBDA_RUNTIME_API` cannot be set",
        ),
        ("url = \"ftp://a\"", ".url: the scheme must be http or https"),
        ("url = \"http://a\"", ".secret: set what requests are signed with"),
        ("url = \"http://a\"\nsecret = \"short\"", ".secret: a secret has at least 16 bytes"),
        ("url = \"http://a\"\nconcurrency = 2", ".concurrency: does not go with url"),
        ("lambda = { endpoint = \"a\" }", ".lambda.endpoint: not a URL with scheme and host"),
        ("lambda = { region = \"a/b\" }", ".lambda.region: not a region"),
        ("lambda = { access_key_id = \"a\" }", ".lambda.secret_access_key: is missing"),
        ("lambda = { secret_access_key = \"a\" }", ".lambda.access_key_id: is missing"),
        (
            "lambda = { session_token = \"a\" }",
            ".lambda.session_token: does not go without access_key_id",
        ),
        (
            "lambda = { access_key_id = \"a\", secret_access_key = \"b\", profile = \"c\" }",
            ".lambda.profile: does not go with access_key_id",
        ),
    ] {
        let error = Stage::open(&format!("[pump]\n{toml}"), &[]).err().unwrap();
        assert_eq!(error.to_string(), format!("functions.\"pump\"{expect}"), "{toml}");
    }
}

#[test]
fn secrets_do_not_print_themselves() {
    let settings = parse(
        "[a]\nurl = \"http://a\"\nsecret = \"s3cret\"\n[b]\nlambda = { access_key_id = \"AKID\", \
         secret_access_key = \"s3cret\", session_token = \"s3cret\" }",
    );
    let text = format!("{settings:?}");
    assert!(text.contains("AKID") && !text.contains("s3cret"), "{text}");
}

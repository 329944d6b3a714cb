//! Local processes that behave: what they are told, how many there are, how long they are kept.

use std::time::Duration;

use bytes::Bytes;
use ferrite_functions::{Invocation, InvokeError};
use serde_json::{Value, json};

use crate::{ARN, Stage, gone, is_alive, pass, python, request};

#[tokio::test]
async fn a_handler_is_told_what_it_is_told_on_aws() {
    let directory = tempfile::tempdir().unwrap();
    let more = format!(
        "handler = \"app.handler\"\nmemory_mb = 512\ndirectory = \"{}\"\n\
         environment = {{ STAGE = \"mill\" }}",
        directory.path().display()
    );
    let stage = Stage::open(&python(&more), &[("LANG", "C.UTF-8"), ("SECRET", "x")]).unwrap();
    let mut invocation = request(&json!({ "do": "context" }));
    invocation.function = "pump:7".to_owned();
    invocation.client_context = Some("{\"a\":1}".to_owned());
    let before_ms = stage.env.clock.now().millis();
    let response = stage.functions.invoke(invocation).await.unwrap();
    assert_eq!(response.executed_version.as_deref(), Some("7"));
    let told: Value = serde_json::from_slice(&response.payload).unwrap();

    let header = |name: &str| told["headers"][name].as_str().unwrap();
    assert_eq!(header("lambda-runtime-invoked-function-arn"), format!("{ARN}:pump:7"));
    assert_eq!(header("lambda-runtime-client-context"), "{\"a\":1}");
    assert_eq!(header("lambda-runtime-aws-request-id").len(), 36);
    let trace = header("lambda-runtime-trace-id");
    assert!(trace.starts_with("Root=1-") && trace.ends_with(";Sampled=0"), "{trace}");
    let deadline_ms: i64 = header("lambda-runtime-deadline-ms").parse().unwrap();
    assert!((before_ms..before_ms + 120_000).contains(&(deadline_ms - 60_000)), "{deadline_ms}");

    let mut environment: std::collections::BTreeMap<String, String> =
        serde_json::from_value(told["environment"].clone()).unwrap();
    let stream = environment.remove("AWS_LAMBDA_LOG_STREAM_NAME").unwrap();
    assert!(stream.contains("/[7]") && stream.len() == 11 + 3 + 32, "{stream}");
    assert!(environment.remove("AWS_LAMBDA_RUNTIME_API").unwrap().starts_with("127.0.0.1:"));
    assert!(environment.remove("PATH").is_some());
    // What Python sets by itself where the locale is C.
    environment.remove("LC_CTYPE");
    let task_root = directory.path().display().to_string();
    let expect = [
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
        ("AWS_LAMBDA_FUNCTION_NAME", "pump"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "7"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/pump"),
        ("AWS_REGION", "us-east-1"),
        ("LAMBDA_TASK_ROOT", &task_root),
        ("LANG", "C.UTF-8"),
        ("STAGE", "mill"),
        ("TZ", ":UTC"),
        ("_HANDLER", "app.handler"),
    ];
    let environment: Vec<_> = environment.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(environment, expect);
    assert_eq!(told["cwd"], task_root);
}

#[tokio::test]
async fn the_commands_last_argument_is_the_handler() {
    let stage = Stage::new(&python("").replacen("\"]", "\", \"app.handler\"]", 1));
    let told = stage.invoke(&json!({ "do": "context" })).await.unwrap();
    assert_eq!(told["environment"]["_HANDLER"], "app.handler");
}

#[tokio::test]
async fn a_process_is_kept_for_the_next_invocation() {
    let stage = Stage::new(&python(""));
    let pid = stage.invoke(&json!({ "do": "pid" })).await.unwrap();
    for _ in 0..20 {
        assert_eq!(stage.invoke(&json!({ "do": "pid" })).await.unwrap(), pid);
    }
    assert!(is_alive(&pid));
    stage.close().await;
    gone(&json!([pid])).await;
}

#[tokio::test]
async fn one_that_nobody_needs_is_ended() {
    let stage = Stage::new(&python("idle_s = 30").replace("start_s = 60", "start_s = 1000000"));
    let pid = stage.invoke(&json!({ "do": "pid" })).await.unwrap();
    let again = stage.invoke(&json!({ "do": "pid" })).await.unwrap();
    assert_eq!(pid, again);
    // First it comes back for its next event, and how soon is its own affair.
    while is_alive(&pid) {
        pass(Duration::from_secs(31)).await;
    }
    gone(&json!([pid])).await;
    assert_ne!(stage.invoke(&json!({ "do": "pid" })).await.unwrap(), pid);
}

#[tokio::test]
async fn versions_are_run_apart() {
    let stage = Stage::new(&python(""));
    let mut pids = Vec::new();
    for function in ["pump", "pump:7", "pump:live", "pump"] {
        let mut invocation = request(&json!({ "do": "pid" }));
        invocation.function = function.to_owned();
        pids.push(stage.functions.invoke(invocation).await.unwrap().payload);
    }
    assert_eq!(pids[0], pids[3]);
    assert!(pids[0] != pids[1] && pids[1] != pids[2] && pids[0] != pids[2]);
}

#[tokio::test]
async fn as_many_run_and_wait_as_may() {
    let stage = Stage::new(&python("concurrency = 2\nqueue = 1"));
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    let wait = json!({ "do": "wait", "for": gate });
    let throttled = async {
        while stage.written().iter().filter(|line| line.text.starts_with("waiting")).count() < 2 {
            tokio::task::yield_now().await;
        }
        let error = stage.invoke(&wait).await.unwrap_err();
        std::fs::write(&gate, "").unwrap();
        error
    };
    let (first, second, third, error) =
        tokio::join!(stage.invoke(&wait), stage.invoke(&wait), stage.invoke(&wait), throttled);
    let (first, second, third) = (first.unwrap(), second.unwrap(), third.unwrap());
    assert_ne!(first, second);
    assert!(third == first || third == second);
    let expect = format!(
        "{ARN}:pump is throttled: 2 run and 1 wait; see [functions.\"pump\"] concurrency and queue"
    );
    assert_eq!(error.to_string(), expect);
    assert!(matches!(error, InvokeError::Throttled { .. }) && error.is_transient());
}

#[tokio::test]
async fn a_caller_that_gives_up_leaves_the_function_running() {
    let stage = Stage::new(&python("concurrency = 1"));
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    let pid = stage.invoke(&json!({ "do": "pid" })).await.unwrap();
    let mut invocation = request(&json!({ "do": "wait", "for": gate }));
    invocation.timeout = Some(Duration::from_millis(300));
    let error = stage.functions.invoke(invocation).await.unwrap_err();
    assert!(matches!(error, InvokeError::Timeout { is_ended: false, .. }), "{error:?}");
    assert_eq!(error.to_string(), format!("{ARN}:pump timed out after 0.30 seconds"));
    std::fs::write(&gate, "").unwrap();
    assert_eq!(stage.invoke(&json!({ "do": "pid" })).await.unwrap(), pid);
}

#[tokio::test]
async fn an_event_is_done_when_its_handler_is() {
    let stage = Stage::new(&python(""));
    let event = Bytes::from(json!({ "do": "print", "lines": 1, "long": 1 }).to_string());
    let response = stage.functions.invoke(Invocation::event("pump", event)).await.unwrap();
    assert_eq!(response.payload, Bytes::new());
    stage.line("end").await;
    let failing = Bytes::from(json!({ "do": "raise" }).to_string());
    let error = stage.functions.invoke(Invocation::event("pump", failing)).await.unwrap_err();
    assert!(matches!(error, InvokeError::Function { .. }));
}

#[tokio::test]
async fn shutdown_lets_end_what_runs_and_begins_nothing() {
    let stage = Stage::new(&python(""));
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    let shut = async {
        stage.line("waiting").await;
        stage.env.tasks.begin_shutdown("test");
        let error = stage.invoke(&json!({})).await.unwrap_err();
        assert!(matches!(error, InvokeError::ShuttingDown { .. }), "{error:?}");
        std::fs::write(&gate, "").unwrap();
    };
    let wait = json!({ "do": "wait", "for": gate });
    let (outcome, ()) = tokio::join!(stage.invoke(&wait), shut);
    let pid = outcome.unwrap();
    stage.close().await;
    gone(&json!([pid])).await;
}

//! Local processes that fail, hang, crash, end, and talk nonsense: each harms its own invocation.

use std::time::Duration;

use ferrite_functions::InvokeError;
use serde_json::{Value, json};

use crate::{ARN, Stage, gone, pass, python};

#[tokio::test]
async fn a_handler_that_fails_is_told_from_one_that_was_not_reached() {
    let stage = Stage::new(&python(""));
    let error = stage.invoke(&json!({ "do": "raise" })).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{ARN}:pump failed: ValueError: no such pump"));
    let InvokeError::Function { error, .. } = error else { panic!("{error:?}") };
    let payload: Value = serde_json::from_slice(&error.payload).unwrap();
    assert_eq!(payload["stackTrace"], json!([]));
    assert_eq!(error.error_type.as_deref(), Some("ValueError"));
}

#[tokio::test]
async fn one_that_hangs_is_killed_with_all_that_it_started() {
    let stage = Stage::new(&python("timeout_s = 40").replacen("timeout_s = 60\n", "", 1));
    let late = async {
        let line = stage.line("hanging").await;
        pass(Duration::from_secs(41)).await;
        line
    };
    let (outcome, line) = tokio::join!(stage.invoke_hanging(), late);
    let error = outcome.unwrap_err();
    assert_eq!(error.to_string(), format!("{ARN}:pump timed out after 40.00 seconds"));
    assert!(matches!(error, InvokeError::Timeout { is_ended: true, .. }));
    gone(&serde_json::from_str(line.text.strip_prefix("hanging ").unwrap()).unwrap()).await;
    assert_eq!(stage.invoke(&json!({})).await.unwrap(), json!({}));
}

#[tokio::test]
async fn what_an_ending_process_leaves_behind_is_killed() {
    let stage = Stage::new(&python(""));
    let left = stage.invoke(&json!({ "do": "leave" })).await.unwrap();
    gone(&left).await;
    assert_eq!(stage.invoke(&json!({})).await.unwrap(), json!({}));
}

#[tokio::test]
async fn a_crash_takes_its_own_invocation_and_no_other() {
    let stage = Stage::new(&python("concurrency = 2"));
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    let wait = json!({ "do": "wait", "for": gate });
    let crash = async {
        stage.line("waiting").await;
        let error = stage.invoke(&json!({ "do": "crash" })).await.unwrap_err();
        std::fs::write(&gate, "").unwrap();
        error
    };
    let (other, error) = tokio::join!(stage.invoke(&wait), crash);
    assert!(other.is_ok());
    let expect =
        format!("{ARN}:pump ended without an answer: it was ended by signal 6: about to crash");
    assert_eq!(error.to_string(), expect);
    assert!(error.is_transient());
    assert_eq!(stage.invoke(&json!({})).await.unwrap(), json!({}));
}

#[tokio::test]
async fn an_end_without_answer_says_how_it_ended() {
    let stage = Stage::new(&python(""));
    for (what, reason) in
        [("exit", "it exited with status 7"), ("skip", "it asked for the next event instead")]
    {
        let error = stage.invoke(&json!({ "do": what })).await.unwrap_err();
        let expect = format!("{ARN}:pump ended without an answer: {reason}");
        assert_eq!(error.to_string(), expect);
        assert!(matches!(error, InvokeError::NoAnswer { .. }));
    }
    assert_eq!(stage.invoke(&json!({})).await.unwrap(), json!({}));
}

#[tokio::test]
async fn one_that_does_not_start_says_why() {
    for (argument, reason) in [
        ("die", "it exited with status 1: no such handler: pump"),
        ("refuse", "ImportError: no module named pump"),
        ("trace", "it exited with status 3: PumpError: no such handler"),
    ] {
        let toml = python("").replacen("\"]", &format!("\", \"{argument}\"]"), 1);
        let stage = Stage::new(&toml);
        for _ in 0..2 {
            let error = stage.invoke(&json!({})).await.unwrap_err();
            let expect =
                format!("{ARN}:pump did not start: {reason}; see [functions.\"pump\"] command");
            assert_eq!(error.to_string(), expect);
            assert!(matches!(error, InvokeError::Start { .. }) && error.is_transient());
        }
        stage.close().await;
    }
}

#[tokio::test]
async fn one_that_never_asks_for_an_event_did_not_start() {
    let toml = python("").replacen("\"]", "\", \"sit\"]", 1).replace("start_s = 60", "start_s = 1");
    let stage = Stage::new(&toml);
    let error = stage.invoke(&json!({})).await.unwrap_err();
    let reason = "it did not ask for an event within 1 seconds";
    let expect = format!("{ARN}:pump did not start: {reason}; see [functions.\"pump\"] command");
    assert_eq!(error.to_string(), expect);
}

#[tokio::test]
async fn those_that_fail_one_after_another_are_started_later_and_later() {
    let stage = Stage::new(&python("").replacen("\"]", "\", \"die\"]", 1));
    let begun = tokio::time::Instant::now();
    for _ in 0..5 {
        stage.invoke(&json!({})).await.unwrap_err();
    }
    // Before the third, fourth and fifth: 100, 200 and 400 ms.
    assert!(begun.elapsed() >= Duration::from_millis(700));
}

#[tokio::test]
async fn a_command_that_cannot_be_run_names_its_setting() {
    let stage = Stage::new("[pump]\ncommand = [\"/nowhere/bootstrap\"]");
    let error = stage.invoke(&json!({})).await.unwrap_err();
    let expect = format!(
        "could not run the command of {ARN}:pump: see [functions.\"pump\"] command and directory: \
         No such file or directory (os error 2)"
    );
    assert_eq!(error.chain(), expect);
    assert!(!error.is_transient());
    stage.close().await;
}

#[tokio::test]
async fn nonsense_to_the_runtime_api_is_refused_and_harms_nothing() {
    let stage = Stage::new(&python(""));
    let statuses = stage.invoke(&json!({ "do": "nonsense" })).await.unwrap();
    assert_eq!(statuses, json!([404, 404, 400, 400, 404]));
    assert_eq!(stage.invoke(&json!({ "a": 1 })).await.unwrap(), json!({ "a": 1 }));
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused_and_the_process_lives_on() {
    let stage = Stage::new(&python(""));
    let pid = stage.invoke(&json!({ "do": "pid" })).await.unwrap();
    let large = json!({ "do": "large", "bytes": 7 << 20 });
    let error = stage.invoke(&large).await.unwrap_err();
    assert_eq!(error.to_string(), format!("the answer of {ARN}:pump has more than 6291556 bytes"));
    assert_eq!(stage.line("large").await.text, "large 413");
    assert_eq!(stage.invoke(&json!({ "do": "pid" })).await.unwrap(), pid);
}

#[tokio::test]
async fn memory_is_bounded() {
    let stage = Stage::new(&python("memory_mb = 200"));
    let allocate = |bytes: u64| json!({ "do": "allocate", "bytes": bytes });
    assert_eq!(stage.invoke(&allocate(50 << 20)).await.unwrap(), json!(50 << 20));
    let error = stage.invoke(&allocate(400 << 20)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{ARN}:pump failed: MemoryError: "));
}

impl Stage {
    async fn invoke_hanging(&self) -> Result<Value, InvokeError> {
        self.invoke(&json!({ "do": "hang" })).await
    }
}

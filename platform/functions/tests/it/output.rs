//! What functions write.

use ferrite_functions::{LOG_LINE_BYTES_MAX, LogStream};
use serde_json::json;

use crate::{ARN, Stage, python};

#[tokio::test]
async fn every_line_is_kept_and_none_blocks() {
    const LINES: usize = 20_000;
    let stage = Stage::new(&python(""));
    let long = LOG_LINE_BYTES_MAX + 100_000;
    let event = json!({ "do": "print", "lines": LINES, "long": long });
    assert_eq!(stage.invoke(&event).await.unwrap(), "printed");
    stage.line("\u{fffd}\u{fffd}").await;
    stage.line("end").await;
    let (output, error): (Vec<_>, Vec<_>) =
        stage.written().into_iter().partition(|line| line.stream == LogStream::Output);
    assert_eq!(output.len(), LINES + 2);
    for (number, line) in output.iter().take(LINES).enumerate() {
        assert_eq!((&*line.text, line.is_cut), (&*format!("line {number} of the log"), false));
    }
    let cut = &output[LINES];
    assert_eq!((cut.text.len(), cut.is_cut), (LOG_LINE_BYTES_MAX, true));
    assert_eq!(error.len(), 1);
}

#[tokio::test]
async fn a_line_names_its_function_and_invocation() {
    let stage = Stage::new(&python(""));
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    let look = async {
        let line = stage.line("waiting").await;
        std::fs::write(&gate, "").unwrap();
        line
    };
    let wait = json!({ "do": "wait", "for": gate });
    let (outcome, line) = tokio::join!(stage.invoke(&wait), look);
    outcome.unwrap();
    assert_eq!((&*line.function, line.request_id.unwrap().len()), (&*format!("{ARN}:pump"), 36));
}

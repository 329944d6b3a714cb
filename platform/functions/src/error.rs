//! Why an invocation has no result.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

/// Why an invocation has no result. `function` is its ARN.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// Neither a function's name nor its ARN.
    #[error("`{text}` is neither the name nor the ARN of a function")]
    Name {
        /// What was given.
        text: String,
    },
    /// No setting says where the function is.
    #[error(
        "no back end for function {function}: add [functions.\"{name}\"] with command = [...], \
         url = \"...\" or lambda = {{ ... }}"
    )]
    NotConfigured {
        /// The function.
        function: String,
        /// Its name, as the setting has it.
        name: String,
    },
    /// The payload is longer than a function is given.
    #[error("the payload for {function} has {bytes} bytes; at most {bytes_max} are allowed")]
    PayloadTooLarge {
        /// The function.
        function: String,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },
    /// As many run and wait as may, or the back end says so.
    #[error("{function} is throttled: {hint}")]
    Throttled {
        /// The function.
        function: String,
        /// What to set, or who says so.
        hint: String,
    },
    /// It did not end in time. `is_ended` tells whether it was killed or may still run.
    #[error("{function} timed out after {:.2} seconds", after.as_secs_f64())]
    Timeout {
        /// The function.
        function: String,
        /// How long it had.
        after: Duration,
        /// Whether it surely runs no longer.
        is_ended: bool,
    },
    /// The handler failed.
    #[error("{function} failed: {error}")]
    Function {
        /// The function.
        function: String,
        /// What it says.
        error: FunctionError,
    },
    /// The process ended, or asked for the next event, before it had answered.
    #[error("{function} ended without an answer: {reason}")]
    NoAnswer {
        /// The function.
        function: String,
        /// How it ended, and the last line that it wrote.
        reason: String,
    },
    /// The answer is longer than a function may give.
    #[error("the answer of {function} has more than {bytes_max} bytes")]
    ResponseTooLarge {
        /// The function.
        function: String,
        /// How long it may be.
        bytes_max: usize,
    },
    /// The program cannot be run.
    #[error(
        "could not run the command of {function}: see [functions.\"{key}\"] command and directory"
    )]
    Command {
        /// The function.
        function: String,
        /// The key of its settings.
        key: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The program runs, and does not come to ask for events.
    #[error("{function} did not start: {reason}; see [functions.\"{key}\"] command")]
    Start {
        /// The function.
        function: String,
        /// The key of its settings.
        key: String,
        /// What happened instead, and the last line that it wrote.
        reason: String,
    },
    /// There is nothing to sign a request to the Lambda API with.
    #[error("no credentials for {function}: {reason}; see [functions.\"{key}\"] lambda")]
    Credentials {
        /// The function.
        function: String,
        /// The key of its settings.
        key: String,
        /// What is missing.
        reason: String,
    },
    /// The back end cannot be reached.
    #[error("could not reach the back end of {function}")]
    Unreachable {
        /// The function.
        function: String,
        /// Why.
        #[source]
        source: outbound::Error,
    },
    /// The back end does not take the invocation.
    #[error("the back end of {function} answered {status}: {message}")]
    Refused {
        /// The function.
        function: String,
        /// The status of its answer.
        status: u16,
        /// What it says, in brief.
        message: String,
    },
    /// The server is about to end.
    #[error("{function} was not run: the server is shutting down")]
    ShuttingDown {
        /// The function.
        function: String,
    },
}

/// What a handler that failed says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", self.kind(), self.message())]
pub struct FunctionError {
    /// The whole of it, as a rule JSON with `errorType` and `errorMessage`.
    pub payload: Bytes,
    /// `errorType`.
    pub error_type: Option<String>,
    /// `errorMessage`.
    pub error_message: Option<String>,
}

impl InvokeError {
    /// Whether another try may succeed with nothing changed by anybody.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Throttled { .. }
            | Self::Timeout { .. }
            | Self::NoAnswer { .. }
            | Self::Start { .. }
            | Self::ShuttingDown { .. } => true,
            Self::Unreachable { source, .. } => source.is_transient(),
            Self::Refused { status, .. } => *status >= 500,
            Self::Name { .. }
            | Self::NotConfigured { .. }
            | Self::PayloadTooLarge { .. }
            | Self::Function { .. }
            | Self::ResponseTooLarge { .. }
            | Self::Command { .. }
            | Self::Credentials { .. } => false,
        }
    }

    /// The error and everything below it, in one line for a log.
    pub fn chain(&self) -> String {
        outbound::chain(self)
    }

    /// A word for a metric's label.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Name { .. } => "name",
            Self::NotConfigured { .. } => "not_configured",
            Self::PayloadTooLarge { .. } => "payload_too_large",
            Self::Throttled { .. } => "throttled",
            Self::Timeout { .. } => "timeout",
            Self::Function { .. } => "function_error",
            Self::NoAnswer { .. } => "no_answer",
            Self::ResponseTooLarge { .. } => "response_too_large",
            Self::Command { .. } => "command",
            Self::Start { .. } => "start",
            Self::Credentials { .. } => "credentials",
            Self::Unreachable { .. } => "unreachable",
            Self::Refused { .. } => "refused",
            Self::ShuttingDown { .. } => "shutting_down",
        }
    }
}

impl FunctionError {
    /// Reads what a handler, or the runtime for it, says of its failure.
    pub(crate) fn parse(payload: Bytes) -> Self {
        let value: Value = serde_json::from_slice(&payload).unwrap_or_default();
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        Self { error_type: text("errorType"), error_message: text("errorMessage"), payload }
    }

    fn kind(&self) -> &str {
        self.error_type.as_deref().unwrap_or("an error without type")
    }

    fn message(&self) -> &str {
        self.error_message.as_deref().unwrap_or("no message")
    }
}

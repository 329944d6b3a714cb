//! What a function is given and what it gives back.

use std::time::Duration;

use bytes::Bytes;

/// The longest payload of an invocation that waits for its answer: AWS's 6 MB.
pub const REQUEST_BYTES_MAX: usize = 6 << 20;
/// The longest payload of an event: AWS's 1 MB.
pub const EVENT_BYTES_MAX: usize = 1 << 20;
/// The longest answer: AWS's 6 MB, with its margin.
pub const RESPONSE_BYTES_MAX: usize = (6 << 20) + 100;

/// One invocation.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The function: name or ARN, with `:version` or `:alias` or without.
    pub function: String,
    /// The event, as a rule JSON.
    pub payload: Bytes,
    /// Whether somebody waits for the answer.
    pub kind: InvocationKind,
    /// How long the caller waits, queues included. A local function that is being run then runs on,
    /// for as long as its own settings let it, as on AWS.
    pub timeout: Option<Duration>,
    /// `clientContext`: JSON that the handler finds in its context.
    pub client_context: Option<String>,
}

/// Whether somebody waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvocationKind {
    /// The answer is wanted.
    RequestResponse,
    /// The answer is not wanted. The Lambda API queues the event and says so; a process or a
    /// webhook is waited for all the same, so that what failed can be told: no event is lost in a
    /// queue in memory.
    Event,
}

/// What a function gave back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionResponse {
    /// Its answer; empty for an event.
    pub payload: Bytes,
    /// The version that ran, if it is known.
    pub executed_version: Option<String>,
}

impl Invocation {
    /// Asks `function` for its answer to `payload`.
    pub fn request(function: &str, payload: Bytes) -> Self {
        Self {
            function: function.to_owned(),
            payload,
            kind: InvocationKind::RequestResponse,
            timeout: None,
            client_context: None,
        }
    }

    /// Tells `function` of `payload`.
    pub fn event(function: &str, payload: Bytes) -> Self {
        Self { kind: InvocationKind::Event, ..Self::request(function, payload) }
    }
}

impl InvocationKind {
    /// As `X-Amz-Invocation-Type` has it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RequestResponse => "RequestResponse",
            Self::Event => "Event",
        }
    }

    /// The longest payload.
    pub(crate) fn bytes_max(self) -> usize {
        match self {
            Self::RequestResponse => REQUEST_BYTES_MAX,
            Self::Event => EVENT_BYTES_MAX,
        }
    }
}

//! What functions write to standard output and error.

use std::sync::Arc;

/// The longest line that is kept whole; of a longer one, this much.
pub const LOG_LINE_BYTES_MAX: usize = 16 << 10;

/// Takes every line, in order for each process and stream. It is called where the line was read
/// and must not block: while it does, the function's pipe fills.
pub type LogSink = Arc<dyn Fn(LogLine<'_>) + Send + Sync>;

/// One line of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// The ARN of the function.
    pub function: &'a str,
    /// The invocation that ran when the line was read, if one did.
    pub request_id: Option<&'a str>,
    /// Where it was written.
    pub stream: LogStream,
    /// The line, without its end. What is not UTF-8 is replaced.
    pub text: &'a str,
    /// Whether the line went on.
    pub is_cut: bool,
}

/// Where a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

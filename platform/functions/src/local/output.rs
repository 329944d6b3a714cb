//! What a process writes, line by line, each of bounded length.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use env::{TaskKind, Tasks};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::log::{LOG_LINE_BYTES_MAX, LogLine, LogSink, LogStream};

/// How much is read at a time.
const CHUNK_BYTES: usize = 8 << 10;
/// How long what a process wrote is read after it has ended. What it left behind may hold its
/// pipes open.
const DRAIN: Duration = Duration::from_millis(500);
/// How much of its last line is told with an error.
const LAST_LINE_CHARS: usize = 300;

/// The output of one process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Output(Arc<Shared>);

struct Shared {
    function: String,
    sink: LogSink,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    request_id: Option<Arc<str>>,
    last_line: String,
    /// The last line that speaks of an error: some runtimes end with other things.
    last_error: String,
}

/// Knows when all is read.
pub(crate) struct Drained(mpsc::Receiver<()>);

impl Output {
    pub(crate) fn new(function: &str, sink: LogSink) -> Self {
        let function = function.to_owned();
        Self(Arc::new(Shared { function, sink, state: Mutex::default() }))
    }

    /// Reads both streams, until they end or shortly after `ended` is dropped.
    pub(crate) fn read(
        &self,
        tasks: &Tasks,
        (output, error): (impl AsyncRead + Send + 'static, impl AsyncRead + Send + 'static),
        ended: &watch::Receiver<()>,
    ) -> Drained {
        let (open, drained) = mpsc::channel(1);
        self.read_one(tasks, LogStream::Output, output, (ended.clone(), open.clone()));
        self.read_one(tasks, LogStream::Error, error, (ended.clone(), open));
        Drained(drained)
    }

    /// Says which invocation lines belong to from now on.
    pub(crate) fn belongs_to(&self, request_id: Option<Arc<str>>) {
        let mut state = self.state();
        if request_id.is_some() {
            state.last_line.clear();
            state.last_error.clear();
        }
        state.request_id = request_id;
    }

    /// The line that says most of what went wrong, to be told after a colon; nothing if there was
    /// none.
    pub(crate) fn last_line(&self) -> String {
        let state = self.state();
        let lines = [&state.last_error, &state.last_line];
        let told = lines.map(|line| line.trim()).into_iter().find(|line| !line.is_empty());
        told.map(|line| format!(": {line}")).unwrap_or_default()
    }

    fn read_one(
        &self,
        tasks: &Tasks,
        stream: LogStream,
        pipe: impl AsyncRead + Send + 'static,
        (mut ended, open): (watch::Receiver<()>, mpsc::Sender<()>),
    ) {
        let output = self.clone();
        tasks.spawn("function output", TaskKind::Transient, async move {
            let mut pipe = std::pin::pin!(output.follow(stream, pipe));
            tokio::select! {
                () = &mut pipe => {}
                _ = ended.changed() => drop(timeout(DRAIN, pipe).await),
            }
            drop(open);
        });
    }

    async fn follow(&self, stream: LogStream, pipe: impl AsyncRead) {
        let mut pipe = std::pin::pin!(BufReader::with_capacity(CHUNK_BYTES, pipe));
        let mut line = Line::default();
        while let Ok(chunk) = pipe.fill_buf().await {
            if chunk.is_empty() {
                break;
            }
            let taken = line.take(chunk, |text, is_cut| self.tell(stream, text, is_cut));
            pipe.as_mut().consume(taken);
            // A process that never stops writing leaves others their turn.
            tokio::task::yield_now().await;
        }
        line.end(|text, is_cut| self.tell(stream, text, is_cut));
    }

    fn tell(&self, stream: LogStream, bytes: &[u8], is_cut: bool) {
        let text = String::from_utf8_lossy(bytes);
        let function = self.0.function.as_str();
        let request_id = {
            let mut state = self.state();
            if !text.trim().is_empty() {
                state.last_line = text.chars().take(LAST_LINE_CHARS).collect();
                if speaks_of_error(&state.last_line) {
                    state.last_error = state.last_line.clone();
                }
            }
            state.request_id.clone()
        };
        let request_id = request_id.as_deref();
        tracing::debug!(function, request_id, ?stream, line = %text, "function wrote");
        (self.0.sink)(LogLine { function, request_id, stream, text: &text, is_cut });
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drained {
    /// Waits until all is read; it is soon, once the process has ended.
    pub(crate) async fn wait(&mut self) {
        // Nothing is ever sent: the end is that nobody can any longer.
        drop(timeout(DRAIN, self.0.recv()).await);
    }
}

/// Whether a line names an error, as a trace's first or last line does and its calls do not.
fn speaks_of_error(line: &str) -> bool {
    line.contains("Error") && !line.trim_start().starts_with("at ")
}

/// A line as it comes together.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Line {
    /// Takes all of `chunk`, and tells each line that ends in it.
    fn take(&mut self, chunk: &[u8], mut tell: impl FnMut(&[u8], bool)) -> usize {
        let mut parts = chunk.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            let room = LOG_LINE_BYTES_MAX - self.bytes.len();
            self.is_cut |= part.len() > room;
            self.bytes.extend(part.iter().take(room));
            if parts.peek().is_some() {
                tell(self.bytes.strip_suffix(b"\r").unwrap_or(&self.bytes), self.is_cut);
                self.bytes.clear();
                self.is_cut = false;
            }
        }
        chunk.len()
    }

    /// Tells what stands without an end.
    fn end(self, mut tell: impl FnMut(&[u8], bool)) {
        if !self.bytes.is_empty() {
            tell(&self.bytes, self.is_cut);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(chunks: &[&str], expect: &[(&str, bool)]) {
        let mut lines = Vec::new();
        let mut line = Line::default();
        let mut tell = |text: &[u8], is_cut| {
            lines.push((String::from_utf8(text.to_vec()).unwrap(), is_cut));
        };
        for chunk in chunks {
            assert_eq!(line.take(chunk.as_bytes(), &mut tell), chunk.len());
        }
        line.end(&mut tell);
        let expect: Vec<_> =
            expect.iter().map(|(text, is_cut)| ((*text).to_owned(), *is_cut)).collect();
        assert_eq!(lines, expect);
    }

    #[test]
    fn lines_come_together_from_chunks() {
        check(&["a\nb", "c\r\n", "\nd"], &[("a", false), ("bc", false), ("", false), ("d", false)]);
        check(&[], &[]);
    }

    #[test]
    fn a_line_without_end_is_cut_once() {
        let (long, kept) = ("x".repeat(40_000), "x".repeat(LOG_LINE_BYTES_MAX));
        check(&[&long, &long, "\nshort\n"], &[(&kept, true), ("short", false)]);
        check(&[&kept, "\n"], &[(&kept, false)]);
    }
}

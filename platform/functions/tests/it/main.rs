//! Functions of every back end, with handlers and servers that behave and that do not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod configuration;
mod lambda;
mod misbehaviour;
mod output;
mod processes;
mod server;
mod webhooks;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use env::Env;
use ferrite_functions::{
    FunctionSettings, Functions, Host, Invocation, InvokeError, LogStream, SettingsError,
};
use figment::Figment;
use figment::providers::{Format as _, Toml};
use outbound::Client;
use serde_json::Value;
use tokio::sync::watch;

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where every region and account is the function's own.
pub(crate) const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function";

/// Functions by settings, and what they wrote.
pub(crate) struct Stage {
    pub(crate) env: Env,
    pub(crate) functions: Functions,
    written: watch::Receiver<Vec<Written>>,
}

/// A line that a function wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) function: String,
    pub(crate) request_id: Option<String>,
    pub(crate) stream: LogStream,
    pub(crate) text: String,
    pub(crate) is_cut: bool,
}

/// What stands below `[functions]` in `ferrite.toml`.
pub(crate) fn parse(toml: &str) -> BTreeMap<String, FunctionSettings> {
    Figment::from(Toml::string(toml)).extract().unwrap()
}

/// The settings of a function that runs the Python runtime.
pub(crate) fn python(more: &str) -> String {
    let python = interpreter();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/runtime.py");
    format!(
        "[pump]\ncommand = [\"{python}\", \"{script}\"]\ntimeout_s = 60\nstart_s = 60\n{more}\n"
    )
}

/// Python itself: what stands for it in `PATH` may be a script that adds to the environment.
fn interpreter() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let ask = ["-c", "import sys; print(sys.executable)"];
        let told = std::process::Command::new("python3").args(ask).output().unwrap();
        String::from_utf8(told.stdout).unwrap().trim().to_owned()
    })
}

impl Stage {
    pub(crate) fn new(toml: &str) -> Self {
        Self::open(toml, &[]).unwrap()
    }

    /// As [`Stage::new`], with more of the server's environment than `PATH`.
    pub(crate) fn open(toml: &str, variables: &[(&str, &str)]) -> Result<Self, SettingsError> {
        let env = Env::system();
        let (tell, written) = watch::channel(Vec::new());
        let outside = outbound::Settings {
            allow: vec!["127.0.0.0/8".to_owned()],
            system_roots: false,
            ..outbound::Settings::default()
        };
        let path = std::env::var_os("PATH").unwrap().into_string().unwrap();
        let mut environment = BTreeMap::from([("PATH".to_owned(), path)]);
        let more = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        environment.extend(more);
        let host = Host {
            env: env.clone(),
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            environment,
            log: Arc::new(move |line| {
                tell.send_modify(|written: &mut Vec<_>| {
                    written.push(Written {
                        function: line.function.to_owned(),
                        request_id: line.request_id.map(str::to_owned),
                        stream: line.stream,
                        text: line.text.to_owned(),
                        is_cut: line.is_cut,
                    });
                });
            }),
        };
        let functions = Functions::new(&parse(toml), Client::new(&outside, &env).unwrap(), host)?;
        Ok(Self { env, functions, written })
    }

    /// What the function `pump` makes of `event`.
    pub(crate) async fn invoke(&self, event: &Value) -> Result<Value, InvokeError> {
        let answer = self.functions.invoke(request(event)).await?;
        Ok(serde_json::from_slice(&answer.payload).unwrap())
    }

    /// The first line that begins with `start`, once it is there.
    pub(crate) async fn line(&self, start: &str) -> Written {
        let found =
            |written: &Vec<Written>| written.iter().any(|line| line.text.starts_with(start));
        let mut written = self.written.clone();
        let written = tokio::time::timeout(PATIENCE, written.wait_for(found)).await;
        let written = written.unwrap_or_else(|_| panic!("there is no line `{start}`")).unwrap();
        written.iter().find(|line| line.text.starts_with(start)).unwrap().clone()
    }

    pub(crate) fn written(&self) -> Vec<Written> {
        self.written.borrow().clone()
    }

    /// Ends everything, and sees that nothing is left.
    pub(crate) async fn close(self) {
        self.env.tasks.begin_shutdown("test");
        assert_eq!(self.env.tasks.finished(PATIENCE).await, BTreeMap::new());
    }
}

pub(crate) fn request(event: &Value) -> Invocation {
    Invocation::request("pump", Bytes::from(event.to_string()))
}

/// Lets `span` pass for timers, while nothing else does.
pub(crate) async fn pass(span: Duration) {
    tokio::time::pause();
    tokio::time::advance(span).await;
    tokio::time::resume();
}

/// Whether the process runs; one that is dead and not yet waited for does not.
pub(crate) fn is_alive(pid: &Value) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let state = stat.rsplit(')').next().unwrap().trim_start();
    !state.starts_with('Z') && !state.starts_with('X')
}

/// Waits until the processes are gone.
pub(crate) async fn gone(pids: &Value) {
    let gone = async {
        while pids.as_array().unwrap().iter().any(is_alive) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap_or_else(|_| panic!("some of {pids} live"));
}

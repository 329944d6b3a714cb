//! The settings of one function, `[functions."name"]`, and what they come to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use outbound::Url;
use serde::Deserialize;
use types::Secret;

use crate::identity::is_region;

/// As long as a function may take on AWS, in seconds.
const TIMEOUT_S_MAX: u64 = 900;
const TIMEOUT_S_DEFAULT: u64 = 3;
const CONCURRENCY_DEFAULT: usize = 10;
const QUEUE_DEFAULT: usize = 1000;
const IDLE_S_DEFAULT: u64 = 300;
const START_S_DEFAULT: u64 = 10;
/// What a handler is told of its memory where no setting bounds it.
pub(crate) const MEMORY_MB_TOLD: u64 = 128;
/// What begins the names of variables that each process has of its own; `handler` and `directory`
/// set the last two.
const RESERVED: [&str; 6] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "_HANDLER",
    "LAMBDA_TASK_ROOT",
];
/// Shorter secrets can be guessed.
const SECRET_BYTES_MIN: usize = 16;

/// The settings of the functions under one key: a name, a name with `:alias`, an ARN, or a pattern
/// of these. Exactly one of `command`, `url` and `lambda` says where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FunctionSettings {
    /// Process: the program and its arguments, such as `python3 -m awslambdaric app.handler`.
    pub command: Option<Vec<String>>,
    /// Process: where it runs, which is its `LAMBDA_TASK_ROOT`.
    pub directory: Option<PathBuf>,
    /// Process: `_HANDLER`; the command's last argument without it, as in AWS's images.
    pub handler: Option<String>,
    /// Process: its environment, besides what Lambda sets and the server's `PATH`, `HOME`, `LANG`.
    pub environment: BTreeMap<String, String>,
    /// How long one invocation may take.
    pub timeout_s: Option<u64>,
    /// Process: how much memory it may allocate; no bound without it.
    pub memory_mb: Option<u64>,
    /// Process: how many may run at one time.
    pub concurrency: Option<usize>,
    /// Process: how many invocations may wait for one of them.
    pub queue: Option<usize>,
    /// Process: how long one that nobody needs is kept.
    pub idle_s: Option<u64>,
    /// Process: how long it may take until it asks for its first event.
    pub start_s: Option<u64>,
    /// Webhook: where the payload goes.
    pub url: Option<String>,
    /// Webhook: what requests are signed with, shared with whoever answers.
    pub secret: Option<Secret>,
    /// Lambda: whose API, and with which key.
    pub lambda: Option<LambdaSettings>,
}

/// Where the Lambda API is, and who calls it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LambdaSettings {
    /// The endpoint; AWS's own of the region without it.
    pub endpoint: Option<String>,
    /// The region; that of the function's ARN without it.
    pub region: Option<String>,
    /// The function's name or ARN there; the function's own name without it.
    pub function: Option<String>,
    /// An access key, with its secret.
    pub access_key_id: Option<String>,
    /// The secret of the access key.
    pub secret_access_key: Option<Secret>,
    /// What temporary credentials have besides.
    pub session_token: Option<Secret>,
    /// A profile of the AWS shared files; the environment's key, else `default`, without one.
    pub profile: Option<String>,
    /// The shared file; `~/.aws/credentials` without it.
    pub credentials_file: Option<PathBuf>,
}

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("functions.\"{key}\"{}{setting}: {problem}", if setting.is_empty() { "" } else { "." })]
pub struct SettingsError {
    /// The key of the function.
    pub key: String,
    /// The setting below it; may be empty.
    pub setting: &'static str,
    /// What is wrong.
    pub problem: String,
}

/// Where functions are, checked.
#[derive(Clone, Debug)]
pub(crate) enum BackEnd {
    Process(ProcessSettings),
    Webhook(WebhookSettings),
    Lambda(RemoteSettings),
}

#[derive(Clone, Debug)]
pub(crate) struct ProcessSettings {
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) handler: String,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) timeout: Duration,
    pub(crate) memory_mb: Option<u64>,
    pub(crate) concurrency: usize,
    pub(crate) queue: usize,
    pub(crate) idle: Duration,
    pub(crate) start: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct WebhookSettings {
    pub(crate) url: Url,
    pub(crate) secret: Secret,
    pub(crate) timeout: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct RemoteSettings {
    pub(crate) endpoint: Option<Url>,
    pub(crate) region: Option<String>,
    pub(crate) function: Option<String>,
    pub(crate) timeout: Duration,
    pub(crate) key: KeySettings,
}

/// Where an access key comes from.
#[derive(Clone, Debug)]
pub(crate) enum KeySettings {
    Static { id: String, secret: Secret, token: Option<Secret> },
    Shared { profile: Option<String>, file: Option<PathBuf> },
}

impl FunctionSettings {
    /// Checks the settings under `key`.
    pub(crate) fn check(&self, key: &str) -> Result<BackEnd, SettingsError> {
        let refuse =
            |setting, problem: String| Err(SettingsError { key: key.to_owned(), setting, problem });
        if key.is_empty() {
            return refuse("", "a function has a name".to_owned());
        }
        let found = match (&self.command, &self.url, &self.lambda) {
            (Some(command), None, None) => self.process(command).map(BackEnd::Process),
            (None, Some(url), None) => self.webhook(url).map(BackEnd::Webhook),
            (None, None, Some(lambda)) => self.remote(lambda).map(BackEnd::Lambda),
            _ => return refuse("", "set one of command, url and lambda".to_owned()),
        };
        found.or_else(|(setting, problem)| refuse(setting, problem))
    }

    fn process(&self, command: &[String]) -> Result<ProcessSettings, Problem> {
        refuse_others("command", &[("secret", self.secret.is_some())])?;
        let [program, arguments @ ..] = command else {
            return problem("command", "name a program");
        };
        if let Some(name) = self.environment.keys().find(|name| !is_free(name)) {
            return Err(("environment", format!("`{name}` cannot be set")));
        }
        Ok(ProcessSettings {
            program: program.clone(),
            arguments: arguments.to_vec(),
            directory: self.directory.clone(),
            handler: self.handler.as_ref().or(arguments.last()).cloned().unwrap_or_default(),
            environment: self.environment.clone(),
            timeout: self.timeout()?,
            memory_mb: self.memory_mb.map(|mb| positive("memory_mb", mb)).transpose()?,
            concurrency: positive("concurrency", self.concurrency.unwrap_or(CONCURRENCY_DEFAULT))?,
            queue: self.queue.unwrap_or(QUEUE_DEFAULT),
            idle: seconds(positive("idle_s", self.idle_s.unwrap_or(IDLE_S_DEFAULT))?),
            start: seconds(positive("start_s", self.start_s.unwrap_or(START_S_DEFAULT))?),
        })
    }

    fn webhook(&self, url: &str) -> Result<WebhookSettings, Problem> {
        refuse_others("url", &self.of_processes())?;
        let url = Url::parse(url).map_err(|error| ("url", error.to_string()))?;
        let Some(secret) = self.secret.clone() else {
            return problem("secret", "set what requests are signed with");
        };
        if secret.expose().len() < SECRET_BYTES_MIN {
            return Err(("secret", format!("a secret has at least {SECRET_BYTES_MIN} bytes")));
        }
        Ok(WebhookSettings { url, secret, timeout: self.timeout()? })
    }

    fn remote(&self, lambda: &LambdaSettings) -> Result<RemoteSettings, Problem> {
        refuse_others("lambda", &self.of_processes())?;
        refuse_others("lambda", &[("secret", self.secret.is_some())])?;
        let endpoint = lambda.endpoint.as_deref().map(Url::parse).transpose();
        Ok(RemoteSettings {
            endpoint: endpoint.map_err(|error| ("lambda.endpoint", error.to_string()))?,
            region: lambda.checked_region()?,
            function: lambda.function.clone(),
            timeout: self.timeout()?,
            key: lambda.key()?,
        })
    }

    fn timeout(&self) -> Result<Duration, Problem> {
        let timeout_s = positive("timeout_s", self.timeout_s.unwrap_or(TIMEOUT_S_DEFAULT))?;
        if timeout_s > TIMEOUT_S_MAX {
            return Err(("timeout_s", format!("at most {TIMEOUT_S_MAX}")));
        }
        Ok(seconds(timeout_s))
    }

    /// Settings that only a process has.
    fn of_processes(&self) -> [(&'static str, bool); 8] {
        [
            ("directory", self.directory.is_some()),
            ("handler", self.handler.is_some()),
            ("environment", !self.environment.is_empty()),
            ("memory_mb", self.memory_mb.is_some()),
            ("concurrency", self.concurrency.is_some()),
            ("queue", self.queue.is_some()),
            ("idle_s", self.idle_s.is_some()),
            ("start_s", self.start_s.is_some()),
        ]
    }
}

impl LambdaSettings {
    fn checked_region(&self) -> Result<Option<String>, Problem> {
        match &self.region {
            Some(region) if !is_region(region) => problem("lambda.region", "not a region"),
            region => Ok(region.clone()),
        }
    }

    fn key(&self) -> Result<KeySettings, Problem> {
        let shared = self.profile.is_some() || self.credentials_file.is_some();
        match (&self.access_key_id, &self.secret_access_key) {
            (Some(_), Some(_)) if shared => {
                problem("lambda.profile", "does not go with access_key_id")
            }
            (Some(id), Some(secret)) => Ok(KeySettings::Static {
                id: id.clone(),
                secret: secret.clone(),
                token: self.session_token.clone(),
            }),
            (None, None) if self.session_token.is_some() => {
                problem("lambda.session_token", "does not go without access_key_id")
            }
            (None, None) => Ok(KeySettings::Shared {
                profile: self.profile.clone(),
                file: self.credentials_file.clone(),
            }),
            (Some(_), None) => problem("lambda.secret_access_key", "is missing"),
            (None, Some(_)) => problem("lambda.access_key_id", "is missing"),
        }
    }
}

/// A setting, and what is wrong with it.
type Problem = (&'static str, String);

/// Whether a variable may have that name, and is not one of those that a runtime lives by.
fn is_free(variable: &str) -> bool {
    let is_name = !variable.is_empty() && !variable.contains(['=', '\0']);
    is_name && !RESERVED.iter().any(|reserved| variable.starts_with(reserved))
}

fn refuse_others(with: &str, others: &[(&'static str, bool)]) -> Result<(), Problem> {
    match others.iter().find(|(_, is_set)| *is_set) {
        Some((setting, _)) => Err((setting, format!("does not go with {with}"))),
        None => Ok(()),
    }
}

fn problem<T>(setting: &'static str, text: &str) -> Result<T, Problem> {
    Err((setting, text.to_owned()))
}

fn positive<N: Default + PartialEq>(setting: &'static str, number: N) -> Result<N, Problem> {
    if number == N::default() { problem(setting, "must be at least 1") } else { Ok(number) }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

//! Settings: defaults, then `ferrite.toml`, then the environment, then `--set`, then flags.
//!
//! An unknown setting is an error that names its nearest neighbour: a typo must not leave a
//! default in force unseen.

mod limits;
mod listen;
mod mqtt;
mod outside;
mod values;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use figment::Figment;
use figment::providers::{Format as _, Serialized, Toml};
use figment::value::{Dict, Value};
use serde::Deserialize;
use service::{Limits, LogLevel};
use types::{AccountId, Region};

use self::mqtt::Mqtt;
use self::outside::Outbound;

pub(crate) use self::listen::Listen;

/// The settings file that is read if it is there.
const FILE_DEFAULT: &str = "ferrite.toml";
/// What settings begin with in the environment.
const VARIABLE_PREFIX: &str = "FERRITE_";
/// How many letters a variable may be off to be taken for a misspelt setting.
const TYPO_MAX: usize = 2;

/// Every setting with its default; an empty one is none.
const SETTINGS: [(&str, &str); 35] = [
    ("account_id", "000000000000"),
    ("region", "us-east-1"),
    ("data_dir", "data"),
    ("endpoint_domain", ""),
    ("listen.http", "127.0.0.1:4566"),
    ("listen.https", "127.0.0.1:8443"),
    ("listen.mqtts", "127.0.0.1:8883"),
    ("listen.mqtt", "off"),
    ("listen.proxy_protocol", "off"),
    ("listen.proxy_from", ""),
    ("listen.proxy_doors", "https, mqtts, mqtt"),
    ("tls.names", ""),
    ("tls.aws_names", "false"),
    ("tls.certificate", ""),
    ("tls.key", ""),
    ("tls.resumption", "true"),
    ("mqtt.workers", "0"),
    ("mqtt.dialect", "aws"),
    ("mqtt.max_qos", ""),
    ("mqtt.reason_strings", "true"),
    ("mqtt.refuse_v311", ""),
    ("mqtt.payload_format_checked", "false"),
    ("shadow.needs_thing", "false"),
    ("limits.profile", ""),
    ("store.url", "sqlite"),
    ("journal.url", "files"),
    ("journal.bytes_max", "10737418240"),
    ("rules.durability", "disk"),
    ("rules.recent_messages", "1000"),
    ("outbound.allow", ""),
    ("outbound.ca_file", ""),
    ("secrets.key_file", ""),
    ("log.format", "text"),
    ("log.level", "info"),
    ("log.messages", "error"),
];

/// What is different under `--dev`, unless somebody says otherwise.
const DEV_SETTINGS: [(&str, &str); 1] = [("listen.mqtt", "127.0.0.1:1883")];

/// All settings, checked.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Config {
    pub(crate) account_id: AccountId,
    #[serde(deserialize_with = "values::region")]
    pub(crate) region: Region,
    pub(crate) data_dir: PathBuf,
    #[serde(deserialize_with = "values::text_or_none")]
    pub(crate) endpoint_domain: Option<String>,
    pub(crate) listen: Listen,
    pub(crate) tls: Tls,
    pub(crate) mqtt: Mqtt,
    pub(crate) shadow: Shadow,
    #[serde(skip)]
    pub(crate) limits: Limits,
    #[serde(skip)]
    pub(crate) places: rules::Places,
    pub(crate) store: StoreSettings,
    pub(crate) journal: JournalSettings,
    pub(crate) rules: RuleSettings,
    pub(crate) outbound: Outbound,
    secrets: Secrets,
    pub(crate) log: Log,
}

/// Who the server says it is.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Tls {
    /// What the server certificate names besides the names that it always has.
    #[serde(deserialize_with = "values::names")]
    pub(crate) names: Vec<String>,
    /// Whether it also names the `amazonaws.com` forms.
    #[serde(deserialize_with = "values::flag")]
    pub(crate) aws_names: bool,
    /// A certificate chain that stands for the server's own; comes with `key`.
    #[serde(deserialize_with = "values::path_or_none")]
    pub(crate) certificate: Option<PathBuf>,
    #[serde(deserialize_with = "values::path_or_none")]
    pub(crate) key: Option<PathBuf>,
    /// Whether clients may resume sessions.
    #[serde(deserialize_with = "values::flag")]
    pub(crate) resumption: bool,
}

/// What shadows there may be.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Shadow {
    /// Whether only things that are registered have any.
    #[serde(deserialize_with = "values::flag")]
    pub(crate) needs_thing: bool,
}

/// Where documents are kept.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct StoreSettings {
    /// `sqlite` or `postgres://…`.
    pub(crate) url: String,
}

/// Where messages wait for clients that are away.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct JournalSettings {
    /// `files` or `postgres://…`.
    pub(crate) url: String,
    /// What all of them together may take on disk.
    #[serde(deserialize_with = "values::bytes")]
    pub(crate) bytes_max: u64,
}

/// How rules run.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RuleSettings {
    /// When a message is acknowledged that rules hear with QoS 1: `disk` or `memory`.
    durability: rules::Durability,
    /// Messages that came lately and are kept, for rules to be tried on.
    #[serde(deserialize_with = "values::count")]
    recent_messages: usize,
}

impl RuleSettings {
    /// As the engine has them.
    pub(crate) fn settings(&self) -> rules::RuleSettings {
        let Self { durability, recent_messages } = *self;
        rules::RuleSettings { durability, recent_messages }
    }
}

#[derive(Clone, Debug, Deserialize)]
struct Secrets {
    #[serde(deserialize_with = "values::text_or_none")]
    key_file: Option<String>,
}

/// What is logged, and how.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    /// A level, or directives such as `info,ferrite_store=debug`.
    pub(crate) level: String,
    /// What the device log has of each message.
    pub(crate) messages: LogLevel,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// What settings are read from.
#[derive(Default)]
pub(crate) struct Sources {
    /// `--config`.
    pub(crate) file: Option<PathBuf>,
    /// The environment.
    pub(crate) variables: Vec<(String, String)>,
    /// `--set`.
    pub(crate) set: Vec<String>,
    /// `--data-dir`.
    pub(crate) data_dir: Option<PathBuf>,
    /// `--dev`.
    pub(crate) is_dev: bool,
}

impl Config {
    /// Reads and checks all settings.
    pub(crate) fn load(sources: Sources) -> anyhow::Result<Self> {
        let mut figment = Figment::new();
        let dev = if sources.is_dev { &DEV_SETTINGS[..] } else { &[] };
        for (name, default) in SETTINGS.iter().chain(dev) {
            figment = figment.merge(Serialized::default(name, default));
        }
        figment = merge_file(figment, sources.file.as_deref())?;
        for (name, value) in from_environment(&sources.variables)? {
            figment = merge(figment, &name, &value);
        }
        for setting in &sources.set {
            let (name, value) = from_flag(setting)?;
            figment = merge(figment, name, value);
        }
        if let Some(data_dir) = sources.data_dir {
            figment = figment.merge(Serialized::default("data_dir", data_dir));
        }
        let mut config: Self =
            figment.extract().map_err(|error| anyhow::anyhow!("{}", explain(&error)))?;
        config.limits = limits::read(&figment, &config.mqtt.dialect())?;
        config.places = outside::places(&figment, &sources.variables)?;
        config.check()?;
        if sources.is_dev {
            config.listen.check_loopback()?;
        }
        Ok(config)
    }

    /// What no setting shows alone.
    fn check(&self) -> anyhow::Result<()> {
        let Tls { certificate, key, .. } = &self.tls;
        ensure!(
            certificate.is_some() == key.is_some(),
            "`tls.certificate` and `tls.key` come together: set both, or neither"
        );
        self.listen.check()
    }

    /// The file that secrets are sealed under.
    pub(crate) fn key_file(&self) -> PathBuf {
        let own = || self.data_dir.join("secrets.key");
        self.secrets.key_file.as_ref().map_or_else(own, PathBuf::from)
    }
}

/// Adds a setting that came as text.
fn merge(figment: Figment, name: &str, value: &str) -> Figment {
    if name.starts_with(outside::FUNCTIONS) || name.starts_with(outside::TARGETS) {
        return figment.merge(Serialized::default(name, outside::value(name, value)));
    }
    figment.merge(Serialized::default(name, value))
}

fn merge_file(figment: Figment, named: Option<&Path>) -> anyhow::Result<Figment> {
    let path = match named {
        Some(path) => path,
        None if Path::new(FILE_DEFAULT).exists() => Path::new(FILE_DEFAULT),
        None => return Ok(figment),
    };
    ensure!(path.is_file(), "the settings file {} is not there", path.display());
    let file = Figment::from(Toml::file_exact(path));
    let whole: Dict =
        file.extract().with_context(|| format!("could not read {}", path.display()))?;
    for name in leaves(&whole, "") {
        check_known(&name).with_context(|| format!("in {}", path.display()))?;
    }
    Ok(figment.merge(Serialized::defaults(limits::in_full(whole))))
}

/// The dotted names of all values in a table.
fn leaves(table: &Dict, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (key, value) in table {
        let name = format!("{prefix}{key}");
        match value {
            Value::Dict(_, inner) => names.extend(leaves(inner, &format!("{name}."))),
            _ => names.push(name),
        }
    }
    names
}

/// The settings among the variables. Others that begin like settings are left alone, since
/// container platforms make such up, unless they look like a setting with a typo.
fn from_environment(variables: &[(String, String)]) -> anyhow::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for (variable, value) in variables {
        let Some(name) = variable.strip_prefix(VARIABLE_PREFIX) else { continue };
        let name = name.to_ascii_lowercase().replace("__", ".");
        let (_, distance) = nearest(&name);
        if name.contains('.') || distance <= TYPO_MAX {
            check_known(&name).with_context(|| format!("in the environment, {variable}"))?;
            found.push((limits::full_name(&name).to_owned(), value.clone()));
        }
    }
    Ok(found)
}

fn from_flag(setting: &str) -> anyhow::Result<(&str, &str)> {
    let Some((name, value)) = setting.split_once('=') else {
        bail!("--set {setting} has no value; write --set section.key=value");
    };
    check_known(name.trim()).with_context(|| format!("in --set {setting}"))?;
    Ok((limits::full_name(name.trim()), value.trim()))
}

fn check_known(name: &str) -> anyhow::Result<()> {
    if outside::is_ours(name)? {
        return Ok(());
    }
    let (candidate, distance) = nearest(name);
    if distance == 0 {
        return Ok(());
    }
    let is_limit = candidate.starts_with(limits::PREFIX);
    let alike = names().filter(|name| name.starts_with(limits::PREFIX) == is_limit);
    let known = alike.collect::<Vec<_>>().join(", ");
    bail!("unknown setting `{name}`; did you mean `{candidate}`? There are: {known}");
}

/// The setting whose name is most like `name`, and how many letters differ.
fn nearest(name: &str) -> (String, usize) {
    let name = limits::full_name(name);
    let distances = names().map(|known| {
        let distance = strsim::damerau_levenshtein(name, &known);
        (known, distance)
    });
    distances.min_by_key(|(_, distance)| *distance).expect("there are settings")
}

/// The name of every setting.
fn names() -> impl Iterator<Item = String> {
    let plain = SETTINGS.iter().map(|(name, _)| (*name).to_owned());
    plain.chain(limits::names())
}

fn explain(error: &figment::Error) -> String {
    let all = error.clone().into_iter().map(|error| {
        let name = error.path.join(".");
        format!("the setting `{name}` is wrong: {}", error.kind)
    });
    all.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;

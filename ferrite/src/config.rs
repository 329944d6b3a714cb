//! Settings: defaults, then `ferrite.toml`, then the environment, then `--set`, then flags.
//!
//! An unknown setting is an error that names its nearest neighbour: a typo must not leave a
//! default in force unseen.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use figment::Figment;
use figment::providers::{Format as _, Serialized, Toml};
use figment::value::{Dict, Value};
use serde::Deserialize;
use types::{AccountId, Region};

/// The settings file that is read if it is there.
const FILE_DEFAULT: &str = "ferrite.toml";
/// What settings begin with in the environment.
const VARIABLE_PREFIX: &str = "FERRITE_";
/// How many letters a variable may be off to be taken for a misspelt setting.
const TYPO_MAX: usize = 2;

/// Every setting with its default; an empty one is none.
const SETTINGS: [(&str, &str); 9] = [
    ("account_id", "000000000000"),
    ("region", "us-east-1"),
    ("data_dir", "data"),
    ("endpoint_domain", ""),
    ("listen.http", "127.0.0.1:4566"),
    ("store.url", "sqlite"),
    ("secrets.key_file", ""),
    ("log.format", "text"),
    ("log.level", "info"),
];

/// All settings, checked.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Config {
    pub(crate) account_id: AccountId,
    #[serde(deserialize_with = "region")]
    pub(crate) region: Region,
    pub(crate) data_dir: PathBuf,
    #[serde(deserialize_with = "text_or_none")]
    pub(crate) endpoint_domain: Option<String>,
    pub(crate) listen: Listen,
    pub(crate) store: StoreSettings,
    secrets: Secrets,
    pub(crate) log: Log,
}

/// Where the doors are.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Listen {
    pub(crate) http: SocketAddr,
}

/// Where documents are kept.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct StoreSettings {
    /// `sqlite` or `postgres://…`.
    pub(crate) url: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Secrets {
    #[serde(deserialize_with = "text_or_none")]
    key_file: Option<String>,
}

/// What is logged, and how.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    /// A level, or directives such as `info,ferrite_store=debug`.
    pub(crate) level: String,
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
}

impl Config {
    /// Reads and checks all settings.
    pub(crate) fn load(sources: Sources) -> anyhow::Result<Self> {
        let mut figment = Figment::new();
        for (name, default) in SETTINGS {
            figment = figment.merge(Serialized::default(name, default));
        }
        figment = merge_file(figment, sources.file.as_deref())?;
        for (name, value) in from_environment(&sources.variables)? {
            figment = figment.merge(Serialized::default(&name, value));
        }
        for setting in &sources.set {
            let (name, value) = from_flag(setting)?;
            figment = figment.merge(Serialized::default(name, value));
        }
        if let Some(data_dir) = sources.data_dir {
            figment = figment.merge(Serialized::default("data_dir", data_dir));
        }
        figment.extract().map_err(|error| anyhow::anyhow!("{}", explain(&error)))
    }

    /// The file that secrets are sealed under.
    pub(crate) fn key_file(&self) -> PathBuf {
        let own = || self.data_dir.join("secrets.key");
        self.secrets.key_file.as_ref().map_or_else(own, PathBuf::from)
    }
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
    Ok(figment.merge(file))
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
            found.push((name, value.clone()));
        }
    }
    Ok(found)
}

fn from_flag(setting: &str) -> anyhow::Result<(&str, &str)> {
    let Some((name, value)) = setting.split_once('=') else {
        bail!("--set {setting} has no value; write --set section.key=value");
    };
    check_known(name.trim()).with_context(|| format!("in --set {setting}"))?;
    Ok((name.trim(), value.trim()))
}

fn check_known(name: &str) -> anyhow::Result<()> {
    let (candidate, distance) = nearest(name);
    if distance == 0 {
        return Ok(());
    }
    let known = SETTINGS.map(|(name, _)| name).join(", ");
    bail!("unknown setting `{name}`; did you mean `{candidate}`? The settings are: {known}");
}

/// The setting whose name is most like `name`, and how many letters differ.
fn nearest(name: &str) -> (&'static str, usize) {
    let distances = SETTINGS.map(|(known, _)| (known, strsim::damerau_levenshtein(name, known)));
    let nearest = distances.into_iter().min_by_key(|(_, distance)| *distance);
    nearest.expect("there are settings")
}

fn explain(error: &figment::Error) -> String {
    let all = error.clone().into_iter().map(|error| {
        let name = error.path.join(".");
        format!("the setting `{name}` is wrong: {}", error.kind)
    });
    all.collect::<Vec<_>>().join("; ")
}

fn region<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Region, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

fn text_or_none<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn load(sources: Sources) -> Result<Config, String> {
        Config::load(sources).map_err(|error| format!("{error:#}"))
    }

    fn set(settings: &[&str]) -> Sources {
        Sources { set: settings.iter().map(|s| (*s).to_owned()).collect(), ..Sources::default() }
    }

    fn variables(pairs: &[(&str, &str)]) -> Sources {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Sources { variables: pairs.collect(), ..Sources::default() }
    }

    #[test]
    fn without_settings_the_defaults_hold() {
        let config = load(Sources::default()).unwrap();
        assert_eq!(config.account_id, AccountId::DEFAULT);
        assert_eq!(config.region.as_str(), "us-east-1");
        assert_eq!(config.listen.http.to_string(), "127.0.0.1:4566");
        assert_eq!(config.endpoint_domain, None);
        assert_eq!(config.key_file(), Path::new("data/secrets.key"));
        assert_eq!(config.log.format, LogFormat::Text);
    }

    #[test]
    fn each_source_outranks_the_one_before() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ferrite.toml");
        let text = "region = \"eu-west-1\"\n[listen]\nhttp = \"127.0.0.1:1\"\n\
                    [log]\nformat = \"json\"\n[store]\nurl = \"postgres://db\"\n";
        fs::write(&path, text).unwrap();
        let config = load(Sources {
            file: Some(path),
            variables: variables(&[
                ("FERRITE_LISTEN__HTTP", "127.0.0.1:2"),
                ("FERRITE_ACCOUNT_ID", "000000000012"),
                ("FERRITE_DATA_DIR", "from-environment"),
            ])
            .variables,
            set: vec!["listen.http=127.0.0.1:3".into(), "data_dir=from-set".into()],
            data_dir: Some("from-flag".into()),
        });
        let config = config.unwrap();
        assert_eq!(config.region.as_str(), "eu-west-1");
        assert_eq!(config.log.format, LogFormat::Json);
        assert_eq!(config.store.url, "postgres://db");
        assert_eq!(config.listen.http.port(), 3);
        assert_eq!(config.account_id.as_str(), "000000000012");
        assert_eq!(config.data_dir, Path::new("from-flag"));
    }

    #[test]
    fn an_unknown_setting_is_refused_with_its_nearest_neighbour() {
        for (wrong, right) in [
            ("listen.htp=127.0.0.1:1", "listen.http"),
            ("acount_id=000000000001", "account_id"),
            ("store=sqlite", "store.url"),
        ] {
            let error = load(set(&[wrong])).unwrap_err();
            assert!(error.contains(&format!("did you mean `{right}`?")), "{error}");
        }
        let error = load(variables(&[("FERRITE_LOG__LEVL", "info")])).unwrap_err();
        assert!(error.contains("FERRITE_LOG__LEVL") && error.contains("`log.level`"), "{error}");
    }

    #[test]
    fn a_setting_of_a_file_that_is_unknown_names_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mine.toml");
        fs::write(&path, "[listen]\nhttps = \"off\"\n").unwrap();
        let error = load(Sources { file: Some(path), ..Sources::default() }).unwrap_err();
        assert!(error.contains("mine.toml") && error.contains("`listen.https`"), "{error}");
    }

    #[test]
    fn a_wrong_value_names_its_setting() {
        for (setting, name) in [
            ("listen.http=hello", "listen.http"),
            ("account_id=12", "account_id"),
            ("region=Moon", "region"),
            ("log.format=xml", "log.format"),
        ] {
            let error = load(set(&[setting])).unwrap_err();
            assert!(error.contains(&format!("`{name}`")), "{error}");
        }
        assert!(load(set(&["region"])).unwrap_err().contains("section.key=value"));
    }

    #[test]
    fn variables_that_are_no_settings_are_left_alone() {
        let sources = variables(&[
            ("FERRITE_PORT_4566_TCP_ADDR", "10.0.0.1"),
            ("FERRITE_BIN", "target/debug/ferrite"),
            ("HOME", "/root"),
        ]);
        assert!(load(sources).is_ok());
    }

    #[test]
    fn a_file_that_is_named_must_be_there() {
        let sources = Sources { file: Some("/nonexistent.toml".into()), ..Sources::default() };
        assert!(load(sources).unwrap_err().contains("/nonexistent.toml"));
    }
}

//! The settings of bounds: a profile, and single bounds over it.

use anyhow::anyhow;
use figment::Figment;
use figment::value::{Dict, Value};
use service::{Dialect, LimitError, Limits, Profile};

/// What the name of each begins with.
pub(super) const PREFIX: &str = "limits.";
/// The setting of the profile, and what may be written for it.
const PROFILE: &str = "limits.profile";
const PROFILE_SHORT: &str = "limits";

/// The settings of single bounds, and the short one of the profile.
pub(super) fn names() -> impl Iterator<Item = String> {
    let single = Limits::NAMES.iter().map(|name| format!("{PREFIX}{name}"));
    single.chain([PROFILE_SHORT.to_owned()])
}

/// `limits` alone is its profile.
pub(super) fn full_name(name: &str) -> &str {
    if name == PROFILE_SHORT { PROFILE } else { name }
}

/// As [`full_name`], in a whole file.
pub(super) fn in_full(mut file: Dict) -> Dict {
    if let Some(limits) = file.get_mut(PROFILE_SHORT)
        && limits.as_dict().is_none()
    {
        *limits = Dict::from([("profile".to_owned(), limits.clone())]).into();
    }
    file
}

/// The bounds that the settings make.
pub(super) fn read(settings: &Figment, dialect: &Dialect) -> anyhow::Result<Limits> {
    let profile = profile(&text(&settings.find_value(PROFILE)?), dialect)?;
    let mut limits = Limits::of(profile);
    for name in Limits::NAMES {
        let setting = format!("{PREFIX}{name}");
        let Ok(value) = settings.find_value(&setting) else { continue };
        let set = limits.set(name, &text(&value));
        set.map_err(|error| anyhow!("the setting `{setting}` is wrong: {error}"))?;
    }
    limits.check().map_err(contradiction)?;
    Ok(limits)
}

/// The standards know none of AWS's bounds on what a message may be.
fn profile(text: &str, dialect: &Dialect) -> anyhow::Result<Profile> {
    match text {
        "" if dialect.is_standard => Ok(Profile::Relaxed),
        "" => Ok(Profile::Default),
        "aws" => Ok(Profile::Aws),
        "relaxed" => Ok(Profile::Relaxed),
        other => {
            Err(anyhow!("the setting `{PROFILE}` is wrong: it is aws or relaxed, not {other}"))
        }
    }
}

/// A value as `--set` would write it.
fn text(value: &Value) -> String {
    let number = || value.to_i128().map(|number| number.to_string());
    let number = number().or_else(|| value.to_f64().map(|number| number.to_string()));
    value.as_str().map(str::to_owned).or(number).unwrap_or_else(|| format!("{value:?}"))
}

fn contradiction(error: LimitError) -> anyhow::Error {
    anyhow!("the settings `{PREFIX}*` contradict each other: {error}")
}

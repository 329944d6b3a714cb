//! Why a resource of a statement is not the one that a request is about.

use types::Arn;

use super::{DEVICE_ACTIONS, Hint, Miss, Nearness, variable};
use crate::operator::split_arn_pattern;
use crate::pattern::{Case, Grammar, Pattern};

/// Fields of an ARN by name, as far as they differ between tenants.
const FIELDS: [&str; 5] = ["prefix", "partition", "service", "region", "account"];
/// What the filters of shared subscriptions begin with.
const SHARED: &str = "$share/";

/// What is wrong with `pattern`, which was written as `text`, for the statement's request.
pub(super) fn hint(miss: &Miss<'_>, pattern: &Pattern, text: &str) -> Hint {
    let found = pattern.matches(miss.request.resource, Case::Sensitive, miss.request.context);
    if let Err(unresolved) = found {
        return variable::hint(miss, unresolved.0, text);
    }
    let (nearness, why) = version(miss, text)
        .or_else(|| letters(miss, pattern))
        .or_else(|| mqtt_wildcards(miss, text))
        .or_else(|| tenant(miss, text))
        .or_else(|| kind(miss, text))
        .or_else(|| shared(miss, text))
        .unwrap_or_else(|| (Nearness::OtherResource, elsewhere(miss, pattern)));
    let (place, action) = (miss.place, miss.request.action);
    Hint { nearness, sentence: format!("{place} allows {action} on {text}, {why}") }
}

type Reason = (Nearness, String);

fn version(miss: &Miss<'_>, text: &str) -> Option<Reason> {
    if miss.version.has_variables() || !text.contains("${") {
        return None;
    }
    let found = reads_as(miss, text, true, miss.request.resource);
    let why =
        "where ${…} is no variable: policies have them with \"Version\": \"2012-10-17\" alone";
    (found != Some(false)).then(|| (Nearness::Spelling, why.to_owned()))
}

fn letters(miss: &Miss<'_>, pattern: &Pattern) -> Option<Reason> {
    let request = miss.request;
    let found = pattern.matches(request.resource, Case::Insensitive, request.context);
    let why = || format!("which differs from {} in upper and lower case", request.resource);
    (found == Ok(true)).then(|| (Nearness::Spelling, why()))
}

/// `+` and `#` where `*` was meant.
fn mqtt_wildcards(miss: &Miss<'_>, text: &str) -> Option<Reason> {
    if !text.contains(['+', '#']) {
        return None;
    }
    let meant = text.replace(['+', '#'], "*");
    let found = reads(miss, &meant, miss.request.resource);
    let why = || {
        format!("where + and # are letters like others: the policy's wildcard is *, as in {meant}")
    };
    (found == Some(true)).then(|| (Nearness::Spelling, why()))
}

/// Another account, region, service or partition.
fn tenant(miss: &Miss<'_>, text: &str) -> Option<Reason> {
    let fields = split_arn_pattern(text);
    let asked: Vec<&str> = miss.request.resource.splitn(fields.len(), ':').collect();
    if fields.len() != asked.len() {
        return None;
    }
    let differs = |field: &str, asked: &str| reads(miss, field, asked) == Some(false);
    let differing: Vec<String> = FIELDS
        .iter()
        .zip(fields.iter().zip(&asked))
        .filter(|(_, (field, asked))| differs(field, asked))
        .map(|(name, (field, asked))| format!("its {name} is {field} and should be {asked}"))
        .collect();
    let is_other = !differing.is_empty();
    is_other.then(|| (Nearness::OtherTenant, format!("but {}", differing.join(", and "))))
}

/// A topic where a client is asked for, and so on.
fn kind(miss: &Miss<'_>, text: &str) -> Option<Reason> {
    let fields = split_arn_pattern(text);
    let (written, _) = fields.last()?.split_once('/')?;
    let (asked, _) = Arn::parse(miss.request.resource).ok()?.type_and_name()?;
    if written == asked || written.contains(['*', '?', '$']) {
        return None;
    }
    let action = miss.request.action;
    let form = DEVICE_ACTIONS.iter().find(|(known, _)| *known == action);
    let form = form.map_or_else(|| format!("{asked}/<name>"), |(_, form)| (*form).to_owned());
    Some((Nearness::OtherType, format!("but {action} is decided by {form}")))
}

/// The filter of a shared subscription without its group.
fn shared(miss: &Miss<'_>, text: &str) -> Option<Reason> {
    let (before, filter) = miss.request.resource.split_once(SHARED)?;
    let (_, filter) = filter.split_once('/')?;
    let found = reads(miss, text, &format!("{before}{filter}"));
    let why = "but a shared subscription is decided by its whole filter, $share/<group>/ included";
    (found == Some(true)).then(|| (Nearness::Spelling, why.to_owned()))
}

fn elsewhere(miss: &Miss<'_>, pattern: &Pattern) -> String {
    let resource = miss.request.resource;
    match pattern.filled(miss.request.context) {
        Some(filled) => format!("which is {filled} here, and {resource} is something else"),
        None => format!("and {resource} is something else"),
    }
}

/// Whether `text`, by the rules of the statement's document, matches `against`; nothing if a
/// variable has no value.
fn reads(miss: &Miss<'_>, text: &str, against: &str) -> Option<bool> {
    reads_as(miss, text, miss.version.has_variables(), against)
}

fn reads_as(miss: &Miss<'_>, text: &str, variables: bool, against: &str) -> Option<bool> {
    let pattern = Pattern::parse(text, Grammar { wildcards: true, variables });
    pattern.matches(against, Case::Sensitive, miss.request.context).ok()
}

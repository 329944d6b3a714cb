//! Hints: why a request is refused and what would allow it, in sentences for whoever writes the
//! policies.
//!
//! Every Allow statement is held against the request, and the nearest misses are told. Nothing
//! here decides anything.

mod resource;
mod variable;

use std::cmp::Reverse;
use std::fmt;

use crate::condition::Condition;
use crate::document::{Document, Effect, Statement, Version};
use crate::evaluate::{Decision, Mismatch, Place, Request, evaluate, places};

/// Hints at most, beside the last one that says what to add.
const HINTS_MAX: usize = 6;
/// Texts of a policy, or values of a request, that a hint repeats at most.
const TEXTS_MAX: usize = 3;
/// Letters of an action or a variable that may be wrong for it to be taken as misspelt.
const MISSPELT_MAX: usize = 3;

/// What MQTT clients do, and the resources that decide it.
const DEVICE_ACTIONS: [(&str, &str); 5] = [
    ("iot:Connect", "client/<client id>"),
    ("iot:Publish", "topic/<topic>"),
    ("iot:RetainPublish", "topic/<topic>"),
    ("iot:Subscribe", "topicfilter/<filter>"),
    ("iot:Receive", "topic/<topic>"),
];

/// How near a statement came to allowing a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    OtherAction,
    OtherResource,
    OtherType,
    OtherTenant,
    Spelling,
    Variable,
    Condition,
}

struct Hint {
    nearness: Nearness,
    sentence: String,
}

/// An Allow statement that does not match a request.
struct Miss<'a> {
    place: Place<'a>,
    version: Version,
    statement: &'a Statement,
    request: &'a Request<'a>,
}

/// Says what is missing for `request` to be allowed, the nearest first, and last what to add. Of
/// what a statement denies it names the statement, and of what is allowed it says nothing.
pub fn hints(documents: &[(&str, &Document)], request: &Request<'_>) -> Vec<String> {
    match evaluate(documents, request) {
        Decision::Allowed { .. } => Vec::new(),
        Decision::ExplicitDeny { by } => vec![denied(documents, request, by)],
        Decision::ImplicitDeny { .. } => missing(documents, request),
    }
}

fn denied(documents: &[(&str, &Document)], request: &Request<'_>, by: Place<'_>) -> String {
    let Request { action, resource, .. } = request;
    let found = places(documents).find(|(place, _)| *place == by);
    let texts = found.map_or(&[][..], |(_, statement)| &statement.resources.texts);
    let is_negated = found.is_some_and(|(_, statement)| statement.resources.is_negated);
    let what = if is_negated { "everything but " } else { "" };
    format!(
        "{by} denies {action} on {what}{}, and a Deny goes before every Allow: make that statement \
         narrower, or detach policy {}, for {resource}",
        Listed(texts),
        by.policy
    )
}

fn missing(documents: &[(&str, &Document)], request: &Request<'_>) -> Vec<String> {
    if documents.is_empty() {
        let sentence = "no policy is attached, so nothing is allowed: attach one with aws iot \
                        attach-policy --policy-name NAME --target CERTIFICATE-ARN";
        return vec![sentence.to_owned(), what_to_add(request)];
    }
    let mut hints: Vec<Hint> = related(documents, request).into_iter().collect();
    for (name, document) in documents {
        let (version, documents) = (document.version(), [(*name, *document)]);
        let allows = places(&documents).filter(|(_, s)| s.effect == Effect::Allow);
        hints
            .extend(allows.flat_map(|(place, statement)| {
                Miss { place, version, statement, request }.hints()
            }));
    }
    hints.sort_by_key(|hint| Reverse(hint.nearness));
    let mut sentences: Vec<String> = Vec::new();
    for Hint { sentence, .. } in hints {
        if sentences.len() < HINTS_MAX && !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    if sentences.is_empty() {
        let names: Vec<Box<str>> = documents.iter().map(|(name, _)| Box::from(*name)).collect();
        let action = request.action;
        sentences.push(format!("no statement of {} allows {action} on anything", Listed(&names)));
    }
    sentences.push(what_to_add(request));
    sentences
}

/// The exact resource, with what policies take for wildcards or variables escaped.
fn what_to_add(request: &Request<'_>) -> String {
    let resource: String = request
        .resource
        .chars()
        .map(|c| match c {
            '*' if request.resource != "*" => "${*}".to_owned(),
            '?' => "${?}".to_owned(),
            '$' if request.resource.contains("${") => "${$}".to_owned(),
            other => other.to_string(),
        })
        .collect();
    format!("to allow it, add a statement that allows {} on {resource}", request.action)
}

/// What another action says of this one.
fn related(documents: &[(&str, &Document)], request: &Request<'_>) -> Option<Hint> {
    let allows = |action| {
        let decision = evaluate(documents, &Request { action, ..*request });
        if let Decision::Allowed { by } = decision { Some(by.to_string()) } else { None }
    };
    let names = |action| {
        let about = Request { action, ..*request };
        let mut allows = places(documents).filter(|(_, s)| s.effect == Effect::Allow);
        allows.find(|(_, s)| s.is_about(&about)).map(|(place, _)| place.to_string())
    };
    let sentence = match request.action {
        "iot:RetainPublish" => format!(
            "a retained message needs iot:RetainPublish besides iot:Publish, and {} allows \
             iot:Publish alone",
            allows("iot:Publish")?
        ),
        "iot:Connect" => return unmatched_filters(documents, request),
        "iot:Receive" if names("iot:Receive").is_none() => format!(
            "a subscription needs iot:Receive on topic/<topic> for what is delivered, and {} \
             allows iot:Subscribe alone",
            names("iot:Subscribe")?
        ),
        _ => return None,
    };
    Some(Hint { nearness: Nearness::Condition, sentence })
}

/// Foretells the next refusal: that subscribing is allowed, but on no resource that is a filter.
fn unmatched_filters(documents: &[(&str, &Document)], request: &Request<'_>) -> Option<Hint> {
    let about = Request { action: "iot:Subscribe", ..*request };
    let mut subscribing = places(documents)
        .filter(|(_, s)| s.effect == Effect::Allow && s.is_about(&about))
        .peekable();
    let (place, _) = *subscribing.peek()?;
    let may_match = subscribing.any(|(_, statement)| {
        statement.resources.is_negated
            || statement.resources.texts.iter().any(|text| may_be_filter(text))
    });
    let sentence = format!(
        "{place} also allows iot:Subscribe, which will be refused as well: it is decided by \
         topicfilter/<filter>, and no resource there is one"
    );
    (!may_match).then_some(Hint { nearness: Nearness::OtherAction, sentence })
}

/// Whether the resource of an ARN in a policy can stand for a topic filter.
fn may_be_filter(text: &str) -> bool {
    const FILTER: &str = "topicfilter/";
    let Some(resource) = text.splitn(6, ':').nth(5) else { return true };
    let literal = resource.split(['*', '?', '$']).next().unwrap_or_default();
    FILTER.starts_with(literal) || literal.starts_with(FILTER)
}

impl Miss<'_> {
    fn hints(&self) -> Vec<Hint> {
        if !self.statement.is_about(self.request) {
            return self.other_action().into_iter().collect();
        }
        if let Err(mismatch) = self.statement.check_resource(self.request) {
            return self.other_resource(mismatch);
        }
        let unmet = self.statement.unmet(self.request);
        unmet.map(|condition| self.unmet(condition)).into_iter().collect()
    }

    /// A statement that leaves the action out, or that seems to mean it.
    fn other_action(&self) -> Option<Hint> {
        let (place, action) = (self.place, self.request.action);
        let actions = &self.statement.actions;
        if actions.is_negated {
            let texts = Listed(&actions.texts);
            let sentence = format!("{place} allows every action but {texts}, which has {action}");
            return Some(Hint { nearness: Nearness::OtherAction, sentence });
        }
        let meant = actions.texts.iter().find(|text| is_misspelt(text, action))?;
        let sentence =
            format!("{place} names the action {meant}, which there is not; it is spelt {action}");
        Some(Hint { nearness: Nearness::Spelling, sentence })
    }

    fn other_resource(&self, mismatch: Mismatch<'_>) -> Vec<Hint> {
        let resources = &self.statement.resources;
        if !resources.is_negated {
            let patterns = resources.patterns.iter().zip(&resources.texts);
            return patterns.map(|(pattern, text)| resource::hint(self, pattern, text)).collect();
        }
        if let Mismatch::Variable { name } = mismatch {
            return vec![variable::hint(self, name, "NotResource")];
        }
        let sentence = format!(
            "{} allows {} on everything but {}, and that is where {} belongs",
            self.place,
            self.request.action,
            Listed(&resources.texts),
            self.request.resource
        );
        vec![Hint { nearness: Nearness::OtherResource, sentence }]
    }

    fn unmet(&self, condition: &Condition) -> Hint {
        let Condition { operator_name, key, texts, .. } = condition;
        let found = self.request.context.values(key);
        let found: Vec<Box<str>> =
            found.iter().flat_map(|values| values.iter()).map(|value| (&**value).into()).collect();
        let has = match &*found {
            [] => "has no such value".to_owned(),
            values => format!("has {}", Listed(values)),
        };
        let unknown = variable::unresolved(self, condition);
        let why = unknown.map(|why| format!("; {why}")).unwrap_or_default();
        let sentence = format!(
            "{} demands {operator_name} of {key} with {}, and the request {has}{why}",
            self.place,
            Listed(texts)
        );
        Hint { nearness: Nearness::Condition, sentence }
    }
}

/// Whether `text` is no action that devices take, and nearly `action`.
fn is_misspelt(text: &str, action: &str) -> bool {
    let is = |(known, _): &(&str, &str)| known.eq_ignore_ascii_case(text);
    !text.contains(['*', '?']) && !DEVICE_ACTIONS.iter().any(is) && is_nearly(text, action)
}

fn is_nearly(text: &str, known: &str) -> bool {
    let (text, known) = (text.to_ascii_lowercase(), known.to_ascii_lowercase());
    // What is short is soon like something else.
    let distance_max = MISSPELT_MAX.min(known.len() / 4);
    let is_short = text.len() <= known.len() + MISSPELT_MAX;
    is_short && strsim::damerau_levenshtein(&text, &known) <= distance_max
}

/// A few texts, and how many more there are.
struct Listed<'a>(&'a [Box<str>]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, text) in self.0.iter().take(TEXTS_MAX).enumerate() {
            write!(f, "{}{text}", if i == 0 { "" } else { ", " })?;
        }
        match self.0.len().saturating_sub(TEXTS_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

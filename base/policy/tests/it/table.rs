//! Decisions as a table: policies, what is asked of them, and what they say.
//!
//! A file of rows for each topic. `unconfirmed` names what AWS does not document.

mod actions;
mod certificates;
mod connect;
mod deny;
mod escapes;
mod examples;
mod negation;
mod operators;
mod sets;
mod things;
mod unconfirmed;
mod variables;
mod versions;
mod wildcards;

use std::collections::HashSet;

use policy::{ContextMap, Decision, Dialect, Document, Request, allows, evaluate};

const ARN: &str = "arn:aws:iot:us-east-1:123456789012";
/// What the table promises to have.
const ROWS_MIN: usize = 300;

const ALLOWED: Expect = Expect::Allowed;
const DENIED: Expect = Expect::Denied;
const REFUSED: Expect = Expect::Refused;

/// What the policies say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Expect {
    /// A statement allows it, and none denies it.
    Allowed,
    /// A statement denies it.
    Denied,
    /// No statement says anything of it.
    Refused,
}

/// Policies, and what they say to requests. Each case has requests that it says different things to,
/// so that none of its rows holds for want of a policy that does anything.
struct Case {
    /// The statements of each policy, or a whole document. `ARN` stands for the tenant's.
    policies: &'static [&'static str],
    rows: &'static [Row],
}

/// A name, an action of `iot` or another service, a resource of the tenant or a whole one, the
/// request's keys with their values, and the decision.
type Row = (&'static str, &'static str, &'static str, Keys, Expect);
type Keys = &'static [(&'static str, &'static [&'static str])];

fn all() -> Vec<&'static [Case]> {
    vec![
        actions::CASES,
        certificates::CASES,
        connect::CASES,
        deny::CASES,
        escapes::CASES,
        examples::CASES,
        negation::CASES,
        operators::CASES,
        sets::CASES,
        things::CASES,
        variables::CASES,
        versions::CASES,
        wildcards::CASES,
    ]
}

fn parse(text: &str) -> Document {
    let text = text.replace("ARN", ARN);
    let is_whole = text.contains(r#""Statement""#);
    let statements = format!(r#"{{"Version":"2012-10-17","Statement":[{text}]}}"#);
    let whole = if is_whole { text } else { statements };
    Document::parse(&whole, Dialect::Iot).expect(&whole)
}

fn full(resource: &str) -> String {
    match resource {
        "*" => resource.to_owned(),
        whole if whole.starts_with("arn:") => whole.to_owned(),
        short => format!("{ARN}:{short}"),
    }
}

fn expect_of(decision: Decision<'_>) -> Expect {
    match decision {
        Decision::Allowed { .. } => ALLOWED,
        Decision::ExplicitDeny { .. } => DENIED,
        Decision::ImplicitDeny { .. } => REFUSED,
    }
}

/// What the policies say to a row's request, in whatever order they come.
fn decide(policies: &[Document], (_, action, resource, keys, _): &Row) -> Expect {
    let mut context = ContextMap::new();
    for (key, values) in *keys {
        context = context.with_all(*key, values.iter().copied());
    }
    let is_whole = action.contains(':');
    let action = if is_whole { (*action).to_owned() } else { format!("iot:{action}") };
    let resource = full(resource);
    let request = Request { action: &action, resource: &resource, context: &context };
    let mut named: Vec<(&str, &Document)> = policies.iter().map(|policy| ("p", policy)).collect();
    let found = expect_of(evaluate(&named, &request));
    named.reverse();
    assert_eq!(expect_of(evaluate(&named, &request)), found, "backwards");
    assert_eq!(allows(policies, &request), found == ALLOWED, "in short");
    found
}

#[test]
fn every_row_is_decided_as_it_says() {
    let mut wrong = Vec::new();
    for case in all().into_iter().flatten() {
        let policies: Vec<Document> = case.policies.iter().map(|text| parse(text)).collect();
        for row in case.rows {
            let (name, action, resource, keys, expect) = row;
            let found = decide(&policies, row);
            if found != *expect {
                wrong.push(format!(
                    "{name}: {action} on {resource} with {keys:?} is {found:?}, not {expect:?}, \
                     by {:?}",
                    case.policies
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_row_has_a_name_and_there_are_many() {
    let rows = all().into_iter().flatten().flat_map(|case| case.rows);
    let mut names = HashSet::new();
    for (name, ..) in rows {
        assert!(names.insert(name), "{name} stands twice");
    }
    assert!(names.len() >= ROWS_MIN, "{} rows", names.len());
}

#[test]
fn no_policy_of_the_table_says_the_same_to_everything() {
    for case in all().into_iter().flatten() {
        let decisions: HashSet<Expect> = case.rows.iter().map(|(.., expect)| *expect).collect();
        assert!(decisions.len() > 1, "{:?}", case.policies);
    }
}

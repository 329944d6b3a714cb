//! From a method and a path to an operation: one tree of path segments per service.
//!
//! A literal segment wins over a label, a label over a greedy one; where the winner leads
//! nowhere, the next is tried.

use std::borrow::Cow;
use std::collections::HashMap;

use model::spec::{OperationSpec, Segment, Service};
use percent_encoding::percent_decode_str;

/// The paths of one service.
#[derive(Default)]
pub(crate) struct Routes {
    root: Node,
}

#[derive(Default)]
struct Node {
    literals: HashMap<&'static str, Self>,
    label: Option<Box<Self>>,
    here: Vec<&'static OperationSpec>,
    greedy: Vec<&'static OperationSpec>,
}

/// An operation, and what its labels stand for in this path, percent-decoded.
pub(crate) struct Match<'p> {
    pub(crate) operation: &'static OperationSpec,
    pub(crate) labels: Vec<(&'static str, Cow<'p, str>)>,
}

/// Why a path leads nowhere.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoRoute {
    /// No operation has this path.
    Path,
    /// The path exists with other methods.
    Method(Vec<&'static str>),
    /// A label is not UTF-8.
    Encoding,
}

impl Routes {
    pub(crate) fn new(service: &'static Service) -> Self {
        let mut routes = Self::default();
        for operation in service.operations {
            routes.root.insert(operation.path, operation);
            if let Some(before) = spreads(operation) {
                routes.root.at(before).greedy.push(operation);
            }
        }
        routes
    }

    /// Finds the operation of `path`, as sent. A missing or superfluous last slash is forgiven.
    pub(crate) fn find<'p>(&self, method: &str, path: &'p str) -> Result<Match<'p>, NoRoute> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let segments: Vec<&str> = path.split('/').collect();
        let exact = self.lookup(method, &segments);
        match (exact, segments.split_last()) {
            (Err(NoRoute::Path), Some((&"", shorter))) => self.lookup(method, shorter),
            (Err(NoRoute::Path), _) => {
                let mut longer = segments;
                longer.push("");
                self.lookup(method, &longer)
            }
            (found, _) => found,
        }
    }

    fn lookup<'p>(&self, method: &str, segments: &[&'p str]) -> Result<Match<'p>, NoRoute> {
        let mut allowed = Vec::new();
        let operation = self.root.find(method, segments, &mut allowed);
        let Some(operation) = operation else {
            allowed.sort_unstable();
            allowed.dedup();
            return Err(if allowed.is_empty() { NoRoute::Path } else { NoRoute::Method(allowed) });
        };
        Ok(Match { operation, labels: labels(operation, segments)? })
    }
}

/// The path before a last label that may have slashes as they are, though the model does not say
/// so: a topic may be written with its levels as segments.
fn spreads(operation: &OperationSpec) -> Option<&'static [Segment]> {
    let (last, before) = operation.path.split_last()?;
    matches!(last, Segment::Label("topic")).then_some(before)
}

impl Node {
    fn insert(&mut self, path: &'static [Segment], operation: &'static OperationSpec) {
        match path.split_last() {
            Some((Segment::Greedy(_), before)) => self.at(before).greedy.push(operation),
            _ => self.at(path).here.push(operation),
        }
    }

    /// The node at the end of `path`.
    fn at(&mut self, path: &'static [Segment]) -> &mut Self {
        match path.split_first() {
            None | Some((Segment::Greedy(_), _)) => self,
            Some((Segment::Literal(text), rest)) => self.literals.entry(text).or_default().at(rest),
            Some((Segment::Label(_), rest)) => self.label.get_or_insert_default().at(rest),
        }
    }

    fn find(
        &self,
        method: &str,
        segments: &[&str],
        allowed: &mut Vec<&'static str>,
    ) -> Option<&'static OperationSpec> {
        let Some((first, rest)) = segments.split_first() else {
            return pick(&self.here, method, allowed);
        };
        let literal = self.literals.get(first).and_then(|n| n.find(method, rest, allowed));
        let by_label = || {
            let label = self.label.as_ref().filter(|_| !first.is_empty());
            label.and_then(|n| n.find(method, rest, allowed))
        };
        let found = literal.or_else(by_label);
        found.or_else(|| {
            if first.is_empty() && rest.is_empty() {
                return None;
            }
            pick(&self.greedy, method, allowed)
        })
    }
}

fn pick(
    operations: &[&'static OperationSpec],
    method: &str,
    allowed: &mut Vec<&'static str>,
) -> Option<&'static OperationSpec> {
    let found = operations.iter().find(|o| o.method == method).copied();
    if found.is_none() {
        allowed.extend(operations.iter().map(|o| o.method));
    }
    found
}

fn labels<'p>(
    operation: &'static OperationSpec,
    segments: &[&'p str],
) -> Result<Vec<(&'static str, Cow<'p, str>)>, NoRoute> {
    let mut labels = Vec::new();
    let is_spread = segments.len() > operation.path.len();
    for (i, part) in operation.path.iter().enumerate() {
        match part {
            Segment::Literal(_) => {}
            Segment::Label(name) if !is_spread || i + 1 < operation.path.len() => {
                let text = segments.get(i).copied().unwrap_or_default();
                labels.push((*name, decode(text)?));
            }
            Segment::Label(name) | Segment::Greedy(name) => {
                let text = segments.get(i..).unwrap_or_default().join("/");
                labels.push((*name, Cow::Owned(decode(&text)?.into_owned())));
            }
        }
    }
    Ok(labels)
}

fn decode(text: &str) -> Result<Cow<'_, str>, NoRoute> {
    percent_decode_str(text).decode_utf8().map_err(|_| NoRoute::Encoding)
}

#[cfg(test)]
mod tests {
    use model::SERVICES;

    use super::*;

    fn find(service: usize, method: &str, path: &str) -> String {
        match Routes::new(SERVICES[service]).find(method, path) {
            Ok(found) => format!("{} {:?}", found.operation.name, found.labels),
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn every_operation_is_found_by_its_own_path() {
        for service in SERVICES.iter().filter(|s| s.protocol == model::spec::Protocol::RestJson) {
            let routes = Routes::new(service);
            for operation in service.operations {
                let path = operation.uri.replace(['{', '}', '+'], "");
                let found = routes.find(operation.method, &path).map(|m| m.operation.name);
                assert_eq!(found.ok(), Some(operation.name), "{} {path}", operation.method);
            }
        }
    }

    #[test]
    fn a_literal_wins_over_a_label() {
        let group = "/thing-groups/addThingToThingGroup";
        assert_eq!(find(0, "PUT", group), "AddThingToThingGroup []");
        assert_eq!(
            find(0, "GET", group),
            r#"DescribeThingGroup [("thingGroupName", "addThingToThingGroup")]"#
        );
    }

    #[test]
    fn labels_are_decoded_after_the_path_is_split() {
        assert_eq!(find(1, "POST", "/topics/a%2Fb"), r#"Publish [("topic", "a/b")]"#);
        assert_eq!(find(0, "GET", "/things/%ff"), "Encoding");
    }

    #[test]
    fn the_levels_of_a_topic_may_be_segments_of_the_path() {
        for (path, topic) in [
            ("a", "a"),
            ("a/b/c", "a/b/c"),
            ("a%2Fb/c", "a/b/c"),
            ("a/", "a/"),
            ("/a", "/a"),
            ("%2Fa", "/a"),
            ("a//b", "a//b"),
        ] {
            let expect = format!(r#"Publish [("topic", "{topic}")]"#);
            assert_eq!(find(1, "POST", &format!("/topics/{path}")), expect, "{path}");
        }
        assert_eq!(find(1, "POST", "/topics/"), "Path");
        assert_eq!(find(1, "GET", "/topics/a/b"), r#"Method(["POST"])"#);
    }

    #[test]
    fn a_label_before_a_greedy_one_is_one_segment() {
        let greengrass = SERVICES.iter().position(|s| s.signing_name == "greengrass").unwrap();
        assert_eq!(
            find(greengrass, "GET", "/greengrass/v2/components/arn/artifacts/a/b"),
            r#"GetComponentVersionArtifact [("arn", "arn"), ("artifactName", "a/b")]"#
        );
    }

    #[test]
    fn a_last_slash_is_forgiven_and_an_empty_label_is_not() {
        assert_eq!(find(0, "GET", "/things/"), "ListThings []");
        assert_eq!(find(0, "GET", "/things//principals"), "Path");
    }

    #[test]
    fn a_known_path_with_another_method_says_which() {
        assert_eq!(find(0, "PUT", "/things/a"), r#"Method(["DELETE", "GET", "PATCH", "POST"])"#);
        assert_eq!(find(0, "GET", "/nowhere"), "Path");
    }
}

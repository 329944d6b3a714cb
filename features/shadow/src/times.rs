//! When the values of a document were written, as records have it: in the form of the document, with
//! a number in the place of everything that was written at one time.
//!
//! Devices write whole sections at once. A record that names every value twice would be twice as
//! long, and cost the store another page.

use crate::json::{Leaf, Malformed, Members, Node, quoted_bytes, write_elements};

/// Writes the times of an object's values.
pub(crate) fn write(members: &Members<'_>, out: &mut String) {
    match of_all(members.values()) {
        Times::One(at) => write_number(at, out),
        Times::Nothing | Times::Several => members.write(out, write_of),
    }
}

fn write_of(node: &Node<'_>, out: &mut String) {
    match of(node) {
        Times::One(at) => write_number(at, out),
        Times::Nothing | Times::Several => match node {
            Node::Object(members) => members.write(out, write_of),
            Node::Array(elements) => write_elements(elements, out, write_of),
            // A document has no null, and a leaf has one time.
            Node::Null | Node::Leaf(_) => out.push_str("null"),
        },
    }
}

fn write_number(at: i64, out: &mut String) {
    out.push_str(&at.to_string());
}

/// When the leaves of a value were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    /// It has none.
    Nothing,
    /// All of them then.
    One(i64),
    /// Not all at one time.
    Several,
}

fn of(node: &Node<'_>) -> Times {
    match node {
        Node::Null => Times::Nothing,
        Node::Leaf(Leaf { written, .. }) => Times::One(*written),
        Node::Array(elements) => of_all(elements.iter()),
        Node::Object(members) => of_all(members.values()),
    }
}

fn of_all<'n, 't: 'n>(nodes: impl Iterator<Item = &'n Node<'t>>) -> Times {
    nodes.map(of).fold(Times::Nothing, |all, one| match (all, one) {
        (Times::Nothing, times) | (times, Times::Nothing) => times,
        (all, one) if all == one => all,
        _ => Times::Several,
    })
}

/// Gives each leaf of an object the time that stands for it.
pub(crate) fn date(members: &mut Members<'_>, times: &Node<'_>) -> Result<(), Malformed> {
    match times {
        Node::Leaf(at) => {
            let at = at.text.parse().map_err(|_| Malformed)?;
            members.as_mut_slice().iter_mut().for_each(|(_, node)| date_all(node, at));
            Ok(())
        }
        Node::Object(times) if times.len() == members.len() => {
            let mut both = members.as_mut_slice().iter_mut().zip(times.iter());
            both.try_for_each(
                |((name, node), (named, times))| {
                    if name == named { date_one(node, times) } else { Err(Malformed) }
                },
            )
        }
        _ => Err(Malformed),
    }
}

fn date_one(node: &mut Node<'_>, times: &Node<'_>) -> Result<(), Malformed> {
    match (node, times) {
        (Node::Object(members), times) => date(members, times),
        (node, Node::Leaf(at)) => {
            date_all(node, at.text.parse().map_err(|_| Malformed)?);
            Ok(())
        }
        (Node::Array(elements), Node::Array(times)) if elements.len() == times.len() => {
            elements.iter_mut().zip(times).try_for_each(|(element, times)| date_one(element, times))
        }
        _ => Err(Malformed),
    }
}

fn date_all(node: &mut Node<'_>, at: i64) {
    match node {
        Node::Null => {}
        Node::Leaf(leaf) => leaf.written = at,
        Node::Array(elements) => elements.iter_mut().for_each(|element| date_all(element, at)),
        Node::Object(members) => {
            members.as_mut_slice().iter_mut().for_each(|(_, node)| date_all(node, at));
        }
    }
}

/// Writes the metadata of a record's `state`: its form, with `{"timestamp":…}` in the place of each
/// leaf. Both texts are as they were written here, without white space.
pub(crate) fn write_metadata(state: &str, times: &str, out: &mut String) -> Result<(), Malformed> {
    walk(&mut Walk { rest: state }, &mut Walk { rest: times }, None, out)
}

/// Goes over a value and its times, which are `all` if that is known already.
fn walk<'t>(
    state: &mut Walk<'t>,
    times: &mut Walk<'t>,
    all: Option<&'t str>,
    out: &mut String,
) -> Result<(), Malformed> {
    let all = match all {
        None if !matches!(times.next(), Some(b'{' | b'[') | None) => Some(times.token()),
        all => all,
    };
    match state.next().ok_or(Malformed)? {
        b'{' => walk_members(state, times, all, ('{', '}'), out),
        b'[' => walk_members(state, times, all, ('[', ']'), out),
        _ => {
            state.token();
            out.push_str("{\"timestamp\":");
            out.push_str(all.ok_or(Malformed)?);
            out.push('}');
            Ok(())
        }
    }
}

fn walk_members<'t>(
    state: &mut Walk<'t>,
    times: &mut Walk<'t>,
    all: Option<&'t str>,
    (open, close): (char, char),
    out: &mut String,
) -> Result<(), Malformed> {
    // What stands in both texts, and in the metadata.
    let both = |state: &mut Walk<'t>, times: &mut Walk<'t>, mark: char, out: &mut String| {
        out.push(mark);
        let is_in_both = state.takes(mark) && (all.is_some() || times.takes(mark));
        if is_in_both { Ok(()) } else { Err(Malformed) }
    };
    both(state, times, open, out)?;
    if state.rest.starts_with(close) {
        return both(state, times, close, out);
    }
    loop {
        if open == '{' {
            let name = state.token();
            if all.is_none() && times.token() != name {
                return Err(Malformed);
            }
            out.push_str(name);
            both(state, times, ':', out)?;
        }
        walk(state, times, all, out)?;
        if !state.rest.starts_with(',') {
            return both(state, times, close, out);
        }
        both(state, times, ',', out)?;
    }
}

/// A text, from its beginning to its end.
struct Walk<'t> {
    rest: &'t str,
}

impl<'t> Walk<'t> {
    fn next(&self) -> Option<u8> {
        self.rest.as_bytes().first().copied()
    }

    fn takes(&mut self, mark: char) -> bool {
        let rest = self.rest.strip_prefix(mark);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// The string, number or word that comes next.
    fn token(&mut self) -> &'t str {
        let length = match self.next() {
            Some(b'"') => quoted_bytes(self.rest),
            _ => self.rest.find([',', ']', '}']).unwrap_or(self.rest.len()),
        };
        let (token, rest) = self.rest.split_at(length);
        self.rest = rest;
        token
    }
}

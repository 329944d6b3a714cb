//! The document of a shadow: what is desired and what is reported, and when each value was
//! written; how an update changes it, and in what the two differ.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::json::{Malformed, Members, Node, parse, write_members, write_value};
use crate::times;

/// A document's two sections. One without members is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Document<'t> {
    /// What the device should be.
    pub(crate) desired: Members<'t>,
    /// What it says that it is.
    pub(crate) reported: Members<'t>,
}

/// What an update says of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Patch<'t> {
    /// `null`: neither section stays.
    Clear,
    /// What it says of each section.
    Sections {
        /// Of what is desired.
        desired: Option<Section<'t>>,
        /// Of what is reported.
        reported: Option<Section<'t>>,
    },
}

/// What an update says of a section: `None` is `null`, which takes it away.
pub(crate) type Section<'t> = Option<Members<'t>>;

/// Where what is desired is not what is reported.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference<'d, 't>(Vec<(&'d str, Differing<'d, 't>)>);

#[derive(Debug, PartialEq, Eq)]
enum Differing<'d, 't> {
    Whole(&'d Node<'t>),
    Within(Difference<'d, 't>),
}

/// The sections' names, in the order in which they are written.
const DESIRED: &str = "desired";
const REPORTED: &str = "reported";

impl<'t> Document<'t> {
    /// The document of a stored state and the times of its leaves.
    pub(crate) fn read(state: &'t str, times: &'t str) -> Result<Self, Malformed> {
        let (mut state, mut times) = (object(parse(state, 0)?)?, object(parse(times, 0)?)?);
        let mut section = |name| {
            let Some(members) = state.remove(name) else { return Ok(Members::default()) };
            let mut members = object(members)?;
            times::date(&mut members, &times.remove(name).ok_or(Malformed)?)?;
            Ok(members)
        };
        Ok(Self { desired: section(DESIRED)?, reported: section(REPORTED)? })
    }

    /// The document of a state whose times nobody asks for.
    pub(crate) fn undated(state: &'t str) -> Result<Self, Malformed> {
        let mut state = object(parse(state, 0)?)?;
        let mut section = |name| state.remove(name).map_or(Ok(Members::default()), object);
        Ok(Self { desired: section(DESIRED)?, reported: section(REPORTED)? })
    }

    /// Changes what the patch names and leaves the rest alone.
    pub(crate) fn apply(&mut self, patch: &Patch<'t>) {
        match patch {
            Patch::Clear => *self = Self::default(),
            Patch::Sections { desired, reported } => {
                apply_section(&mut self.desired, desired.as_ref());
                apply_section(&mut self.reported, reported.as_ref());
            }
        }
    }

    /// Where what is desired is not what is reported.
    pub(crate) fn difference(&self) -> Difference<'_, 't> {
        Difference::of(&self.desired, &self.reported)
    }

    /// The update that would make `after` of this.
    pub(crate) fn changes(&self, after: &Self) -> Patch<'t> {
        let of_section = |before: &Members<'t>, after: &Members<'t>| {
            let changes = changes(before, after);
            (!changes.is_empty()).then_some(Some(changes))
        };
        Patch::Sections {
            desired: of_section(&self.desired, &after.desired),
            reported: of_section(&self.reported, &after.reported),
        }
    }

    /// Writes both sections, and answers what counts against the size that a document may have: the
    /// sections without their names.
    pub(crate) fn write_state(&self, out: &mut String) -> usize {
        let mut bytes = 0;
        write_members(self.sections(), out, |section, out| {
            let start = out.len();
            section.write(out, write_value);
            bytes += out.len() - start;
        });
        bytes
    }

    /// Writes when each value was written, as metadata has it.
    pub(crate) fn write_metadata(&self, out: &mut String) {
        write_members(self.sections(), out, |section, out| {
            section.write(out, |node, out| node.write_times(0, out, write_timestamp));
        });
    }

    /// Writes when each value was written, as records have it.
    pub(crate) fn write_times(&self, out: &mut String) {
        write_members(self.sections(), out, times::write);
    }

    fn sections(&self) -> impl Iterator<Item = (&'static str, &Members<'t>)> {
        let sections = [(DESIRED, &self.desired), (REPORTED, &self.reported)];
        sections.into_iter().filter(|(_, section)| !section.is_empty())
    }
}

impl Patch<'_> {
    /// Writes the state as it was asked for.
    pub(crate) fn write_state(&self, out: &mut String) {
        self.write(out, |out| out.push_str("null"), write_value);
    }

    /// Writes the metadata of what it names: everything was written at `now`.
    pub(crate) fn write_metadata(&self, now: i64, out: &mut String) {
        let each = |node: &Node<'_>, out: &mut String| node.write_times(now, out, write_timestamp);
        self.write(out, |out| write_timestamp(now, out), each);
    }

    fn write(
        &self,
        out: &mut String,
        null: impl Fn(&mut String),
        write: impl Fn(&Node<'_>, &mut String),
    ) {
        let Self::Sections { desired, reported } = self else {
            return null(out);
        };
        let sections = [(DESIRED, desired), (REPORTED, reported)];
        let said =
            sections.into_iter().filter_map(|(name, section)| Some((name, section.as_ref()?)));
        write_members(said, out, |section, out| match section {
            None => null(out),
            Some(members) => members.write(out, &write),
        });
    }
}

impl<'d, 't> Difference<'d, 't> {
    fn of(desired: &'d Members<'t>, reported: &Members<'_>) -> Self {
        let mut reported = reported.iter().peekable();
        let differs = |(name, wanted): (&'d str, &'d Node<'t>)| {
            while reported.next_if(|(known, _)| *known < name).is_some() {}
            let is = reported.next_if(|(known, _)| *known == name).map(|(_, is)| is);
            Some((name, Differing::of(wanted, is)?))
        };
        Self(desired.iter().filter_map(differs).collect())
    }

    /// Whether all that is desired is reported.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes what is desired there.
    pub(crate) fn write(&self, out: &mut String) {
        self.write_by(out, write_value);
    }

    /// Writes when that was written.
    pub(crate) fn write_metadata(&self, out: &mut String) {
        self.write_by(out, |node, out| node.write_times(0, out, write_timestamp));
    }

    fn write_by(&self, out: &mut String, write: fn(&Node<'_>, &mut String)) {
        let named = self.0.iter().map(|(name, differing)| (*name, differing));
        write_members(named, out, |differing, out| match differing {
            Differing::Whole(node) => write(node, out),
            Differing::Within(difference) => difference.write_by(out, write),
        });
    }
}

impl<'d, 't> Differing<'d, 't> {
    fn of(wanted: &'d Node<'t>, is: Option<&Node<'_>>) -> Option<Self> {
        match (wanted, is) {
            (Node::Object(wanted), Some(Node::Object(is))) => {
                let within = Difference::of(wanted, is);
                (!within.is_empty()).then_some(Self::Within(within))
            }
            (_, Some(is)) if wanted.says(is) => None,
            _ => Some(Self::Whole(wanted)),
        }
    }
}

/// A time as metadata has it.
pub(crate) fn write_timestamp(at: i64, out: &mut String) {
    out.push_str("{\"timestamp\":");
    write!(out, "{at}").expect("a string takes what is written");
    out.push('}');
}

fn object(node: Node<'_>) -> Result<Members<'_>, Malformed> {
    match node {
        Node::Object(members) => Ok(members),
        Node::Null | Node::Leaf(_) | Node::Array(_) => Err(Malformed),
    }
}

fn apply_section<'t>(section: &mut Members<'t>, said: Option<&Section<'t>>) {
    match said {
        None => {}
        Some(None) => *section = Members::default(),
        Some(Some(members)) => merge(section, members),
    }
}

/// Merges two lists, both in order.
fn merge<'t>(stored: &mut Members<'t>, patch: &Members<'t>) {
    let mut merged = Vec::with_capacity(stored.len() + patch.len());
    let mut rest = stored.take().into_iter().peekable();
    for (name, said) in patch.as_slice() {
        while let Some(kept) = rest.next_if(|(known, _)| known < name) {
            merged.push(kept);
        }
        let known = rest.next_if(|(known, _)| known == name).map(|(_, node)| node);
        merged.extend(merged_node(known, said).map(|node| (name.clone(), node)));
    }
    merged.extend(rest);
    *stored = Members::in_order(merged);
}

/// What a member is after the patch has `said` something of it.
fn merged_node<'t>(known: Option<Node<'t>>, said: &Node<'t>) -> Option<Node<'t>> {
    match (known, said) {
        (_, Node::Null) => None,
        (_, Node::Leaf(_) | Node::Array(_)) => Some(said.clone()),
        (Some(Node::Object(mut known)), Node::Object(members)) => {
            merge(&mut known, members);
            Some(Node::Object(known))
        }
        // An object takes the place of whatever else was there, even if nothing is left of it.
        (Some(_), Node::Object(members)) => {
            Some(Node::Object(without_nulls(members).unwrap_or_default()))
        }
        (None, Node::Object(members)) => without_nulls(members).map(Node::Object),
    }
}

/// The members that say something; none if there were members and none of them does. What was
/// empty from the beginning stays.
fn without_nulls<'t>(members: &Members<'t>) -> Option<Members<'t>> {
    if members.is_empty() {
        return Some(Members::default());
    }
    let said =
        |(name, node): &(Cow<'t, str>, Node<'t>)| Some((name.clone(), merged_node(None, node)?));
    let kept: Vec<_> = members.as_slice().iter().filter_map(said).collect();
    (!kept.is_empty()).then(|| Members::in_order(kept))
}

/// What an update has to say to make `after` of `before`.
fn changes<'t>(before: &Members<'t>, after: &Members<'t>) -> Members<'t> {
    let mut changed = Vec::new();
    let mut were = before.as_slice().iter().peekable();
    for (name, is) in after.as_slice() {
        while let Some((gone, _)) = were.next_if(|(known, _)| known < name) {
            changed.push((gone.clone(), Node::Null));
        }
        let was = were.next_if(|(known, _)| known == name).map(|(_, was)| was);
        changed.extend(changed_node(was, is).map(|node| (name.clone(), node)));
    }
    changed.extend(were.map(|(gone, _)| (gone.clone(), Node::Null)));
    Members::in_order(changed)
}

fn changed_node<'t>(was: Option<&Node<'t>>, is: &Node<'t>) -> Option<Node<'t>> {
    match (was, is) {
        (Some(Node::Object(was)), Node::Object(is)) => {
            let within = changes(was, is);
            (!within.is_empty()).then_some(Node::Object(within))
        }
        (Some(was), is) if was.says(is) => None,
        _ => Some(is.clone()),
    }
}

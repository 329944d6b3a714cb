//! Requests as clients send them, and what they must be.

use std::borrow::Cow;

use service::Limits;

use crate::document::{Patch, Section};
use crate::json::{Leaf, Members, Node, parse};
use crate::refusal::Refusal;

/// An update that may be done, as far as can be told without the shadow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update<'b> {
    /// What it changes.
    pub(crate) patch: Patch<'b>,
    /// The version that the shadow has to have.
    pub(crate) version: Option<u64>,
    /// Said again in whatever is told of it.
    pub(crate) client_token: Option<Token<'b>>,
}

/// How many times as long as a document a request may be, which may also take much away.
const REQUEST_PER_DOCUMENT: usize = 8;
/// How much of a name is told again to whoever sent it.
const NAME_CHARS_TOLD: usize = 64;

/// A client token, as the client reads it.
pub(crate) type Token<'b> = Cow<'b, str>;

impl<'b> Update<'b> {
    /// The update that `body` asks for; it is written at `now`, in seconds.
    pub(crate) fn read(body: &'b [u8], now: i64, limits: &Limits) -> Result<Self, Refusal> {
        let mut request = object(body, now, limits)?;
        let token = client_token(&mut request, limits);
        let known = token.clone().ok().flatten();
        let refused = |refusal: Refusal| refusal.to(known.as_deref());
        let patch = patch(request.remove("state"), limits).map_err(refused)?;
        let client_token = token?;
        let version = version(request.remove("version")).map_err(refused)?;
        Ok(Self { patch, version, client_token })
    }
}

/// The client token of a request to get or to delete, whose body may be empty, or anything.
pub(crate) fn token_of<'b>(body: &'b [u8], limits: &Limits) -> Result<Option<Token<'b>>, Refusal> {
    if body.is_empty() {
        return Ok(None);
    }
    client_token(&mut object(body, 0, limits)?, limits)
}

fn object<'b>(body: &'b [u8], now: i64, limits: &Limits) -> Result<Members<'b>, Refusal> {
    if body.len() > REQUEST_PER_DOCUMENT * limits.shadow_document_bytes_max {
        return Err(Refusal::too_large());
    }
    let text = std::str::from_utf8(body).map_err(|_| Refusal::encoding())?;
    match parse(text, now) {
        Ok(Node::Object(members)) => Ok(members),
        Ok(_) | Err(_) => Err(Refusal::invalid("Invalid JSON")),
    }
}

fn client_token<'b>(
    request: &mut Members<'b>,
    limits: &Limits,
) -> Result<Option<Token<'b>>, Refusal> {
    let refused = || Refusal::invalid("Invalid clientToken");
    match request.remove("clientToken") {
        None => Ok(None),
        Some(Node::Leaf(Leaf { text, .. })) => {
            let token: String = serde_json::from_str(&text).map_err(|_| refused())?;
            let is_short = token.len() <= limits.shadow_client_token_bytes_max;
            if is_short { Ok(Some(token.into())) } else { Err(refused()) }
        }
        Some(_) => Err(refused()),
    }
}

fn version(node: Option<Node<'_>>) -> Result<Option<u64>, Refusal> {
    match node {
        None => Ok(None),
        Some(Node::Leaf(Leaf { text, .. })) => {
            text.parse().map(Some).map_err(|_| Refusal::invalid("Invalid version"))
        }
        Some(_) => Err(Refusal::invalid("Invalid version")),
    }
}

fn patch<'b>(state: Option<Node<'b>>, limits: &Limits) -> Result<Patch<'b>, Refusal> {
    let mut state = match state {
        None => return Err(Refusal::invalid("Missing required node: state")),
        Some(Node::Null) => return Ok(Patch::Clear),
        Some(Node::Object(members)) => members,
        Some(_) => return Err(Refusal::invalid("State node must be an object")),
    };
    let (desired, reported) = (state.remove("desired"), state.remove("reported"));
    if let Some((name, _)) = state.iter().next() {
        let name: String = name.chars().take(NAME_CHARS_TOLD).collect();
        return Err(Refusal::invalid(format!("State contains an invalid node: '{name}'")));
    }
    let desired = section("Desired", desired, limits)?;
    let reported = section("Reported", reported, limits)?;
    Ok(Patch::Sections { desired, reported })
}

fn section<'b>(
    name: &str,
    node: Option<Node<'b>>,
    limits: &Limits,
) -> Result<Option<Section<'b>>, Refusal> {
    let Some(node) = node else { return Ok(None) };
    if node == Node::Null {
        return Ok(Some(None));
    }
    if !matches!(node, Node::Object(_)) {
        return Err(Refusal::invalid(format!("{name} node must be an object")));
    }
    if node.has_null_in_array() {
        return Err(Refusal::invalid("State contains an invalid node: null in an array"));
    }
    let most = limits.shadow_depth_max;
    if node.depth() > most {
        let message = format!("JSON contains too many levels of nesting; maximum is {most}");
        return Err(Refusal::invalid(message));
    }
    match node {
        Node::Object(members) => Ok(Some(Some(members))),
        Node::Null | Node::Leaf(_) | Node::Array(_) => Ok(None),
    }
}

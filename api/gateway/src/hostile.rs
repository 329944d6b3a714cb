//! The engine's doors for hostile bytes, which the fuzzer and the replay of its corpus share.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request};
use model::SERVICES;

use crate::answer::read_input;
use crate::route::Routes;

/// Routes, binds and validates `data`: one byte for the service, then lines of method and target,
/// of headers, an empty line, and the body. Returns whether an operation would have run.
pub fn route_bind_validate(data: &[u8]) -> bool {
    let Some((service, rest)) = data.split_first() else { return false };
    let Some(service) = SERVICES.get(usize::from(*service) % SERVICES.len()) else { return false };
    let end = rest.windows(2).position(|w| w == b"\n\n").unwrap_or(rest.len());
    let (head, body) = rest.split_at(end);
    let body = Bytes::copy_from_slice(body.get(2..).unwrap_or_default());
    let Some(head) = parse_head(head) else { return false };
    let routes = Routes::new(service);
    let Ok(found) = routes.find(head.method.as_str(), head.uri.path()) else { return false };
    read_input(&found, &head, &body).is_ok()
}

fn parse_head(head: &[u8]) -> Option<Parts> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let name = HeaderName::try_from(name).ok()?;
        request = request.header(name, HeaderValue::try_from(value.trim()).ok()?);
    }
    Some(request.body(()).ok()?.into_parts().0)
}

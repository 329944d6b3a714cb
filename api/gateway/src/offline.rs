//! The engine without a server: for the fuzzer, the replay of its corpus, and the bench.

use std::sync::LazyLock;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response};
use model::SERVICES;
use model::spec::OperationSpec;
use service::Output;
use uuid::Uuid;

use crate::answer::read_input;
use crate::respond;
use crate::route::Routes;

static ROUTES: LazyLock<Vec<Routes>> =
    LazyLock::new(|| SERVICES.iter().map(|service| Routes::new(service)).collect());

/// Routes, binds and validates `data`: one byte for the service, then lines of method and target,
/// of headers, an empty line, and the body. Returns the operation that would have run.
pub fn route_bind_validate(data: &[u8]) -> Option<&'static OperationSpec> {
    let (service, rest) = data.split_first()?;
    let end = rest.windows(2).position(|w| w == b"\n\n").unwrap_or(rest.len());
    let (head, body) = rest.split_at(end);
    let body = Bytes::copy_from_slice(body.get(2..).unwrap_or_default());
    let head = parse_head(head)?;
    let routes = ROUTES.get(usize::from(*service) % SERVICES.len())?;
    let found = routes.find(head.method.as_str(), head.uri.path()).ok()?;
    read_input(&found, &head, &body).ok()?;
    Some(found.operation)
}

/// As `route_bind_validate`, and answers with `body`: all that the engine adds to an operation.
pub fn round_trip(data: &[u8], body: Bytes) -> Option<Response<Bytes>> {
    let operation = route_bind_validate(data)?;
    Some(respond::success(operation, Output::Body(body), Uuid::nil()))
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

//! Endpoints: one asynchronous function per operation, in a list that a person can read.

use std::sync::Arc;

use bytes::Bytes;
use model::spec::{Kind, Location, Operation, OperationSpec};
use serde_json::Value;

use crate::{ApiError, BoxFuture, Cx, Hooks, RawRoute};

/// What a feature brings to the server.
#[derive(Default)]
pub struct Feature {
    /// Modelled operations.
    pub endpoints: Vec<Endpoint>,
    /// Whatever else it serves over HTTP.
    pub raw_routes: Vec<RawRoute>,
    /// Its part in messages.
    pub hooks: Hooks,
}

/// What an operation answered, before it becomes an HTTP response.
pub enum Output {
    /// The operation has no output: an empty body.
    Empty,
    /// The body as it goes out.
    Body(Bytes),
    /// Members that travel in headers, the status or as the whole body.
    Members(Value),
}

type Call = dyn Fn(Cx, Value) -> BoxFuture<'static, Result<Output, ApiError>> + Send + Sync;

/// An operation and the function that does it. Clones are the same.
#[derive(Clone)]
pub struct Endpoint {
    /// The operation.
    pub spec: &'static OperationSpec,
    call: Arc<Call>,
}

impl Endpoint {
    /// Ties `handler` to the operation `O`.
    pub fn new<O, H, F>(handler: H) -> Self
    where
        O: Operation,
        H: Fn(Cx, O::Input) -> F + Send + Sync + Clone + 'static,
        F: Future<Output = Result<O::Output, ApiError>> + Send,
    {
        let has_only_body = O::SPEC.output.is_none_or(|id| only_has_body(O::SPEC, id));
        let call = move |cx: Cx, input: Value| -> BoxFuture<'static, Result<Output, ApiError>> {
            let handler = handler.clone();
            Box::pin(async move {
                let input = serde_json::from_value(input).map_err(ApiError::unreadable)?;
                let output = handler(cx, input).await?;
                write::<O>(&output, has_only_body)
            })
        };
        Self { spec: O::SPEC, call: Arc::new(call) }
    }

    /// Ties `handler` to the operation `O`, whose answer has a body that the model does not
    /// describe.
    pub fn answering<O, H, F>(handler: H) -> Self
    where
        O: Operation,
        H: Fn(Cx, O::Input) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Bytes, ApiError>> + Send + 'static,
    {
        let call = move |cx: Cx, input: Value| -> BoxFuture<'static, Result<Output, ApiError>> {
            match serde_json::from_value(input) {
                Ok(input) => {
                    let answer = handler(cx, input);
                    Box::pin(async move { answer.await.map(Output::Body) })
                }
                Err(error) => Box::pin(std::future::ready(Err(ApiError::unreadable(error)))),
            }
        };
        Self { spec: O::SPEC, call: Arc::new(call) }
    }

    /// Runs the operation on a bound and validated input.
    pub fn call(&self, cx: Cx, input: Value) -> BoxFuture<'static, Result<Output, ApiError>> {
        (self.call)(cx, input)
    }
}

fn only_has_body(spec: &OperationSpec, output: u16) -> bool {
    let Kind::Structure { members, payload } = spec.service.service().shape(output).kind else {
        return true;
    };
    payload.is_none() && members.iter().all(|m| m.location == Location::Body)
}

fn write<O: Operation>(output: &O::Output, has_only_body: bool) -> Result<Output, ApiError> {
    if O::SPEC.output.is_none() {
        return Ok(Output::Empty);
    }
    if has_only_body {
        let body = serde_json::to_vec(output).map_err(ApiError::unwritable)?;
        return Ok(Output::Body(body.into()));
    }
    serde_json::to_value(output).map(Output::Members).map_err(ApiError::unwritable)
}

/// Lists a module's operations as `pub(crate) fn endpoints()`.
///
/// Each function is `async fn name(cx: &Cx, request: Input) -> Result<Output, ApiError>`; the
/// operations are the marker types of one service: `operations! { iot: CreateThing => create_thing }`.
#[macro_export]
macro_rules! operations {
    ($service:ident: $($operation:ident => $handler:path),* $(,)?) => {
        /// This module's operations.
        pub(crate) fn endpoints() -> Vec<$crate::Endpoint> {
            vec![$(
                $crate::Endpoint::new::<model::$service::op::$operation, _, _>(
                    |cx, input| async move { $handler(&cx, input).await },
                ),
            )*]
        }
    };
}

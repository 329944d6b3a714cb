//! Functions: what stands for AWS Lambda behind a function's name or ARN.
//!
//! Which back end a function has is a setting, `[functions."name"]`, by name or pattern:
//!
//! | back end | settings | what it is |
//! |---|---|---|
//! | process | `command` | a local process that speaks the Lambda Runtime API, so that real handlers run unmodified |
//! | webhook | `url`, `secret` | a signed `POST`; the answer's body is the result ([`Signature`] says how to verify it) |
//! | Lambda | `lambda` | the API of AWS Lambda, or of whatever is compatible with it |
//!
//! An invocation ends with the function's result or with an [`InvokeError`] that tells a handler
//! which failed from one that was never reached. It is never begun twice: who may try again is the
//! caller's to decide.
//!
//! A local function runs as the server's own user, in a process group of its own, with an
//! environment of its own; what it leaves behind ends with it, unless it clears its environment.
//! That isolates mistakes, not malice: whoever may write the settings may run programs, and a
//! program on this machine may reach the port that the Runtime API has on loopback.
//!
//! Credentials for the Lambda API are an access key in the settings, a profile of the AWS shared
//! files, or the environment's `AWS_ACCESS_KEY_ID` and its kin. The rest of the chain that AWS's
//! SDKs have (SSO, instance roles, assumed roles) is left to a command that writes the shared file:
//! it is read again when it may have changed, and `aws-config` would cost more to compile than all
//! of this crate's dependencies together.

mod credentials;
mod error;
mod functions;
mod identity;
mod invocation;
mod lambda;
mod local;
mod log;
mod pattern;
mod settings;
mod webhook;

pub use error::{FunctionError, InvokeError};
pub use functions::{Functions, Host};
pub use invocation::{
    EVENT_BYTES_MAX, FunctionResponse, Invocation, InvocationKind, REQUEST_BYTES_MAX,
    RESPONSE_BYTES_MAX,
};
pub use log::{LOG_LINE_BYTES_MAX, LogLine, LogSink, LogStream};
pub use settings::{FunctionSettings, LambdaSettings, SettingsError};
pub use webhook::Signature;

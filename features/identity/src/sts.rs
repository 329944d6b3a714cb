//! STS: `GetCallerIdentity`, which tools ask before anything else.

use http::StatusCode;
use service::{Access, ApiError, Cx, RawRequest, RawResponse, RawRoute, RouteMatch};

use crate::query::{Form, escape, xml};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const VERSION: &str = "2011-06-15";
/// STS's other actions.
const NOT_BUILT: [&str; 8] = [
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "AssumeRoot",
    "DecodeAuthorizationMessage",
    "GetAccessKeyInfo",
    "GetFederationToken",
    "GetSessionToken",
];

pub(crate) fn route() -> RawRoute {
    RawRoute::new(RouteMatch::SigningService("sts"), Access::Signed, "GetCallerIdentity", serve)
}

async fn serve(cx: Cx, request: RawRequest) -> Result<RawResponse, ApiError> {
    let body = String::from_utf8_lossy(&request.body);
    let form = Form::parse(if request.method == "GET" { &request.query } else { &body });
    let version = form.get("Version").unwrap_or(VERSION);
    Ok(match form.get("Action") {
        Some("GetCallerIdentity") if version == VERSION => caller_identity(&cx),
        Some(action) if version == VERSION && NOT_BUILT.contains(&action) => {
            let message = format!("{action} is not implemented by this version of Ferrite.");
            refuse(&cx, StatusCode::NOT_IMPLEMENTED, "NotImplemented", &message)
        }
        Some(action) => {
            let message = format!("Could not find operation {action} for version {version}");
            refuse(&cx, StatusCode::BAD_REQUEST, "InvalidAction", &message)
        }
        None => {
            let message = "The request must contain the parameter Action";
            refuse(&cx, StatusCode::BAD_REQUEST, "MissingAction", message)
        }
    })
}

/// Needs no permission, as in AWS.
fn caller_identity(cx: &Cx) -> RawResponse {
    let (caller, request_id) = (&cx.caller, cx.request_id);
    let (arn, user_id) = (escape(&caller.arn), escape(&caller.user_id));
    let account = caller.account;
    xml(
        StatusCode::OK,
        format!(
            r#"<GetCallerIdentityResponse xmlns="{NAMESPACE}">
  <GetCallerIdentityResult>
    <Arn>{arn}</Arn>
    <UserId>{user_id}</UserId>
    <Account>{account}</Account>
  </GetCallerIdentityResult>
  <ResponseMetadata>
    <RequestId>{request_id}</RequestId>
  </ResponseMetadata>
</GetCallerIdentityResponse>
"#
        ),
    )
}

fn refuse(cx: &Cx, status: StatusCode, code: &str, message: &str) -> RawResponse {
    let (message, request_id) = (escape(message), cx.request_id);
    xml(
        status,
        format!(
            r#"<ErrorResponse xmlns="{NAMESPACE}">
  <Error>
    <Type>Sender</Type>
    <Code>{code}</Code>
    <Message>{message}</Message>
  </Error>
  <RequestId>{request_id}</RequestId>
</ErrorResponse>
"#
        ),
    )
}

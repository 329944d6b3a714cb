//! S3: what is selected becomes an object.

use model::iot::S3Action;
use serde_json::{Value, json};
use service::{ApiError, BoxFuture};
use sql::{Halt, Statement, Template};
use targets::{Caller, PutObject, TargetError, Targets};

use super::target::{TargetCall, TargetRequest, caller};
use super::{Action, Call, Selected, template};
use crate::engine::log::Resources;

/// What objects are said to be.
const CONTENT_TYPE: &str = "application/octet-stream";

/// An S3 action.
pub(crate) struct S3 {
    role_arn: String,
    bucket: Template,
    key: Template,
    canned_acl: Option<String>,
}

impl S3 {
    /// Reads the action.
    pub(crate) fn compile(action: &S3Action, statement: &Statement) -> Result<Self, ApiError> {
        Ok(Self {
            role_arn: action.role_arn.clone(),
            bucket: template("s3.bucketName", &action.bucket_name, statement)?,
            key: template("s3.key", &action.key, statement)?,
            canned_acl: action.canned_acl.as_ref().map(|acl| acl.as_str().to_owned()),
        })
    }
}

impl Action for S3 {
    fn name(&self) -> &'static str {
        "S3Action"
    }

    fn call(&self, selected: &Selected<'_>) -> Result<Box<dyn Call>, Halt> {
        let (bucket, key) = (selected.text(&self.bucket)?, selected.text(&self.key)?);
        let details = format!("Action: s3, Bucket: {bucket}, Key: \"{key}\"");
        let resource = bucket.clone();
        let request = if key.is_empty() {
            Err("the key is empty".to_owned())
        } else {
            Ok(PutObject {
                bucket,
                key,
                body: selected.payload.clone(),
                content_type: Some(CONTENT_TYPE.to_owned()),
                canned_acl: self.canned_acl.clone(),
            })
        };
        Ok(Box::new(TargetCall {
            request,
            caller: caller(selected, &self.role_arn),
            resource,
            details,
            failure: "Failed to put S3 object",
        }))
    }
}

impl TargetRequest for PutObject {
    fn send<'a>(
        &'a self,
        targets: &'a Targets,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<(), TargetError>> {
        Box::pin(async move { targets.s3().put_object(caller, self.clone()).await })
    }

    fn resources(&self) -> Resources {
        vec![("Bucket", self.bucket.clone()), ("Key", self.key.clone())]
    }

    fn inputs(&self) -> Value {
        json!({
            "bucket": self.bucket,
            "key": self.key,
            "cannedAcl": self.canned_acl,
            "body": String::from_utf8_lossy(&self.body),
        })
    }
}

//! S3: objects.

use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::aws::Call;
use crate::{Backend, Caller, ObjectPage, Service, TargetError, Targets};

const SERVICE: Service = Service::S3;
/// What an object is that says nothing of itself.
const CONTENT_TYPE: &str = "application/octet-stream";
/// What stays as it is in a key's path.
const KEY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Puts an object, in the place of one with the same key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutObject {
    /// Where.
    pub bucket: String,
    /// Under which key.
    pub key: String,
    /// What.
    pub body: Bytes,
    /// `application/octet-stream` if it is not said. A local object does not keep it.
    pub content_type: Option<String>,
    /// `private`, `public-read` …; a local object does not keep it.
    pub canned_acl: Option<String>,
}

/// Objects, wherever they are.
#[derive(Clone, Copy)]
pub struct S3<'t>(pub(crate) &'t Targets);

impl S3<'_> {
    /// Puts an object; it is safe when this returns.
    pub async fn put_object(&self, caller: &Caller, put: PutObject) -> Result<(), TargetError> {
        if self.0.backend(SERVICE) == Backend::Local {
            let files = &self.0.local().files;
            return files.put(&put.bucket, &put.key, put.body).await;
        }
        let mut call = self.call(Method::PUT, &put.bucket, &put.key)?;
        call.header("content-type", put.content_type.as_deref().unwrap_or(CONTENT_TYPE));
        if let Some(acl) = &put.canned_acl {
            call.header("x-amz-acl", acl);
        }
        call.body = put.body;
        self.0.aws().send(caller, call).await.map(|_| ())
    }

    /// An object, if it is there.
    pub async fn get_object(
        &self,
        caller: &Caller,
        bucket: &str,
        key: &str,
    ) -> Result<Option<Bytes>, TargetError> {
        if self.0.backend(SERVICE) == Backend::Local {
            return self.0.local().files.get(bucket, key).await;
        }
        let call = self.call(Method::GET, bucket, key)?;
        match self.0.aws().send(caller, call).await {
            Ok(response) => Ok(Some(response.body)),
            Err(error) if error.code == "NoSuchKey" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// At most `limit` local objects whose keys begin with `prefix`, beginning behind `after`.
    pub async fn list_local(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ObjectPage, TargetError> {
        self.0.local().files.list(bucket, prefix, after, limit).await
    }

    /// The local buckets, by name.
    pub async fn local_buckets(&self) -> Result<Vec<String>, TargetError> {
        self.0.local().files.buckets().await
    }

    /// AWS has a host for each bucket; compatible services rarely do.
    fn call(&self, method: Method, bucket: &str, key: &str) -> Result<Call, TargetError> {
        let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if bucket.is_empty() || !bucket.bytes().all(is_name) {
            let message = "The specified bucket is not valid.";
            return Err(TargetError::refused(SERVICE, "InvalidBucketName", message));
        }
        let key = utf8_percent_encode(key, KEY);
        let has_endpoint = self.0.settings().place(SERVICE).endpoint.is_some();
        // A certificate of `*.s3.…` is not good for a name with a further full stop.
        if has_endpoint || bucket.contains(['.', '_']) {
            return Ok(Call::new(SERVICE, method, format!("/{bucket}/{key}")));
        }
        let mut call = Call::new(SERVICE, method, format!("/{key}"));
        call.host_prefix = Some(bucket.to_owned());
        Ok(call)
    }
}

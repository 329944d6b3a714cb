//! Questions to destinations go out by the one HTTP client.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use outbound::{Client, Error, Request, Url};
use service::BoxFuture;

use crate::confirmation::{Courier, Question};

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(10);
/// What is read of an answer, whose status alone counts.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

impl Courier for Client {
    fn post(&self, question: Question) -> BoxFuture<'_, Result<u16, String>> {
        Box::pin(async move {
            let request = request(question)?;
            match self.send(request).await {
                Ok(response) => Ok(response.status.as_u16()),
                Err(Error::TooLarge { status, .. }) => Ok(status),
                Err(error) => Err(error.chain()),
            }
        })
    }
}

fn request(question: Question) -> Result<Request, String> {
    let url = Url::parse(&question.url).map_err(|error| error.to_string())?;
    let mut request = Request::post(url, question.body);
    request.timeout = Some(WITHIN);
    request.response_bytes_max = Some(ANSWER_BYTES_MAX);
    for (name, value) in question.headers {
        let value = HeaderValue::try_from(value).map_err(|error| error.to_string())?;
        request.headers.insert(HeaderName::from_static(name), value);
    }
    Ok(request)
}

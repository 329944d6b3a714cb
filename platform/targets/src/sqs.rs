//! SQS: queues.

use serde::{Deserialize, Serialize};

use crate::aws::Call;
use crate::{Backend, Caller, Service, TargetError, Targets};

const SERVICE: Service = Service::Sqs;
/// Bytes of a message, as of SQS.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Sends a message to a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SendMessage {
    /// Which queue. Of a local one, the last segment is the name.
    #[serde(rename = "QueueUrl")]
    pub queue_url: String,
    /// What.
    #[serde(rename = "MessageBody")]
    pub body: String,
}

/// A message that a queue or topic has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageId(pub String);

/// Queues, wherever they are.
#[derive(Clone, Copy)]
pub struct Sqs<'t>(pub(crate) &'t Targets);

impl Sqs<'_> {
    /// Sends a message; it is safe when this returns.
    pub async fn send_message(
        &self,
        caller: &Caller,
        send: SendMessage,
    ) -> Result<MessageId, TargetError> {
        if self.0.backend(SERVICE) == Backend::Local {
            return self.send_locally(caller, send).await;
        }
        let json = "application/x-amz-json-1.0";
        let mut call = Call::json(SERVICE, json, "AmazonSQS.SendMessage", &send);
        call.region = region_of(&send.queue_url).map(str::to_owned);
        let response = self.0.aws().send(caller, call).await?;
        let answer: Answer = serde_json::from_slice(&response.body).unwrap_or_default();
        Ok(MessageId(answer.message_id))
    }

    async fn send_locally(
        &self,
        caller: &Caller,
        send: SendMessage,
    ) -> Result<MessageId, TargetError> {
        let queue = queue_of(&send.queue_url)?;
        check_body(&send.body)?;
        let id = self.0.new_id();
        let record = (id.clone(), send.body.into());
        let streams = &self.0.local().streams;
        streams.append(SERVICE, caller.tenant.id, queue, vec![record]).await?;
        Ok(MessageId(id))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    #[serde(rename = "MessageId")]
    message_id: String,
}

fn queue_of(url: &str) -> Result<&str, TargetError> {
    let name = url.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    let is_known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if stem.is_empty() || name.len() > 80 || !stem.bytes().all(is_known) {
        let message = "The specified queue does not exist.";
        return Err(TargetError::refused(
            SERVICE,
            "AWS.SimpleQueueService.NonExistentQueue",
            message,
        ));
    }
    if stem.len() < name.len() {
        let message = "The request must contain the parameter MessageGroupId.";
        return Err(TargetError::refused(SERVICE, "MissingParameter", message));
    }
    Ok(name)
}

fn check_body(body: &str) -> Result<(), TargetError> {
    if body.is_empty() {
        let message = "The request must contain the parameter MessageBody.";
        return Err(TargetError::refused(SERVICE, "MissingParameter", message));
    }
    if body.len() > MESSAGE_BYTES_MAX {
        let message = format!(
            "One or more parameters are invalid. Reason: Message must be shorter than \
             {MESSAGE_BYTES_MAX} bytes."
        );
        return Err(TargetError::refused(SERVICE, "InvalidParameterValue", message));
    }
    // What XML 1.0 has no character for.
    let is_foreign = |c: &char| matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    match body.chars().find(is_foreign) {
        None => Ok(()),
        Some(c) => Err(TargetError::refused(
            SERVICE,
            "InvalidMessageContents",
            format!(
                "Invalid binary character '#x{:X}' was found in the message body, the set of \
                 allowed characters is #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | \
                 #x10000 to #x10FFFF",
                u32::from(c)
            ),
        )),
    }
}

/// The region in a queue's URL, old form and new: `https://sqs.eu-west-1.amazonaws.com/…`,
/// `https://eu-west-1.queue.amazonaws.com/…`.
fn region_of(url: &str) -> Option<&str> {
    let host = url.split_once("://")?.1.split(['/', ':']).next()?;
    let mut labels = host.split('.');
    match (labels.next()?, labels.next()?, labels.next()?) {
        ("sqs", region, "amazonaws") | (region, "queue", "amazonaws") => Some(region),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_named_by_the_end_of_its_url() {
        assert_eq!(
            queue_of("https://sqs.us-east-1.amazonaws.com/123456789012/orders").unwrap(),
            "orders"
        );
        assert_eq!(queue_of("http://localhost:4566/000000000000/orders/").unwrap(), "orders");
        assert_eq!(queue_of("https://sqs/1/o.fifo").unwrap_err().code, "MissingParameter");
        assert!(queue_of("https://sqs/1/..").is_err());
        assert!(queue_of("").is_err());
    }

    #[test]
    fn a_body_is_what_xml_can_have() {
        assert!(check_body("a\tü\u{1f600}\r\n").is_ok());
        for (body, code) in [
            ("", "MissingParameter"),
            ("a\0", "InvalidMessageContents"),
            ("\u{ffff}", "InvalidMessageContents"),
        ] {
            assert_eq!(check_body(body).unwrap_err().code, code, "{body:?}");
        }
    }

    #[test]
    fn the_region_stands_in_the_url() {
        assert_eq!(region_of("https://sqs.eu-west-1.amazonaws.com/1/q"), Some("eu-west-1"));
        assert_eq!(region_of("https://eu-west-1.queue.amazonaws.com/1/q"), Some("eu-west-1"));
        assert_eq!(region_of("http://localhost:9324/000000000000/q"), None);
    }
}

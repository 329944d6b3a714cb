//! SNS: topics.

use types::Arn;

use crate::aws::{Call, region_of, xml};
use crate::{Backend, Caller, MessageId, Service, TargetError, Targets};

const SERVICE: Service = Service::Sns;
/// Bytes of a message, as of SNS.
const MESSAGE_BYTES_MAX: usize = 256 << 10;

/// Publishes a message to a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publish {
    /// Which topic. Of a local one, what follows the last colon is the name.
    pub target_arn: String,
    /// What.
    pub message: String,
    /// Whether the message is JSON with a text for each protocol: `MessageStructure=json`.
    pub is_structured: bool,
}

/// Topics, wherever they are.
#[derive(Clone, Copy)]
pub struct Sns<'t>(pub(crate) &'t Targets);

impl Sns<'_> {
    /// Publishes a message; it is safe when this returns. A local topic's webhook has it soon.
    pub async fn publish(
        &self,
        caller: &Caller,
        publish: Publish,
    ) -> Result<MessageId, TargetError> {
        if self.0.backend(SERVICE) == Backend::Local {
            return self.publish_locally(caller, publish).await;
        }
        let mut parameters = vec![
            ("Action", "Publish"),
            ("Version", "2010-03-31"),
            ("TargetArn", &publish.target_arn),
            ("Message", &publish.message),
        ];
        if publish.is_structured {
            parameters.push(("MessageStructure", "json"));
        }
        let mut call = Call::query(SERVICE, &parameters);
        call.region = region_of(&publish.target_arn);
        let response = self.0.aws().send(caller, call).await?;
        Ok(MessageId(xml::text(&response.body, "MessageId").unwrap_or_default()))
    }

    async fn publish_locally(
        &self,
        caller: &Caller,
        publish: Publish,
    ) -> Result<MessageId, TargetError> {
        let topic = topic_of(&publish.target_arn)?;
        let message = message_of(&publish)?;
        let id = self.0.new_id();
        let local = self.0.local();
        let record = (id.clone(), message.into());
        local.webhooks.serve(caller, &publish.target_arn, topic).await?;
        local.streams.append(SERVICE, caller.tenant.id, topic, vec![record]).await?;
        Ok(MessageId(id))
    }
}

fn topic_of(arn: &str) -> Result<&str, TargetError> {
    let topic = Arn::parse(arn).map(|arn| arn.resource).unwrap_or_default();
    let is_known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if topic.is_empty() || topic.len() > 256 || !topic.bytes().all(is_known) {
        return Err(invalid("Invalid parameter: TargetArn Reason: no such topic"));
    }
    Ok(topic)
}

/// What a subscriber by HTTP is told.
fn message_of(publish: &Publish) -> Result<String, TargetError> {
    let message = &publish.message;
    if message.is_empty() {
        return Err(invalid("Invalid parameter: Empty message"));
    }
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(invalid("Invalid parameter: Message too long"));
    }
    if !publish.is_structured {
        return Ok(message.clone());
    }
    let structure = "Invalid parameter: Message Structure - ";
    let read: serde_json::Map<String, serde_json::Value> = serde_json::from_str(message)
        .map_err(|_| invalid(format!("{structure}JSON message body failed to parse")))?;
    let text = |protocol: &str| read.get(protocol).and_then(serde_json::Value::as_str);
    let default = text("default")
        .ok_or_else(|| invalid(format!("{structure}No default entry in JSON message body")))?;
    Ok(text("https").or_else(|| text("http")).unwrap_or(default).to_owned())
}

fn invalid(message: impl Into<String>) -> TargetError {
    TargetError::refused(SERVICE, "InvalidParameter", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, expect: Result<&str, &str>) {
        let publish =
            Publish { message: message.into(), is_structured: true, ..Publish::default() };
        let found = message_of(&publish).map_err(|error| error.message);
        assert_eq!(found.as_deref().map_err(String::as_str), expect);
    }

    #[test]
    fn a_structured_message_has_a_text_for_each_protocol() {
        check(r#"{"default":"d"}"#, Ok("d"));
        check(r#"{"default":"d","sqs":"s"}"#, Ok("d"));
        check(r#"{"default":"d","http":"h"}"#, Ok("h"));
        let structure = "Invalid parameter: Message Structure - ";
        check("x", Err(&format!("{structure}JSON message body failed to parse")));
        check(r#"{"sqs":"s"}"#, Err(&format!("{structure}No default entry in JSON message body")));
    }

    #[test]
    fn a_topic_is_named_by_the_end_of_its_arn() {
        assert_eq!(topic_of("arn:aws:sns:us-east-1:123456789012:alarms").unwrap(), "alarms");
        for wrong in
            ["alarms", "arn:aws:sns:us-east-1:1:endpoint/APNS/x", "arn:aws:sns:us-east-1:1:"]
        {
            assert_eq!(topic_of(wrong).unwrap_err().code, "InvalidParameter", "{wrong}");
        }
        assert_eq!(region_of("arn:aws:sns:eu-west-1:1:t").as_deref(), Some("eu-west-1"));
    }
}

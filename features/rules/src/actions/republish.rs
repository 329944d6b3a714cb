//! Republish: what is selected goes to another topic.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use model::iot::{MqttHeaders, RepublishAction};
use mqtt::{PublishProperties, QoS};
use serde_json::{Value, json};
use service::{ApiError, BoxFuture, OutgoingMessage};
use sql::{Halt, Statement, Template};
use types::Tenant;

use super::{Action, ActionError, Call, Selected, template};
use crate::engine::log::Resources;
use crate::engine::world::World;

/// How reserved topics are written, so that `$` is not taken for the start of a template.
const ESCAPED: &str = "$$";
/// Errors of the broker that pass.
const TRANSIENT: [&str; 3] =
    ["ThrottlingException", "ServiceUnavailableException", "InternalFailureException"];
/// Parts of topics that rules do not publish to, below `$aws/things/{thing}/`.
const CLOSED: [&str; 2] = ["jobs", "defender"];

/// A republish action.
pub(crate) struct Republish {
    topic: Template,
    qos: QoS,
    headers: Option<Headers>,
}

struct Headers {
    payload_format_indicator: Option<Template>,
    content_type: Option<Template>,
    response_topic: Option<Template>,
    correlation_data: Option<Template>,
    message_expiry: Option<Template>,
    user_properties: Vec<(Template, Template)>,
}

impl Republish {
    /// Reads the action.
    pub(crate) fn compile(
        action: &RepublishAction,
        statement: &Statement,
    ) -> Result<Self, ApiError> {
        let qos = action.qos.unwrap_or_default();
        let qos = u8::try_from(qos).ok().and_then(QoS::from_bits);
        let headers = action.headers.as_ref();
        Ok(Self {
            topic: template("republish.topic", &action.topic, statement)?,
            qos: qos.ok_or_else(|| ApiError::invalid("republish.qos is 0 or 1."))?,
            headers: headers.map(|headers| Headers::compile(headers, statement)).transpose()?,
        })
    }
}

impl Headers {
    fn compile(headers: &MqttHeaders, statement: &Statement) -> Result<Self, ApiError> {
        let read = |name: &str, text: &Option<String>| {
            let field = format!("republish.headers.{name}");
            text.as_ref().map(|text| template(&field, text, statement)).transpose()
        };
        let pairs = headers.user_properties.as_deref().unwrap_or_default();
        let pairs = pairs.iter().map(|pair| {
            let field = "republish.headers.userProperties";
            let key = template(field, &pair.key, statement)?;
            Ok((key, template(field, &pair.value, statement)?))
        });
        Ok(Self {
            payload_format_indicator: read(
                "payloadFormatIndicator",
                &headers.payload_format_indicator,
            )?,
            content_type: read("contentType", &headers.content_type)?,
            response_topic: read("responseTopic", &headers.response_topic)?,
            correlation_data: read("correlationData", &headers.correlation_data)?,
            message_expiry: read("messageExpiry", &headers.message_expiry)?,
            user_properties: pairs.collect::<Result<_, ApiError>>()?,
        })
    }

    fn properties(&self, selected: &Selected<'_>) -> Result<Read, Halt> {
        let text = |template: &Option<Template>| match template {
            None => Ok(None),
            Some(template) => {
                selected.text(template).map(|text| (!text.is_empty()).then_some(text))
            }
        };
        let mut user_properties = Vec::with_capacity(self.user_properties.len());
        for (key, value) in &self.user_properties {
            user_properties.push((selected.text(key)?.into(), selected.text(value)?.into()));
        }
        let indicator = text(&self.payload_format_indicator)?;
        let correlation_data = text(&self.correlation_data)?;
        let expiry = text(&self.message_expiry)?;
        let read = || -> Result<PublishProperties, String> {
            Ok(PublishProperties {
                payload_is_utf8: indicator.as_deref().map(is_utf8).transpose()?,
                correlation_data: correlation_data.as_deref().map(from_base64).transpose()?,
                message_expiry_s: expiry.as_deref().map(seconds).transpose()?,
                user_properties,
                ..PublishProperties::default()
            })
        };
        let properties = match read() {
            Ok(properties) => properties,
            Err(reason) => return Ok(Err(reason)),
        };
        Ok(Ok(PublishProperties {
            content_type: text(&self.content_type)?.map(Into::into),
            response_topic: text(&self.response_topic)?.map(Into::into),
            ..properties
        }))
    }
}

/// Properties, or why what the templates give are none.
type Read = Result<PublishProperties, String>;

fn is_utf8(text: &str) -> Result<bool, String> {
    match text {
        "UTF8_DATA" => Ok(true),
        "UNSPECIFIED_BYTES" => Ok(false),
        other => {
            Err(format!("payloadFormatIndicator is UTF8_DATA or UNSPECIFIED_BYTES, not {other}"))
        }
    }
}

fn from_base64(text: &str) -> Result<Bytes, String> {
    let decoded = STANDARD.decode(text).map(Bytes::from);
    decoded.map_err(|_| "correlationData is not base64".to_owned())
}

fn seconds(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("messageExpiry is a number of seconds, not {text}"))
}

impl Action for Republish {
    fn name(&self) -> &'static str {
        "RepublishAction"
    }

    fn call(&self, selected: &Selected<'_>) -> Result<Box<dyn Call>, Halt> {
        let topic = selected.text(&self.topic)?;
        let topic = match topic.strip_prefix(ESCAPED) {
            Some(rest) => format!("${rest}"),
            None => topic,
        };
        let properties = self.headers.as_ref().map(|it| it.properties(selected)).transpose()?;
        let (properties, wrong) = match properties {
            None => (None, None),
            Some(Ok(properties)) => (Some(Box::new(properties)), None),
            Some(Err(reason)) => (None, Some(reason)),
        };
        let message = OutgoingMessage {
            topic,
            payload: selected.payload.clone(),
            qos: self.qos,
            retain: false,
            properties,
            hops: selected.heard.hops.saturating_add(1),
        };
        Ok(Box::new(Publish { tenant: selected.heard.tenant.clone(), message, wrong }))
    }
}

struct Publish {
    tenant: Tenant,
    message: OutgoingMessage,
    /// Why the headers are none.
    wrong: Option<String>,
}

impl Call for Publish {
    fn resource(&self) -> String {
        self.message.topic.clone()
    }

    fn resources(&self) -> Resources {
        vec![("RepublishTopic", self.message.topic.clone())]
    }

    fn details(&self) -> String {
        format!("Action: republish, Topic: {}", self.message.topic)
    }

    fn inputs(&self) -> Value {
        json!({
            "topic": self.message.topic,
            "qos": self.message.qos as u8,
            "payload": String::from_utf8_lossy(&self.message.payload),
        })
    }

    fn run<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<(), ActionError>> {
        Box::pin(async move {
            if let Some(wrong) = &self.wrong {
                return Err(failed(wrong));
            }
            if is_closed(&self.message.topic) {
                return Err(failed("rules do not publish to topics of jobs and of Defender"));
            }
            let published = world.app.publisher.publish(&self.tenant, self.message.clone()).await;
            published.map_err(|error| {
                let is_transient = TRANSIENT.contains(&error.code);
                ActionError { is_transient, ..failed(&error.to_string()) }
            })
        })
    }
}

fn failed(reason: &str) -> ActionError {
    let message = "Failed to republish to topic. The error received was";
    ActionError::lasting(format!("{message} {reason}"))
}

/// Whether a topic belongs to a service that takes nothing from rules.
fn is_closed(topic: &str) -> bool {
    let mut levels = topic.split('/');
    let begins = levels.next() == Some("$aws") && levels.next() == Some("things");
    begins && levels.nth(1).is_some_and(|service| CLOSED.contains(&service))
}

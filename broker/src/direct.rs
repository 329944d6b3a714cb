//! Direct messages: from the API to one client, which need not subscribe; nobody else sees them.

use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use model::iot_data::{
    PayloadFormatIndicator, SendDirectMessageRequest, SendDirectMessageResponse,
};
use mqtt::{PublishProperties, QoS, reason};
use service::{ApiError, Cx, Limits, Wish};
use tokio::sync::oneshot;

use crate::connections::present;
use crate::http_message::{correlation_data, refused, response_topic, topic_name, user_properties};
use crate::mailbox::{Delivery, Posted};
use crate::message::Message;
use crate::quotas::Call;
use crate::receipts::{Outcome, Receipt};
use crate::space::Client;
use crate::{Broker, bounds};

/// How long a confirmation is waited for where the request does not say.
const TIMEOUT_S_DEFAULT: i32 = 5;
/// How long it may say.
const TIMEOUT_S_MAX: i32 = 60;
/// No direct message goes to topics that begin so.
const RESERVED: char = '$';

/// Sends a message to one client, and waits for its acknowledgement if asked to.
pub(crate) async fn send_direct_message(
    broker: Arc<Broker>,
    cx: Cx,
    request: SendDirectMessageRequest,
) -> Result<SendDirectMessageResponse, ApiError> {
    let client_id = request.client_id.clone();
    let timeout = timeout(request.timeout)?;
    let is_confirmed = request.confirmation.unwrap_or_default();
    let message = message(request, &cx.app.limits)?;
    broker.space(&cx.tenant).quotas.check(Call::SendDirectMessage, &client_id)?;
    let client = present(&broker, &cx, &client_id)?;
    check_receiver(&cx, &client, &message.topic)?;
    if is_confirmed {
        let (receipt, outcome) = Receipt::new();
        let (qos, receipt) = (QoS::AtLeastOnce, Some(receipt));
        post(&client, Message { qos, receipt, ..message })?;
        confirmed(&client_id, tokio::time::timeout(timeout, outcome).await)?;
    } else {
        post(&client, message)?;
    }
    Ok(SendDirectMessageResponse {
        message: Some("OK".to_owned()),
        trace_id: Some(cx.request_id.to_string()),
    })
}

fn timeout(asked_s: Option<i32>) -> Result<Duration, ApiError> {
    let asked_s = asked_s.unwrap_or(TIMEOUT_S_DEFAULT);
    match u64::try_from(asked_s) {
        Ok(seconds @ 1..) if asked_s <= TIMEOUT_S_MAX => Ok(Duration::from_secs(seconds)),
        _ => Err(ApiError::invalid(format!(
            "timeout is a number of seconds from 1 to {TIMEOUT_S_MAX}, not {asked_s}."
        ))),
    }
}

/// The message that a request asks for, with QoS 0.
fn message(request: SendDirectMessageRequest, limits: &Limits) -> Result<Message, ApiError> {
    let topic = topic_name("The topic", request.topic.as_str())?;
    if topic.starts_with(RESERVED) {
        let why = format!("The topic {topic} is reserved: it must not begin with $.");
        return Err(ApiError::invalid(why));
    }
    bounds::check_topic(&topic, limits).map_err(refused)?;
    let payload = request.payload.unwrap_or_default().0;
    let (bytes, bytes_max) = (payload.len(), limits.mqtt_payload_bytes_max);
    if bytes > bytes_max {
        let why = format!("The payload has {bytes} bytes of at most {bytes_max}.");
        return Err(ApiError::new("RequestEntityTooLargeException", why));
    }
    let mut properties = PublishProperties {
        payload_is_utf8: request
            .payload_format_indicator
            .map(|format| format == PayloadFormatIndicator::Utf8Data),
        response_topic: request.response_topic.as_deref().map(response_topic).transpose()?,
        correlation_data: request.correlation_data.as_deref().map(correlation_data).transpose()?,
        user_properties: request
            .user_properties
            .as_deref()
            .map_or(Ok(Vec::new()), user_properties)?,
        content_type: request.content_type.map(ByteString::from),
        ..PublishProperties::default()
    };
    bounds::check_properties(&mut properties, limits).map_err(refused)?;
    let properties = (properties != PublishProperties::default()).then(|| Box::new(properties));
    let qos = QoS::AtMostOnce;
    Ok(Message {
        topic,
        payload,
        qos,
        retain: false,
        properties,
        expires: None,
        from: 0,
        receipt: None,
    })
}

/// Whether the client may have it, as its own policies say.
fn check_receiver(cx: &Cx, client: &Client, topic: &str) -> Result<(), ApiError> {
    let resource = cx.arn(&format!("topic/{topic}"));
    let wish = Wish { action: "iot:Receive", resource: &resource, context: &[], now: cx.now() };
    if client.permissions.rights().allows(&wish) {
        return Ok(());
    }
    let why =
        format!("The policies of the client {} do not allow iot:Receive on {resource}.", client.id);
    Err(ApiError::new("ForbiddenException", why))
}

fn post(client: &Client, message: Message) -> Result<(), ApiError> {
    let qos = message.qos;
    match client.mailbox.post(Delivery::new(Arc::new(message), qos, false)) {
        Posted::Waits => Ok(()),
        Posted::Wake(waker) => {
            waker.wake();
            Ok(())
        }
        Posted::Dropped => {
            let why = format!("The client {} does not take its messages: no more fit.", client.id);
            Err(ApiError::new("ThrottlingException", why))
        }
        Posted::Gone => {
            Err(ApiError::not_found(format!("The client {} is not connected.", client.id)))
        }
    }
}

type Answer = Result<Result<Outcome, oneshot::error::RecvError>, tokio::time::error::Elapsed>;

/// Whether the client has confirmed a message.
fn confirmed(client_id: &str, answer: Answer) -> Result<(), ApiError> {
    let why = match answer {
        Ok(Ok(Outcome::Acknowledged(code))) if code < reason::UNSPECIFIED_ERROR => return Ok(()),
        Ok(Ok(Outcome::Acknowledged(code))) => {
            format!("The client {client_id} refused the message with reason code 0x{code:02X}.")
        }
        Ok(Ok(Outcome::TooLarge)) => {
            let why = format!("The client {client_id} takes no packet of this size.");
            return Err(ApiError::new("RequestEntityTooLargeException", why));
        }
        Ok(Err(_)) => format!("The client {client_id} left before it confirmed the message."),
        Err(_) => format!("The client {client_id} did not confirm the message in time."),
    };
    Err(ApiError::new("GatewayTimeoutException", why))
}

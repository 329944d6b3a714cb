//! `POST /topics/{topic}`: publishing without a connection of MQTT.
//!
//! The gateway has asked who it is and whether it may; here a request becomes a message, held to
//! the same bounds as one that comes over MQTT.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use model::iot_data::op;
use model::iot_data::{PayloadFormatIndicator, PublishRequest};
use mqtt::{Publish, PublishProperties, QoS, reason};
use serde_json::json;
use service::{
    ApiError, BoxFuture, Cx, Endpoint, Limits, OutgoingMessage, Publisher, Reach, Sender,
};
use types::Tenant;

use crate::Broker;
use crate::bounds;
use crate::http_message::{correlation_data, refused, response_topic, topic_name, user_properties};
use crate::keeping::Keeping;
use crate::message::{Message, expiry};
use crate::owed::Owed;
use crate::publish::deliver;
use crate::routing::Routing;
use crate::space::{Space, Subscriber};
use crate::turn::with_lent;

/// The number of whoever publishes without a connection.
const NO_CONNECTION: u64 = 0;

/// The operations of this module.
pub(crate) fn endpoints(broker: &Arc<Broker>) -> Vec<Endpoint> {
    let broker = Arc::clone(broker);
    vec![Endpoint::answering::<op::Publish, _, _>(move |cx, request| {
        publish(Arc::clone(&broker), cx, request)
    })]
}

/// Leaves a message in the mailbox of every subscriber of the caller's tenant. One that is to be
/// retained is safe when this answers.
async fn publish(broker: Arc<Broker>, cx: Cx, request: PublishRequest) -> Result<Bytes, ApiError> {
    let space = broker.space(&cx.tenant);
    let publish = message(request, &cx.app.limits, &space.routing)?;
    let (now, topic) = (cx.now(), publish.topic.clone());
    let message = Arc::new(Message::new(publish, topic, NO_CONNECTION, now));
    broker.publish_once(&space, &message, sender(&cx)).await?;
    let answer = json!({ "message": "OK", "traceId": cx.request_id.to_string() });
    Ok(Bytes::from(answer.to_string()))
}

/// Whoever calls, as services and taps know it.
fn sender(cx: &Cx) -> Sender {
    Sender {
        principal_id: Some(cx.caller.user_id.clone()),
        source_ip: Some(cx.caller.source_ip),
        ..Sender::default()
    }
}

impl Publisher for Broker {
    fn reach(&self, tenant: &Tenant, topic: &str) -> Reach {
        let space = self.space(tenant);
        if space.routing.is_tapped(tenant, topic) {
            return Reach::Kept;
        }
        // Threads remember who receives topics that come again. One that is only asked about here
        // and then comes has not come again.
        space.subscribers(topic).iter().map(Subscriber::reach).max().unwrap_or(Reach::Nobody)
    }

    fn publish<'a>(
        &'a self,
        tenant: &'a Tenant,
        message: OutgoingMessage,
    ) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(async move {
            topic_name("The topic", &message.topic)?;
            let sender = Sender { hops: message.hops, ..Sender::default() };
            let mut message = Message::of_feature(message);
            message.expires = expiry(message.properties.as_deref(), self.app.env.clock.now());
            let message = Arc::new(message);
            self.publish_once(&self.space(tenant), &message, sender).await
        })
    }
}

impl Broker {
    /// Brings `message` to whoever has it: the service of its topic, subscribers, taps. It is
    /// safe wherever it has to be when this returns.
    async fn publish_once(
        &self,
        space: &Space,
        message: &Arc<Message>,
        sender: Sender,
    ) -> Result<(), ApiError> {
        let now = self.app.env.clock.now();
        let route = space.route(message, || sender, now);
        if route.as_ref().is_none_or(|route| route.is_heard) {
            let keeping = with_lent(&self.metrics, |lent| {
                let (_, mut turn) = lent.turn(now);
                turn.counts.received += 1;
                deliver(space, message, &mut turn)
            });
            self.make_safe(space, message, keeping).await?;
        }
        match route {
            Some(route) => route.follow().await,
            None => Ok(()),
        }
    }

    /// Resolves once `message` is wherever it has to be kept.
    pub(crate) async fn make_safe(
        &self,
        space: &Space,
        message: &Arc<Message>,
        keeping: Keeping,
    ) -> Result<(), ApiError> {
        let busy = || ApiError::new("ThrottlingException", "Too many messages wait to be written.");
        let parts = keeping.parts() + usize::from(message.retain);
        if parts == 0 {
            return Ok(());
        }
        let (owed, answered) = Owed::to_request(parts);
        if !keeping.write(message, Some(Arc::clone(&owed))) {
            return Err(busy());
        }
        if message.retain {
            let kept = self.retained.keep(&space.tenant, Arc::clone(message), Some(owed));
            kept.map_err(|_| busy())?;
        }
        match answered.await {
            Ok(reason::SUCCESS) => Ok(()),
            Ok(reason::QUOTA_EXCEEDED) => Err(ApiError::new(
                "ThrottlingException",
                "There are as many retained messages as there may be.",
            )),
            Ok(_) | Err(_) => {
                Err(ApiError::unavailable("The message could not be written to disk. Try again."))
            }
        }
    }
}

/// The message that a request carries, if it is one that MQTT would take.
fn message(
    request: PublishRequest,
    limits: &Limits,
    routing: &Routing,
) -> Result<Publish, ApiError> {
    let topic = topic_name("The topic", request.topic.as_str())?;
    let retain = request.retain.unwrap_or(false);
    bounds::check_destination(&topic, retain, limits, routing).map_err(refused)?;
    let payload = request.payload.map(|blob| blob.0).unwrap_or_default();
    let (bytes, bytes_max) = (payload.len(), limits.mqtt_payload_bytes_max);
    if bytes > bytes_max {
        let message = format!("The message on {topic} has {bytes} bytes of at most {bytes_max}.");
        return Err(ApiError::new("RequestEntityTooLargeException", message));
    }
    let qos = if request.qos == Some(1) { QoS::AtLeastOnce } else { QoS::AtMostOnce };
    let mut properties = PublishProperties {
        payload_is_utf8: request
            .payload_format_indicator
            .map(|indicator| indicator == PayloadFormatIndicator::Utf8Data),
        message_expiry_s: request.message_expiry.map(expiry_s).transpose()?,
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
    let has_properties = properties != PublishProperties::default();
    let properties = has_properties.then(|| Box::new(properties));
    Ok(Publish { dup: false, qos, retain, topic, packet_id: None, properties, payload })
}

/// A time to live, which the bounds cut where it is too short or too long.
fn expiry_s(seconds: i64) -> Result<u32, ApiError> {
    if seconds < 0 {
        return Err(ApiError::invalid("messageExpiry is a number of seconds, 0 or more."));
    }
    Ok(u32::try_from(seconds).unwrap_or(u32::MAX))
}

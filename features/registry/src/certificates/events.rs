//! The event of a certificate that was registered when it first connected:
//! `$aws/events/certificates/registered/<id of its CA>`. Nobody can switch it off.

use model::iot::CertificateStatus;
use mqtt::TopicFilter;
use serde::Serialize;
use service::{
    Answer, ApiError, Audience, BoxFuture, OutgoingMessage, ReservedMessage, ReservedTopic,
};
use types::{Tenant, Timestamp};

use crate::store::certificates::Certificate;

/// What topics of events begin with. No filter with a wildcard in it is let pass anywhere.
const PREFIX: &str = "$aws/events/";
/// The levels of this one's topic that follow, before the id of the CA.
const CERTIFICATES: &str = "certificates";
const REGISTERED: &str = "registered";

/// Lets clients subscribe to the event; only the server publishes it.
pub(crate) struct RegisteredEvents;

/// The event as it is read. The second time is a text in AWS's events too.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Registered<'a> {
    certificate_id: &'a str,
    ca_certificate_id: &'a str,
    timestamp: i64,
    certificate_status: CertificateStatus,
    aws_account_id: &'a str,
    certificate_registration_timestamp: String,
}

/// Tells that the holder of `certificate`, which its CA vouches for, wants to connect.
pub(crate) fn registered(
    tenant: &Tenant,
    certificate: &Certificate,
    ca_certificate_id: &str,
    now: Timestamp,
) -> OutgoingMessage {
    let event = Registered {
        certificate_id: &certificate.id,
        ca_certificate_id,
        timestamp: now.millis(),
        certificate_status: certificate.status,
        aws_account_id: tenant.account.as_str(),
        certificate_registration_timestamp: certificate.created.millis().to_string(),
    };
    let payload = serde_json::to_vec(&event).expect("texts and numbers can be written");
    let topic = format!("{PREFIX}{CERTIFICATES}/{REGISTERED}/{ca_certificate_id}");
    OutgoingMessage::new(topic, payload)
}

impl ReservedTopic for RegisteredEvents {
    fn takes(&self, _topic: &str) -> Option<Audience> {
        None
    }

    fn can_hear(&self, filter: &TopicFilter) -> bool {
        let Some(rest) = filter.filter().strip_prefix(PREFIX) else { return false };
        let mut levels = rest.split('/');
        for expected in [CERTIFICATES, REGISTERED] {
            match levels.next() {
                Some("#") => return true,
                Some(level) if level == "+" || level == expected => {}
                _ => return false,
            }
        }
        levels.next().is_some_and(|id| !id.is_empty()) && levels.next().is_none()
    }

    fn handle(&self, _message: ReservedMessage) -> BoxFuture<'_, Result<Answer, ApiError>> {
        // It takes no topic, so that nobody asks it anything.
        Box::pin(std::future::ready(Ok(Answer::default())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_match_the_event_can_be_heard() {
        let can_hear = |text: &'static str| {
            RegisteredEvents.can_hear(&TopicFilter::parse(text.into()).unwrap())
        };
        for filter in [
            "$aws/events/#",
            "$aws/events/certificates/#",
            "$aws/events/certificates/registered/#",
            "$aws/events/certificates/registered/+",
            "$aws/events/certificates/registered/abc",
            "$aws/events/+/+/abc",
            "$share/g/$aws/events/certificates/registered/+",
        ] {
            assert!(can_hear(filter), "{filter}");
        }
        for filter in [
            "$aws/#",
            "$aws/+/certificates/registered/abc",
            "$aws/events/certificates",
            "$aws/events/certificates/registered",
            "$aws/events/certificates/registered/",
            "$aws/events/certificates/registered/abc/def",
            "$aws/events/presence/connected/abc",
        ] {
            assert!(!can_hear(filter), "{filter}");
        }
    }
}

//! Shadows over MQTT: requests by their topics, and which messages there are to hear.

use std::sync::Arc;

use mqtt::TopicFilter;
use service::{Answer, ApiError, Audience, BoxFuture, ReservedMessage, ReservedTopic, Sender};

use crate::name::ShadowName;
use crate::outcomes::Asked;
use crate::refusal::Refusal;
use crate::request;
use crate::shadows::Shadows;
use crate::store::history::Author;

/// Where the topics of shadows begin.
const PREFIX: &str = "$aws/things/";
/// What may be asked for.
const REQUESTS: [&str; 3] = ["get", "update", "delete"];
/// What is told, below a request.
const REPLIES: [(&str, &[&str]); 3] = [
    ("get", &["accepted", "rejected"]),
    ("update", &["accepted", "rejected", "delta", "documents"]),
    ("delete", &["accepted", "rejected"]),
];

/// The topics of all shadows.
pub(crate) struct ShadowTopics(pub(crate) Arc<Shadows>);

/// What stands in a topic below a shadow's own part.
struct Place<'t> {
    thing: &'t str,
    shadow: Option<&'t str>,
    message: &'t str,
}

impl<'t> Place<'t> {
    fn of(topic: &'t str) -> Option<Self> {
        let (thing, rest) = topic.strip_prefix(PREFIX)?.split_once('/')?;
        let message = rest.strip_prefix("shadow/")?;
        let Some(named) = message.strip_prefix("name/") else {
            return Some(Self { thing, shadow: None, message });
        };
        let (shadow, message) = named.split_once('/')?;
        Some(Self { thing, shadow: Some(shadow), message })
    }

    fn is_reply(&self) -> bool {
        self.message.split_once('/').is_some_and(|(request, reply)| {
            REPLIES.iter().any(|(of, replies)| *of == request && replies.contains(&reply))
        })
    }
}

impl ReservedTopic for ShadowTopics {
    /// Replies are the service's to publish, and a shadow has to have a name that AWS would take.
    /// Other topics below a shadow's may be published to, to no effect.
    fn takes(&self, topic: &str) -> Option<Audience> {
        let place = Place::of(topic)?;
        let is_named = ShadowName::checked(place.thing, place.shadow).is_some();
        (is_named && !place.is_reply()).then_some(Audience::Everybody)
    }

    fn can_hear(&self, filter: &TopicFilter) -> bool {
        ["shadow", "shadow/name/+"].into_iter().any(|shadow| {
            let below = |rest: &str| filter.overlaps(&format!("{PREFIX}+/{shadow}/{rest}"));
            REQUESTS.into_iter().any(below)
                || REPLIES.iter().any(|(request, replies)| {
                    replies.iter().any(|reply| below(&format!("{request}/{reply}")))
                })
        })
    }

    fn handle(&self, message: ReservedMessage) -> BoxFuture<'_, Result<Answer, ApiError>> {
        Box::pin(async move {
            if let Some(place) = Place::of(&message.topic) {
                self.serve(&place, &message).await;
            }
            Ok(Answer::default())
        })
    }
}

impl ShadowTopics {
    /// Does what is asked for, and tells what has come of it.
    async fn serve(&self, place: &Place<'_>, message: &ReservedMessage) {
        let Some(name) = ShadowName::checked(place.thing, place.shadow) else { return };
        let Some(asked) = Asked::of(place.message) else { return };
        let done = self.done(asked, &name, message).await;
        let (app, outcomes) = (&self.0.app, &self.0.outcomes);
        if let Err(refusal) = outcomes.over_mqtt(app, (asked, &name), message, done) {
            self.reject(&name, place, message, &refusal).await;
        }
    }

    async fn done(
        &self,
        asked: Asked,
        name: &ShadowName,
        message: &ReservedMessage,
    ) -> Result<(), Refusal> {
        let (shadows, tenant, body) = (&self.0, &message.tenant, &message.payload);
        let limits = &shadows.app.limits;
        if message.sender.under_way >= limits.shadow_requests_under_way_max {
            let token = request::token_of(body, limits).unwrap_or_default();
            return Err(Refusal::throttled().to(token.as_deref()));
        }
        let by = author(&message.sender);
        match asked {
            Asked::Get => {
                let shadow = shadows.get(tenant, name, body).await?;
                shadows.tell(tenant, name.topic("get/accepted"), shadow).await;
                Ok(())
            }
            Asked::Update => shadows.update(tenant, name, body, by, false).await.map(drop),
            Asked::Delete => shadows.delete(tenant, name, body, by).await.map(drop),
        }
    }

    async fn reject(
        &self,
        name: &ShadowName,
        place: &Place<'_>,
        message: &ReservedMessage,
        refusal: &Refusal,
    ) {
        let rejected = refusal.document(self.0.now());
        let topic = name.topic(&format!("{}/rejected", place.message));
        self.0.tell(&message.tenant, topic, rejected).await;
    }
}

/// Who published, as versions remember it.
fn author(sender: &Sender) -> Author<'_> {
    Author {
        principal: sender.principal_id.as_deref().map(Into::into),
        client_id: sender.client_id.as_deref().map(Into::into),
        source_ip: sender.source_ip,
    }
}

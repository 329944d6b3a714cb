//! SUBSCRIBE and UNSUBSCRIBE: each filter is checked, authorized and answered on its own.

use std::sync::Arc;

use bytestring::ByteString;
use mqtt::{
    Packet, QoS, RetainHandling, Suback, Subscribe, Subscription, SubscriptionOptions, TopicFilter,
    Unsuback, Unsubscribe, Version, reason,
};

use crate::bounds;
use crate::ending::{Ending, Fault};
use crate::lifecycle::{self, Lifecycle};
use crate::session::Session;
use crate::space::Subscriber;
use crate::turn::Turn;
use crate::verdicts::{Action, Asker};

/// Why one filter of a request is refused.
struct Refused {
    code: u8,
    reason: &'static str,
    detail: String,
}

impl Session {
    pub(crate) fn on_subscribe(
        &mut self,
        subscribe: Subscribe,
        turn: &mut Turn<'_>,
    ) -> Result<(), Ending> {
        self.check_request(&subscribe).map_err(Ending::Fault)?;
        let mut codes = Vec::with_capacity(subscribe.subscriptions.len());
        let (mut granted, mut whys) = (Vec::new(), Vec::new());
        for subscription in &subscribe.subscriptions {
            match self.subscribe(subscription, turn) {
                Ok(qos) => {
                    codes.push(qos as u8);
                    granted.push(&*subscription.filter);
                }
                Err(refused) => {
                    codes.push(self.refuse_filter(&subscription.filter, &refused)?);
                    whys.push(refused.detail);
                }
            }
        }
        let packet_id = subscribe.packet_id;
        let properties =
            if whys.is_empty() { None } else { self.properties_telling(&whys.join("; ")) };
        let suback = Suback { packet_id, properties, codes };
        Packet::Suback(suback).encode(self.client.version, turn.output);
        if !granted.is_empty() {
            self.tell(&Lifecycle::Subscribed(granted), turn);
        }
        Ok(())
    }

    /// What makes a whole SUBSCRIBE unacceptable.
    fn check_request(&self, subscribe: &Subscribe) -> Result<(), Fault> {
        let (limits, filters) = (self.limits(), &subscribe.subscriptions);
        if subscribe.properties.subscription_id.is_some() {
            return Err(Fault::new(
                reason::SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED,
                "SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED",
                "SUBSCRIBE has a subscription identifier, which is not offered",
            ));
        }
        let most = limits.mqtt_subscriptions_per_request_max;
        if filters.len() > most {
            let why = format!("SUBSCRIBE has {} topic filters of at most {most}", filters.len());
            return Err(Fault::new(reason::QUOTA_EXCEEDED, "QUOTA_EXCEEDED", why));
        }
        if let Some(twice) = filters.iter().find(|s| s.options.qos == QoS::ExactlyOnce) {
            let why = format!("SUBSCRIBE asks for QoS 2 on {}; use QoS 1", twice.filter);
            return Err(Fault::new(reason::QOS_NOT_SUPPORTED, "QOS_NOT_SUPPORTED", why));
        }
        bounds::check_user_properties(&subscribe.properties.user_properties, limits)
    }

    fn subscribe(&mut self, subscription: &Subscription, turn: &Turn<'_>) -> Result<QoS, Refused> {
        let filter = self.readable(&subscription.filter)?;
        self.check_room(&filter)?;
        let Self { verdicts, space, client, .. } = self;
        let asker = Asker { tenant: &space.tenant, now: turn.now };
        if !verdicts.allow(Action::Subscribe, filter.as_str(), &asker) {
            let detail = verdicts.explain(Action::Subscribe, filter.as_str(), &asker);
            let (code, reason) = (reason::NOT_AUTHORIZED, "AUTHORIZATION_FAILURE");
            return Err(Refused { code, reason, detail });
        }
        let options = subscription.options;
        space.subscribe(&filter, Subscriber { client: client.clone(), options });
        let is_new = client.subscriptions.insert(filter.clone(), options.qos);
        self.bring_retained(&filter, options, is_new);
        Ok(options.qos)
    }

    /// Brings the message that is kept for exactly this topic; AWS keeps none for wildcards.
    fn bring_retained(&self, filter: &TopicFilter, options: SubscriptionOptions, is_new: bool) {
        let is_wanted = match options.retain_handling {
            RetainHandling::Send => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        };
        if is_wanted && !filter.has_wildcards() {
            let (topic, client) = (filter.filter().to_owned(), Arc::clone(&self.client));
            self.retained.bring(&self.space.tenant, topic, client, options.qos);
        }
    }

    fn readable(&self, text: &ByteString) -> Result<TopicFilter, Refused> {
        let invalid = |detail| {
            let code = reason::TOPIC_FILTER_INVALID;
            Refused { code, reason: "TOPIC_FILTER_INVALID", detail }
        };
        let filter = TopicFilter::parse(ByteString::from(&**text))
            .map_err(|error| invalid(format!("the topic filter {text} {error}")))?;
        if filter.share().is_some() {
            return Err(Refused {
                code: reason::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
                reason: "SHARED_SUBSCRIPTIONS_NOT_SUPPORTED",
                detail: format!("{text} is a shared subscription, which is not built yet"),
            });
        }
        bounds::check_filter(&filter, self.limits()).map_err(invalid)?;
        Ok(filter)
    }

    fn check_room(&self, filter: &TopicFilter) -> Result<(), Refused> {
        let most = self.limits().mqtt_subscriptions_per_connection_max;
        if self.client.subscriptions.has_room_for(filter.as_str(), most) {
            return Ok(());
        }
        let detail = format!("the connection has {most} subscriptions and may have no more");
        Err(Refused { code: reason::QUOTA_EXCEEDED, reason: "QUOTA_EXCEEDED", detail })
    }

    /// The code that tells the client of a refusal. MQTT 3.1.1 has one for what cannot be done;
    /// for want of a policy, and for what is no filter, it loses its connection, as on AWS.
    fn refuse_filter(&mut self, filter: &str, refused: &Refused) -> Result<u8, Ending> {
        let Refused { code, reason, detail } = refused;
        if self.client.version == Version::V311
            && [reason::NOT_AUTHORIZED, reason::TOPIC_FILTER_INVALID].contains(code)
        {
            if *code == reason::NOT_AUTHORIZED {
                self.log_refusal("Subscribe", reason, detail.clone(), Some(filter));
            }
            return Err(Ending::Fault(Fault::new(*code, reason, detail.clone())));
        }
        self.log_refusal("Subscribe", reason, detail.clone(), Some(filter));
        Ok(match self.client.version {
            Version::V5 => *code,
            Version::V311 => reason::UNSPECIFIED_ERROR,
        })
    }

    pub(crate) fn on_unsubscribe(
        &mut self,
        unsubscribe: &Unsubscribe,
        turn: &mut Turn<'_>,
    ) -> Result<(), Ending> {
        bounds::check_user_properties(&unsubscribe.user_properties, self.limits())
            .map_err(Ending::Fault)?;
        let mut codes = Vec::with_capacity(unsubscribe.filters.len());
        let mut ended: Vec<&str> = Vec::new();
        for text in &unsubscribe.filters {
            if let Some(filter) = self.client.subscriptions.remove(text) {
                self.space.unsubscribe([&filter], &self.client);
                ended.push(text);
                codes.push(reason::SUCCESS);
            } else if TopicFilter::parse(text.clone()).is_ok() {
                // AWS does not tell whether there was a subscription.
                codes.push(reason::SUCCESS);
            } else {
                codes.push(reason::TOPIC_FILTER_INVALID);
            }
        }
        let packet_id = unsubscribe.packet_id;
        let unsuback = Unsuback { packet_id, properties: None, codes };
        Packet::Unsuback(unsuback).encode(self.client.version, turn.output);
        if !ended.is_empty() {
            self.tell(&Lifecycle::Unsubscribed(ended), turn);
        }
        Ok(())
    }

    /// Ends all subscriptions.
    pub(crate) fn unsubscribe_all(&self) {
        let filters = self.client.subscriptions.take();
        if !filters.is_empty() {
            self.space.unsubscribe(&filters, &self.client);
        }
    }

    fn tell(&self, what: &Lifecycle<'_>, turn: &mut Turn<'_>) {
        lifecycle::tell(&self.space, &self.client, what, turn);
    }
}

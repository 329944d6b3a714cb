//! SUBSCRIBE and UNSUBSCRIBE: each filter is checked, authorized and answered on its own.

use std::sync::Arc;

use bytestring::ByteString;
use mqtt::{
    Packet, RetainHandling, Suback, Subscribe, Subscription, SubscriptionOptions, TopicFilter,
    Unsuback, Unsubscribe, Version, reason,
};

use service::RefusalV311;
use tokio::time::Instant;

use crate::bounds;
use crate::ending::{Ending, Fault};
use crate::groups::Member;
use crate::lifecycle::{self, Lifecycle};
use crate::session::Session;
use crate::subscriptions::Held;
use crate::turn::Turn;
use crate::verdicts::{Action, Asker};

/// What is no topic filter, in the device log.
const MALFORMED: &str = "TOPIC_FILTER_MALFORMED";

/// Why one filter of a request is refused.
struct Refused {
    code: u8,
    reason: &'static str,
    detail: String,
}

/// A subscription that the client has from now on.
struct Granted {
    held: Held,
    /// Whether it had none with the same filter.
    is_new: bool,
}

impl Session {
    pub(crate) fn on_subscribe(
        &mut self,
        subscribe: Subscribe,
        turn: &mut Turn<'_>,
    ) -> Result<(), Ending> {
        self.check_request(&subscribe).map_err(Ending::Fault)?;
        let mut granted = Vec::with_capacity(subscribe.subscriptions.len());
        let judged = self.judge(&subscribe, &mut granted, turn);
        // Even if a filter ends the connection: what was granted before it is on the client's list.
        self.enter(&granted);
        let (codes, whys) = judged?;
        let properties =
            if whys.is_empty() { None } else { self.properties_telling(&whys.join("; ")) };
        let packet_id = subscribe.packet_id;
        let changed =
            granted.iter().map(|Granted { held, .. }| (held.filter.clone(), Some(held.clone())));
        self.answer(Packet::Suback(Suback { packet_id, properties, codes }), changed, turn)?;
        if !granted.is_empty() {
            let filters = granted.iter().map(|granted| granted.held.filter.as_str()).collect();
            self.tell(&Lifecycle::Subscribed(filters), turn);
        }
        Ok(())
    }

    /// Takes each filter that may be `granted`. The code of each, and why some were refused.
    fn judge(
        &mut self,
        subscribe: &Subscribe,
        granted: &mut Vec<Granted>,
        turn: &Turn<'_>,
    ) -> Result<(Vec<u8>, Vec<String>), Ending> {
        let id = subscribe.properties.subscription_id;
        let mut codes = Vec::with_capacity(subscribe.subscriptions.len());
        let mut whys = Vec::new();
        for subscription in &subscribe.subscriptions {
            match self.grant(subscription, id, turn) {
                Ok(one) => {
                    codes.push(one.held.options.qos as u8);
                    granted.push(one);
                }
                Err(refused) => {
                    codes.push(self.refuse_filter(&subscription.filter, &refused)?);
                    whys.push(refused.detail);
                }
            }
        }
        Ok((codes, whys))
    }

    /// Has messages brought to the client for what it was granted, and those that are retained.
    fn enter(&self, granted: &[Granted]) {
        let own = || granted.iter().filter(|one| one.held.filter.share().is_none());
        if own().next().is_none() {
            return;
        }
        let to = self.client.recipient();
        let subscription = |one: &Granted| one.held.subscription(to.clone());
        self.space.subscribe(own().map(|one| (&one.held.filter, subscription(one))));
        let wanted = own().filter(|one| self.wants_retained(one));
        let wanted: Vec<_> =
            wanted.map(|one| (one.held.filter.clone(), one.held.options.qos)).collect();
        if !wanted.is_empty() {
            self.retained.bring(&self.space.tenant, wanted, Arc::clone(&self.client));
        }
    }

    /// Sends `answer`: at once, or when what has changed of a persistent session is safe.
    fn answer(
        &mut self,
        answer: Packet,
        changed: impl ExactSizeIterator<Item = (TopicFilter, Option<Held>)>,
        turn: &mut Turn<'_>,
    ) -> Result<(), Ending> {
        let Some(kept) = self.client.kept.as_ref().filter(|_| changed.len() > 0) else {
            answer.encode(self.client.version, turn.output);
            return Ok(());
        };
        let written = self.sessions.subscribe(kept, changed.collect(), &self.client, answer);
        self.unsafe_answers += 1;
        written.map_err(|_| {
            let why = "too many changes of sessions wait to be written to disk";
            Ending::Fault(Fault::new(reason::QUOTA_EXCEEDED, "QUOTA_EXCEEDED", why))
        })
    }

    /// What makes a whole SUBSCRIBE unacceptable.
    fn check_request(&self, subscribe: &Subscribe) -> Result<(), Fault> {
        let (limits, filters) = (self.limits(), &subscribe.subscriptions);
        let dialect = &self.app.dialect;
        if subscribe.properties.subscription_id.is_some() && !dialect.is_standard {
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
        let is_too_much = |s: &&Subscription| s.options.qos > dialect.qos_max;
        // The standard has less granted than was asked for; AWS does not answer.
        if let Some(s) = filters.iter().find(is_too_much).filter(|_| !dialect.is_standard) {
            let why = format!("SUBSCRIBE asks for QoS {} on {}", s.options.qos as u8, s.filter);
            return Err(Fault::new(reason::QOS_NOT_SUPPORTED, "QOS_NOT_SUPPORTED", why));
        }
        bounds::check_user_properties(&subscribe.properties.user_properties, limits)
    }

    /// Puts a filter on the client's list, if it may be there.
    fn grant(
        &mut self,
        subscription: &Subscription,
        id: Option<u32>,
        turn: &Turn<'_>,
    ) -> Result<Granted, Refused> {
        self.check_rate()?;
        let filter = self.readable(&subscription.filter)?;
        self.check_room(&filter)?;
        let qos_max = self.app.dialect.qos_max;
        let Self { verdicts, space, .. } = self;
        let asker = Asker { tenant: &space.tenant, now: turn.now };
        if !verdicts.allow(Action::Subscribe, filter.as_str(), &asker) {
            let detail = verdicts.explain(Action::Subscribe, filter.as_str(), &asker);
            let (code, reason) = (reason::NOT_AUTHORIZED, "AUTHORIZATION_FAILURE");
            return Err(Refused { code, reason, detail });
        }
        let asked = subscription.options;
        let options = SubscriptionOptions { qos: asked.qos.min(qos_max), ..asked };
        let held = Held { filter, options, id };
        if held.filter.share().is_some() {
            self.join(&held)?;
        }
        let is_new = self.client.subscriptions.insert(held.clone());
        Ok(Granted { held, is_new })
    }

    /// Makes the client a member of a group.
    fn join(&mut self, held: &Held) -> Result<(), Refused> {
        let limits = &self.app.limits;
        let group = self.space.groups.find(held.filter.as_str());
        let number = self.client.holder();
        let why = match &group {
            None if self.space.groups.count() >= limits.mqtt_shared_groups_max => {
                "there are as many shared subscriptions as there may be"
            }
            Some(group)
                if group.member_count() >= limits.mqtt_shared_subscriptions_per_group_max
                    && !group.has_member(number) =>
            {
                "the shared subscription has as many members as it may"
            }
            _ => "",
        };
        if !why.is_empty() {
            let (code, reason) = (reason::QUOTA_EXCEEDED, "QUOTA_EXCEEDED");
            return Err(Refused {
                code,
                reason,
                detail: format!("{}: {why}", held.filter.as_str()),
            });
        }
        let member = Member::new(held, self.client.recipient());
        let group = self.sessions.join(&self.space, &held.filter, member);
        self.shares.retain(|known| known.number != group.number);
        self.shares.push(group);
        Ok(())
    }

    /// Whether what is retained is to be brought; AWS brings nothing for wildcards.
    fn wants_retained(&self, granted: &Granted) -> bool {
        let Granted { held, is_new } = granted;
        let is_wanted = match held.options.retain_handling {
            RetainHandling::Send => true,
            RetainHandling::SendIfNew => *is_new,
            RetainHandling::DoNotSend => false,
        };
        is_wanted && (self.app.dialect.is_standard || !held.filter.has_wildcards())
    }

    fn readable(&self, text: &ByteString) -> Result<TopicFilter, Refused> {
        let invalid = |detail| {
            let code = reason::TOPIC_FILTER_INVALID;
            Refused { code, reason: "TOPIC_FILTER_INVALID", detail }
        };
        let filter = TopicFilter::parse(text.clone()).map_err(|error| {
            let detail = format!("the topic filter {text} {error}");
            Refused { reason: MALFORMED, ..invalid(detail) }
        })?;
        bounds::check_filter(&filter, self.limits(), &self.space.routing).map_err(invalid)?;
        Ok(filter)
    }

    fn check_rate(&self) -> Result<(), Refused> {
        let most = self.limits().mqtt_subscriptions_per_s;
        // 0 is no limit: nobody need know the time.
        if most == 0 || self.space.quotas.subscriptions.take_of_all(Instant::now()) {
            return Ok(());
        }
        let detail = format!("the account's clients subscribe more than {most} times a second");
        Err(Refused { code: reason::QUOTA_EXCEEDED, reason: "THROTTLED", detail })
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
    /// for want of a policy, and beyond the bounds of a filter, it loses its connection, as on AWS,
    /// and for what is no filter at all it always does (MQTT-4.8.0-1).
    fn refuse_filter(&mut self, filter: &str, refused: &Refused) -> Result<u8, Ending> {
        let Refused { code, reason, detail } = refused;
        let closes = self.app.dialect.refusal_v311 == RefusalV311::Close;
        if self.client.version == Version::V311
            && (closes || *reason == MALFORMED)
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
        let (mut ended, mut changed): (Vec<&str>, Vec<_>) = (Vec::new(), Vec::new());
        for text in &unsubscribe.filters {
            if let Some(filter) = self.client.subscriptions.remove(text) {
                let holder = self.client.holder();
                self.sessions.unsubscribe(&self.space, std::slice::from_ref(&filter), holder);
                self.shares.retain(|group| group.filter != filter);
                ended.push(text);
                changed.push((filter, None));
                codes.push(reason::SUCCESS);
            } else if let Err(error) = TopicFilter::parse(text.clone()) {
                if self.client.version == Version::V311 {
                    // It has no other answer (MQTT-4.7.3-1, MQTT-4.8.0-1).
                    let why = format!("the topic filter {text} {error}");
                    return Err(Ending::Fault(Fault::protocol(why)));
                }
                codes.push(reason::TOPIC_FILTER_INVALID);
            } else if self.app.dialect.is_standard {
                codes.push(reason::NO_SUBSCRIPTION_EXISTED);
            } else {
                // AWS does not tell whether there was a subscription.
                codes.push(reason::SUCCESS);
            }
        }
        let packet_id = unsubscribe.packet_id;
        self.answer(
            Packet::Unsuback(Unsuback { packet_id, properties: None, codes }),
            changed.into_iter(),
            turn,
        )?;
        if !ended.is_empty() {
            self.tell(&Lifecycle::Unsubscribed(ended), turn);
        }
        Ok(())
    }

    fn tell(&self, what: &Lifecycle<'_>, turn: &mut Turn<'_>) {
        if let Some(route) = lifecycle::tell(&self.space, &self.client, what, turn) {
            route.start(&self.app);
        }
    }
}

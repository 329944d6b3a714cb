//! What the scenarios of publishers and subscribers ask for.

use std::ops::Range;
use std::rc::Rc;

use anyhow::{Result, bail};

use crate::options::Options;
use crate::template::{Payload, Template};

/// A scenario of publishers and subscribers.
pub(crate) struct Plan {
    /// Its name in the report.
    pub(crate) name: &'static str,
    pub(crate) publishers: Vec<PublisherPlan>,
    pub(crate) subscribers: Vec<SubscriberPlan>,
    /// Whether topics are picked at random instead of in turn.
    pub(crate) is_random: bool,
    /// Whether each subscriber gets every message of the publishers that it hears.
    pub(crate) is_complete: bool,
    /// Whether subscribers are away while publishers send.
    pub(crate) is_offline: bool,
}

/// What one publisher sends.
pub(crate) struct PublisherPlan {
    pub(crate) topics: Rc<Vec<Template>>,
    /// Deliveries that each message causes.
    pub(crate) fan: u64,
    /// Deliveries that may be outstanding at once.
    pub(crate) undelivered_max: u64,
}

/// What one subscriber wants.
#[derive(Clone)]
pub(crate) struct SubscriberPlan {
    pub(crate) filters: Vec<String>,
    /// The publishers that it hears.
    pub(crate) hears: Range<u32>,
}

/// Publisher and subscriber in pairs, each with its own topic.
pub(crate) fn pairs(
    options: &Options,
    payload: &Payload,
    name: &'static str,
    count: usize,
) -> Plan {
    let topic = |i: usize| format!("{}/{name}/{i}/data", options.topic_prefix);
    let publisher = |i| PublisherPlan {
        topics: templates(options, payload, [topic(i)]),
        fan: 1,
        undelivered_max: options.window,
    };
    let subscriber = |i| SubscriberPlan { filters: vec![topic(i)], hears: i as u32..i as u32 + 1 };
    Plan {
        publishers: (0..count).map(publisher).collect(),
        subscribers: (0..count).map(subscriber).collect(),
        ..Plan::empty(name)
    }
}

/// Many publishers to one or a few subscribers of a wildcard.
pub(crate) fn fanin(options: &Options, payload: &Payload, pubs: usize, subs: usize) -> Plan {
    let prefix = &options.topic_prefix;
    let fan = subs as u64;
    let publisher = |i| PublisherPlan {
        topics: templates(options, payload, [format!("{prefix}/fanin/{i}/data")]),
        fan,
        undelivered_max: share(options.window, pubs) * fan,
    };
    let subscriber = |_| SubscriberPlan {
        filters: vec![format!("{prefix}/fanin/+/data")],
        hears: 0..pubs as u32,
    };
    Plan {
        publishers: (0..pubs).map(publisher).collect(),
        subscribers: (0..subs).map(subscriber).collect(),
        ..Plan::empty("fanin")
    }
}

/// One publisher to many subscribers of its topic.
pub(crate) fn fanout(options: &Options, payload: &Payload, subs: usize) -> Plan {
    let topic = format!("{}/fanout/data", options.topic_prefix);
    let publisher = PublisherPlan {
        topics: templates(options, payload, [topic.clone()]),
        fan: subs as u64,
        undelivered_max: options.window * subs as u64,
    };
    let subscriber = SubscriberPlan { filters: vec![topic], hears: 0..1 };
    Plan {
        publishers: vec![publisher],
        subscribers: vec![subscriber; subs],
        ..Plan::empty("fanout")
    }
}

/// Four different filters for each of many topics, each held by another client.
pub(crate) fn wild(
    options: &Options,
    payload: &Payload,
    filters: usize,
    clients: usize,
    pubs: usize,
) -> Result<Plan> {
    if clients < 4 || pubs == 0 {
        bail!("wild needs at least 4 clients and a publisher");
    }
    let devices = (filters / 4).max(1);
    let prefix = &options.topic_prefix;
    let topic = |device: usize| format!("{prefix}/wild/g{}/dev{device}/data", device % 100);
    let topics = templates(options, payload, (0..devices).map(topic));
    let publisher = |_| PublisherPlan {
        topics: topics.clone(),
        fan: 4,
        undelivered_max: share(options.window, pubs) * 4,
    };
    let subscriber = |filters| SubscriberPlan { filters, hears: 0..pubs as u32 };
    Ok(Plan {
        publishers: (0..pubs).map(publisher).collect(),
        subscribers: wild_filters(prefix, devices, clients).into_iter().map(subscriber).collect(),
        is_random: true,
        is_complete: false,
        ..Plan::empty("wild")
    })
}

fn wild_filters(prefix: &str, devices: usize, clients: usize) -> Vec<Vec<String>> {
    let mut held = vec![Vec::new(); clients];
    for device in 0..devices {
        let group = device % 100;
        let four = [
            format!("{prefix}/wild/g{group}/dev{device}/data"),
            format!("{prefix}/wild/g{group}/dev{device}/+"),
            format!("{prefix}/wild/+/dev{device}/data"),
            format!("{prefix}/wild/g{group}/dev{device}/#"),
        ];
        for (kind, filter) in four.into_iter().enumerate() {
            held[(device * 4 + kind) % clients].push(filter);
        }
    }
    held
}

/// Publishers to sessions whose clients are away, and come back afterwards.
pub(crate) fn offline(
    options: &Options,
    payload: &Payload,
    pubs: usize,
    subs: usize,
) -> Result<Plan> {
    if subs == 0 || !pubs.is_multiple_of(subs) {
        bail!("offline needs as many publishers for each subscriber: --pubs a multiple of --subs");
    }
    let prefix = &options.topic_prefix;
    let each = pubs / subs;
    let publisher = |i: usize| PublisherPlan {
        topics: templates(options, payload, [format!("{prefix}/offline/{}/{i}", i / each)]),
        fan: 1,
        undelivered_max: u64::MAX,
    };
    let subscriber = |i: usize| SubscriberPlan {
        filters: vec![format!("{prefix}/offline/{i}/+")],
        hears: (i * each) as u32..((i + 1) * each) as u32,
    };
    Ok(Plan {
        publishers: (0..pubs).map(publisher).collect(),
        subscribers: (0..subs).map(subscriber).collect(),
        is_offline: true,
        ..Plan::empty("offline")
    })
}

impl Plan {
    fn empty(name: &'static str) -> Self {
        Self {
            name,
            publishers: Vec::new(),
            subscribers: Vec::new(),
            is_random: false,
            is_complete: true,
            is_offline: false,
        }
    }

    /// How many filters there are.
    pub(crate) fn filters(&self) -> usize {
        self.subscribers.iter().map(|subscriber| subscriber.filters.len()).sum()
    }
}

fn templates(
    options: &Options,
    payload: &Payload,
    topics: impl IntoIterator<Item = String>,
) -> Rc<Vec<Template>> {
    let template = |topic: String| Template::stamped(&topic, options.qos, payload);
    Rc::new(topics.into_iter().map(template).collect())
}

/// What one of `count` gets of a window that they share.
fn share(window: u64, count: usize) -> u64 {
    (window / count as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_filters_of_each_device_are_held_by_different_clients() {
        let held = wild_filters("b", 3, 5);
        let sizes: Vec<_> = held.iter().map(Vec::len).collect();
        assert_eq!(sizes, [3, 3, 2, 2, 2]);
        assert_eq!(held[0], ["b/wild/g0/dev0/data", "b/wild/g1/dev1/+", "b/wild/+/dev2/data"]);
    }

    #[test]
    fn a_window_is_shared_but_nobody_gets_nothing() {
        assert_eq!((share(500, 50), share(1, 50)), (10, 1));
    }
}

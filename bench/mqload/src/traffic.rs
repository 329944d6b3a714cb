//! All scenarios of publishers and subscribers: what one event loop sends, and what comes of it.
//!
//! Without `--rate` the load is closed-loop: a publisher stops while `--inflight` of its QoS 1
//! messages are unacknowledged, or while its share of `--window` undelivered messages is out, so
//! that a broker is driven to its sustainable rate rather than into dropping. With `--rate`
//! messages are sent when due whatever the broker does, and latency counts from the due time.

mod absence;
mod figures;
mod outage;

mod publisher;
mod sending;
mod setup;
mod subscriber;

use std::time::Instant;

use anyhow::{Result, bail};
use hdrhistogram::Histogram;

use crate::conn::Target;
use crate::ledger::Ledger;
use crate::mqtt::{self, Packet};
use crate::net::{Handler, Net};
use crate::options::Options;
use crate::plan::Plan;
use crate::template::Payload;
use crate::{clock, report};

use figures::{Figures, Mark};
use outage::Outage;
use publisher::Publisher;
use subscriber::Subscriber;

/// Runs a scenario and reports on it; whether the broker did what it has to.
pub(crate) fn run(
    options: &Options,
    target: &Target,
    payload: &Payload,
    plan: Plan,
    rate: f64,
) -> Result<bool> {
    check(options, &plan)?;
    let mut load = Load::new(options, target, payload, plan, rate)?;
    load.connect()?;
    load.subscribe()?;
    load.settle()?;
    if load.is_offline {
        load.leave()?;
    }
    load.publish()?;
    if load.is_offline {
        load.come_back()?;
    }
    let is_well = load.report()?;
    load.part()?;
    Ok(is_well)
}

/// A run: its connections, and what they are for.
struct Load<'a> {
    options: &'a Options,
    target: &'a Target,
    net: Net,
    traffic: Traffic<'a>,
    name: &'static str,
    is_offline: bool,
    is_persistent: bool,
    /// Publishes per second, 0 for as many as the windows allow.
    rate: f64,
    /// Tells the sessions of this run from those of others.
    run_id: String,
    figures: Figures,
}

/// What is known of messages and clients. Subscribers' connections come before publishers'.
struct Traffic<'a> {
    options: &'a Options,
    payload: &'a Payload,
    epoch: Instant,
    /// Nanoseconds since `epoch`.
    now: u64,
    stage: Stage,
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    /// Publishers that may be able to send.
    ready: Vec<usize>,
    connected: usize,
    subscribed: usize,
    counts: Counts,
    is_measuring: bool,
    latency: Histogram<u64>,
    next_pid: u16,
    outage: Outage,
    ledger: Option<Ledger>,
    error: Option<String>,
}

/// What a CONNACK is followed by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing: all connect before the first subscribes.
    Connecting,
    /// Going on where the connection was lost.
    Running,
    /// Goodbye: the session was to be forgotten.
    Forgetting,
}

/// What happened so far.
#[derive(Clone, Copy, Default)]
struct Counts {
    sent: u64,
    acknowledged: u64,
    received: u64,
    expected: u64,
    out_of_order: u64,
    disconnects: u64,
    sessions_lost: u64,
}

/// Refuses what cannot be answered.
fn check(options: &Options, plan: &Plan) -> Result<()> {
    let asked = &options.endurance;
    let is_counted = asked.ledger.is_some() || asked.reconnect || plan.is_offline;
    if is_counted && !plan.is_complete {
        bail!("{} has no ledger, and does not reconnect", plan.name);
    }
    let is_promised = asked.ledger.is_some() || plan.is_offline;
    if is_promised && (options.qos == 0 || options.sub_qos() == 0) {
        bail!("only what is published and subscribed to with --qos 1 is promised");
    }
    Ok(())
}

impl<'a> Load<'a> {
    fn new(
        options: &'a Options,
        target: &'a Target,
        payload: &'a Payload,
        plan: Plan,
        rate: f64,
    ) -> Result<Self> {
        let net = Net::new()?;
        if options.endurance.until_eof {
            net.watch_input()?;
        }
        Ok(Self {
            options,
            target,
            net,
            name: plan.name,
            is_offline: plan.is_offline,
            is_persistent: options.endurance.persistent || plan.is_offline,
            rate,
            run_id: setup::run_id(),
            figures: Figures::new(&plan),
            traffic: Traffic::new(options, payload, plan)?,
        })
    }
}

impl<'a> Traffic<'a> {
    fn new(options: &'a Options, payload: &'a Payload, plan: Plan) -> Result<Self> {
        let asked = &options.endurance;
        let is_counted = asked.reconnect || asked.ledger.is_some() || plan.is_offline;
        let hears = plan.subscribers.iter().map(|subscriber| subscriber.hears.clone());
        let mut ledger = is_counted.then(|| Ledger::new(plan.publishers.len(), hears));
        if let (Some(ledger), Some(path)) = (&mut ledger, &asked.ledger) {
            ledger.write_to(path)?;
        }
        let publisher = |(number, publisher_plan)| {
            Publisher::new(publisher_plan, number, plan.is_random, is_counted && options.qos > 0)
        };
        Ok(Self {
            options,
            payload,
            epoch: clock::now(),
            now: 0,
            stage: Stage::Connecting,
            publishers: (0..).zip(plan.publishers).map(publisher).collect(),
            subscribers: plan.subscribers.into_iter().map(Subscriber::new).collect(),
            ready: Vec::new(),
            connected: 0,
            subscribed: 0,
            counts: Counts::default(),
            is_measuring: false,
            latency: report::histogram(),
            next_pid: 0,
            outage: Outage::default(),
            ledger,
            error: None,
        })
    }

    /// Nanoseconds since the run began, read anew.
    fn nanos(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    fn mark(&self) -> Mark {
        Mark::now(self.options, self.epoch, self.counts)
    }

    /// Has publisher `p` looked at in the next turn.
    fn wake(&mut self, p: usize) {
        let publisher = &mut self.publishers[p];
        if !publisher.is_ready {
            publisher.is_ready = true;
            self.ready.push(p);
        }
    }

    /// Appends what publisher `p` may send now; with an `interval`, what is due.
    fn pump(&mut self, p: usize, interval: Option<u64>, out: &mut Vec<u8>) {
        let publisher = &mut self.publishers[p];
        let end = out.len() + self.options.batch_bytes;
        while out.len() < end {
            let due = match interval {
                Some(interval) => publisher.take_due(self.now, interval),
                None => publisher.may_send(self.options).then_some(self.now),
            };
            let Some(due) = due else { break };
            publisher.publish(due, self.payload, out);
            self.counts.sent += 1;
            self.counts.expected += publisher.plan.fan;
        }
    }

    fn deliver(&mut self, s: usize, payload: &[u8]) {
        let Some(stamp) = self.payload.stamp(payload) else { return };
        let p = stamp.publisher as usize;
        // A message of another run is nobody's.
        if self.publishers.get(p).is_none_or(|publisher| stamp.seq > publisher.seq) {
            return;
        }
        if let Some(ledger) = &mut self.ledger
            && !ledger.receive(s, stamp.publisher, stamp.seq)
        {
            return;
        }
        self.counts.received += 1;
        self.counts.out_of_order += u64::from(!self.subscribers[s].is_in_order(&stamp));
        if self.is_measuring {
            self.latency.saturating_record(self.now.saturating_sub(stamp.nanos));
        }
        let publisher = &mut self.publishers[p];
        publisher.undelivered = publisher.undelivered.saturating_sub(1);
        self.wake(p);
    }

    fn acknowledged(&mut self, p: usize, pid: u16) {
        let seq = self.publishers[p].acknowledged(pid);
        match (&mut self.ledger, seq) {
            (Some(ledger), Some(seq)) => ledger.acknowledge(p as u32, seq),
            (Some(_), None) => return,
            (None, _) => {}
        }
        self.counts.acknowledged += 1;
        self.wake(p);
    }

    fn subscribe(&mut self, s: usize, out: &mut Vec<u8>) {
        let subscriber = &mut self.subscribers[s];
        if subscriber.subscribe(self.options, &mut self.next_pid, out) {
            self.subscribed += 1;
        }
    }

    fn connected(&mut self, conn: usize, is_resumed: bool, out: &mut Vec<u8>) {
        self.connected += 1;
        self.outage.is_over_for(conn);
        match conn.checked_sub(self.subscribers.len()) {
            None => self.subscriber_connected(conn, is_resumed, out),
            Some(p) => self.publisher_connected(p, out),
        }
    }

    fn publisher_connected(&mut self, p: usize, out: &mut Vec<u8>) {
        self.publishers[p].is_connected = true;
        if self.stage == Stage::Running {
            self.publishers[p].send_again(self.payload, out);
            self.wake(p);
        }
    }

    fn subscriber_connected(&mut self, s: usize, is_resumed: bool, out: &mut Vec<u8>) {
        self.subscribers[s].is_connected = true;
        match self.stage {
            Stage::Connecting => {}
            Stage::Running if is_resumed => {}
            Stage::Running => self.begin_again(s, out),
            Stage::Forgetting => out.extend_from_slice(&mqtt::DISCONNECT),
        }
    }

    /// A subscriber came back to nothing: what was on its way to it will not come.
    fn begin_again(&mut self, s: usize, out: &mut Vec<u8>) {
        self.counts.sessions_lost += 1;
        for p in self.subscribers[s].hears() {
            self.publishers[p as usize].undelivered = 0;
            self.wake(p as usize);
        }
        self.subscribers[s].start_over();
        self.subscribe(s, out);
    }
}

impl Handler for Traffic<'_> {
    fn batch(&mut self) {
        self.now = self.nanos();
    }

    fn packet(&mut self, conn: usize, _: Instant, packet: Packet<'_>, out: &mut Vec<u8>) {
        let publisher = conn.checked_sub(self.subscribers.len());
        match (publisher, packet) {
            (_, Packet::Connack { code: 0, is_resumed }) => self.connected(conn, is_resumed, out),
            (_, Packet::Connack { code, .. }) => self.error = Some(format!("CONNACK code {code}")),
            (None, Packet::Publish { qos, pid, payload, .. }) => {
                self.deliver(conn, payload);
                if qos > 0 {
                    mqtt::puback(out, pid);
                }
            }
            (None, Packet::Suback { granted }) => {
                if granted.contains(&mqtt::REFUSED) {
                    self.error = Some("a subscription was refused".to_owned());
                }
                self.subscribers[conn].answered();
                self.subscribe(conn, out);
            }
            (Some(p), Packet::Puback { pid }) => self.acknowledged(p, pid),
            _ => {}
        }
    }

    fn closed(&mut self, conn: usize, why: String) {
        let is_connected = match conn.checked_sub(self.subscribers.len()) {
            None => &mut self.subscribers[conn].is_connected,
            Some(p) => &mut self.publishers[p].is_connected,
        };
        let was_connected = std::mem::replace(is_connected, false);
        if self.subscribers.get(conn).is_some_and(|subscriber| subscriber.is_away) {
            return;
        }
        self.counts.disconnects += u64::from(was_connected || !self.options.endurance.reconnect);
        self.error.get_or_insert(why);
        if self.options.endurance.reconnect {
            self.outage.lost(conn, self.now);
        }
    }
}

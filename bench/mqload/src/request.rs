//! `request`: clients publish to one topic and await the answer on another.
//!
//! Answers are matched to requests in their order, so that nothing of the broker's or a rule's
//! answer has to be understood. With `--rate`, latency counts from when a request was due.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use hdrhistogram::Histogram;

use crate::conn::Target;
use crate::mqtt::{self, Packet};
use crate::net::{Handler, Net};
use crate::options::Options;
use crate::pace::Pace;
use crate::report::{self, Report};
use crate::template::Template;
use crate::{clock, procfs};

const POLL: Duration = Duration::from_millis(50);
const CLIENT: &str = "{client}";
const NUMBER: &str = "{number}";
/// What a number looks like.
const DIGITS: usize = 10;
/// The first of the numbers that look random; they are the same in every run.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// When a client that has no room for another request is looked at again.
const BUSY_NANOS: u64 = 1_000_000;

/// What is asked, and where the answer comes.
#[derive(Args)]
pub(crate) struct RequestOptions {
    #[arg(long, default_value_t = 10)]
    count: usize,
    /// Topic of requests; {client} is the client's id, {number} ten digits, new in each request
    #[arg(long, value_name = "TOPIC")]
    publish: String,
    /// What {number} is below
    #[arg(long, default_value_t = 1)]
    numbers: u64,
    /// Topic, or filter, of answers
    #[arg(long, value_name = "FILTER")]
    answer: String,
    /// Topic, or filter, of answers that say no
    #[arg(long, value_name = "FILTER")]
    refused: Option<String>,
    /// Requests of one client that are without an answer
    #[arg(long, default_value_t = 1)]
    outstanding: usize,
    /// Seconds after which an answer is given up
    #[arg(long, default_value_t = 5.0)]
    answer_timeout: f64,
}

/// Runs the scenario and reports on it; whether every request had its answer.
pub(crate) fn run(options: &Options, target: &Target, asked: &RequestOptions) -> Result<bool> {
    let mut run = Run { net: Net::new()?, asking: Asking::new(options, asked)?, options, asked };
    run.connect(target)?;
    let marks = run.ask()?;
    let is_well = run.report(&marks);
    run.net.say_goodbye(&mut run.asking);
    Ok(is_well)
}

struct Run<'a> {
    options: &'a Options,
    asked: &'a RequestOptions,
    net: Net,
    asking: Asking<'a>,
}

struct Asking<'a> {
    options: &'a Options,
    numbers: u64,
    /// Chooses the next number.
    random: u64,
    clients: Vec<Client>,
    payload_bytes: usize,
    subscribed: usize,
    epoch: Instant,
    now: u64,
    is_measuring: bool,
    counts: Counts,
    latency: Histogram<u64>,
    error: Option<String>,
}

struct Client {
    request: Template,
    /// Where the number stands in the topic.
    number_at: Option<usize>,
    filters: Vec<String>,
    refused: Option<String>,
    /// When each request was due that has no answer yet.
    waiting: VecDeque<u64>,
    due: u64,
    pid: u16,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    sent: u64,
    answered: u64,
    refused: u64,
    unanswered: u64,
    disconnects: u64,
}

/// What had been done and spent at the begin or the end of the measured part.
#[derive(Clone, Copy)]
struct Mark {
    at_s: f64,
    answered: u64,
    own_cpu: f64,
    broker_cpu: f64,
}

impl<'a> Asking<'a> {
    fn new(options: &'a Options, asked: &RequestOptions) -> Result<Self> {
        let content = match &options.payload_file {
            Some(path) => std::fs::read(path).with_context(|| format!("could not read {path}"))?,
            None => vec![b'x'; options.payload_size],
        };
        let client = |i| Client::new(&client_id(options, i), options.qos, asked, &content);
        Ok(Self {
            options,
            numbers: asked.numbers.max(1),
            random: SEED,
            clients: (0..asked.count).map(client).collect(),
            payload_bytes: content.len(),
            subscribed: 0,
            epoch: clock::now(),
            now: 0,
            is_measuring: false,
            counts: Counts::default(),
            latency: report::histogram(),
            error: None,
        })
    }

    fn nanos(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    fn mark(&self) -> Mark {
        Mark {
            at_s: self.epoch.elapsed().as_secs_f64(),
            answered: self.counts.answered,
            own_cpu: procfs::own_cpu(),
            broker_cpu: procfs::cpu(&self.options.pid),
        }
    }

    /// Appends a request that was due at `due`.
    fn request(&mut self, i: usize, due: u64, out: &mut Vec<u8>) {
        let number = self.number();
        let client = &mut self.clients[i];
        client.pid = client.pid.wrapping_add(1).max(1);
        match client.number_at {
            Some(at) => {
                let digits = format!("{number:0DIGITS$}");
                client.request.append_with(out, client.pid, at, &digits);
            }
            None => client.request.append(out, client.pid),
        }
        client.waiting.push_back(due);
        self.counts.sent += 1;
    }

    fn number(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % self.numbers
    }

    fn answer(&mut self, i: usize, topic: &[u8]) {
        let client = &mut self.clients[i];
        let Some(due) = client.waiting.pop_front() else { return };
        if client.refused.as_ref().is_some_and(|refused| is_match(refused, topic)) {
            self.counts.refused += 1;
            return;
        }
        self.counts.answered += 1;
        if self.is_measuring {
            self.latency.saturating_record(self.now.saturating_sub(due));
        }
    }

    /// Gives up answers to requests that were due before `limit`.
    fn give_up(&mut self, limit: u64) {
        for client in &mut self.clients {
            while client.waiting.front().is_some_and(|&due| due < limit) {
                client.waiting.pop_front();
                self.counts.unanswered += 1;
            }
        }
    }
}

impl Client {
    fn new(id: &str, qos: u8, asked: &RequestOptions, content: &[u8]) -> Self {
        let fill = |template: &String| template.replace(CLIENT, id);
        let refused = asked.refused.as_ref().map(fill);
        let topic = fill(&asked.publish);
        let digits = "0".repeat(DIGITS);
        Self {
            number_at: topic.find(NUMBER),
            request: Template::new(&topic.replacen(NUMBER, &digits, 1), qos, &filled(content, id)),
            filters: [fill(&asked.answer)].into_iter().chain(refused.clone()).collect(),
            refused,
            waiting: VecDeque::with_capacity(asked.outstanding),
            due: 0,
            pid: 0,
        }
    }
}

impl Handler for Asking<'_> {
    fn batch(&mut self) {
        self.now = self.nanos();
    }

    fn packet(&mut self, i: usize, _: Instant, packet: Packet<'_>, out: &mut Vec<u8>) {
        match packet {
            Packet::Connack { code: 0, .. } => {
                mqtt::subscribe(out, 1, &self.clients[i].filters, self.options.sub_qos());
            }
            Packet::Connack { code, .. } => self.error = Some(format!("CONNACK code {code}")),
            Packet::Suback { granted } if granted.contains(&mqtt::REFUSED) => {
                self.error = Some("a subscription was refused".to_owned());
            }
            Packet::Suback { .. } => self.subscribed += 1,
            Packet::Publish { topic, qos, pid, .. } => {
                self.answer(i, topic);
                if qos > 0 {
                    mqtt::puback(out, pid);
                }
            }
            Packet::Puback { .. } | Packet::Other => {}
        }
    }

    fn closed(&mut self, _: usize, why: String) {
        self.counts.disconnects += 1;
        self.error.get_or_insert(why);
    }
}

impl Run<'_> {
    /// Connects all clients, and subscribes each to its answers.
    fn connect(&mut self, target: &Target) -> Result<()> {
        let (count, from) = (self.asked.count, clock::now());
        while self.asking.subscribed < count {
            let opened = self.net.conns.len();
            if opened < count && opened - self.asking.subscribed < self.options.concurrency {
                let hello = self.options.hello(&client_id(self.options, opened), true);
                self.net.open(target, hello).context("could not open a connection")?;
                continue;
            }
            self.net.poll(POLL, &mut self.asking)?;
            if let Some(error) = &self.asking.error {
                bail!("while connecting ({}/{count}): {error}", self.asking.subscribed);
            }
            if from.elapsed().as_secs() > self.options.setup_timeout {
                bail!("timed out while connecting ({}/{count})", self.asking.subscribed);
            }
        }
        Ok(())
    }

    /// Asks for as long as was asked for; the begin and the end of the measured part.
    fn ask(&mut self) -> Result<[Mark; 2]> {
        let mut pace = self.pace()?;
        let measure_from = self.asking.nanos() + (self.options.warmup * 1e9) as u64;
        let stop_at = measure_from + (self.options.duration * 1e9) as u64;
        self.ask_until(measure_from, &mut pace)?;
        let from = self.asking.mark();
        self.asking.is_measuring = true;
        self.ask_until(stop_at, &mut pace)?;
        self.asking.is_measuring = false;
        let to = self.asking.mark();
        let drain_until = stop_at + (self.options.drain * 1e9) as u64;
        while self.asking.clients.iter().any(|client| !client.waiting.is_empty())
            && self.asking.nanos() < drain_until
        {
            self.net.poll(POLL, &mut self.asking)?;
        }
        self.asking.give_up(u64::MAX);
        Ok([from, to])
    }

    /// The order in which clients ask, where there is a rate.
    fn pace(&mut self) -> Result<Option<Pace>> {
        let Some(rate) = self.options.rate.filter(|&rate| rate > 0.0) else { return Ok(None) };
        let begin = self.asking.nanos();
        let count = self.asked.count as u64;
        let mut pace = Pace::new(rate, self.asked.count)?;
        self.net.watch_timer(pace.timer())?;
        for (i, client) in self.asking.clients.iter_mut().enumerate() {
            client.due = begin + pace.interval * i as u64 / count;
            pace.push(client.due, i);
        }
        Ok(Some(pace))
    }

    fn ask_until(&mut self, end: u64, pace: &mut Option<Pace>) -> Result<()> {
        let timeout = (self.asked.answer_timeout * 1e9) as u64;
        loop {
            self.asking.now = self.asking.nanos();
            if self.asking.now >= end {
                return Ok(());
            }
            self.asking.give_up(self.asking.now.saturating_sub(timeout));
            match pace {
                Some(pace) => self.send_due(pace)?,
                None => self.fill_up(),
            }
            self.net.poll(POLL, &mut self.asking)?;
        }
    }

    fn send_due(&mut self, pace: &mut Pace) -> Result<()> {
        while let Some(i) = pace.pop(self.asking.now) {
            let client = &mut self.asking.clients[i];
            if client.waiting.len() >= self.asked.outstanding {
                pace.push(self.asking.now + BUSY_NANOS, i);
                continue;
            }
            let due = client.due;
            client.due += pace.interval;
            pace.push(client.due, i);
            self.net.send(i, &mut self.asking, |asking, out| asking.request(i, due, out));
        }
        pace.arm(self.asking.nanos())?;
        Ok(())
    }

    /// Has each client send as many requests as it may have without an answer.
    fn fill_up(&mut self) {
        let now = self.asking.now;
        for i in 0..self.asking.clients.len() {
            let room = self.asked.outstanding - self.asking.clients[i].waiting.len();
            if room > 0 {
                self.net.send(i, &mut self.asking, |asking, out| {
                    (0..room).for_each(|_| asking.request(i, now, out));
                });
            }
        }
    }

    fn report(&self, [from, to]: &[Mark; 2]) -> bool {
        let counts = &self.asking.counts;
        let seconds = (to.at_s - from.at_s).max(1e-9);
        let answered = (to.answered - from.answered) as f64;
        let mut report = Report::new("request", self.options);
        report.set("payload", self.asking.payload_bytes);
        report.set("clients", self.asked.count);
        report.set("sent", counts.sent);
        report.set("answered", counts.answered);
        report.set("refused", counts.refused);
        report.set("unanswered", counts.unanswered);
        report.set("disconnects", counts.disconnects);
        report.float("seconds", seconds);
        report.float("answered_per_s", answered / seconds);
        report.latency("latency", &self.asking.latency);
        report.float("generator_cpu_s", to.own_cpu - from.own_cpu);
        if !self.options.pid.is_empty() {
            let cpu = to.broker_cpu - from.broker_cpu;
            report.float("broker_cpu_s", cpu);
            report.float("answered_per_broker_cpu_s", answered / cpu.max(1e-3));
        }
        if let Some(error) = &self.asking.error {
            report.set("first_error", error.as_str());
        }
        report.print(self.options.json);
        counts.answered > 0 && counts.refused + counts.unanswered + counts.disconnects == 0
    }
}

fn client_id(options: &Options, i: usize) -> String {
    format!("{}-r{i}", options.client_prefix)
}

/// A payload with the client's id where it says `{client}`.
fn filled(content: &[u8], client_id: &str) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(content) else { return content.to_vec() };
    text.replace(CLIENT, client_id).into_bytes()
}

/// Whether a topic is one of `filter`, which may have `+` for a level.
fn is_match(filter: &str, topic: &[u8]) -> bool {
    let mut levels = topic.split(|byte| *byte == b'/');
    let is_fine = |of: &str| levels.next().is_some_and(|level| of == "+" || of.as_bytes() == level);
    filter.split('/').all(is_fine) && levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_is_one_level_and_the_rest_has_to_be_the_same() {
        let is = |filter, topic: &str| is_match(filter, topic.as_bytes());
        assert!(is("a/+/c", "a/b/c"));
        assert!(!is("a/+/c", "a/b/d"));
        assert!(!is("a/+", "a/b/c"));
        assert!(!is("a/+/c", "a/b"));
    }

    #[test]
    fn the_client_stands_in_text_and_bytes_stay_as_they_are() {
        assert_eq!(filled(b"{\"{client}\":\"{client}\"}", "c1"), b"{\"c1\":\"c1\"}");
        assert_eq!(filled(b"\xff{client}", "c1"), b"\xff{client}");
    }
}

//! Random lives of a few clients and their server, from a seed: what must hold whatever happens.
//!
//! `FERRITE_SIMULATION_SEEDS=1000` runs more of them, `FERRITE_SIMULATION_SEED=17` runs one.

mod device;
mod promises;

use std::time::Duration;

use env::Random;
use model::iot_data::op::DeleteConnection;
use mqtt::{QoS, Version};
use serde_json::json;
use service::Dialect;

use self::device::{Device, Role};
use self::promises::Promises;
use crate::client::connect;
use crate::world::{World, policy, settle, time_is_paused};

/// Seeds of a normal run.
const SEEDS: u64 = 200;
/// What happens in each.
const STEPS: usize = 60;
/// Messages that may be in flight.
const INFLIGHT_MAX: u16 = 6;
/// What one of the clients must not receive.
const SECRET: &str = "t/secret";
/// Where that one is among the others.
const BARRED: usize = 3;
/// How long the sessions are kept; everybody comes back long before.
const SESSION_S: u64 = 604_800;

/// Numbers that follow from a seed.
struct Dice(Random);

impl Dice {
    fn below(&self, count: usize) -> usize {
        let number = u32::from_be_bytes(self.0.bytes());
        usize::try_from(number).unwrap() % count
    }

    fn one_in(&self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// Says how to see a failure again.
struct Seed(u64);

impl Drop for Seed {
    #[allow(clippy::print_stderr, reason = "a test tells how to repeat it")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "again: FERRITE_SIMULATION_SEED={} cargo nextest run -p ferrite-broker simulation",
                self.0
            );
        }
    }
}

#[test]
fn nothing_that_was_acknowledged_is_lost_whatever_happens() {
    let seeds = match number("FERRITE_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FERRITE_SIMULATION_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        let _told = Seed(seed);
        // What is left of one life goes with its runtime.
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        time_is_paused();
        runtime.block_on(simulate(seed));
    }
}

#[allow(clippy::disallowed_methods, reason = "tests are configured by their environment alone")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

async fn simulate(seed: u64) {
    let dice = Dice(Random::seeded(seed));
    let pace = if dice.one_in(8) { 10 } else { 0 };
    let world = World::with(move |choices| {
        choices.seed = seed * 1000;
        choices.dialect = Dialect::standard();
        choices.limits.mqtt_inflight_max = INFLIGHT_MAX;
        choices.limits.mqtt_session_expiry_s_default = SESSION_S as u32;
        choices.limits.mqtt_waiting_messages_max = 4;
        choices.limits.mqtt_queue_drain_per_s = pace;
    });
    let mut simulation = Simulation {
        world: world.await,
        devices: devices(),
        promises: Promises::new(pace == 0),
        dice,
    };
    let allowed =
        ["Connect", "Subscribe", "Receive", "Publish"].map(|action| ("Allow", action, "*"));
    let secret = format!("topic/{SECRET}");
    let allowed = [&allowed[..], &[("Deny", "Receive", &secret)]].concat();
    simulation.world.set_policy("barred", &policy(&allowed));
    simulation.begin().await;
    for _ in 0..STEPS {
        simulation.step().await;
    }
    simulation.end().await;
}

fn devices() -> Vec<Device> {
    vec![
        Device::new("source", Version::V5, Role::Publisher { is_kept: true }),
        Device::new("old", Version::V311, Role::Publisher { is_kept: true }),
        Device::new("ear", Version::V5, Role::subscriber("t/#", QoS::ExactlyOnce)),
        Device::new("barred", Version::V311, Role::subscriber("t/+", QoS::AtLeastOnce)),
        Device::new("kept", Version::V5, Role::member(true)),
        Device::new("clean", Version::V311, Role::member(false)),
    ]
}

struct Simulation {
    world: World,
    devices: Vec<Device>,
    promises: Promises,
    dice: Dice,
}

impl Simulation {
    async fn begin(&mut self) {
        for at in 0..self.devices.len() {
            self.connect(at).await;
        }
    }

    async fn step(&mut self) {
        let at = self.dice.below(self.devices.len());
        match self.dice.below(21) {
            0..9 => self.publish(),
            9 | 10 => self.devices[at].disconnect(self.dice.one_in(2)).await,
            11..14 => self.connect(at).await,
            14 => self.crash().await,
            15 if self.dice.one_in(2) => self.restart().await,
            15 => self.fail().await,
            16 => self.world.disk.set_delay(Duration::from_millis(self.dice.below(50) as u64)),
            17 => self.world.pass(Duration::from_secs(self.dice.below(300) as u64)).await,
            18 => self.end_session().await,
            _ => settle().await,
        }
        self.flush().await;
        let withholds = self.dice.one_in(3);
        self.exchange(withholds).await;
    }

    fn publish(&mut self) {
        let sources = if self.dice.one_in(3) { 1 } else { 0 };
        let topic = ["t/a", "t/b", SECRET][self.dice.below(3)];
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][self.dice.below(3)];
        self.devices[sources].publish(&mut self.promises, topic, qos);
    }

    async fn flush(&mut self) {
        for device in &mut self.devices {
            device.flush().await;
        }
    }

    /// Every client reads what has come and answers it, or part of it.
    async fn exchange(&mut self, withholds: bool) {
        for device in &mut self.devices {
            let withholds = withholds && self.dice.one_in(2);
            device.exchange(&mut self.promises, withholds).await;
        }
    }

    async fn connect(&mut self, at: usize) {
        self.devices[at].connect(&self.world, &mut self.promises).await;
    }

    async fn crash(&mut self) {
        self.devices.iter_mut().for_each(Device::cut_off);
        self.world.crash(&self.dice.0).await;
    }

    async fn restart(&mut self) {
        self.world.restart().await;
        self.exchange(true).await;
        self.devices.iter_mut().for_each(Device::cut_off);
    }

    /// The end of a session: by its client, by the API, or by time.
    async fn end_session(&mut self) {
        match self.dice.below(3) {
            0 => {
                let asked = connect(Version::V311, "barred");
                drop(self.world.connect_with(asked).await);
            }
            1 => {
                let asked = json!({"clientId": "barred", "cleanSession": true});
                self.world.server.call::<DeleteConnection>(asked).await.unwrap();
            }
            _ => {
                for at in 0..self.devices.len() {
                    self.connect(at).await;
                }
                self.devices[BARRED].disconnect(self.dice.one_in(2)).await;
                self.world.pass(Duration::from_secs(SESSION_S)).await;
            }
        }
        self.devices[BARRED].end(&mut self.promises);
        self.connect(BARRED).await;
    }

    /// A disk that breaks, and the crash that follows.
    async fn fail(&mut self) {
        self.world.disk.fail_commit(1);
        self.publish();
        self.flush().await;
        self.exchange(false).await;
        self.world.disk.fail_commit(0);
        self.crash().await;
    }

    /// Everybody comes back, and goes on until all is done.
    async fn end(&mut self) {
        self.world.disk.set_delay(Duration::ZERO);
        for at in 0..self.devices.len() {
            self.connect(at).await;
        }
        let mut before = usize::MAX;
        let mut rounds = 0;
        while before != self.promises.events() || rounds < 4 {
            rounds = if before == self.promises.events() { rounds + 1 } else { 0 };
            before = self.promises.events();
            tokio::time::sleep(Duration::from_secs(2)).await;
            self.flush().await;
            self.exchange(false).await;
        }
        self.promises.check();
        assert!(self.devices.iter().all(Device::is_done), "every message came to its end");
    }
}

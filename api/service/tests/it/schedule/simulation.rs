//! Servers that share a store die, fail and live through jumps of the clock, from a seed.
//!
//! Each server is a runtime of its own, and all take turns in one thread: so a seed repeats itself,
//! and dropping a runtime ends a server wherever it stands. Whatever happens, every timer that was
//! set acts at least once, none acts before its time, and none is left over; and where no server
//! dies and no commit fails, each acts exactly once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use env::{Clock, Env, Random};
use ferrite_service::{ApiError, Timer};
use store::{Batch, Options, Store, StoreUrl};
use tokio::runtime::{Builder, Runtime};
use types::Timestamp;

use super::{Acts, KIND, Node, timer};

const SEEDS: u64 = 100;
/// Turns of each server while things go wrong.
const TURNS: u32 = 80;
/// What one turn takes on both clocks.
const TURN: Duration = Duration::from_millis(500);
/// Turns after which all must be well again: the longest wait after a failure, and a lease.
const CALM_TURNS_MAX: u32 = 400 * 2;

/// Draws from the seed.
#[derive(Clone)]
struct Dice(Random);

impl Dice {
    fn below(&self, bound: u64) -> u64 {
        u64::from_be_bytes(self.0.bytes()) % bound
    }

    fn millis(&self, bound: u64) -> Duration {
        Duration::from_millis(self.below(bound))
    }

    fn one_in(&self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

/// What goes wrong under a seed.
#[derive(Clone, Copy, Debug)]
struct Weather {
    servers: usize,
    servers_die: bool,
    commits_fail: bool,
    clock_jumps: bool,
    /// One act in so many fails or hangs; never, if there are none.
    acts_fail: Option<u64>,
}

/// What became of each timer that was set.
#[derive(Default)]
struct Timeline(BTreeMap<String, Fate>);

struct Fate {
    due: Timestamp,
    acts: u32,
    is_early: bool,
    is_cancelled: bool,
}

struct Simulation {
    dice: Dice,
    weather: Weather,
    clock: Clock,
    store: Store,
    timeline: Arc<Mutex<Timeline>>,
    servers: Vec<Option<(Runtime, Node)>>,
    /// Opens stores and commits; lives throughout.
    outside: Runtime,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let env = Env::simulated(Timestamp::from_secs(1_767_323_045), seed);
        let dice = Dice(env.random.clone());
        let weather = Weather {
            servers: 1 + dice.below(3) as usize,
            servers_die: dice.one_in(2),
            commits_fail: dice.one_in(2),
            clock_jumps: dice.one_in(2),
            acts_fail: dice.one_in(2).then_some(5),
        };
        let outside = runtime();
        let options = Options { url: StoreUrl::Memory };
        let store = outside.block_on(Store::open(options, &env)).unwrap();
        let (clock, timeline) = (env.clock, Arc::default());
        let servers = (0..weather.servers).map(|_| None).collect();
        Self { dice, weather, clock, store, timeline, servers, outside }
    }

    fn run(&mut self) {
        for turn in 0..TURNS {
            self.set_timers(turn);
            self.cancel_one();
            self.disturb();
            self.turn();
        }
        self.store.faults().unwrap().fail_commit(0);
        if self.weather.clock_jumps {
            // Back to where every timer is due.
            self.clock.advance(Duration::from_secs(8 * 3600));
        }
        let calm = (0..CALM_TURNS_MAX).find(|_| {
            self.turn();
            self.is_over()
        });
        assert!(calm.is_some(), "timers are left over");
    }

    fn is_over(&self) -> bool {
        let Some((_, node)) = self.servers.iter().flatten().next() else { return false };
        self.outside.block_on(node.coming()).is_empty()
    }

    /// Each server lives for a moment, and begins a life if it has none.
    fn turn(&mut self) {
        self.clock.advance(TURN);
        for slot in 0..self.servers.len() {
            let life = self.servers[slot].take().unwrap_or_else(|| self.begin_life());
            life.0.block_on(async { tokio::time::sleep(TURN).await });
            self.servers[slot] = Some(life);
        }
    }

    fn begin_life(&self) -> (Runtime, Node) {
        let runtime = runtime();
        let inside = runtime.enter();
        let node = Node::start(&self.store, &self.clock);
        node.schedule.serve(KIND, Arc::new(self.handler()));
        drop(inside);
        (runtime, node)
    }

    /// Acts after a while, and answers after another, so that a server may die in either.
    fn handler(&self) -> impl ferrite_service::OnDue + 'static {
        let (dice, clock) = (self.dice.clone(), self.clock.clone());
        let (timeline, weather) = (Arc::clone(&self.timeline), self.weather);
        Acts(move |timer: Timer| {
            let (before, after) = (dice.millis(700), dice.millis(700));
            let fails = weather.acts_fail.is_some_and(|chances| dice.one_in(chances));
            let hangs = fails && dice.one_in(4);
            let timeline = Arc::clone(&timeline);
            let is_early = clock.now() < timer.due;
            timeline.lock().unwrap().0.get_mut(&timer.id).unwrap().is_early |= is_early;
            async move {
                tokio::time::sleep(before).await;
                if hangs {
                    std::future::pending::<()>().await;
                }
                if fails {
                    return Err(ApiError::unavailable("the dice say so"));
                }
                timeline.lock().unwrap().0.get_mut(&timer.id).unwrap().acts += 1;
                tokio::time::sleep(after).await;
                Ok(())
            }
        })
    }

    fn set_timers(&self, turn: u32) {
        for n in 0..self.dice.below(3) {
            let early = Timestamp::from_millis(self.clock.now().millis() - 5_000);
            let timer = timer(&format!("{turn}-{n}"), early.plus(self.dice.millis(60_000)));
            let Some((_, node)) = self.servers.iter().flatten().next() else { return };
            let mut batch = Batch::new();
            node.schedule.set(&mut batch, &timer);
            if self.outside.block_on(self.store.commit(batch)).is_ok() {
                let fate = Fate { due: timer.due, acts: 0, is_early: false, is_cancelled: false };
                self.timeline.lock().unwrap().0.insert(timer.id, fate);
            }
            if self.dice.one_in(2) {
                node.schedule.hint(timer.due);
            }
        }
    }

    fn cancel_one(&self) {
        let Some((_, node)) = self.servers.iter().flatten().next() else { return };
        let mut timeline = self.timeline.lock().unwrap();
        let index = self.dice.below(20 * (timeline.0.len() as u64 + 1)) as usize;
        let Some((id, fate)) = timeline.0.iter_mut().nth(index) else { return };
        let mut batch = Batch::new();
        node.schedule.cancel(&mut batch, &timer(id, fate.due));
        fate.is_cancelled |= self.outside.block_on(self.store.commit(batch)).is_ok();
    }

    fn disturb(&mut self) {
        let weather = self.weather;
        if weather.servers_die && self.dice.one_in(10) {
            let victim = self.dice.below(weather.servers as u64) as usize;
            self.servers[victim] = None;
        }
        if weather.commits_fail && self.dice.one_in(5) {
            self.store.faults().unwrap().fail_commit(1 + self.dice.below(4));
        }
        if weather.clock_jumps && self.dice.one_in(20) {
            let hour = 3_600_000;
            let earliest = Timestamp::from_millis(self.clock.now().millis() - hour / 2);
            self.clock.set(earliest.plus(self.dice.millis(hour as u64)));
        }
    }

    /// Where nothing excuses it, a timer does not act twice. Servers whose leases end in a jump of
    /// the clock are excused, unless there is only one.
    fn check(&self) {
        let Weather { servers, servers_die, commits_fail, clock_jumps, .. } = self.weather;
        let may_repeat = servers_die || commits_fail || (clock_jumps && servers > 1);
        for (id, fate) in &self.timeline.lock().unwrap().0 {
            assert!(!fate.is_early, "timer {id} acted before its time");
            assert!(fate.acts > 0 || fate.is_cancelled, "timer {id} never acted");
            assert!(fate.acts < 2 || may_repeat, "timer {id} acted {} times", fate.acts);
        }
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        self.servers.clear();
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

#[test]
fn timers_act_whatever_becomes_of_servers_commits_and_clocks() {
    for seed in 0..SEEDS {
        let verdict = std::panic::catch_unwind(|| {
            let mut simulation = Simulation::new(seed);
            simulation.run();
            simulation.check();
            simulation.timeline.lock().unwrap().0.len()
        });
        assert!(verdict.is_ok_and(|timers| timers > 25), "seed {seed}");
    }
}

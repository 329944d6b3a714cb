//! The outbox: what follows from a change is published at least once, whatever becomes of servers.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use ferrite_service::{
    ApiError, App, BoxFuture, OutgoingMessage, Posted, Publisher, encode, kinds,
};
use store::{Batch, CommitError, Direction, Key, KeyRange, Options, Store, StoreUrl};
use testing::Server;
use tokio::sync::{Barrier, Semaphore};
use types::{Tenant, TenantId};

/// Beyond what a record is its owner's for, and the time until the next look.
const LONG: Duration = Duration::from_secs(45);
/// What both clocks are moved by at a time.
const STEP: Duration = Duration::from_millis(500);
/// What they are moved by where much time goes by: as often as it is looked for what was left.
const LONG_STEP: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Takes messages instead of the broker.
struct Ear {
    heard: Mutex<Vec<(Tenant, OutgoingMessage)>>,
    /// How many messages are still refused.
    refusals: Mutex<u32>,
    /// Messages to this topic are never safe.
    stuck: Mutex<Option<&'static str>>,
    /// Each message waits for one permit until it is safe.
    gate: Semaphore,
}

impl Ear {
    /// Listens on `server`, letting all pass.
    fn at(server: &Server) -> Arc<Self> {
        let ear = Arc::new(Self {
            heard: Mutex::default(),
            refusals: Mutex::default(),
            stuck: Mutex::default(),
            gate: Semaphore::new(1_000),
        });
        listen(server, ear.clone());
        ear
    }

    /// The topics of what was heard since the last look.
    fn topics(&self) -> Vec<String> {
        let heard = std::mem::take(&mut *self.heard.lock().unwrap());
        heard.into_iter().map(|(_, message)| message.topic).collect()
    }

    async fn take(&self, tenant: &Tenant, message: OutgoingMessage) -> Result<(), ApiError> {
        let is_stuck = *self.stuck.lock().unwrap() == Some(&*message.topic);
        self.heard.lock().unwrap().push((tenant.clone(), message));
        if is_stuck {
            std::future::pending::<()>().await;
        }
        self.gate.acquire().await.unwrap().forget();
        let mut refusals = self.refusals.lock().unwrap();
        let is_refused = *refusals > 0;
        *refusals = refusals.saturating_sub(1);
        if is_refused { Err(ApiError::unavailable("not now")) } else { Ok(()) }
    }
}

impl Publisher for Ear {
    fn publish<'a>(
        &'a self,
        tenant: &'a Tenant,
        message: OutgoingMessage,
    ) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(self.take(tenant, message))
    }
}

fn listen(server: &Server, publisher: Arc<dyn Publisher>) {
    let publisher: Weak<dyn Publisher> = Arc::downgrade(&publisher);
    server.app().publisher.set(publisher);
}

async fn server() -> Server {
    Server::with(Vec::new()).await
}

/// A server on a store in memory, for tests that own tokio's clock.
async fn server_in_memory() -> Server {
    let env = env::Env::simulated(types::Timestamp::EPOCH, 1);
    let store = Store::open(Options { url: StoreUrl::Memory }, &env).await.unwrap();
    server_on(&store, None, 7).await
}

async fn server_on(store: &Store, clock: Option<env::Clock>, seed: u64) -> Server {
    let change = |choices: &mut testing::Choices| {
        choices.store = Some(store.clone());
        choices.clock = clock;
        choices.seed = seed;
    };
    Server::build_with(change, |_| Vec::new()).await
}

/// Another server on the store of `server`, after it or beside it.
async fn another(server: &Server) -> Server {
    server_on(&server.app().store, Some(server.clock().clone()), 8).await
}

/// Lets so much time go by that what `server` left is anybody's. In a store that is one server's
/// alone, the next one need not wait.
fn age(server: &Server) {
    if server.app().store.newest_at_hand().is_none() {
        server.clock().advance(LONG);
    }
}

fn message(topic: &str) -> OutgoingMessage {
    OutgoingMessage::new(topic, format!("of {topic}"))
}

fn a_record() -> Key {
    Key::new(TenantId(1), kinds::THING).text("lamp")
}

/// A change from which `topics` follow, up to its commit.
async fn uncommitted(server: &Server, topics: &[&str]) -> (Batch, Posted) {
    let messages = topics.iter().map(|topic| message(topic)).collect();
    let tenant = server.cx("UpdateThing").await.tenant;
    let mut batch = Batch::new();
    batch.put(a_record(), encode(&1));
    let posted = server.app().outbox.put(&mut batch, &tenant, messages);
    (batch, posted)
}

/// A change from which `topics` follow, as far as its commit.
async fn change(server: &Server, topics: &[&str]) -> Posted {
    let (batch, posted) = uncommitted(server, topics).await;
    server.app().store.commit(batch).await.unwrap();
    posted
}

async fn publish(server: &Server, posted: Posted) {
    let App { outbox, publisher, .. } = &**server.app();
    outbox.publish(publisher, posted).await;
}

/// How many records there are.
async fn records(server: &Server) -> usize {
    let range = KeyRange::prefix(&Key::new(TenantId::GLOBAL, kinds::OUTBOX));
    let page = server.app().store.scan(range, None, 1_000, Direction::Forward).await.unwrap();
    page.entries.len()
}

/// Lets `span` go by on both clocks.
async fn pass(server: &Server, span: Duration) {
    pass_by(server, span, STEP).await;
}

async fn pass_by(server: &Server, span: Duration, step: Duration) {
    for _ in 0..span.div_duration_f64(step) as u32 {
        server.clock().advance(step);
        tokio::time::sleep(step).await;
    }
}

#[tokio::test]
async fn what_follows_is_published_in_its_order_and_then_forgotten() {
    let server = server().await;
    let ear = Ear::at(&server);
    let posted = change(&server, &["a", "b", "c"]).await;
    assert_eq!((ear.topics().len(), records(&server).await), (0, 1), "one record for all");
    publish(&server, posted).await;
    assert_eq!(ear.topics(), ["a", "b", "c"]);
    server.app().outbox.close().await;
    assert_eq!(records(&server).await, 0);
}

#[tokio::test]
async fn a_crash_between_the_commit_and_its_messages_loses_none() {
    let before = server().await;
    drop(change(&before, &["a", "b"]).await);
    drop(change(&before, &["c"]).await);
    age(&before);
    let after = another(&before).await;
    let ear = Ear::at(&after);
    after.app().outbox.serve(after.app()).await;
    let heard = std::mem::take(&mut *ear.heard.lock().unwrap());
    let tenant = before.cx("UpdateThing").await.tenant;
    assert_eq!(heard, ["a", "b", "c"].map(|topic| (tenant.clone(), message(topic))));
    assert_eq!(records(&after).await, 0);
    age(&after);
    let third = server_on(&after.app().store, Some(after.clock().clone()), 9).await;
    let ear = Ear::at(&third);
    third.app().outbox.serve(third.app()).await;
    assert_eq!(ear.topics(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_starts_although_what_was_left_cannot_be_published() {
    const CHANGES: usize = 130;
    let before = server().await;
    for _ in 0..CHANGES {
        drop(change(&before, &["a"]).await);
    }
    // What is taken over lies behind what was left.
    before.clock().advance(LONG);
    let after = another(&before).await;
    let ear = Ear::at(&after);
    *ear.refusals.lock().unwrap() = u32::MAX;
    let serving = after.app().outbox.serve(after.app());
    tokio::time::timeout(Duration::from_secs(60), serving).await.unwrap();
    assert_eq!((ear.topics().len(), records(&after).await), (CHANGES, CHANGES));
}

#[tokio::test]
async fn what_was_out_when_a_server_stopped_is_not_repeated() {
    let before = server().await;
    let ear = Ear::at(&before);
    publish(&before, change(&before, &["a"]).await).await;
    before.app().outbox.close().await;
    // One that was killed could not say that it is out.
    publish(&before, change(&before, &["b"]).await).await;
    assert_eq!(ear.topics(), ["a", "b"]);
    age(&before);
    let after = another(&before).await;
    let ear = Ear::at(&after);
    after.app().outbox.serve(after.app()).await;
    assert_eq!(ear.topics(), ["b"]);
}

#[tokio::test]
async fn nothing_follows_from_a_change_that_failed_and_of_none_there_is_no_record() {
    let server = server().await;
    let nothing = change(&server, &[]).await;
    assert_eq!(records(&server).await, 0);
    publish(&server, nothing).await;
    let tenant = server.cx("CreateThing").await.tenant;
    let mut batch = Batch::new();
    batch.require_absent(a_record());
    drop(server.app().outbox.put(&mut batch, &tenant, vec![message("a")]));
    let refused = server.app().store.commit(batch).await;
    assert!(matches!(refused, Err(CommitError::Conflict(_))), "{refused:?}");
    assert_eq!(records(&server).await, 0);
}

#[tokio::test]
async fn a_record_stays_until_its_messages_are_safe() {
    let server = server().await;
    let ear = Ear::at(&server);
    ear.gate.forget_permits(1_000);
    let posted = change(&server, &["a"]).await;
    let mut publishing = std::pin::pin!(publish(&server, posted));
    tokio::select! {
        biased;
        () = &mut publishing => panic!("the message is not safe yet"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(ear.topics(), ["a"]);
    server.app().outbox.close().await;
    assert_eq!(records(&server).await, 1);
    ear.gate.add_permits(1);
    publishing.await;
    server.app().outbox.close().await;
    assert_eq!(records(&server).await, 0);
}

#[tokio::test]
async fn messages_of_one_change_wait_together() {
    /// Has a message safe when the other one is there.
    struct Both(Barrier);
    impl Publisher for Both {
        fn publish<'a>(
            &'a self,
            _: &'a Tenant,
            _: OutgoingMessage,
        ) -> BoxFuture<'a, Result<(), ApiError>> {
            Box::pin(async {
                self.0.wait().await;
                Ok(())
            })
        }
    }
    let server = server().await;
    let both: Arc<dyn Publisher> = Arc::new(Both(Barrier::new(2)));
    listen(&server, Arc::clone(&both));
    let posted = change(&server, &["a", "b"]).await;
    tokio::time::timeout(Duration::from_secs(30), publish(&server, posted)).await.unwrap();
}

#[tokio::test]
async fn messages_of_a_change_are_published_although_whoever_asked_has_gone() {
    let server = server().await;
    let ear = Ear::at(&server);
    ear.gate.forget_permits(1_000);
    let cx = server.cx("UpdateThing").await;
    let mut batch = Batch::new();
    batch.put(a_record(), encode(&1));
    let mut asked = Box::pin(cx.commit_and_publish(batch, vec![message("a")]));
    tokio::select! {
        biased;
        _ = &mut asked => panic!("the message is not safe yet"),
        () = std::future::ready(()) => {}
    }
    drop(asked);
    ear.gate.add_permits(1);
    let tasks = &server.app().env.tasks;
    let is_done = async {
        while tasks.running().contains_key("change-and-messages") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), is_done).await.unwrap();
    assert_eq!(ear.topics(), ["a"]);
    server.app().outbox.close().await;
    assert_eq!(records(&server).await, 0);
}

#[tokio::test(start_paused = true)]
async fn records_are_removed_without_anybody_asking() {
    let server = server_in_memory().await;
    let _ear = Ear::at(&server);
    server.app().outbox.serve(server.app()).await;
    for topic in ["a", "b", "c"] {
        publish(&server, change(&server, &[topic]).await).await;
    }
    assert_eq!(records(&server).await, 3);
    pass(&server, 2 * STEP).await;
    assert_eq!(records(&server).await, 0);
}

#[tokio::test(start_paused = true)]
async fn another_server_leaves_a_record_to_its_owner_until_it_is_old() {
    let one = server_in_memory().await;
    let other = another(&one).await;
    let (ear, others) = (Ear::at(&one), Ear::at(&other));
    other.app().outbox.serve(other.app()).await;
    let posted = change(&one, &["a"]).await;
    drop(change(&one, &["b"]).await);
    pass(&one, Duration::from_secs(28)).await;
    assert_eq!(others.topics(), Vec::<String>::new());
    publish(&one, posted).await;
    one.app().outbox.close().await;
    assert_eq!(ear.topics(), ["a"]);
    pass(&one, LONG).await;
    assert_eq!(others.topics(), ["b"]);
    pass(&one, LONG).await;
    assert_eq!(others.topics(), Vec::<String>::new());
    assert_eq!(records(&one).await, 0);
}

#[tokio::test(start_paused = true)]
async fn of_several_servers_one_takes_over_what_was_left() {
    let one = server_in_memory().await;
    let other = another(&one).await;
    let (ear, others) = (Ear::at(&one), Ear::at(&other));
    one.app().outbox.serve(one.app()).await;
    other.app().outbox.serve(other.app()).await;
    let topics: Vec<String> = (100..300).map(|n| n.to_string()).collect();
    for topic in &topics {
        drop(change(&one, &[topic]).await);
    }
    pass(&one, 3 * LONG).await;
    let mut heard = ear.topics();
    heard.extend(others.topics());
    heard.sort();
    assert_eq!(heard, topics);
    assert_eq!(records(&one).await, 0);
}

#[tokio::test(start_paused = true)]
async fn of_a_change_only_what_failed_is_tried_again() {
    let server = server_in_memory().await;
    let ear = Ear::at(&server);
    server.app().outbox.serve(server.app()).await;
    *ear.refusals.lock().unwrap() = 1;
    publish(&server, change(&server, &["a", "b", "c"]).await).await;
    assert_eq!((ear.topics().len(), records(&server).await), (3, 1));
    pass(&server, LONG).await;
    assert_eq!((ear.topics(), records(&server).await), (vec!["a".to_owned()], 0));
    // Also of several records.
    let topics: Vec<String> = (0..600).map(|n| n.to_string()).collect();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    *ear.refusals.lock().unwrap() = 2;
    publish(&server, change(&server, &topics).await).await;
    assert_eq!((ear.topics().len(), records(&server).await), (600, 1));
    pass(&server, LONG).await;
    assert_eq!((ear.topics(), records(&server).await), (vec!["0".to_owned(), "1".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn the_pause_between_two_tries_grows() {
    let server = server_in_memory().await;
    let ear = Ear::at(&server);
    server.app().outbox.serve(server.app()).await;
    *ear.refusals.lock().unwrap() = u32::MAX;
    publish(&server, change(&server, &["a"]).await).await;
    let mut tries = vec![ear.topics().len()];
    // Just before each further try, and after it: half a minute, a minute, two minutes later.
    for (from, upto) in [(0, 29), (29, 45), (45, 95), (95, 115), (115, 215), (215, 255)] {
        pass(&server, Duration::from_secs(upto - from)).await;
        tries.push(ear.topics().len());
    }
    assert_eq!(tries, [1, 0, 1, 0, 1, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_published_is_given_up_after_a_day_of_tries() {
    let server = server_in_memory().await;
    let ear = Ear::at(&server);
    server.app().outbox.serve(server.app()).await;
    *ear.refusals.lock().unwrap() = u32::MAX;
    publish(&server, change(&server, &["a"]).await).await;
    pass_by(&server, 23 * HOUR, LONG_STEP).await;
    assert_eq!(records(&server).await, 1);
    pass_by(&server, 3 * HOUR, LONG_STEP).await;
    assert_eq!((ear.topics().len(), records(&server).await), (31, 0));
}

#[tokio::test]
async fn what_was_left_is_published_although_nobody_was_there_for_days() {
    let before = server().await;
    drop(change(&before, &["a"]).await);
    before.clock().advance(3 * DAY);
    let after = another(&before).await;
    let ear = Ear::at(&after);
    after.app().outbox.serve(after.app()).await;
    assert_eq!((ear.topics(), records(&after).await), (vec!["a".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn no_jump_of_the_clock_gives_messages_up() {
    let server = server_in_memory().await;
    let ear = Ear::at(&server);
    server.app().outbox.serve(server.app()).await;
    *ear.refusals.lock().unwrap() = 2;
    publish(&server, change(&server, &["a"]).await).await;
    server.clock().advance(400 * DAY);
    pass(&server, LONG).await;
    assert_eq!((ear.topics(), records(&server).await), (vec!["a".to_owned(); 2], 1));
    pass(&server, 2 * LONG).await;
    assert_eq!((ear.topics(), records(&server).await), (vec!["a".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn all_of_a_record_is_repeated_if_what_failed_cannot_be_put_off() {
    let server = server_in_memory().await;
    let ear = Ear::at(&server);
    server.app().outbox.serve(server.app()).await;
    let posted = change(&server, &["a", "b"]).await;
    *ear.refusals.lock().unwrap() = 1;
    server.app().store.faults().unwrap().fail_commit(1);
    publish(&server, posted).await;
    assert_eq!((ear.topics().len(), records(&server).await), (2, 1));
    pass(&server, LONG).await;
    assert_eq!((ear.topics(), records(&server).await), (vec!["a".to_owned(), "b".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_has_taken_over_is_not_put_off() {
    let server = server_in_memory().await;
    let ear = Ear::at(&server);
    let posted = change(&server, &["a"]).await;
    let other = another(&server).await;
    let others = Ear::at(&other);
    pass(&server, LONG).await;
    other.app().outbox.serve(other.app()).await;
    *ear.refusals.lock().unwrap() = 1;
    publish(&server, posted).await;
    assert_eq!((ear.topics(), others.topics()), (vec!["a".to_owned()], vec!["a".to_owned()]));
    assert_eq!(records(&server).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_publication_that_never_ends_is_tried_again() {
    let server = server_in_memory().await;
    let ear = Ear::at(&server);
    server.app().outbox.serve(server.app()).await;
    *ear.stuck.lock().unwrap() = Some("a");
    let cx = server.cx("UpdateThing").await;
    let mut batch = Batch::new();
    batch.put(a_record(), encode(&1));
    let asked = cx.commit_and_publish(batch, vec![message("a"), message("b")]);
    tokio::time::timeout(LONG, asked).await.unwrap().unwrap();
    assert_eq!((ear.topics().len(), records(&server).await), (2, 1));
    *ear.stuck.lock().unwrap() = None;
    pass(&server, LONG).await;
    assert_eq!((ear.topics(), records(&server).await), (vec!["a".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn records_are_removed_while_what_was_left_is_stuck() {
    let server = server_in_memory().await;
    let ear = Ear::at(&server);
    server.app().outbox.serve(server.app()).await;
    *ear.stuck.lock().unwrap() = Some("a");
    drop(change(&server, &["a"]).await);
    drop(change(&server, &["b"]).await);
    pass(&server, LONG).await;
    // The one does not wait for the other.
    assert_eq!((ear.topics(), records(&server).await), (vec!["a".to_owned(), "b".to_owned()], 1));
    publish(&server, change(&server, &["c"]).await).await;
    assert_eq!(records(&server).await, 2);
    pass(&server, 2 * STEP).await;
    assert_eq!(records(&server).await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_committed_late_is_found_within_the_hour() {
    let server = server_in_memory().await;
    let ear = Ear::at(&server);
    server.app().outbox.serve(server.app()).await;
    let (batch, posted) = uncommitted(&server, &["a"]).await;
    pass_by(&server, 10 * MINUTE, LONG_STEP).await;
    server.app().store.commit(batch).await.unwrap();
    drop(posted);
    pass_by(&server, 10 * MINUTE, LONG_STEP).await;
    assert_eq!(ear.topics(), Vec::<String>::new(), "it lies before what is looked through");
    pass_by(&server, HOUR, LONG_STEP).await;
    assert_eq!((ear.topics(), records(&server).await), (vec!["a".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn a_server_starts_soon_and_publishes_the_rest_of_what_was_left_later() {
    let before = server_in_memory().await;
    let topics: Vec<String> = (100..400).map(|n| n.to_string()).collect();
    for topic in &topics {
        drop(change(&before, &[topic]).await);
    }
    let after = another(&before).await;
    let ear = Ear::at(&after);
    *ear.stuck.lock().unwrap() = Some("100");
    let serving = after.app().outbox.serve(after.app());
    tokio::time::timeout(Duration::from_secs(10), serving).await.unwrap();
    let mut heard = ear.topics();
    assert!(!heard.is_empty() && heard.len() < topics.len(), "{}", heard.len());
    pass(&after, Duration::from_secs(25)).await;
    heard.extend(ear.topics());
    assert_eq!((heard, records(&after).await), (topics, 1));
}

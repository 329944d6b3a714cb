//! PostgreSQL's own cases: who owns the journal, and what happens while the database is away.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ferrite_journal::{Journal, JournalError, JournalUrl, Options, QueueId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::engines::{Place, execute};
use crate::env;
use crate::witness::{append, append_safely, mark_safely, release_safely, waiting};

const A: QueueId = QueueId(1);

fn url(place: &Place) -> String {
    match place.url() {
        JournalUrl::Postgres { url } => url,
        other => panic!("{other:?}"),
    }
}

/// Ends every other session of the database.
async fn cut_connections(place: &Place) {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    execute(&url(place), sql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_is_refused_until_the_first_has_stopped() {
    let Some(place) = Place::postgres().await else { return };
    let (journal, _) = place.open().await;
    let second = Journal::open(place.url(), Options::default(), &env()).await.err().unwrap();
    assert!(matches!(second, JournalError::InUse(_)), "{second:?}");
    assert!(second.to_string().contains("stop that server"), "{second}");
    append_safely(&journal, &[(A, 0)], "first's").await;
    journal.close().await;
    let (second, recovered) = place.open().await;
    assert_eq!(waiting(&second, &recovered, A).await, [("first's".to_owned(), 0)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_lose_and_repeat_nothing() {
    let Some(place) = Place::postgres().await else { return };
    let (journal, _) = place.open().await;
    let is_done = Arc::new(AtomicBool::new(false));
    let (writer, done) = (journal.clone(), Arc::clone(&is_done));
    let mut writing = JoinSet::new();
    writing.spawn(async move {
        let mut written = Vec::new();
        while !done.load(Ordering::Acquire) {
            let number = written.len() as u32;
            let sequence = append_safely(&writer, &[(A, 0)], number.to_string()).await;
            mark_safely(&writer, A, sequence, number).await;
            if number.is_multiple_of(3) {
                release_safely(&writer, A, sequence).await;
            }
            assert_eq!(writer.read(vec![sequence]).await.unwrap().len(), 1);
            written.push(number);
        }
        written
    });
    for _ in 0..10 {
        cut_connections(&place).await;
        append_safely(&journal, &[(QueueId(2), 0)], "between").await;
    }
    is_done.store(true, Ordering::Release);
    let written = writing.join_all().await.concat();
    assert!(!journal.has_failed());
    drop(journal);
    let (journal, recovered) = place.open().await;
    let expected: Vec<_> = written
        .into_iter()
        .filter(|number| !number.is_multiple_of(3))
        .map(|number| (number.to_string(), number))
        .collect();
    assert_eq!(waiting(&journal, &recovered, A).await, expected);
    assert_eq!(recovered.queues[&QueueId(2)].len(), 10);
}

/// Stands between the journal and PostgreSQL, and loses an answer when it is told to.
#[derive(Clone)]
struct Relay {
    server: SocketAddr,
    loses_next: Arc<AtomicBool>,
}

impl Relay {
    async fn run(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            connections.spawn(self.clone().relay(client));
        }
    }

    /// Passes bytes on until one end closes, or an answer is to be lost, and the connection with it.
    async fn relay(self, mut client: TcpStream) {
        let mut server = TcpStream::connect(self.server).await.unwrap();
        let (mut asked, mut answered) = ([0; 8192], [0; 8192]);
        loop {
            tokio::select! {
                count = client.read(&mut asked) => {
                    let Ok(count @ 1..) = count else { return };
                    server.write_all(&asked[..count]).await.unwrap();
                }
                count = server.read(&mut answered) => {
                    let Ok(count @ 1..) = count else { return };
                    if self.loses_next.swap(false, Ordering::AcqRel) {
                        return;
                    }
                    client.write_all(&answered[..count]).await.unwrap();
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_not_repeated() {
    let Some(place) = Place::postgres().await else { return };
    let url = url(&place);
    let (user, rest) = url.split_once('@').unwrap();
    let (server, database) = rest.split_once('/').unwrap();
    let server = tokio::net::lookup_host(server).await.unwrap().next().unwrap();
    let relay = Relay { server, loses_next: Arc::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("{user}@{}/{database}", listener.local_addr().unwrap());
    let mut relaying = JoinSet::new();
    relaying.spawn(relay.clone().run(listener));

    let url = JournalUrl::Postgres { url };
    let (journal, _) = Journal::open(url, Options::default(), &env()).await.unwrap();
    // The statement is prepared by then: the next answer is a commit's.
    append_safely(&journal, &[(A, 0)], "first").await;
    relay.loses_next.store(true, Ordering::Release);
    append_safely(&journal, &[(A, 0)], "second").await;
    assert!(!relay.loses_next.load(Ordering::Acquire));
    append_safely(&journal, &[(A, 0)], "third").await;
    drop(journal);
    let (journal, recovered) = place.open().await;
    let bodies: Vec<_> =
        waiting(&journal, &recovered, A).await.into_iter().map(|(body, _)| body).collect();
    assert_eq!(bodies, ["first", "second", "third"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_another_server_took_over_stops() {
    let Some(place) = Place::postgres().await else { return };
    let env = env();
    let (journal, _) = Journal::open(place.url(), Options::default(), &env).await.unwrap();
    append_safely(&journal, &[(A, 0)], "first's").await;
    execute(&url(&place), "UPDATE ferrite_journal_meta SET value = 99 WHERE name = 'opened'").await;
    cut_connections(&place).await;
    let refused = append(&journal, &[(A, 0)], "late").unwrap().settled().await;
    assert!(matches!(refused, Err(JournalError::InUse(_))), "{refused:?}");
    assert!(journal.has_failed() && env.tasks.shutdown_reason().is_some());
}

#[tokio::test]
async fn a_url_that_asks_for_tls_is_refused() {
    let url = "postgres://localhost/x?sslmode=require".to_owned();
    let refused = Journal::open(JournalUrl::Postgres { url }, Options::default(), &env()).await;
    assert!(matches!(refused, Err(JournalError::Unsupported(_))));
}

#[tokio::test]
async fn a_database_that_is_away_is_told_at_the_start() {
    let url = "postgres://postgres@127.0.0.1:1/x".to_owned();
    let refused = Journal::open(JournalUrl::Postgres { url }, Options::default(), &env()).await;
    assert!(matches!(refused, Err(JournalError::Postgres(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tables_hold_no_more_than_what_is_needed() {
    let Some(place) = Place::postgres().await else { return };
    let (journal, _) = place.open().await;
    for _ in 0..20 {
        let sequence = append_safely(&journal, &[(A, 0), (QueueId(2), 0)], "x").await;
        release_safely(&journal, A, sequence).await;
    }
    journal.forget(QueueId(2));
    append_safely(&journal, &[(A, 0)], "kept").await;
    journal.close().await;
    let check = "DO $$ BEGIN
         ASSERT (SELECT count(*) FROM ferrite_journal_entries) = 1;
         ASSERT (SELECT count(*) FROM ferrite_journal_queues) = 1;
     END $$";
    execute(&url(&place), check).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_format_is_refused() {
    let Some(place) = Place::postgres().await else { return };
    place.open().await.0.close().await;
    execute(&url(&place), "UPDATE ferrite_journal_meta SET value = 2 WHERE name = 'format'").await;
    let error = Journal::open(place.url(), Options::default(), &env()).await.err().unwrap();
    assert!(matches!(error, JournalError::NewerFormat { found: 2, known: 1 }), "{error:?}");
}

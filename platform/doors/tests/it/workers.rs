//! Connections that live on workers.

use std::thread::{self, ThreadId};

use env::{TaskKind, Workers};
use ferrite_doors::{Arrival, Conversation};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::{PATIENCE, door, env, knock, knock_until_admitted};

#[tokio::test]
async fn connections_stay_on_the_worker_that_they_were_given_to() {
    let env = env();
    let workers = Workers::start(2, &env.tasks).unwrap();
    let listener = ferrite_doors::open(door(10), &env).await.unwrap();
    let address = listener.local_addr();
    let (sender, mut seen) = mpsc::channel::<(ThreadId, ThreadId)>(4);
    let serving = async move {
        let handle = move |arrival: Arrival| {
            let sender = sender.clone();
            async move {
                let (mut stream, _) = arrival.plain().await.unwrap();
                let before = thread::current().id();
                let conversation: Conversation = Box::pin(async move {
                    stream.read_u8().await.unwrap_err();
                    sender.send((before, thread::current().id())).await.unwrap();
                });
                Some(conversation)
            }
        };
        listener.serve_on(&workers, handle).await;
    };
    env.tasks.spawn("accept", TaskKind::Vital, serving);
    let streams =
        [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
    drop(streams);
    let (first, second) = (seen.recv().await.unwrap(), seen.recv().await.unwrap());
    assert_eq!((first.0, second.0), (first.1, second.1));
    assert_ne!(first.0, second.0);
    assert!(![first.0, second.0].contains(&thread::current().id()));
    env.tasks.begin_shutdown("asked");
    assert!(env.tasks.finished(PATIENCE).await.is_empty());
}

#[tokio::test]
async fn connections_on_workers_count_until_they_end() {
    let env = env();
    let workers = Workers::start(2, &env.tasks).unwrap();
    let listener = ferrite_doors::open(door(2), &env).await.unwrap();
    let address = listener.local_addr();
    let begin = |arrival| std::future::ready(Some(Box::pin(crate::greet(arrival)) as Conversation));
    let serving = async move { listener.serve_on(&workers, begin).await };
    env.tasks.spawn("accept", TaskKind::Vital, serving);
    let inside = [knock(address).await.unwrap(), knock(address).await.unwrap()];
    assert!(knock(address).await.is_none());
    assert_eq!(env.tasks.running().get("http"), Some(&2));
    drop(inside);
    drop(knock_until_admitted(address).await);
    env.tasks.begin_shutdown("asked");
    assert!(env.tasks.finished(PATIENCE).await.is_empty());
}

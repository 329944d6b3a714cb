//! Transactions read, decide and write, and are tried again when others come between.

use std::convert::Infallible;

use ferrite_store::{Batch, Store, TransactError, Versioned};
use tokio::task::JoinSet;

use crate::engines::{Place, on_every_engine};
use crate::key;

on_every_engine![
    no_increment_is_lost,
    a_transfer_keeps_the_sum,
    a_refusal_writes_nothing,
    nothing_to_write_needs_no_commit,
];

fn number(record: Option<&Versioned>) -> i64 {
    record.map_or(0, |record| std::str::from_utf8(&record.value).unwrap().parse().unwrap())
}

async fn increment(store: &Store) -> Result<i64, TransactError<Infallible>> {
    let counter = key("counter");
    let decide = |found: &[Option<Versioned>]| {
        let next = number(found[0].as_ref()) + 1;
        let mut batch = Batch::new();
        batch.put(counter.clone(), next.to_string());
        Ok((batch, next))
    };
    store.transact(std::slice::from_ref(&counter), decide).await
}

async fn no_increment_is_lost(place: Place) {
    let store = place.open().await;
    let mut writers = JoinSet::new();
    for _ in 0..64 {
        let store = store.clone();
        writers.spawn(async move {
            for _ in 0..20 {
                increment(&store).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    assert_eq!(number(store.get(&key("counter")).await.unwrap().as_ref()), 64 * 20);
}

async fn a_transfer_keeps_the_sum(place: Place) {
    let store = place.open().await;
    let mut movers = JoinSet::new();
    for mover in 0..16_usize {
        let store = store.clone();
        movers.spawn(async move {
            for round in 0..10 {
                let accounts =
                    [key(&format!("a-{}", (mover + round) % 8)), key(&format!("a-{}", mover % 5))];
                if accounts[0] == accounts[1] {
                    continue;
                }
                let decide = |found: &[Option<Versioned>]| {
                    let mut batch = Batch::new();
                    for (account, (found, change)) in accounts.iter().zip(found.iter().zip([1, -1]))
                    {
                        let sum = number(found.as_ref()) + change;
                        batch.put(account.clone(), sum.to_string());
                    }
                    Ok::<_, Infallible>((batch, ()))
                };
                store.transact(&accounts, decide).await.unwrap();
            }
        });
    }
    movers.join_all().await;
    let accounts: Vec<_> = (0..8).map(|n| key(&format!("a-{n}"))).collect();
    let found = store.get_many(&accounts).await.unwrap();
    assert_eq!(found.iter().map(|record| number(record.as_ref())).sum::<i64>(), 0);
}

async fn a_refusal_writes_nothing(place: Place) {
    let store = place.open().await;
    let refused = store.transact(&[key("a")], |_| Err::<(Batch, ()), _>("not today")).await;
    assert!(matches!(refused, Err(TransactError::Refused("not today"))));
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
}

async fn nothing_to_write_needs_no_commit(place: Place) {
    let store = place.open().await;
    store.close().await;
    let decide = |found: &[Option<Versioned>]| Ok::<_, Infallible>((Batch::new(), found.len()));
    assert_eq!(store.transact(&[key("a")], decide).await.unwrap(), 1);
}

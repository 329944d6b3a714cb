//! Who is told of which change.

use std::net::SocketAddr;

use service::{Knock, PrincipalKind, Rights};
use store::Kind;
use types::{AccountId, Tenant, TenantId};

use super::*;

fn key(name: &str) -> Key {
    Key::new(TenantId(1), Kind(1)).text(name)
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

/// A connection made of the records called `names`.
fn add(live: &Live, names: &[&str], since: Moment) -> (Arc<Permissions>, bool) {
    add_until(live, names, since, None)
}

fn add_until(
    live: &Live,
    names: &[&str],
    since: Moment,
    not_after: Option<Timestamp>,
) -> (Arc<Permissions>, bool) {
    let peer = SocketAddr::from(([192, 0, 2, 1], 1));
    let region = "us-east-1".parse().unwrap();
    let principal = Arc::new(Principal {
        tenant: Tenant { id: TenantId(1), account: AccountId::DEFAULT, region },
        id: "id".to_owned(),
        kind: PrincipalKind::Administrator,
        knock: Knock { door: "mqtt", peer, local: None, server_name: None, certificate: None },
    });
    let permissions = Arc::new(Permissions::new(Rights::default()));
    let held = Arc::downgrade(&permissions);
    let connection = Connection { principal, client_id: Some("c".into()), permissions: held };
    let is_stale = live.add(connection, sources(names, not_after), since);
    (permissions, is_stale)
}

fn sources(names: &[&str], not_after: Option<Timestamp>) -> Sources {
    Sources { keys: names.iter().map(|name| key(name)).collect(), not_after }
}

/// Which of `all` are stale, in the order in which they are taken.
fn stale(live: &Live, all: &[&Arc<Permissions>]) -> Vec<usize> {
    let taken = live.take_stale(usize::MAX);
    let place = |stale: &Stale| all.iter().position(|p| Arc::ptr_eq(p, &stale.permissions));
    taken.iter().filter_map(place).collect()
}

#[test]
fn a_change_reaches_whom_it_concerns() {
    let live = Live::default();
    let (first, _) = add(&live, &["a", "p"], live.moment());
    let (second, _) = add(&live, &["b", "p"], live.moment());
    let all = [&first, &second];
    for (changed, expect) in [
        (&["a"][..], &[0][..]),
        (&["b"], &[1]),
        (&["p"], &[0, 1]),
        (&["c"], &[]),
        (&["a", "p"], &[0, 1]),
    ] {
        live.changed(&changed.iter().map(|name| key(name)).collect::<Vec<_>>());
        assert_eq!(live.has_stale(), !expect.is_empty());
        assert_eq!(stale(&live, &all), expect, "{changed:?}");
        assert!(!live.has_stale());
    }
    live.changed_all();
    assert_eq!(stale(&live, &all), [0, 1]);
}

#[test]
fn what_changed_while_it_was_read_is_stale_from_the_start() {
    let live = Live::default();
    live.changed(&[key("a")]);
    let since = live.moment();
    live.changed(&[key("a"), key("b")]);
    let (first, is_stale) = add(&live, &["a"], since);
    assert!(is_stale);
    assert!(!add(&live, &["c"], since).1);
    assert!(!add(&live, &["a"], live.moment()).1);
    assert_eq!(stale(&live, &[&first]), [0]);
}

#[test]
fn what_is_no_longer_remembered_may_have_changed() {
    let live = Live::default();
    let since = live.moment();
    let others: Vec<Key> = (0..=RECENT_MAX).map(|i| key(&i.to_string())).collect();
    live.changed(&others);
    assert!(add(&live, &["a"], since).1);
    assert!(!add(&live, &["a"], live.moment()).1);
    let since = live.moment();
    live.changed_all();
    assert!(add(&live, &["a"], since).1);
}

#[test]
fn a_change_of_many_lets_the_others_go_first() {
    let live = Live::default();
    let many: Vec<_> = (0..BULK_MIN).map(|_| add(&live, &["p"], live.moment()).0).collect();
    let (one, _) = add(&live, &["a"], live.moment());
    live.changed(&[key("p")]);
    live.changed(&[key("a")]);
    let taken = live.take_stale(1);
    assert!(Arc::ptr_eq(&taken[0].permissions, &one));
    assert_eq!(live.take_stale(usize::MAX).len(), many.len());
}

#[test]
fn what_is_both_urgent_and_not_is_taken_once() {
    let live = Live::default();
    let many: Vec<_> = (0..BULK_MIN).map(|_| add(&live, &["p", "a"], live.moment()).0).collect();
    let (one, _) = add(&live, &["p", "b"], live.moment());
    live.changed(&[key("p")]);
    live.changed(&[key("b")]);
    assert!(Arc::ptr_eq(&live.take_stale(1)[0].permissions, &one));
    assert_eq!(live.take_stale(usize::MAX).len(), many.len());
}

#[test]
fn a_certificate_that_has_expired_makes_stale() {
    let live = Live::default();
    let (first, _) = add_until(&live, &["a"], live.moment(), Some(at(10)));
    let (second, _) = add_until(&live, &["b"], live.moment(), Some(at(20)));
    let all = [&first, &second];
    for (now, expect) in [(at(10), &[][..]), (at(11), &[0]), (at(12), &[]), (at(21), &[1])] {
        live.expire(now);
        assert_eq!(stale(&live, &all), expect, "{now:?}");
    }
}

#[test]
fn what_is_made_anew_depends_on_what_it_is_made_of_now() {
    let live = Live::default();
    let (first, _) = add_until(&live, &["a"], live.moment(), Some(at(10)));
    live.changed(&[key("a")]);
    let taken = live.take_stale(1);
    live.made_anew(taken[0].id, &sources(&["b"], Some(at(20))));
    live.changed(&[key("a")]);
    live.expire(at(15));
    assert!(!live.has_stale());
    live.changed(&[key("b")]);
    assert_eq!(stale(&live, &[&first]), [0]);
    live.expire(at(21));
    assert_eq!(stale(&live, &[&first]), [0]);
}

#[test]
fn what_could_not_be_made_anew_stays_stale() {
    let live = Live::default();
    let (first, _) = add(&live, &["a"], live.moment());
    live.changed_all();
    let ids: Vec<Id> = live.take_stale(1).iter().map(|stale| stale.id).collect();
    assert!(!live.has_stale());
    live.put_back(ids);
    assert_eq!(stale(&live, &[&first]), [0]);
}

#[test]
fn connections_that_have_ended_are_forgotten() {
    let live = Live::default();
    for _ in 0..1000 {
        drop(add_until(&live, &["a", "p"], live.moment(), Some(at(10))));
    }
    assert!(live.size().0 < 10);
    let kept: Vec<_> = (0..100).map(|_| add(&live, &["a", "p"], live.moment()).0).collect();
    live.changed_all();
    assert_eq!(live.take_stale(usize::MAX).len(), kept.len());
    assert_eq!(live.size(), (kept.len(), 2 * kept.len()));
    assert_eq!(live.remove_all().len(), kept.len());
    assert_eq!(live.size(), (0, 0));
}

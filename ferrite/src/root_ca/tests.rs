//! The authority near its end, at the start and while the server runs.

use pki::NOT_AFTER;
use testing::Server;

use super::*;

/// 2049-06-01T00:00:00Z, in the last year of an authority that was made long before.
const LAST_YEAR: Timestamp = Timestamp::from_secs(2_506_118_400);

/// A server whose store has the authority by which it signs.
async fn server() -> Server {
    let server = Server::with(Vec::new()).await;
    let App { store, keyring, env, authority, .. } = &**server.app();
    save(&authority.get(), store, keyring, env).await.unwrap();
    server
}

/// A start of another server on the same store.
async fn start(app: &App) -> Authority {
    open(Expected(None), &app.store, &app.keyring, &app.env).await.unwrap()
}

fn published(app: &App) -> String {
    fs::read_to_string(path(&app.settings.data_dir)).unwrap()
}

async fn stored(app: &App) -> StoredAuthority {
    held(&app.store, &app.keyring).await.unwrap().unwrap().stored
}

#[tokio::test]
async fn an_authority_that_is_far_from_its_end_stays() {
    let server = server().await;
    let app = server.app();
    let before = app.authority.get().certificate_pem().to_owned();
    look(app).await.unwrap();
    assert_eq!(app.authority.get().certificate_pem(), before);
    assert_eq!((stored(app).await.certificate, published(app)), (before.clone(), before));
}

#[tokio::test]
async fn an_authority_near_its_end_is_renewed_while_the_server_runs() {
    let server = server().await;
    let app = server.app();
    publish(&app.authority.get(), &app.settings.data_dir).unwrap();
    let old = app.authority.get();
    server.clock().set(LAST_YEAR);
    look(app).await.unwrap();
    let new = app.authority.get();
    assert!(old.not_after() == NOT_AFTER && new.not_after() > NOT_AFTER);
    assert_eq!(new.to_secret_pem().unwrap(), old.to_secret_pem().unwrap());
    assert_eq!(published(app), new.certificate_pem());
    let stored = stored(app).await;
    assert_eq!(
        (stored.certificate.as_str(), stored.former_end),
        (new.certificate_pem(), Some(NOT_AFTER))
    );
    look(app).await.unwrap();
    assert_eq!(app.authority.get().certificate_pem(), new.certificate_pem(), "once is enough");
}

#[tokio::test]
async fn an_authority_near_its_end_is_renewed_at_the_start() {
    let server = server().await;
    let app = server.app();
    server.clock().set(LAST_YEAR);
    let opened = start(app).await;
    assert!(opened.not_after() > NOT_AFTER);
    assert_eq!(start(app).await.certificate_pem(), opened.certificate_pem());
}

#[tokio::test]
async fn a_server_takes_over_what_another_one_renewed() {
    let server = server().await;
    let app = server.app();
    server.clock().set(LAST_YEAR);
    let others = start(app).await;
    look(app).await.unwrap();
    assert_eq!(app.authority.get().certificate_pem(), others.certificate_pem());
    assert_eq!(published(app), others.certificate_pem());
}

#[tokio::test]
async fn of_two_servers_that_renew_at_once_one_wins() {
    let server = server().await;
    let App { store, keyring, env, .. } = &**server.app();
    server.clock().set(LAST_YEAR);
    let read = async || held(store, keyring).await.unwrap().unwrap();
    let (one, other) = (read().await, read().await);
    let renew = async |held: &Held| {
        let renewed = renew_if_due(held, store, keyring, env).await.unwrap();
        renewed.unwrap().authority.certificate_pem().to_owned()
    };
    let (first, second) = (renew(&one).await, renew(&other).await);
    assert_eq!(first, second);
    assert_eq!(read().await.authority.certificate_pem(), first);
}

#[tokio::test]
async fn a_store_that_takes_nothing_keeps_no_server_from_starting() {
    let server = server().await;
    let app = server.app();
    server.clock().set(LAST_YEAR);
    let Some(faults) = app.store.faults() else { return };
    faults.set_full(true);
    assert_eq!(start(app).await.not_after(), NOT_AFTER);
    assert!(look(app).await.is_err());
    assert_eq!(app.authority.get().not_after(), NOT_AFTER);
    faults.set_full(false);
    look(app).await.unwrap();
    assert!(app.authority.get().not_after() > NOT_AFTER);
}

#[tokio::test]
async fn the_certificate_of_devices_is_replaced_whole() {
    let server = server().await;
    let app = server.app();
    publish(&app.authority.get(), &app.settings.data_dir).unwrap();
    fs::write(path(&app.settings.data_dir), "half of").unwrap();
    publish(&app.authority.get(), &app.settings.data_dir).unwrap();
    assert_eq!(published(app), app.authority.get().certificate_pem());
    let files = fs::read_dir(app.settings.data_dir.join("ca")).unwrap();
    assert_eq!(files.count(), 1, "no draft is left");
}

#[tokio::test]
async fn a_server_that_starts_in_2049_signs_for_devices_and_for_itself() {
    let server = Server::with(Vec::new()).await;
    server.clock().set(LAST_YEAR);
    let authority = start(server.app()).await;
    let device = authority.issue_with_new_key(&server.app().env).unwrap().certificate;
    assert!(!authority.is_due(&server.app().env));
    assert!(
        device.not_before < LAST_YEAR && device.not_after > LAST_YEAR.plus(pki::RENEWED_BEFORE)
    );
}

//! Which addresses are reached, by whatever name.

use std::collections::BTreeMap;
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use env::Env;
use ferrite_outbound::{Client, Error, Names, Settings};

use crate::post;
use crate::server::Server;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn settings(allow: &[&str]) -> Settings {
    let allow = allow.iter().map(|entry| (*entry).to_owned()).collect();
    Settings { allow, system_roots: false, ..Settings::default() }
}

fn names(name: &str, addresses: &[&str]) -> Names {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    Names::fixed(BTreeMap::from([(name.to_owned(), addresses)]))
}

#[tokio::test]
async fn loopback_is_refused_however_it_is_written() {
    let env = Env::system();
    let server = Server::answering(&env, OK).await;
    let client = Client::new(&settings(&[]), &env).unwrap();
    let port = server.address.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
    ] {
        let error = client.send(post(&format!("http://{host}:{port}/"), "x")).await.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{host} {error:?}");
        assert!(!error.is_transient(), "{host}");
    }
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn a_refusal_says_what_to_set() {
    let env = Env::system();
    let metadata = names("metadata.example", &["169.254.169.254"]);
    let client = Client::with_names(&settings(&[]), &env, metadata).unwrap();
    let error = client.send(post("https://metadata.example/latest", "x")).await.unwrap_err();
    let expect = "metadata.example has the address 169.254.169.254, which is not public: permit it \
                  by outbound.allow = [\"169.254.169.254\"], a network or the host's name";
    assert_eq!(error.to_string(), expect);
}

#[tokio::test]
async fn a_network_a_host_and_hosts_below_a_name_can_be_permitted() {
    let env = Env::system();
    let server = Server::answering(&env, OK).await;
    let url = format!("http://a.mill.example:{}/", server.address.port());
    for (allow, is_reached) in [
        ("127.0.0.0/8", true),
        ("127.0.0.1", true),
        ("a.mill.example", true),
        ("*.mill.example", true),
        ("10.0.0.0/8", false),
        ("b.mill.example", false),
        ("::1", false),
    ] {
        let names = names("a.mill.example", &["127.0.0.1"]);
        let client = Client::with_names(&settings(&[allow]), &env, names).unwrap();
        assert_eq!(client.send(post(&url, "x")).await.is_ok(), is_reached, "{allow}");
    }
}

#[tokio::test]
async fn of_several_addresses_only_those_permitted_are_tried() {
    let env = Env::system();
    let refused = Server::listen(&env, "127.0.0.2:0", None, |_, _| async {}).await;
    let port = refused.address.port();
    let permitted =
        Server::listen(&env, &format!("127.0.0.1:{port}"), None, |_, mut peer| async move {
            peer.request().await;
            peer.say(OK).await;
        })
        .await;
    let names = names("both.example", &["127.0.0.2", "127.0.0.1"]);
    let client = Client::with_names(&settings(&["127.0.0.1"]), &env, names).unwrap();
    client.send(post(&format!("http://both.example:{port}/"), "x")).await.unwrap();
    assert_eq!((refused.accepted(), permitted.accepted()), (0, 1));
}

#[tokio::test]
async fn an_address_where_nobody_listens_gives_way_to_the_next() {
    let env = Env::system();
    let server = Server::answering(&env, OK).await;
    let names = names("both.example", &["127.0.0.3", "127.0.0.1"]);
    let client = Client::with_names(&settings(&["127.0.0.0/8"]), &env, names).unwrap();
    let url = format!("http://both.example:{}/", server.address.port());
    assert!(client.send(post(&url, "x")).await.is_ok());
}

#[tokio::test]
async fn one_that_swallows_everything_leaves_time_for_the_next() {
    let env = Env::system();
    let server = Server::answering(&env, OK).await;
    let port = server.address.port();
    let full = tokio::net::TcpSocket::new_v4().unwrap();
    full.bind(format!("127.0.0.4:{port}").parse().unwrap()).unwrap();
    let full = full.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    // Nobody takes them, so that at some point no more are let in.
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
        waiting.push(stream);
    }
    let names = names("both.example", &["127.0.0.4", "127.0.0.1"]);
    let settings = Settings { connect_timeout_s: 1, ..settings(&["127.0.0.0/8"]) };
    let client = Client::with_names(&settings, &env, names).unwrap();
    assert!(client.send(post(&format!("http://both.example:{port}/"), "x")).await.is_ok());
}

#[tokio::test]
async fn a_name_without_address_is_worth_another_try() {
    let env = Env::system();
    let client = Client::with_names(&settings(&[]), &env, names("a", &[])).unwrap();
    for name in ["a", "b"] {
        let error = client.send(post(&format!("http://{name}/"), "x")).await.unwrap_err();
        assert!(matches!(error, Error::Lookup { .. }) && error.is_transient(), "{error:?}");
    }
}

#[tokio::test]
async fn a_setting_that_cannot_be_is_named() {
    let env = Env::system();
    let check = |settings: Settings, expect: &str| {
        let error = Client::new(&settings, &env).err().unwrap();
        assert_eq!(error.to_string(), expect);
    };
    let zero = Settings { requests_max: 0, ..settings(&[]) };
    check(zero, "outbound.requests_max must be at least 1");
    let nonsense = "outbound.allow: `10.0.0.0/99` is neither an address, a network nor a host name";
    check(settings(&["10.0.0.0/99"]), nonsense);
    let missing = Settings { ca_file: Some("/nowhere/ca.pem".into()), ..settings(&[]) };
    check(missing, "outbound.ca_file: could not read certificates from /nowhere/ca.pem");
}

//! `ferrite serve`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;

use crate::process::{Server, run, text};

#[test]
fn a_server_starts_answers_and_ends_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start(&directory.path().join("data"), &[]);
        for path in ["/_ferrite/health", "/_ferrite/ready", "/metrics"] {
            assert_eq!(server.request("GET", path).0, 200, "{path}");
        }
        assert_eq!(server.end(signal).code(), Some(0));
    }
}

#[test]
fn a_fresh_directory_is_for_its_owner_alone_and_has_what_tools_need() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, &[]);
    let mode = |path: &str| fs::metadata(data.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("."), 0o700);
    for secret in ["credentials", "config", "secrets.key"] {
        assert_eq!(mode(secret), 0o600, "{secret}");
    }
    let root = fs::read_to_string(data.join("ca/root-ca.pem")).unwrap();
    assert!(root.starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(server.banner.contains(&data.display().to_string()), "{}", server.banner);
}

#[test]
fn a_restart_keeps_the_root_key_and_the_root_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let root = || fs::read(directory.path().join("ca/root-ca.pem")).unwrap();
    let before = (server.credentials(), root());
    assert!(server.end(Signal::TERM).success());
    fs::remove_file(directory.path().join("credentials")).unwrap();
    fs::remove_dir_all(directory.path().join("ca")).unwrap();
    let again = Server::start(directory.path(), &[]);
    assert_eq!((again.credentials(), root()), before);
}

#[test]
fn a_second_server_on_the_same_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let second = server.command(&["serve", "--set", "listen.http=127.0.0.1:0"]);
    assert!(!second.status.success());
    assert!(text(&second).contains(&directory.path().display().to_string()), "{}", text(&second));
}

#[test]
fn dev_stays_on_loopback() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["serve", "--dev", "--set", "listen.http=0.0.0.0:0"];
    let refused = run(&arguments, directory.path());
    assert!(!refused.status.success());
    assert!(text(&refused).contains("loopback"), "{}", text(&refused));
}

#[test]
fn a_reset_is_for_dev_alone_and_keeps_the_root_key() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("a"), &[]);
    assert!(server.request("POST", "/_ferrite/v1/reset").0 >= 400);

    let dev = Server::start(&directory.path().join("b"), &["--dev"]);
    let made = dev.command(&["account", "create", "111122223333"]);
    assert!(made.status.success(), "{}", text(&made));
    assert_eq!(dev.request("POST", "/_ferrite/v1/reset").0, 200);
    let listed = text(&dev.command(&["account", "list"]));
    assert!(listed.contains("000000000000") && !listed.contains("111122223333"), "{listed}");
    let before = dev.credentials();
    assert!(dev.end(Signal::TERM).success());
    assert_eq!(Server::start(&directory.path().join("b"), &[]).credentials(), before);
}

#[test]
fn a_setting_that_is_none_is_named_with_its_neighbour() {
    let directory = tempfile::tempdir().unwrap();
    let refused = run(&["serve", "--set", "listen.htp=127.0.0.1:0"], directory.path());
    assert!(!refused.status.success());
    assert!(text(&refused).contains("did you mean `listen.http`?"), "{}", text(&refused));
}

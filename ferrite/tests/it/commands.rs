//! The commands that go through the running server.

use std::fs;

use rustix::process::Signal;

use crate::process::{Server, run, text};

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":
    [{"Effect":"Allow","Action":"iot:List*","Resource":"*"}]}"#;

fn succeeds(server: &Server, arguments: &[&str]) -> String {
    let output = server.command(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    text(&output)
}

#[test]
fn accounts_and_keys_are_created_listed_and_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let created = succeeds(&server, &["account", "create", "111122223333", "--name", "plant"]);
    assert!(created.contains("arn:aws:iam::111122223333:root"), "{created}");
    assert!(succeeds(&server, &["account", "list"]).contains("111122223333  plant"));

    let policy = directory.path().join("policy.json");
    fs::write(&policy, POLICY).unwrap();
    let policy = policy.to_str().unwrap();
    let created = succeeds(&server, &["access-key", "create", "--policy", policy]);
    let id = created.split_whitespace().find(|word| word.starts_with("AKIA")).unwrap();
    assert!(succeeds(&server, &["access-key", "list"]).contains(id));
    succeeds(&server, &["access-key", "delete", id]);
    assert!(!succeeds(&server, &["access-key", "list"]).contains(id));
    assert!(!server.command(&["access-key", "delete", id]).status.success());
}

#[test]
fn a_malformed_policy_is_refused_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let policy = directory.path().join("policy.json");
    fs::write(&policy, r#"{"Version":"2012-10-17","Statement":[{"Effect":"Maybe"}]}"#).unwrap();
    let output = server.command(&["access-key", "create", "--policy", policy.to_str().unwrap()]);
    assert!(!output.status.success());
    assert!(text(&output).contains("Statement"), "{}", text(&output));
}

#[test]
fn the_environment_leads_to_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let environment = succeeds(&server, &["env"]);
    assert!(environment.contains("export AWS_ENDPOINT_URL_IOT='http://127.0.0.1:"));
    let secret = server.credentials().split_whitespace().last().unwrap().to_owned();
    assert!(environment.contains(&format!("export AWS_SECRET_ACCESS_KEY='{secret}'")));
}

#[test]
fn a_backup_with_its_key_file_is_served_again() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"), &[]);
    succeeds(&server, &["account", "create", "111122223333"]);
    let (plain, whole) = (directory.path().join("plain"), directory.path().join("whole"));
    let said = succeeds(&server, &["backup", plain.to_str().unwrap()]);
    assert!(said.contains("not in it: the key file"), "{said}");
    assert!(!plain.join("secrets.key").exists());
    succeeds(&server, &["backup", whole.to_str().unwrap(), "--with-keys"]);
    let again = server.command(&["backup", whole.to_str().unwrap()]);
    assert!(!again.status.success(), "{}", text(&again));

    let restored = directory.path().join("restored");
    let output = run(&["restore", whole.to_str().unwrap()], &restored);
    assert!(output.status.success(), "{}", text(&output));
    let second = Server::start(&restored, &[]);
    assert_eq!(second.credentials(), server.credentials());
    assert!(succeeds(&second, &["account", "list"]).contains("111122223333"));
    assert!(second.end(Signal::TERM).success());
    let onto = run(&["restore", whole.to_str().unwrap()], &restored);
    assert!(!onto.status.success() && text(&onto).contains("not empty"), "{}", text(&onto));
}

#[test]
fn without_a_server_a_command_says_what_to_type() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let start = format!("ferrite serve --data-dir {}", data.display());
    let never = run(&["account", "list"], &data);
    assert!(!never.status.success() && text(&never).contains(&start), "{}", text(&never));
    assert!(Server::start(&data, &[]).end(Signal::TERM).success());
    let stopped = run(&["account", "list"], &data);
    assert!(!stopped.status.success() && text(&stopped).contains(&start), "{}", text(&stopped));
}

#[test]
fn what_is_no_backup_makes_no_directory() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let output = run(&["restore", directory.path().to_str().unwrap()], &data);
    assert!(!output.status.success());
    assert!(!data.exists());
}

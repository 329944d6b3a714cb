//! `ferrite device`, `pub`, `sub`, `explain` and `device-log`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::process::{Server, text};

/// The policy of many tutorials: every action, on topics alone.
const TUTORIAL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
    "Action":["iot:Connect","iot:Publish","iot:Subscribe","iot:Receive"],
    "Resource":"arn:aws:iot:us-east-1:000000000000:topic/*"}]}"#;

/// A server, and a directory for what the commands make.
struct Bench {
    directory: TempDir,
    server: Server,
}

impl Bench {
    fn new(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start(&directory.path().join("data"), arguments);
        Self { directory, server }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    fn file(&self, name: &str, content: &str) -> String {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.server.command(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        text(&output)
    }

    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.server.command(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output));
        text(&output)
    }

    /// Creates a device in a folder of its name, and returns the folder.
    fn device(&self, name: &str, extra: &[&str]) -> String {
        let folder = self.path(name);
        let arguments = ["device", "create", name, "--folder", &folder];
        self.succeeds(&[&arguments[..], extra].concat());
        folder
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_device_comes_with_everything_that_it_needs() {
    let bench = Bench::new(&[]);
    let folder = PathBuf::from(bench.path("pump"));
    let said = bench.succeeds(&["device", "create", "pump", "--folder", &bench.path("pump")]);
    let lines =
        ["connect.py", "mosquitto_pub -h localhost", " sub 'pump/#' --device", "mtls_from_path"];
    for line in lines {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("private.key")), 0o600);
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert!(read("private.key").starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    assert!(read("certificate.pem").starts_with("-----BEGIN CERTIFICATE-----"));
    let root = fs::read_to_string(bench.path("data/ca/root-ca.pem")).unwrap();
    assert_eq!(read("root-ca.pem"), root);
    assert!(read("policy.json").contains("arn:aws:iot:us-east-1:000000000000:client/pump\""));
    let device: serde_json::Value = serde_json::from_str(&read("device.json")).unwrap();
    assert_eq!(device["thingArn"], "arn:aws:iot:us-east-1:000000000000:thing/pump");
    assert_eq!(device["endpoint"], "localhost");
}

#[test]
fn what_a_device_publishes_a_subscriber_prints() {
    let bench = Bench::new(&[]);
    let folder = bench.device("pump", &[]);
    let subscribe = ["sub", "pump/#", "--count", "1", "--device", &folder];
    let mut subscriber = bench.server.spawn(&subscribe);
    // Until the subscription stands, messages go by.
    while subscriber.try_wait().unwrap().is_none() {
        bench.succeeds(&["pub", "pump/hello", "{\"on\": true}", "--device", &folder]);
    }
    let output = subscriber.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(text(&output), "pump/hello {\"on\": true}\n");
}

#[test]
fn an_interrupted_subscriber_ends_cleanly() {
    let bench = Bench::new(&[]);
    let folder = bench.device("pump", &[]);
    let mut subscriber = bench.server.spawn(&["sub", "pump/#", "--device", &folder]);
    let log = ["device-log", "--client-id", "pump-sub"];
    while !bench.succeeds(&log).contains("Connect") {
        assert!(subscriber.try_wait().unwrap().is_none());
    }
    let pid = Pid::from_raw(i32::try_from(subscriber.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert!(subscriber.wait().unwrap().success());
}

#[test]
fn a_refusal_comes_with_the_servers_reason() {
    let bench = Bench::new(&[]);
    let folder = bench.device("pump", &[]);
    for (arguments, expected) in [
        (["pub", "other/hello", "hi", "--qos", "1"], "iot:Publish on topic/other/hello"),
        (["pub", "other/hello", "hi", "--qos", "0"], "iot:Publish on topic/other/hello"),
        (["sub", "other/#", "--count", "1", "--qos=1"], "iot:Subscribe on topicfilter/other/#"),
        (["sub", "pump/#", "--client-id", "mill", "--qos=1"], "iot:Connect on client/mill"),
    ] {
        let said = bench.fails(&[&arguments[..], &["--device", &folder]].concat());
        assert!(said.contains(expected), "{said}");
        assert!(said.contains("Not authorized (0x87)") && said.contains("pump-policy"), "{said}");
    }
}

#[test]
fn explain_names_the_deciding_policy() {
    let bench = Bench::new(&[]);
    let folder = bench.device("pump", &[]);
    let ask = |resource: &str| {
        let question = ["explain", "--action", "iot:Publish", "--resource", resource];
        bench.succeeds(&[&question[..], &["--device", &folder]].concat())
    };
    let said = ask("topic/pump/hello");
    assert!(said.starts_with("allowed\n") && said.contains("pump-policy"), "{said}");
    let said = ask("topic/other");
    assert!(said.starts_with("refused: nothing allows it\n"), "{said}");
}

#[test]
fn explain_asks_for_the_certificate_of_a_client_that_never_came() {
    let bench = Bench::new(&[]);
    let question = ["--client-id", "x", "--action", "iot:Connect", "--resource", "client/x"];
    let said = bench.fails(&[&["explain"], &question[..]].concat());
    assert!(said.contains("--device FOLDER"), "{said}");
}

#[test]
fn the_device_log_shows_the_newest_last() {
    let bench = Bench::new(&[]);
    let folder = bench.device("pump", &[]);
    bench.fails(&["pub", "other", "hi", "--device", &folder]);
    let log = bench.succeeds(&["device-log", "--client-id", "pump-pub", "--max", "10"]);
    let places: Vec<_> = ["Connect", "Publish-In"].map(|event| log.find(event)).into();
    assert!(places[0].is_some() && places[0] < places[1], "{log}");
}

#[test]
fn the_policy_of_many_tutorials_is_refused_at_connect() {
    let bench = Bench::new(&[]);
    let policy = bench.file("tutorial.json", TUTORIAL);
    let folder = bench.device("pump", &["--policy", &policy]);
    assert_eq!(fs::read_to_string(format!("{folder}/policy.json")).unwrap(), TUTORIAL);
    let said = bench.fails(&["pub", "pump/hello", "hi", "--device", &folder]);
    assert!(said.contains("iot:Connect on client/pump-pub"), "{said}");
}

#[test]
fn a_folder_that_is_there_keeps_its_key() {
    let bench = Bench::new(&[]);
    let folder = bench.device("pump", &[]);
    let key = || fs::read(format!("{folder}/private.key")).unwrap();
    let before = key();
    let said = bench.fails(&["device", "create", "pump", "--folder", &folder]);
    assert!(said.contains("is there already"), "{said}");
    assert_eq!(key(), before);
}

#[test]
fn a_thing_that_is_there_gets_one_more_certificate() {
    let bench = Bench::new(&[]);
    let (first, second) = (bench.device("pump", &[]), bench.path("second"));
    let said = bench.succeeds(&["device", "create", "pump", "--folder", &second]);
    assert!(said.contains("was there already"), "{said}");
    for folder in [first, second] {
        bench.succeeds(&["pub", "pump/hello", "hi", "--device", &folder]);
    }
}

#[test]
fn a_policy_that_says_something_else_is_not_replaced() {
    let bench = Bench::new(&[]);
    bench.device("pump", &[]);
    let (policy, folder) = (bench.file("tutorial.json", TUTORIAL), bench.path("second"));
    let create = ["device", "create", "pump", "--folder", &folder, "--policy", &policy];
    let said = bench.fails(&create);
    assert!(said.contains("says something else"), "{said}");
    assert!(!Path::new(&folder).exists());
}

#[test]
fn a_malformed_policy_makes_nothing() {
    let bench = Bench::new(&[]);
    let (policy, folder) = (bench.file("bad.json", "{\"Version\":"), bench.path("pump"));
    let create = ["device", "create", "pump", "--folder", &folder, "--policy", &policy];
    let said = bench.fails(&create);
    assert!(said.contains("is Malformed: ") && !said.contains("Made so far"), "{said}");
    assert!(!Path::new(&folder).exists());
    assert!(bench.fails(&["device", "delete", "pump"]).contains("no device pump"));
}

#[test]
fn a_deleted_device_no_longer_connects() {
    let bench = Bench::new(&[]);
    let folder = bench.device("pump", &[]);
    let said = bench.succeeds(&["device", "delete", "pump"]);
    for gone in [":cert/", "policy pump-policy", "thing pump"] {
        assert!(said.contains(gone), "{said}");
    }
    let said = bench.fails(&["pub", "pump/hello", "hi", "--device", &folder]);
    assert!(said.contains("iot:Connect on client/pump-pub"), "{said}");
    assert!(bench.fails(&["device", "delete", "pump"]).contains("no device pump"));
}

#[test]
fn under_dev_nobody_needs_a_device() {
    let bench = Bench::new(&["--dev"]);
    bench.succeeds(&["pub", "anything/at/all", "hi"]);
    let plain = Bench::new(&[]);
    assert!(plain.fails(&["pub", "anything", "hi"]).contains("--device"));
}

#[test]
fn a_name_that_no_thing_has_is_refused_before_anything_is_made() {
    let bench = Bench::new(&[]);
    for name in ["a/b", "..", "a b"] {
        assert!(bench.fails(&["device", "create", name]).contains("letters, digits"));
    }
}

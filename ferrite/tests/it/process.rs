//! A server process with a data directory of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A running server. Killed when dropped, if it has not ended before.
pub(crate) struct Server {
    child: Child,
    /// Kept open: the server goes on to write there.
    _stdout: BufReader<ChildStdout>,
    /// Everything that was printed until it was ready.
    pub(crate) banner: String,
    data_dir: PathBuf,
}

impl Server {
    /// Starts a server on a free port and waits until it says that it is ready.
    pub(crate) fn start(data_dir: &Path, arguments: &[&str]) -> Self {
        let mut command = ferrite(&["serve"], data_dir);
        for door in ["http", "https", "mqtts"] {
            command.args(["--set", &format!("listen.{door}=127.0.0.1:0")]);
        }
        let plain = if arguments.contains(&"--dev") { "127.0.0.1:0" } else { "off" };
        command.args(["--set", &format!("listen.mqtt={plain}")]);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut banner = String::new();
        while !banner.contains(" sub ") {
            assert_ne!(stdout.read_line(&mut banner).unwrap(), 0, "it ended: {banner}");
        }
        Self { child, _stdout: stdout, banner, data_dir: data_dir.to_owned() }
    }

    /// Sends one unsigned request, and returns the status and everything else of the answer.
    pub(crate) fn request(&self, method: &str, path: &str) -> (u16, String) {
        let config = std::fs::read_to_string(self.data_dir.join("config")).unwrap();
        let address = config.split("http://").nth(1).unwrap().lines().next().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
        stream.write_all(format!("{head}content-length: 0\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split_whitespace().nth(1).unwrap().parse().unwrap();
        (status, answer)
    }

    /// Runs another command against this server.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        run(arguments, &self.data_dir)
    }

    /// Starts another command against this server; what it prints can be read.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = ferrite(arguments, &self.data_dir);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The AWS shared file with the root key.
    pub(crate) fn credentials(&self) -> String {
        std::fs::read_to_string(self.data_dir.join("credentials")).unwrap()
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn end(mut self, signal: Signal) -> ExitStatus {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs a command to its end.
pub(crate) fn run(arguments: &[&str], data_dir: &Path) -> Output {
    ferrite(arguments, data_dir).output().unwrap()
}

/// What a command printed, on both streams.
pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// The binary without the settings that the tests' own environment may hold.
fn ferrite(arguments: &[&str], data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferrite"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FERRITE_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).arg("--data-dir").arg(data_dir).stdin(Stdio::null());
    command
}

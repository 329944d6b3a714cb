//! A door in a process that runs out of file descriptors.
//!
//! The limit is the process's, so the door is opened in a child: this test binary, asked to run
//! one test that does its work only there.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncReadExt;

use crate::{door, env, serve};

/// What the child may have open: its own files and some of the connections.
const CHILD_FILES: u64 = 64;
/// More connections than the child has files for.
const CONNECTIONS: usize = 100;
/// Tells the child from the test run.
const IS_CHILD: &str = "FERRITE_TEST_FEW_FILES";
/// What the child's line with its address starts with.
const ADDRESS_IS: &str = "address is ";

/// Blocks until the door has greeted each.
fn await_greetings(streams: &mut [TcpStream]) {
    for stream in streams {
        let mut greeting = [0];
        stream.read_exact(&mut greeting).unwrap();
        assert_eq!(greeting, *b"!");
    }
}

#[test]
fn connections_wait_until_there_are_files_for_them() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "few_files::a_door_with_few_files"])
        .env(IS_CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address: SocketAddr = lines
        .by_ref()
        .map(Result::unwrap)
        .find_map(|line| line.split_once(ADDRESS_IS).map(|(_, address)| address.to_owned()))
        .unwrap()
        .parse()
        .unwrap();
    let mut streams: Vec<_> =
        (0..CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
    // Less than half of the files are the child's own, so these were let in.
    let late = streams.split_off(CHILD_FILES as usize / 2);
    await_greetings(&mut streams);
    drop(streams);
    // Each that leaves makes room for one that waits.
    for stream in late {
        await_greetings(&mut [stream]);
    }
    drop(child.stdin.take());
    // The child writes its verdict to a pipe that must still be there.
    lines.for_each(drop);
    assert!(child.wait().unwrap().success());
}

/// The child's part of the test above: by itself there is nothing to see.
#[test]
fn a_door_with_few_files() {
    if std::env::var_os(IS_CHILD).is_none() {
        return;
    }
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(CHILD_FILES), maximum }).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let env = env();
        let address = serve(ferrite_doors::open(door(CONNECTIONS), &env).await.unwrap(), &env);
        println!("{ADDRESS_IS}{address}");
        let mut parent = String::new();
        tokio::io::stdin().read_to_string(&mut parent).await.unwrap();
    });
}

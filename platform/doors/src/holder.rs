//! Who listens on a port already, from Linux's `/proc`. Elsewhere nobody knows.

use std::fmt;
use std::fs;
use std::path::Path;

/// The state of a listening socket in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// A process that listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its name, at most fifteen bytes as Linux keeps it.
    pub name: String,
    /// Its process id.
    pub pid: u32,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (process {})", self.name, self.pid)
    }
}

/// The process that listens on `port`, if it is one that this process may look at. Reads many
/// small files: for a failed start, not for a busy path.
pub(crate) fn holder_of(port: u16) -> Option<Holder> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let table = fs::read_to_string(table).ok()?;
        table.lines().find_map(|line| listening_inode(line, port)).map(str::to_owned)
    })?;
    let socket = format!("socket:[{inode}]");
    let mut pids = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| pid_of(&entry.path()));
    pids.find(|pid| holds(*pid, &socket)).and_then(named)
}

/// The inode of the socket in a line of the table, if it listens on `port`.
fn listening_inode(line: &str, port: u16) -> Option<&str> {
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?;
    let (_, local_port) = local.rsplit_once(':')?;
    let is_it = state == LISTENING && u16::from_str_radix(local_port, 16) == Ok(port);
    is_it.then_some(inode)
}

/// The process of a directory in `/proc`, where there is more than processes.
fn pid_of(directory: &Path) -> Option<u32> {
    directory.file_name()?.to_str()?.parse().ok()
}

fn holds(pid: u32, socket: &str) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files
        .flatten()
        .any(|file| fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == socket))
}

fn named(pid: u32) -> Option<Holder> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim().to_owned();
    Some(Holder { name, pid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_gives_the_inode_of_a_listening_port() {
        let line = "   0: 0100007F:11D6 00000000:0000 0A 00000000:00000000 00:00000000 00000000 \
                    1000        0 31337 1 000000009633758c 100 0 0 10 0";
        assert_eq!(listening_inode(line, 4566), Some("31337"));
        assert_eq!(listening_inode(line, 8443), None);
        assert_eq!(listening_inode(&line.replace(" 0A ", " 01 "), 4566), None);
        assert_eq!(listening_inode("sl  local_address rem_address   st", 4566), None);
    }
}

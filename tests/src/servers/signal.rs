//! Signals to processes that we started, and to those that they started.

use std::fs;
use std::process::Command;

/// Sends a signal to a process and to its children.
pub(crate) fn send(signal: &str, process: u32) {
    let mut command = Command::new("kill");
    command.arg(format!("-{signal}")).arg(process.to_string());
    command.args(children(process).iter().map(ToString::to_string));
    // One of them may have ended meanwhile; the others have heard it.
    let _ = command.stderr(std::process::Stdio::null()).status();
}

fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| parent_of(*id) == Some(parent)).collect()
}

fn parent_of(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything; what follows it is: state, parent, …
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

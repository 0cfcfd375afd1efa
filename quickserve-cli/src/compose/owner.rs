//! Who we are to other owners, and whether the processes of other owners live.

use std::fs;
use std::io::Read as _;

use quickserve_core::journal::{Liveness, Owner, Process};
use quickserve_core::{Error, ErrorKind, Result};

/// This process as an owner, under a name that no other ever has.
pub(crate) fn this_process(user: &str) -> Result<Owner> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let pid = std::process::id();
    let process = boot().zip(look(pid)).map(|(boot, seen)| Process { boot, pid, started: seen.started });
    Ok(Owner { nonce: nonce()?, who: format!("{user}@{host}"), process })
}

/// A name that nobody else has.
pub(super) fn nonce() -> Result<String> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| Error::new(ErrorKind::Unexpected, "read random numbers").with_source(error))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

/// The processes of this host, as far as `/proc` shows them.
#[derive(Debug)]
pub(crate) struct Processes;

impl Liveness for Processes {
    fn check(&self, process: &Process) -> Option<bool> {
        if boot()? != process.boot {
            return None;
        }
        Some(look(process.pid).is_some_and(|seen| seen.started == process.started && !seen.ended))
    }
}

/// The boot of this host, and the space of process ids that we see: a container counts its own.
fn boot() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), space.display()))
}

struct Seen {
    started: u64,
    ended: bool,
}

/// A process as `/proc/PID/stat` shows it. proc(5): state is field 3, the start time in ticks field 22; the
/// name in parentheses before them may hold anything.
fn look(pid: u32) -> Option<Seen> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let ended = matches!(fields.next()?, "Z" | "X" | "x");
    let started = fields.nth(18)?.parse().ok()?;
    Some(Seen { started, ended })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_another_of_its_number_does_not() {
        let owner = this_process("ada").expect("an owner");
        assert_ne!(owner.nonce, this_process("ada").expect("an owner").nonce);
        let Some(process) = owner.process else { return };
        assert_eq!(Processes.check(&process), Some(true));
        let later = Process { started: process.started + 1, ..process.clone() };
        assert_eq!(Processes.check(&later), Some(false));
        let elsewhere = Process { boot: "another".into(), ..process };
        assert_eq!(Processes.check(&elsewhere), None);
    }
}

//! Who we are to other owners, and whether the processes of other owners live.

use std::fs;
use std::io::Read as _;

use jiff::Timestamp;
use quickserve_core::journal::{Liveness, Owner, Process};
use quickserve_core::release::Digest;
use quickserve_core::{Error, ErrorKind, Result};

/// This process as an owner, under a name that no other ever has.
pub(crate) fn this_process(user: &str) -> Result<Owner> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let pid = std::process::id();
    let process = boot().zip(look(pid));
    let process =
        process.map(|(boot, seen)| Process { boot, pid, started: seen.started, machine: machine() });
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

    fn restarted(&self, process: &Process) -> Option<Timestamp> {
        let ours = (boot()?, machine()?);
        let same = process.machine.as_ref() == Some(&ours.1);
        // The first word is the boot.
        let another = ours.0.split(' ').next() != process.boot.split(' ').next();
        if same && another { booted() } else { None }
    }
}

/// The boot of this host, and the space of process ids that we see: a container counts its own.
fn boot() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), space.display()))
}

/// The first space of process ids: who sees it is in no container. `PROC_PID_INIT_INO` of Linux's
/// `include/linux/proc_ns.h`.
const FIRST_SPACE: &str = "pid:[4026531836]";

/// This machine, by a name that outlasts its boots. machine-id(5): the id itself is not to be given away, so it is
/// hashed.
fn machine() -> Option<String> {
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    let id = fs::read_to_string("/etc/machine-id").ok().filter(|_| space.as_os_str() == FIRST_SPACE)?;
    let id = id.trim();
    let whole = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then(|| Digest::of(format!("quickserve {id}").as_bytes()).hex()[..32].to_owned())
}

/// When this host was started. proc(5): `btime` of `/proc/stat`, in seconds since the epoch.
fn booted() -> Option<Timestamp> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    Timestamp::from_second(seconds.trim().parse().ok()?).ok()
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
        assert_eq!(Processes.restarted(&process), None, "it is of this boot");
        let elsewhere = Process { boot: "another".into(), machine: None, ..process.clone() };
        assert_eq!((Processes.check(&elsewhere), Processes.restarted(&elsewhere)), (None, None));
        // In a container nothing is known of the machine.
        let earlier = Process { boot: "another".into(), machine: machine(), ..process };
        assert_eq!(Processes.restarted(&earlier).is_some(), machine().is_some());
    }
}

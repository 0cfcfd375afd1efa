//! Asking a program of this machine, such as git: within a time, and not more than it may say.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use wait_timeout::ChildExt as _;

/// The groups of the programs that are asked now, for [`end`]: a signal may come at any time, from outside of all that is
/// asked. `None` after the end.
static ASKED: Mutex<Option<BTreeSet<u32>>> = Mutex::new(Some(BTreeSet::new()));

/// What a program writes to its output. Nothing where it is not there, fails, writes more than `most` bytes, or has not
/// written all of it within `time`, and ended within as long again.
///
/// It gets no input, and nobody sees its errors. What it has started itself ends with it.
pub(crate) fn ask(command: &mut Command, time: Duration, most: u64) -> Option<Vec<u8>> {
    ask_beginning(command, time, most).filter(|answer| answer.len() as u64 <= most)
}

/// The same where the beginning of a long answer is one: at least one byte more than `most` then.
pub(crate) fn ask_beginning(command: &mut Command, time: Duration, most: u64) -> Option<Vec<u8>> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let mut child = {
        let mut asked = asked();
        let groups = asked.as_mut()?;
        let child = command.spawn().ok()?;
        groups.insert(child.id());
        child
    };
    let group = child.id();
    let answer = answer(&mut child, time, most);
    // Its own children too, whether it ended or not. Only then is it waited for: until then nobody else has its number.
    kill(group);
    asked().as_mut().map(|groups| groups.remove(&group));
    // It was killed, or had ended by itself.
    let _ = child.kill();
    let _ = child.wait_timeout(time);
    answer
}

/// Ends all programs that are asked now, and asks none any more, for who is about to end: in groups of their own they do
/// not see the signal that a terminal sends.
pub fn end() {
    asked().take().into_iter().flatten().for_each(kill);
}

fn asked() -> MutexGuard<'static, Option<BTreeSet<u32>>> {
    ASKED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
fn kill(group: u32) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if let Some(group) = i32::try_from(group).ok().and_then(Pid::from_raw) {
        // It may have ended by itself meanwhile.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

#[cfg(not(unix))]
fn kill(_: u32) {}

fn answer(child: &mut Child, time: Duration, most: u64) -> Option<Vec<u8>> {
    let output = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    // Ends when the program does, or with its group.
    thread::spawn(move || {
        let mut answer = Vec::new();
        let read = output.take(most + 1).read_to_end(&mut answer);
        // Nobody listens any more where it was too late.
        let _ = sender.send(read.map(|_| answer));
    });
    let answer = receiver.recv_timeout(time).ok()?.ok()?;
    if answer.len() as u64 > most {
        return Some(answer);
    }
    // A program may close its output and go on.
    let has_ended_well = has_ended(child, time)?;
    has_ended_well.then_some(answer)
}

/// Whether it ended well. It is left to be waited for, so that the number of its group stays its own.
#[cfg(unix)]
fn has_ended(child: &Child, time: Duration) -> Option<bool> {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let pid = Pid::from_raw(i32::try_from(child.id()).ok()?)?;
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    let mut left = time;
    loop {
        if let Some(status) = waitid(WaitId::Pid(pid), options).ok()? {
            return Some(status.exit_status() == Some(0));
        }
        let pause = left.min(PAUSE);
        left = left.checked_sub(pause).filter(|left| !left.is_zero())?;
        thread::sleep(pause);
    }
}

#[cfg(not(unix))]
fn has_ended(child: &mut Child, time: Duration) -> Option<bool> {
    Some(child.wait_timeout(time).ok()??.success())
}

/// How often one looks whether a program that has said all has ended too.
#[cfg(unix)]
const PAUSE: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(100);
    /// Longer than any of these takes on a machine that others use too.
    const LONG: Duration = Duration::from_mins(1);

    fn shell(script: &str, time: Duration, most: u64) -> Option<Vec<u8>> {
        ask(Command::new("sh").args(["-c", script]), time, most)
    }

    #[test]
    fn an_answer_is_what_a_program_writes_that_ends_well() {
        assert_eq!(shell("echo said; echo wrong >&2", LONG, 100).as_deref(), Some(&b"said\n"[..]));
        assert_eq!(shell("cat", LONG, 100).as_deref(), Some(&b""[..]), "there is no input");
        assert_eq!(shell("echo said; exit 1", LONG, 100), None);
        assert_eq!(ask(&mut Command::new("no-such-program"), LONG, 100), None);
    }

    #[test]
    fn a_program_that_says_too_much_is_not_listened_to() {
        assert_eq!(shell("printf 12345", LONG, 5).as_deref(), Some(&b"12345"[..]));
        assert_eq!(shell("printf 123456", LONG, 5), None);
        assert_eq!(shell("yes", LONG, 100), None);
    }

    #[test]
    fn the_beginning_of_a_long_answer_can_be_one() {
        let said = ask_beginning(Command::new("sh").args(["-c", "yes"]), LONG, 100);
        assert_eq!(said.map(|said| said.len()), Some(101));
        let said = ask_beginning(Command::new("sh").args(["-c", "echo said; exit 1"]), LONG, 100);
        assert_eq!(said, None);
    }

    #[test]
    fn what_a_program_has_started_ends_with_it() {
        for (ending, time) in [("exit 0", LONG), ("exec sleep 600", SHORT)] {
            let folder = tempfile::tempdir().expect("a folder");
            let number = folder.path().join("pid");
            let script = format!("sleep 600 >&- & echo $! >{}; {ending}", number.display());
            let _ = shell(&script, time, 100);
            let pid = std::fs::read_to_string(&number).expect("the number of the child");
            let proc = std::path::PathBuf::from(format!("/proc/{}/stat", pid.trim()));
            // Whoever takes over orphans may let it lie as a zombie for a while.
            let is_gone = |stat: String| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z"));
            let ended = (0..500).any(|_| {
                thread::sleep(Duration::from_millis(10));
                std::fs::read_to_string(&proc).map_or(true, is_gone)
            });
            assert!(ended, "{ending}");
        }
    }

    #[test]
    fn a_program_that_takes_too_long_is_not_waited_for() {
        assert_eq!(shell("exec sleep 600", SHORT, 100), None);
        assert_eq!(
            shell("sleep 2 & echo said; exec sleep 600", SHORT, 100),
            None,
            "its child holds the pipe"
        );
        assert_eq!(shell("echo said; exec >&-; exec sleep 600", SHORT, 100), None, "it closed its output");
    }
}

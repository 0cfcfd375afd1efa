//! Asking a program of this machine, such as git: within a time, and not more than it may say.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use wait_timeout::ChildExt as _;

/// What a program writes to its output. Nothing where it is not there, fails, writes more than `most` bytes, or has not
/// written all of it within `time`, and ended within as long again.
///
/// It gets no input, and nobody sees its errors.
pub(crate) fn ask(command: &mut Command, time: Duration, most: u64) -> Option<Vec<u8>> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let answer = answer(&mut child, time, most);
    if answer.is_none() {
        // It may have ended by itself meanwhile.
        let _ = child.kill();
        let _ = child.wait();
    }
    answer
}

fn answer(child: &mut Child, time: Duration, most: u64) -> Option<Vec<u8>> {
    let output = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    // Ends when the program does. After a kill a child of its own may still hold the pipe: the thread is left to itself
    // then.
    thread::spawn(move || {
        let mut answer = Vec::new();
        let read = output.take(most + 1).read_to_end(&mut answer);
        // Nobody listens any more where it was too late.
        let _ = sender.send(read.map(|_| answer));
    });
    let answer = receiver.recv_timeout(time).ok()?.ok()?;
    // A program may close its output and go on.
    let status = child.wait_timeout(time).ok()??;
    (status.success() && answer.len() as u64 <= most).then_some(answer)
}

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

//! The service as a process of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything here takes on a busy machine; reached only by a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

const POLL: Duration = Duration::from_millis(10);

/// Asks again and again until the answer is yes.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..PATIENCE.as_millis() / POLL.as_millis() {
        if holds() {
            return;
        }
        thread::sleep(POLL);
    }
    panic!("not in time: {what}");
}

/// The program with these variables and no others.
pub(crate) fn command(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_storefront"));
    command.env_clear().envs(variables.iter().copied());
    command
}

/// Runs the program, which is expected to end by itself, with the required variables and these.
pub(crate) fn run_to_end(variables: &[(&str, &str)]) -> Output {
    command(&with_required(variables)).output().expect("run")
}

fn with_required<'a>(variables: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let required = [("PORT", "0"), ("DATABASE_URL", "tcp://db:5432"), ("STRIPE_API_KEY", "key")];
    [&required, variables].concat()
}

/// A running service; it is killed when the test ends.
#[derive(Debug)]
pub(crate) struct Storefront {
    child: Child,
    lines: Receiver<String>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Storefront {
    /// Starts the service with the required variables and these, and waits until it listens.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        let mut child =
            command(&with_required(variables)).stdout(Stdio::piped()).spawn().expect("start the service");
        let lines = lines_of(child.stdout.take().expect("stdout"));
        let mut started = Self { child, lines, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let line = started.wait_for_line("listening on 0.0.0.0:");
        let port = line.split("0.0.0.0:").nth(1).and_then(|rest| rest.split(',').next()).expect("a port");
        started.address.set_port(port.parse().expect("a port number"));
        started
    }

    /// Reads its output up to a line that contains the text.
    pub(crate) fn wait_for_line(&self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line with {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).expect("SIGTERM");
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the service ends", || {
            status = self.child.try_wait().expect("wait");
            status.is_some()
        });
        status.expect("ended")
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("wait").is_none()
    }

    /// The process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Storefront {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

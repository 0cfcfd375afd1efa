//! The person's terminal, or a pipe, as the input and output of a command that runs elsewhere.

use std::io;
use std::sync::Arc;

use futures_util::StreamExt as _;
use quickserve_core::event::Finished;
use quickserve_core::journal::{AbortKind, Cause};
use quickserve_core::outcome::Outcome;
use quickserve_core::{Error, ErrorKind};
use quickserve_docker::{Output, RunningInput, TerminalSize};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::io::AsyncWriteExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::AbortHandle;

use crate::attended::{Attended, Handle, Running, Said};
use crate::cli::Format;
use crate::failure::Failure;
use crate::output;
use crate::render::{Act, Ending, Note, Reporter};
use crate::settings::Context;

/// How a command that was attended ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With this exit code.
    Exited(i64),
    /// Because we were asked to stop.
    Interrupted(AbortKind),
}

/// How a command is attended. From its beginning on, signals are kept for the command.
pub(crate) struct Session {
    terminal: Option<TerminalSize>,
    json: bool,
    signals: Signals,
}

impl Session {
    /// With the terminal for the command alone, where a person sits at it.
    pub(crate) fn new(context: &Context) -> Self {
        let json = context.format == Format::Json;
        let terminal = (context.terminal.interactive && !json).then(size).flatten();
        Self { terminal, json, signals: Signals::new() }
    }

    /// The size of the terminal, if there is one.
    pub(crate) fn terminal(&self) -> Option<TerminalSize> {
        self.terminal
    }

    /// Attends a command until it ends.
    pub(crate) async fn attend(self, running: Running, reporter: &Reporter) -> Result<Ended, Failure> {
        match running {
            Running::Attended(attended) => self.hand_on(attended, reporter).await,
            Running::Lent(program) => self.lend(program).await,
        }
    }

    /// Lends the terminal to a program until it ends. What a person types, Ctrl-C too, is for it.
    async fn lend(mut self, mut program: tokio::process::Command) -> Result<Ended, Failure> {
        if self.json {
            let hint = "it needs the terminal for itself: leave --format json out";
            return Err(Failure::usage(
                "what runs the command has no output that could be told as JSON",
                hint,
            ));
        }
        let failed =
            |error| Error::new(ErrorKind::Unexpected, "start the program that runs it").with_source(error);
        let mut child = program.spawn().map_err(failed)?;
        loop {
            tokio::select! {
                status = child.wait() => {
                    let code = status.map_err(failed)?.code();
                    return Ok(Ended::Exited(code.map_or(i64::from(u8::MAX), i64::from)));
                }
                kind = self.signals.next() => if kind == AbortKind::Terminated {
                    // What cannot be killed has ended.
                    let _ = child.kill().await;
                    return Ok(Ended::Interrupted(kind));
                },
            }
        }
    }

    /// Hands input and output on until the command ends.
    ///
    /// A first signal asks the command to end, a second kills it; at a terminal the keys are the command's.
    async fn hand_on(mut self, attended: Attended, reporter: &Reporter) -> Result<Ended, Failure> {
        let Attended { mut output, input, has_terminal, handle } = attended;
        let terminal = self.terminal.filter(|_| has_terminal);
        let _raw = terminal.and_then(|_| Raw::enter().ok());
        let _reading = input.map(|input| Aborting(tokio::spawn(feed(input)).abort_handle()));
        let _resizing = terminal
            .and_then(|_| signal(SignalKind::window_change()).ok())
            .map(|changes| Aborting(tokio::spawn(follow(changes, Arc::clone(&handle))).abort_handle()));
        let mut writer = Writer { json: self.json, lines: Lines::default(), gone: false };
        let mut interrupted = None;
        let mut code = None;
        while code.is_none() {
            tokio::select! {
                biased;
                kind = self.signals.next() => {
                    let is_second = interrupted.is_some();
                    if !handle.can_stop() || (is_second && !handle.can_kill()) {
                        return Ok(Ended::Interrupted(kind));
                    }
                    stop(&handle, is_second);
                    interrupted = Some(kind);
                }
                chunk = output.next() => match chunk {
                    Some(chunk) => {
                        match chunk? {
                            Said::Output(output) => writer.write(&output, reporter),
                            Said::Caution(text) => reporter.caution(text),
                        }
                        // Nobody reads any more: as for any command in a pipe, that ends it.
                        if writer.gone && interrupted.is_none() {
                            stop(&handle, true);
                            interrupted = Some(AbortKind::Terminated);
                        }
                    }
                    None => match self.code(&handle, &mut interrupted).await? {
                        Some(ended) => code = Some(ended),
                        None => break,
                    },
                },
            }
        }
        writer.finish(reporter);
        Ok(match (interrupted, code) {
            (Some(kind), _) => Ended::Interrupted(kind),
            (None, code) => Ended::Exited(code.unwrap_or_default()),
        })
    }

    /// The exit code of a command that writes no more, though it may go on running; none where a second signal leaves
    /// it to end by itself.
    async fn code(
        &mut self,
        handle: &Arc<dyn Handle>,
        interrupted: &mut Option<AbortKind>,
    ) -> Result<Option<i64>, Failure> {
        let mut code = std::pin::pin!(handle.exit_code());
        loop {
            tokio::select! {
                code = code.as_mut() => return Ok(Some(code?)),
                kind = self.signals.next() => {
                    let is_second = interrupted.replace(kind).is_some();
                    if is_second && !handle.can_kill() {
                        return Ok(None);
                    }
                    stop(handle, is_second);
                }
            }
        }
    }
}

/// Asks a command to end, or kills it, while its output is still handed on.
fn stop(handle: &Arc<dyn Handle>, kill: bool) {
    let handle = Arc::clone(handle);
    tokio::spawn(async move {
        // What cannot be stopped is removed by force in the end.
        let _ = if kill { handle.kill().await } else { handle.stop().await };
    });
}

impl Ended {
    /// The command's own exit code.
    pub(crate) fn code(&self) -> Option<i64> {
        match self {
            Self::Exited(code) => Some(*code),
            Self::Interrupted(_) => None,
        }
    }

    /// Ends with the command's own exit code.
    pub(crate) fn tell(self, reporter: Reporter) -> u8 {
        let finished = match self {
            // Codes are bytes on every system that has these commands.
            Self::Exited(code) => {
                Finished { exit_code: u8::try_from(code).unwrap_or(u8::MAX), ..Finished::new(Outcome::Done) }
            }
            Self::Interrupted(kind) => {
                let outcome = match kind {
                    AbortKind::Terminated => Outcome::Terminated,
                    AbortKind::Interrupted | AbortKind::Asked => Outcome::Interrupted,
                };
                let cause = Cause::new("interrupted before the command had ended");
                Finished { cause: Some(cause), ..Finished::new(outcome) }
            }
        };
        reporter.end(Ending::of(Act::Command, finished))
    }
}

/// What a command writes, handed on as bytes, or told line by line.
struct Writer {
    json: bool,
    lines: Lines,
    /// Whether nobody reads any more.
    gone: bool,
}

/// The beginnings of lines, of each stream.
#[derive(Default)]
struct Lines {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Writer {
    fn write(&mut self, output: &Output, reporter: &Reporter) {
        if !self.json {
            self.gone |= !output::pass_on(output);
            return;
        }
        let (rest, bytes, stderr) = match output {
            Output::Stdout(bytes) => (&mut self.lines.stdout, bytes, false),
            Output::Stderr(bytes) => (&mut self.lines.stderr, bytes, true),
        };
        rest.extend(bytes);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            tell(&line, stderr, reporter);
        }
    }

    /// The last lines, whose ends never came.
    fn finish(self, reporter: &Reporter) {
        for (rest, stderr) in [(self.lines.stdout, false), (self.lines.stderr, true)] {
            if !rest.is_empty() {
                tell(&rest, stderr, reporter);
            }
        }
    }
}

fn tell(line: &[u8], stderr: bool, reporter: &Reporter) {
    let text = String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']).to_owned();
    reporter.note(Note::Output { stderr, text });
}

/// Hands our input on to its end.
async fn feed(mut input: RunningInput) {
    // A command that reads no more is no trouble.
    let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut input).await;
    let _ = input.shutdown().await;
}

/// Tells the command's terminal whenever ours changes.
async fn follow(mut changes: Signal, handle: Arc<dyn Handle>) {
    while changes.recv().await.is_some() {
        if let Some(size) = size() {
            let _ = handle.resize(size).await;
        }
    }
}

/// The size of our terminal.
fn size() -> Option<TerminalSize> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    Some(TerminalSize { rows: size.ws_row, columns: size.ws_col })
}

/// Our terminal as the command's: every key goes to it. Dropped, the terminal is as before.
struct Raw {
    before: Termios,
}

impl Raw {
    fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// A task that ends when this is dropped.
struct Aborting(AbortHandle);

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The signals that ask us to stop.
struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hang_up: Option<Signal>,
}

impl Signals {
    fn new() -> Self {
        let of = |kind| signal(kind).ok();
        Self {
            interrupt: of(SignalKind::interrupt()),
            terminate: of(SignalKind::terminate()),
            hang_up: of(SignalKind::hangup()),
        }
    }

    async fn next(&mut self) -> AbortKind {
        async fn of(signal: &mut Option<Signal>) {
            match signal {
                Some(signal) => drop(signal.recv().await),
                // Without a handler the signal ends the process.
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = of(&mut self.interrupt) => AbortKind::Interrupted,
            () = of(&mut self.terminate) => AbortKind::Terminated,
            () = of(&mut self.hang_up) => AbortKind::Terminated,
        }
    }
}

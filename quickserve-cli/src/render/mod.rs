//! Telling what happens. Events go through a queue to a thread of its own, so that a slow or broken pipe never
//! touches a deployment.

mod diagnostic;
mod ending;
mod github;
pub(crate) mod json;
mod line;
mod live;
mod narrator;
pub(crate) use narrator::short_task;
mod plain;
pub(crate) mod sarif;
mod told;
pub(crate) mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use quickserve_core::event::{Envelope, Finished, Observer, Progress};
use quickserve_core::finding::Finding;
use quickserve_core::journal::State;
use quickserve_core::release::{Release, ReleaseId};

use crate::cli::Format;
use crate::failure::Failure;
use crate::settings::{Context, Verbosity};

pub(crate) use diagnostic::Diagnostics;
pub(crate) use github::annotate;
pub(crate) use line::{Line, Style, Tone};
pub(crate) use told::Told;

/// How often a renderer is woken when nothing happens.
const BEAT: Duration = Duration::from_millis(100);

/// What a renderer is told.
enum Message {
    Event(Box<Envelope>),
    Note(Note),
    Names(BTreeMap<ReleaseId, String>),
    Ending(Box<Ending>),
}

/// What the command knows before the engine does anything.
#[derive(Debug, Clone)]
pub(crate) enum Note {
    /// What is about to be deployed.
    Deploying {
        /// As `service -> environment`.
        target: String,
        release: Box<Release>,
        change: String,
    },
    /// What the checks have shown; none of it refuses.
    Checked { passed: usize, findings: Vec<Finding> },
    /// Something that a person should know.
    Caution(String),
    /// Something that could be better.
    Remark(String),
    /// A line that a command wrote; for people it is handed on as it is, elsewhere.
    Output { stderr: bool, text: String },
}

/// What a command wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Deploy,
    Rollback,
    Resume,
    Abort,
    Pause,
    Promote,
    Scale,
    Restart,
    Lock,
    Unlock,
    Down,
    /// A command that somebody runs: its output is all that is told of a good end.
    Command,
    /// Something that changes nothing.
    Look,
}

/// How a command ended, and what a person wants to know beside it.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) act: Act,
    pub(crate) finished: Finished,
    /// Where the service is reached.
    pub(crate) url: Option<String>,
    /// Whether `rollback` would find a release.
    pub(crate) undo: bool,
    /// The flags that describe the same release again.
    pub(crate) draft: String,
    /// What the command adds: what went beside the tasks, whose lock it was.
    pub(crate) detail: Option<String>,
    /// What a removal leaves on purpose, and how it goes.
    pub(crate) kept: Option<String>,
    /// Whether anybody has looked what serves.
    pub(crate) looked: bool,
}

impl Ending {
    /// With nothing to say beside how it ended.
    pub(crate) fn of(act: Act, finished: Finished) -> Self {
        let looked = !finished.serving.is_empty();
        let (url, draft, detail, kept) = (None, String::new(), None, None);
        Self { act, finished, url, undo: false, draft, detail, kept, looked }
    }
}

/// Tells in one format.
trait Render: Send {
    fn names(&mut self, names: BTreeMap<ReleaseId, String>);
    fn event(&mut self, event: &Envelope);
    fn note(&mut self, note: &Note);
    /// Nothing happened for a while.
    fn idle(&mut self);
    fn ending(&mut self, ending: &Ending);
}

/// Hands on what happens to the renderer's thread.
#[derive(Debug)]
pub(crate) struct Reporter {
    sender: Sender<Message>,
    thread: JoinHandle<()>,
}

impl Reporter {
    /// Starts the renderer of the context's format.
    pub(crate) fn start(context: &Context) -> Self {
        Self::with(renderer(context, context.terminal.live))
    }

    /// As [`start`](Self::start), for a command that has the terminal for itself: nothing is drawn again.
    pub(crate) fn start_still(context: &Context) -> Self {
        Self::with(renderer(context, false))
    }

    fn with(renderer: Box<dyn Render>) -> Self {
        let (sender, receiver) = channel();
        let thread = std::thread::spawn(move || render(renderer, &receiver));
        Self { sender, thread }
    }

    /// For the engine.
    pub(crate) fn observer(&self) -> Arc<dyn Observer> {
        Arc::new(Queue { sender: self.sender.clone() })
    }

    /// Teaches the renderer the versions of the releases that a journal knows.
    pub(crate) fn know(&self, state: &State) {
        let version = |(id, release): (&ReleaseId, &Release)| (id.clone(), release.version.clone());
        self.send(Message::Names(state.releases.iter().map(version).collect()));
    }

    pub(crate) fn note(&self, note: Note) {
        self.send(Message::Note(note));
    }

    pub(crate) fn caution(&self, text: impl Into<String>) {
        self.note(Note::Caution(text.into()));
    }

    pub(crate) fn remark(&self, text: impl Into<String>) {
        self.note(Note::Remark(text.into()));
    }

    /// Tells how it ended, waits until that is told, and answers the exit code.
    pub(crate) fn end(self, ending: Ending) -> u8 {
        let code = ending.finished.exit_code;
        self.send(Message::Ending(Box::new(ending)));
        // A renderer that panicked has said so; the code counts all the same.
        let _ = self.thread.join();
        code
    }

    /// Tells why there was nothing to end.
    pub(crate) fn fail(self, failure: Failure) -> u8 {
        self.fail_at(Act::Look, failure)
    }

    /// Tells why what was wanted did not begin.
    pub(crate) fn fail_at(self, act: Act, failure: Failure) -> u8 {
        self.fail_draft(act, String::new(), failure)
    }

    /// Tells why a release that these flags describe was not deployed.
    pub(crate) fn fail_draft(self, act: Act, draft: String, failure: Failure) -> u8 {
        self.end(Ending { draft, ..Ending::of(act, *failure.finished) })
    }

    fn send(&self, message: Message) {
        // A renderer that is gone is no reason to stop.
        let _ = self.sender.send(message);
    }
}

fn renderer(context: &Context, live: bool) -> Box<dyn Render> {
    let narrator = narrator::Narrator::new(context.again.clone(), context.verbosity);
    let style = Style::told(&context.terminal);
    match context.format {
        // Only commands that end before they begin are told of in SARIF: as for a person.
        Format::Json => Box::new(json::Json::default()),
        Format::Github => Box::new(github::Github::new(narrator)),
        Format::Human | Format::Sarif if live && context.verbosity > Verbosity::Quiet => {
            Box::new(live::Live::new(narrator, style))
        }
        // Of a log one wants to know when what was, and nobody watches what a command in the background writes.
        Format::Human | Format::Sarif => {
            Box::new(plain::Plain::new(narrator, style, context.nonce.is_some()))
        }
    }
}

fn render(mut renderer: Box<dyn Render>, receiver: &Receiver<Message>) {
    loop {
        match receiver.recv_timeout(BEAT) {
            // The command's own end says more than the engine's.
            Ok(Message::Event(event)) if matches!(event.progress, Progress::Finished(_)) => {}
            Ok(Message::Event(event)) => renderer.event(&event),
            Ok(Message::Note(note)) => renderer.note(&note),
            Ok(Message::Names(names)) => renderer.names(names),
            Ok(Message::Ending(ending)) => return renderer.ending(&ending),
            Err(RecvTimeoutError::Timeout) => renderer.idle(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// The engine's end of the queue.
struct Queue {
    sender: Sender<Message>,
}

impl Observer for Queue {
    fn observe(&self, event: Envelope) {
        let _ = self.sender.send(Message::Event(Box::new(event)));
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queue")
    }
}

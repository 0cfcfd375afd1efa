//! The parent: it holds the sockets and sees to it that a worker serves behind them.
//!
//! It knows no service and reads no request, so that it hardly ever has to be replaced.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use quickserve_core::{Error, ErrorKind, Result};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::adopt::Adoption;
use super::changeover::{Coming, STEP, Step};
use super::children::{Event, Id, Program, Worker};
use super::messages::{FromWorker, Supervision, ToWorker};
use crate::router::folder::Folder;
use crate::router::listen::bind;
use crate::router::run::RouterSettings;

/// For workers to end after their grace.
const MARGIN: Duration = Duration::from_secs(2);

/// How often the size of the log is looked at.
const TRIM: Duration = Duration::from_secs(10);

/// How a supervised router runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Supervisor {
    /// The router itself.
    pub router: RouterSettings,
    /// The command that runs a worker ([`work`](super::work) with its stdin), such as this executable.
    pub exe: PathBuf,
    /// Its arguments. It is started without any environment variable.
    pub args: Vec<String>,
}

impl Supervisor {
    /// A router whose workers are run by this command.
    pub fn new(
        router: RouterSettings,
        exe: impl Into<PathBuf>,
        args: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self { router, exe: exe.into(), args: args.into_iter().map(Into::into).collect() }
    }
}

/// Runs the router of a folder as a parent and a worker, until `shutdown` completes or a caller asks it to end.
///
/// The parent holds the listening sockets. A worker that dies is replaced at once, and connections wait in
/// the sockets meanwhile; an upgrade starts the next worker beside the old one and hands over. In a folder
/// where a worker has lost its parent, this becomes its parent.
///
/// # Errors
/// As of [`run`](crate::router::run); [`ErrorKind::Unavailable`] when the worker cannot be started.
pub async fn supervise(supervisor: Supervisor, shutdown: impl Future<Output = ()> + Send) -> Result<()> {
    let folder = Folder::new(&supervisor.router.dir);
    folder.make()?;
    let mut parent = match folder.lock() {
        Ok(lock) => {
            let control =
                folder.listen()?.into_std().map_err(|error| failed("use the control socket", error))?;
            let mut parent = Parent::new(folder, &supervisor, lock.into(), control.into());
            parent.start()?;
            parent
        }
        Err(busy) if busy.kind() == ErrorKind::Busy => {
            let Some(adoption) = Adoption::offer(&folder).await else { return Err(busy) };
            Parent::adopt(folder, &supervisor, adoption)
        }
        Err(error) => return Err(error),
    };
    let ended = parent.run(shutdown).await;
    if parent.retired {
        tracing::info!("the parent ends and leaves its worker to another one");
    } else {
        parent.folder.unlisten();
    }
    ended
}

#[derive(Debug)]
pub(super) struct Parent {
    pub(super) folder: Folder,
    pub(super) grace: Duration,
    pub(super) program: Program,
    pub(super) lock: OwnedFd,
    pub(super) control: Option<OwnedFd>,
    pub(super) listeners: BTreeMap<SocketAddr, OwnedFd>,
    pub(super) workers: BTreeMap<Id, Worker>,
    /// The one that serves.
    pub(super) active: Option<Id>,
    /// The one that is to serve next.
    pub(super) coming: Option<Coming>,
    /// When the next one is started.
    pub(super) start_at: Option<Instant>,
    /// How many in a row died before they served.
    pub(super) failures: u32,
    /// Whether any has ever served.
    pub(super) served: bool,
    pub(super) supervision: Supervision,
    /// Until when all must have ended.
    pub(super) ending: Option<Instant>,
    /// Whether the workers are left to another parent.
    pub(super) retired: bool,
    pub(super) next: Id,
    pub(super) events: (mpsc::UnboundedSender<Event>, mpsc::UnboundedReceiver<Event>),
}

impl Parent {
    fn new(folder: Folder, supervisor: &Supervisor, lock: OwnedFd, control: OwnedFd) -> Self {
        Self {
            folder,
            grace: supervisor.router.grace,
            program: Program::new(&supervisor.exe, &supervisor.args),
            lock,
            control: Some(control),
            listeners: BTreeMap::new(),
            workers: BTreeMap::new(),
            active: None,
            coming: None,
            start_at: None,
            failures: 0,
            served: false,
            supervision: Supervision {
                pid: std::process::id(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                deaths: 0,
                last_death: None,
                lost: 0,
            },
            ending: None,
            retired: false,
            next: 0,
            events: mpsc::unbounded_channel(),
        }
    }

    /// Becomes the parent of a worker that has lost its own.
    fn adopt(folder: Folder, supervisor: &Supervisor, adoption: Adoption) -> Self {
        let Adoption { pid, version, link, receiver, lock, control, listeners } = adoption;
        let mut parent = Self::new(folder, supervisor, lock, control);
        if let Err(error) = Folder::note_holder(&parent.lock) {
            tracing::warn!(%error, "note the router's pid");
        }
        parent.listeners = listeners;
        let worker = Worker::adopted(0, &parent.events.0, (pid, version), link, receiver);
        worker.link.say(&ToWorker::Supervised(parent.supervision.clone()));
        parent.workers.insert(0, worker);
        parent.next = 1;
        parent.active = Some(0);
        parent.served = true;
        tracing::info!(pid, "supervises a worker that had lost its parent");
        parent
    }

    async fn run(&mut self, shutdown: impl Future<Output = ()>) -> Result<()> {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut trim = tokio::time::interval(TRIM);
        loop {
            if self.retired || self.ending.is_some() && self.workers.is_empty() {
                return Ok(());
            }
            let due = self.due();
            tokio::select! {
                () = &mut shutdown, if self.ending.is_none() => self.end(),
                Some(event) = self.events.1.recv() => match event {
                    Event::Said(id, message, fds) => self.said(id, message, fds),
                    Event::Gone(id, how, clean) => self.gone(id, &how, clean)?,
                },
                () = sleep_until(due) => self.overdue(),
                _ = trim.tick() => self.folder.trim_log(),
            }
        }
    }

    /// When something has to happen at the latest.
    fn due(&self) -> Instant {
        let coming = self.coming.as_ref().map(|coming| coming.deadline);
        let far = Instant::now() + Duration::from_hours(1);
        [coming, self.start_at, self.ending].into_iter().flatten().min().unwrap_or(far)
    }

    fn overdue(&mut self) {
        let now = Instant::now();
        if self.ending.is_some_and(|ending| ending <= now) {
            for worker in self.workers.values() {
                worker.kill.cancel();
            }
            self.ending = Some(now + MARGIN);
        }
        if self.start_at.is_some_and(|at| at <= now) {
            self.start_at = None;
            if let Err(error) = self.start() {
                tracing::error!(%error, "start a worker");
                self.start_later();
            }
        }
        if let Some(coming) = &mut self.coming
            && coming.deadline <= now
        {
            coming.deadline = now + STEP;
            if let Some(worker) = self.workers.get_mut(&coming.id) {
                let what = match coming.step {
                    Step::Starting => "the new worker did not get ready",
                    Step::HandingOver => "the worker of before did not hand over",
                    Step::Going => "the new worker did not begin to serve",
                };
                let message = format!("{what} within {} s", STEP.as_secs());
                worker.failure.get_or_insert_with(|| Error::new(ErrorKind::TimedOut, message).into());
                worker.kill.cancel();
            }
        }
    }

    /// Duplicates of the lock and the control socket.
    pub(super) fn keys(&self) -> io::Result<Vec<OwnedFd>> {
        let control = self.control.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        Ok(vec![self.lock.try_clone()?, control.try_clone()?])
    }

    fn said(&mut self, id: Id, message: FromWorker, _fds: VecDeque<OwnedFd>) {
        let is_coming = |step| self.coming.as_ref().is_some_and(|one| one.id == id && one.step == step);
        let hands_over = self.coming.as_ref().is_some_and(|coming| coming.step != Step::Starting);
        match message {
            FromWorker::Hello { version } => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.version = version;
                }
            }
            FromWorker::Listen { ask, address } => self.listen(id, ask, address),
            FromWorker::LetGo { ask, address } => {
                if self.active == Some(id) && self.ending.is_none() {
                    self.listeners.remove(&address);
                }
                self.say(id, &ToWorker::LetGone { ask });
            }
            FromWorker::Ready if is_coming(Step::Starting) => self.ready(),
            FromWorker::HandedOver if hands_over && self.active == Some(id) => {
                if self.coming.as_ref().is_some_and(|coming| coming.step == Step::HandingOver) {
                    self.go();
                }
            }
            FromWorker::Serving { listening } => self.serves(id, &listening),
            FromWorker::Failed(failure) => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.failure = Some(failure);
                }
            }
            FromWorker::Over => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.over = true;
                }
            }
            FromWorker::InFlight(count) => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.in_flight = count;
                }
            }
            FromWorker::Upgrade(upgrade) => self.upgrade(id, upgrade),
            FromWorker::End => self.end(),
            FromWorker::Retire => self.retired = self.ending.is_none() && self.coming.is_none(),
            FromWorker::Ready
            | FromWorker::HandedOver
            | FromWorker::Adopted { .. }
            | FromWorker::Holds { .. }
            | FromWorker::AllHeld => {}
        }
    }

    fn listen(&mut self, id: Id, ask: u64, address: SocketAddr) {
        let held = match self.listeners.get(&address) {
            _ if self.ending.is_some() => {
                Err(Error::new(ErrorKind::Unavailable, "the router ends").temporary())
            }
            Some(fd) => {
                fd.try_clone().map(|fd| (fd, address)).map_err(|error| failed("share a socket", error))
            }
            None => bind(address).and_then(|listener| {
                let address = listener.local_addr();
                let kept = listener.into_std().map(OwnedFd::from);
                let granted = address.and_then(|address| {
                    let kept = kept?;
                    let fd = kept.as_fd().try_clone_to_owned()?;
                    self.listeners.insert(address, kept);
                    Ok((fd, address))
                });
                granted.map_err(|error| failed("share a socket", error))
            }),
        };
        let Some(worker) = self.workers.get(&id) else { return };
        match held {
            Ok((fd, address)) => worker.link.pass(&ToWorker::Listener { ask, address }, vec![fd]),
            Err(error) => worker.link.say(&ToWorker::NoListener { ask, failure: error.into() }),
        }
    }

    pub(super) fn say(&self, id: Id, message: &ToWorker) {
        if let Some(worker) = self.workers.get(&id) {
            worker.link.say(message);
        }
    }

    /// Begins to end: nothing listens any more, requests in flight may finish.
    fn end(&mut self) {
        if self.ending.is_some() {
            return;
        }
        tracing::info!("the router ends");
        self.ending = Some(Instant::now() + self.grace + MARGIN);
        (self.coming, self.start_at) = (None, None);
        self.folder.unlisten();
        self.control = None;
        self.listeners.clear();
        for worker in self.workers.values() {
            worker.link.say(&ToWorker::End);
        }
    }
}

pub(super) fn failed(what: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, what).temporary().with_source(error)
}

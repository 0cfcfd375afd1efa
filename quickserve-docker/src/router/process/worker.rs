//! A worker's life: it serves behind its parent, hands over to the next one, and follows that to its end.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quickserve_core::{Error, ErrorKind, Result};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::adopt;
use super::follower::{Followed, follow};
use super::followers::Followers;
use super::link;
use super::listeners::Listeners;
use super::messages::{FromWorker, ToWorker};
use super::supervised::{Order, Supervised};
use crate::router::access_log::AccessLog;
use crate::router::control;
use crate::router::door::Doors;
use crate::router::folder::Folder;
use crate::router::hub::Hub;
use crate::router::state::State;

/// For the parent's first word.
const WELCOME: Duration = Duration::from_secs(10);

/// How often the parent is told how many requests a sudden death would cost.
pub(super) const COUNT: Duration = Duration::from_millis(500);

struct Worker {
    dir: PathBuf,
    grace: Duration,
    /// What followers give up: the lock, and the socket that calls come through.
    keys: Option<Keys>,
    parent: Arc<Supervised>,
    orders: mpsc::UnboundedReceiver<Order>,
    doors: Doors,
    listeners: Arc<Listeners>,
    followers: Arc<Followers>,
}

/// What makes a worker the router of its folder.
#[derive(Debug)]
struct Keys {
    lock: OwnedFd,
    control: OwnedFd,
}

/// Why a worker stops serving.
enum Stop {
    End,
    HandOver(Duration),
}

/// Runs a router's worker. Its parent, which has started it, is at the other end of `link`.
///
/// A worker outlives its parent and goes on serving; a second router cannot start in its folder meanwhile.
///
/// # Errors
/// [`ErrorKind::Invalid`] when the router's state is damaged; [`ErrorKind::Unavailable`] when no parent speaks.
pub async fn work(link: OwnedFd) -> Result<()> {
    let mute = |error: io::Error| {
        let message = "speak to the router's parent";
        let hint = "a worker is started by the router itself: quickserve router run";
        Error::new(ErrorKind::Unavailable, message).with_hint(hint).with_source(error)
    };
    let (sender, mut receiver) = link::open(link).map_err(mute)?;
    sender.say(&FromWorker::Hello { version: env!("CARGO_PKG_VERSION").to_owned() });
    let welcome = tokio::time::timeout(WELCOME, receiver.hear()).await.ok().flatten();
    let Some(link::Heard { message: ToWorker::Welcome { dir, grace, supervision }, fds }) = welcome else {
        return Err(mute(io::ErrorKind::UnexpectedEof.into()));
    };
    let (parent, orders) = Supervised::new();
    parent.attend(sender, receiver, Some(supervision));
    let folder = Folder::new(&dir);
    let worker = Worker {
        dir,
        grace,
        keys: Keys::of(fds),
        parent: Arc::clone(&parent),
        orders,
        doors: Doors::new(AccessLog::new(&folder)),
        listeners: Arc::new(Listeners::of(Arc::clone(&parent))),
        followers: Arc::default(),
    };
    let ended = worker.run().await;
    parent.say(&match &ended {
        Ok(()) => FromWorker::Over,
        Err(error) => FromWorker::Failed(error.into()),
    });
    parent.flush().await;
    ended
}

impl Worker {
    async fn run(mut self) -> Result<()> {
        let folder = Folder::new(&self.dir);
        // Now, so that a state which cannot be read keeps this process from taking over.
        State::read(&folder)?;
        self.parent.say(&FromWorker::Ready);
        if !self.wait_for_go().await {
            return Ok(());
        }
        let (parent, listeners) = (Arc::clone(&self.parent), Arc::clone(&self.listeners));
        let followers = Arc::clone(&self.followers);
        let hub = Hub::restore(folder.clone(), self.doors.clone(), listeners, followers, Some(parent))?;
        let hub = Arc::new(hub);
        loop {
            // Before any call is answered: what was set last may not have reached each of them.
            self.followers.tell(hub.told().await).await;
            match self.serve(&hub).await? {
                Stop::End => {
                    self.followers.end();
                    if self.parent.is_orphan() {
                        folder.unlisten();
                    }
                    self.keys = None;
                    hub.hand_over().await;
                    self.doors.close(self.grace).await;
                    return hub.save_counters().await;
                }
                Stop::HandOver(linger) => {
                    if let Some(fds) = self.hand_over(&hub, linger).await {
                        self.keys = Keys::of(fds).or(self.keys.take());
                    } else {
                        return Ok(());
                    }
                    hub.take_back().await;
                }
            }
        }
    }

    /// Waits for the word to serve; false when there is nothing to do any more.
    async fn wait_for_go(&mut self) -> bool {
        while let Some(order) = self.orders.recv().await {
            match order {
                Order::Lead(pid, fd) => self.lead(pid, fd),
                Order::Go => return true,
                Order::End | Order::Orphaned => return false,
                Order::HandOver { .. } | Order::Resume(_) | Order::Follow(_) | Order::Adoption(_) => {}
            }
        }
        false
    }

    fn lead(&self, pid: u32, fd: OwnedFd) {
        if let Err(error) = self.followers.lead(pid, fd) {
            tracing::error!(%error, pid, "lead a worker of before");
        }
    }

    /// Serves until it is told to stop.
    async fn serve(&mut self, hub: &Arc<Hub>) -> Result<Stop> {
        let all_open = hub.open_doors().await;
        let keys = self.keys.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, "get the control socket from the router's parent")
        })?;
        let control = keys.listener().map_err(|error| {
            Error::new(ErrorKind::Unexpected, "use the router's control socket").with_source(error)
        })?;
        self.parent.say(&FromWorker::Serving { listening: self.listeners.addresses() });
        let pid = std::process::id();
        tracing::info!(dir = %self.dir.display(), pid, "the router serves");
        let mut signals = Signals::new();
        let mut ending = false;
        let control = control::serve(control, Arc::clone(hub));
        let reopen = hub.keep_opening(all_open);
        let parent = Arc::clone(&self.parent);
        let count = count(&parent, hub);
        tokio::pin!(control, reopen, count);
        loop {
            // Each of these may hold what the others wait for, such as the services, so none is waited for alone:
            // no branch awaits anything once it was chosen.
            let order = tokio::select! {
                () = &mut control => continue,
                () = &mut reopen => continue,
                () = &mut count => continue,
                () = hub.asked_to_end.cancelled(), if !ending => None,
                () = signals.any(), if !ending => None,
                order = self.orders.recv() => order,
            };
            match order {
                None if self.parent.is_orphan() => return Ok(Stop::End),
                None => {
                    // It will tell all of us.
                    self.parent.say(&FromWorker::End);
                    ending = true;
                }
                Some(Order::End) => return Ok(Stop::End),
                Some(Order::HandOver { linger }) => return Ok(Stop::HandOver(linger)),
                Some(Order::Orphaned) if ending => return Ok(Stop::End),
                Some(Order::Orphaned) => {
                    tracing::error!(
                        "the router's parent is gone; this worker goes on, and nobody replaces it"
                    );
                }
                // Of several that offered themselves at once, the first.
                Some(Order::Adoption(_)) if !self.parent.is_orphan() => {}
                Some(Order::Adoption(stream)) => {
                    let keys = self.keys.as_ref().and_then(|keys| keys.duplicate().ok());
                    let sockets = self.listeners.duplicates();
                    if let (Some(keys), Ok(sockets)) = (keys, sockets) {
                        // They know only the parent of before, which could not tell them of a next worker.
                        self.followers.end();
                        adopt::accept(&self.parent, stream, keys, sockets, self.grace);
                    }
                }
                Some(Order::Lead(pid, fd)) => self.lead(pid, fd),
                Some(Order::Resume(_) | Order::Follow(_) | Order::Go) => {}
            }
        }
    }

    /// Hands over and follows. Answers the lock and the control socket when it is to serve again.
    async fn hand_over(&mut self, hub: &Arc<Hub>, linger: Duration) -> Option<VecDeque<OwnedFd>> {
        hub.hand_over().await;
        if let Err(error) = hub.hand_counters_over().await {
            tracing::error!(%error, "counters may be forgotten");
        }
        self.followers.release();
        self.parent.say(&FromWorker::HandedOver);
        loop {
            match self.orders.recv().await? {
                Order::Follow(leader) => {
                    // Not to keep another router from starting, should this process be the last one left.
                    self.keys = None;
                    let times = (linger, self.grace);
                    return match follow(hub, &self.doors, &self.parent, &mut self.orders, leader, times).await
                    {
                        Followed::Ended => None,
                        Followed::Resumed(fds) => Some(fds),
                    };
                }
                Order::Resume(fds) => return Some(fds),
                // Nobody else serves: then we do.
                Order::Orphaned => return Some(VecDeque::new()),
                Order::End => {
                    self.doors.close(self.grace).await;
                    return None;
                }
                Order::HandOver { .. } | Order::Lead(..) | Order::Go | Order::Adoption(_) => {}
            }
        }
    }
}

/// Tells the parent how many requests are in flight, on and on, whenever that has changed.
async fn count(parent: &Supervised, hub: &Hub) {
    let mut counted = 0;
    let mut next = tokio::time::interval(COUNT);
    loop {
        next.tick().await;
        let now = hub.at_work().await;
        if now != counted {
            parent.say(&FromWorker::InFlight(now));
            counted = now;
        }
    }
}

impl Keys {
    fn of(mut fds: VecDeque<OwnedFd>) -> Option<Self> {
        let (lock, control) = (fds.pop_front()?, fds.pop_front()?);
        Some(Self { lock, control })
    }

    fn duplicate(&self) -> io::Result<Vec<OwnedFd>> {
        Ok(vec![self.lock.try_clone()?, self.control.try_clone()?])
    }

    fn listener(&self) -> io::Result<UnixListener> {
        let listener = std::os::unix::net::UnixListener::from(self.control.try_clone()?);
        listener.set_nonblocking(true)?;
        UnixListener::from_std(listener)
    }
}

/// The signals that end a router.
struct Signals(Vec<tokio::signal::unix::Signal>);

impl Signals {
    fn new() -> Self {
        Self([SignalKind::interrupt(), SignalKind::terminate()].into_iter().flat_map(signal).collect())
    }

    async fn any(&mut self) {
        let signals = self.0.iter_mut().map(|signal| Box::pin(signal.recv()));
        let signals: Vec<_> = signals.collect();
        if signals.is_empty() {
            // Without handlers a signal ends the process as it is.
            return std::future::pending().await;
        }
        let _ = futures_util::future::select_all(signals).await;
    }
}

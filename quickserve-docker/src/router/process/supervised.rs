//! A worker's parent, as the worker sees it.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quickserve_core::{Error, ErrorKind, Result};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use super::link::{Heard, Receiver, Sender};
use super::messages::{FromWorker, Supervision, ToWorker, Upgrade};

/// What the parent wants its worker to do.
#[derive(Debug)]
pub(crate) enum Order {
    HandOver {
        linger: Duration,
    },
    /// With the lock and the control socket.
    Resume(VecDeque<OwnedFd>),
    Follow(OwnedFd),
    Lead(u32, OwnedFd),
    Go,
    End,
    /// The parent is gone.
    Orphaned,
    /// Another process offers to be the parent, over this connection.
    Adoption(UnixStream),
}

/// The parent of this process, whether it still lives or not.
#[derive(Debug)]
pub(crate) struct Supervised {
    orders: mpsc::UnboundedSender<Order>,
    parent: Mutex<Parent>,
    next: AtomicU64,
}

#[derive(Debug, Default)]
struct Parent {
    link: Option<Sender>,
    supervision: Option<Supervision>,
    asks: BTreeMap<u64, oneshot::Sender<Result<Granted>>>,
    upgrades: Vec<oneshot::Sender<Result<()>>>,
}

/// A listening socket, its address and what else was passed.
type Granted = (Option<SocketAddr>, VecDeque<OwnedFd>);

impl Supervised {
    /// Without a parent yet.
    pub(super) fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<Order>) {
        let (orders, received) = mpsc::unbounded_channel();
        (Arc::new(Self { orders, parent: Mutex::default(), next: AtomicU64::new(1) }), received)
    }

    /// Has a parent from now on, over this link.
    pub(super) fn attend(
        self: &Arc<Self>,
        link: Sender,
        mut receiver: Receiver,
        supervision: Option<Supervision>,
    ) {
        {
            let mut parent = self.lock();
            parent.link = Some(link);
            parent.supervision = supervision;
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            while let Some(heard) = receiver.hear().await {
                this.obey(heard);
            }
            // Whoever waits for an answer sees that none will come.
            *this.lock() = Parent::default();
            let _ = this.orders.send(Order::Orphaned);
        });
    }

    fn obey(&self, heard: Heard<ToWorker>) {
        let Heard { message, mut fds } = heard;
        let order = match message {
            ToWorker::Welcome { supervision, .. } | ToWorker::Supervised(supervision) => {
                self.lock().supervision = Some(supervision);
                return;
            }
            ToWorker::Listener { ask, address } => return self.answer(ask, Ok((Some(address), fds))),
            ToWorker::NoListener { ask, failure } => return self.answer(ask, Err(failure.into())),
            ToWorker::LetGone { ask } => return self.answer(ask, Ok((None, fds))),
            ToWorker::Upgraded => return self.upgraded(|| Ok(())),
            ToWorker::NotUpgraded(failure) => {
                let mut failure = Some(failure);
                let lost = || Error::new(ErrorKind::Conflict, "another upgrade went on at the same time");
                return self.upgraded(|| Err(failure.take().map_or_else(lost, Error::from)));
            }
            ToWorker::HandOver { linger } => Order::HandOver { linger },
            ToWorker::Resume => Order::Resume(fds),
            ToWorker::Follow => match fds.pop_front() {
                Some(fd) => Order::Follow(fd),
                None => return,
            },
            ToWorker::Lead { pid } => match fds.pop_front() {
                Some(fd) => Order::Lead(pid, fd),
                None => return,
            },
            ToWorker::Go => Order::Go,
            ToWorker::End => Order::End,
        };
        let _ = self.orders.send(order);
    }

    /// Takes a new parent, unless there is one.
    pub(crate) fn offer(&self, stream: UnixStream) {
        if self.lock().link.is_none() {
            let _ = self.orders.send(Order::Adoption(stream));
        }
    }

    pub(crate) fn supervision(&self) -> Option<Supervision> {
        self.lock().supervision.clone()
    }

    pub(crate) fn is_orphan(&self) -> bool {
        self.lock().link.is_none()
    }

    pub(super) fn say(&self, message: &FromWorker) {
        if let Some(link) = &self.lock().link {
            link.say(message);
        }
    }

    /// Waits until all that was said has left this process.
    pub(super) async fn flush(&self) {
        let link = self.lock().link.clone();
        if let Some(link) = link {
            link.flush().await;
        }
    }

    /// Asks for a listening socket; nothing when there is no parent.
    pub(super) async fn listen(&self, address: SocketAddr) -> Option<Result<(OwnedFd, SocketAddr)>> {
        let answer = self.ask(|ask| FromWorker::Listen { ask, address }).await?;
        Some(answer.and_then(|(address, mut fds)| match (address, fds.pop_front()) {
            (Some(address), Some(fd)) => Ok((fd, address)),
            _ => Err(Error::new(ErrorKind::Unexpected, "get a listening socket from the router's parent")),
        }))
    }

    /// Has the parent close a listening socket.
    pub(super) async fn let_go(&self, address: SocketAddr) {
        let _ = self.ask(|ask| FromWorker::LetGo { ask, address }).await;
    }

    /// The same without waiting for it.
    pub(super) fn let_go_some_time(&self, address: SocketAddr) {
        self.say(&FromWorker::LetGo { ask: 0, address });
    }

    /// Has the parent replace this process.
    pub(crate) async fn upgrade(&self, upgrade: Upgrade) -> Result<()> {
        let (done, over) = oneshot::channel();
        {
            let mut parent = self.lock();
            let Some(link) = &parent.link else {
                return Err(Error::new(ErrorKind::Conflict, "nobody supervises the router"));
            };
            link.say(&FromWorker::Upgrade(upgrade));
            parent.upgrades.push(done);
        }
        over.await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Unavailable, "the router's parent died during the upgrade"))
        })
    }

    /// Has the parent end and leave this process to another one.
    pub(crate) fn retire(&self) {
        self.say(&FromWorker::Retire);
    }

    async fn ask(&self, question: impl FnOnce(u64) -> FromWorker) -> Option<Result<Granted>> {
        let ask = self.next.fetch_add(1, Relaxed);
        let (sender, answer) = oneshot::channel();
        {
            let mut parent = self.lock();
            let link = parent.link.clone()?;
            parent.asks.insert(ask, sender);
            link.say(&question(ask));
        }
        answer.await.ok()
    }

    fn answer(&self, ask: u64, answer: Result<Granted>) {
        if let Some(asker) = self.lock().asks.remove(&ask) {
            let _ = asker.send(answer);
        }
    }

    fn upgraded(&self, mut outcome: impl FnMut() -> Result<()>) {
        for asker in std::mem::take(&mut self.lock().upgrades) {
            let _ = asker.send(outcome());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Parent> {
        self.parent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

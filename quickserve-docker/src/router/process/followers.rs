//! A worker's followers: the workers of before that still have connections, and are led by it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use quickserve_core::release::ReleaseId;
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::Counters;
use quickserve_core::{Error, ErrorKind, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::link::{self, Receiver, Sender};
pub(crate) use super::messages::{Load, Told};
use super::messages::{Report, ToFollower};
use crate::router::protocol::FollowerStatus;

/// For a follower to take over a split. One that cannot would send requests where none may go any more.
const OBEY: Duration = Duration::from_secs(4);

/// For a follower to say how it is.
const ANSWER: Duration = Duration::from_secs(4);

/// All followers of a worker.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    inner: Arc<Mutex<Inner>>,
    next: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    list: Vec<Follower>,
    /// What those that have ended had answered.
    ended: BTreeMap<ServiceKey, BTreeMap<ReleaseId, Counters>>,
    /// How many requests they had that were for no service.
    unrouted: u64,
}

#[derive(Debug)]
struct Follower {
    pid: u32,
    link: Sender,
    asks: BTreeMap<u64, oneshot::Sender<()>>,
    last: Report,
    reader: JoinHandle<()>,
}

impl Followers {
    /// Leads one more.
    pub(super) fn lead(&self, pid: u32, fd: OwnedFd) -> io::Result<()> {
        let (link, receiver) = link::open(fd)?;
        let mut inner = lock(&self.inner);
        let reader = tokio::spawn(read(Arc::clone(&self.inner), pid, receiver));
        inner.list.push(Follower { pid, link, asks: BTreeMap::new(), last: Report::default(), reader });
        Ok(())
    }

    /// Leads none any more: another worker does.
    pub(crate) fn release(&self) {
        for follower in std::mem::take(&mut lock(&self.inner).list) {
            follower.reader.abort();
        }
    }

    /// Has every follower obey these splits; returns when each does or is gone.
    pub(crate) async fn tell(&self, services: Vec<Told>) {
        let asked = self.question(|ask| ToFollower::Tell { ask, services: services.clone() });
        let obeyed = asked.into_iter().map(|(pid, mut answer)| async move {
            if timeout(OBEY, &mut answer).await.is_ok() {
                return;
            }
            // Its connection is open, so it lives and the number is still its own.
            tracing::error!(pid, "a worker of before does not obey and is killed");
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
            let _ = answer.await;
        });
        join_all(obeyed).await;
    }

    /// Asks every follower how it is.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`], temporary, when one does not say.
    pub(crate) async fn ask(&self) -> Result<()> {
        let asked = self.question(|ask| ToFollower::Ask { ask });
        let answers = asked.into_iter().map(|(pid, answer)| async move {
            timeout(ANSWER, answer).await.map(|_| ()).map_err(|_| {
                let message = format!("a worker of before (pid {pid}) does not say what it still works on");
                Error::new(ErrorKind::TimedOut, message).temporary()
            })
        });
        join_all(answers).await.into_iter().collect()
    }

    /// Has every follower end.
    pub(crate) fn end(&self) {
        for follower in &lock(&self.inner).list {
            follower.link.say(&ToFollower::End);
        }
    }

    /// What followers said last of a service, those that have ended included.
    pub(crate) fn load(&self, service: &ServiceKey) -> Load {
        let inner = lock(&self.inner);
        let mut sum =
            Load { counters: inner.ended.get(service).cloned().unwrap_or_default(), ..Load::default() };
        for (_, load) in inner.list.iter().flat_map(|one| &one.last.loads).filter(|(key, _)| key == service) {
            for (task, count) in &load.in_flight {
                *sum.in_flight.entry(task.clone()).or_default() += count;
            }
            add(&mut sum.counters, &load.counters);
        }
        sum
    }

    /// What those that have ended had answered: it will not be said again.
    pub(crate) fn ended(&self, service: &ServiceKey) -> BTreeMap<ReleaseId, Counters> {
        lock(&self.inner).ended.get(service).cloned().unwrap_or_default()
    }

    /// How many requests were for no service, as far as followers have said, those that have ended included.
    pub(crate) fn unrouted(&self) -> u64 {
        let inner = lock(&self.inner);
        inner.unrouted + inner.list.iter().map(|follower| follower.last.unrouted).sum::<u64>()
    }

    /// Forgets what was answered for a service.
    pub(crate) fn forget(&self, service: &ServiceKey) {
        lock(&self.inner).ended.remove(service);
    }

    /// All of them, as a person may know them.
    pub(crate) fn statuses(&self) -> Vec<FollowerStatus> {
        let status = |one: &Follower| FollowerStatus {
            pid: one.pid,
            version: one.last.version.clone(),
            connections: one.last.connections,
        };
        lock(&self.inner).list.iter().map(status).collect()
    }

    fn question(&self, question: impl Fn(u64) -> ToFollower) -> Vec<(u32, oneshot::Receiver<()>)> {
        let mut inner = lock(&self.inner);
        let asked = inner.list.iter_mut().map(|follower| {
            let ask = self.next.fetch_add(1, Relaxed) + 1;
            let (sender, answer) = oneshot::channel();
            follower.asks.insert(ask, sender);
            follower.link.say(&question(ask));
            (follower.pid, answer)
        });
        asked.collect()
    }
}

async fn read(inner: Arc<Mutex<Inner>>, pid: u32, mut receiver: Receiver) {
    while let Some(heard) = receiver.hear::<Report>().await {
        let mut inner = lock(&inner);
        if let Some(follower) = inner.list.iter_mut().find(|follower| follower.pid == pid) {
            let answered = follower.asks.remove(&heard.message.ask);
            follower.last = heard.message;
            if let Some(asker) = answered {
                let _ = asker.send(());
            }
        }
    }
    let mut inner = lock(&inner);
    if let Some(index) = inner.list.iter().position(|follower| follower.pid == pid) {
        // Whoever waits for it is told by this that it is gone.
        let follower = inner.list.swap_remove(index);
        inner.unrouted += follower.last.unrouted;
        for (service, load) in follower.last.loads {
            add(inner.ended.entry(service).or_default(), &load.counters);
        }
    }
}

/// Adds counters up.
pub(crate) fn add(sum: &mut BTreeMap<ReleaseId, Counters>, more: &BTreeMap<ReleaseId, Counters>) {
    for (release, more) in more {
        *sum.entry(release.clone()).or_default() += *more;
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

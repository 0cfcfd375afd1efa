//! The requests of one service: which split holds, what is claimed of it, and switching it.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use quickserve_core::orchestrator::TaskId;
use quickserve_core::release::ReleaseId;
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::{Counters, Split, SplitVersion};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::budget::Budget;
use super::counters::Tally;
use super::listen::ListenSpec;
use super::options::Options;
use super::routes::{NoTask, Part, Routes, Tried, Wanted};
use super::sticky;
use super::tls::Secure;
use super::upstream::Upstream;
use super::wire::Wire;

/// How many requests of a service wait for a release to serve, at most. Their bodies are left with the clients.
const WAITING: usize = 1000;

/// Releases outside of the split whose counters are kept.
const REMEMBERED: usize = 64;

/// The requests of one service.
#[derive(Debug)]
pub(super) struct Traffic {
    pub(super) key: ServiceKey,
    routes: RwLock<Arc<Routes>>,
    /// The version of `routes`.
    version: AtomicU64,
    tickets: AtomicU64,
    by_header: AtomicBool,
    wishes: RwLock<Arc<Wishes>>,
    /// Tells whoever acts on them by himself.
    reconfigured: Notify,
    budget: Budget,
    /// The cookie that keeps a client with a release.
    pub(super) cookie: String,
    /// Tells those that wait for a release to serve.
    switched: Notify,
    /// For each request that waits so.
    waiting: Semaphore,
    /// Tasks that have left the split and may still have requests.
    left: Mutex<Vec<Arc<Upstream>>>,
    tallies: Mutex<BTreeMap<ReleaseId, Arc<Tally>>>,
}

/// What a service asks for, and what serves it.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) options: Options,
    /// Ends TLS; there must be one where the options ask for TLS.
    pub(super) secure: Option<Arc<Secure>>,
}

/// A request's hold on a task: it counts as in flight until this is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) upstream: Arc<Upstream>,
    pub(super) tally: Arc<Tally>,
    /// Whether the task speaks HTTP/2.
    pub(super) speaks_h2: bool,
    version: SplitVersion,
}

impl Traffic {
    pub(super) fn new(key: ServiceKey, counters: &BTreeMap<ReleaseId, Counters>) -> Self {
        let tallies = counters
            .iter()
            .map(|(release, counters)| (release.clone(), Arc::new(Tally::new(release.clone(), *counters))));
        Self {
            cookie: sticky::name(&key),
            key,
            routes: RwLock::new(Arc::new(Routes::new(SplitVersion(0), Vec::new()))),
            version: AtomicU64::new(0),
            tickets: AtomicU64::new(0),
            by_header: AtomicBool::new(false),
            wishes: RwLock::default(),
            reconfigured: Notify::new(),
            budget: Budget::new(Instant::now()),
            switched: Notify::new(),
            waiting: Semaphore::new(WAITING),
            left: Mutex::default(),
            tallies: Mutex::new(tallies.collect()),
        }
    }

    /// Makes this split hold for every request from now on.
    ///
    /// When it returns, no request will be sent to a task outside of the split, other than those that
    /// [`in_flight`](Traffic::in_flight) counts.
    pub(super) fn switch(&self, split: &Split, version: SplitVersion) {
        let old = self.routes();
        let mut left = lock(&self.left);
        let mut known: Vec<Arc<Upstream>> = left.drain(..).collect();
        known.extend(old.parts.iter().flat_map(|part| part.upstreams.iter().cloned()));
        let mut tallies = lock(&self.tallies);

        let mut parts = Vec::with_capacity(split.routes.len());
        for route in &split.routes {
            let mut upstreams = Vec::with_capacity(route.upstreams.len());
            for upstream in &route.upstreams {
                let same = known.iter().position(|known| known.is(upstream));
                let same = same.map(|index| known.swap_remove(index));
                let upstream = same.unwrap_or_else(|| Arc::new(Upstream::new(upstream)));
                upstream.open();
                upstreams.push(upstream);
            }
            let tally = tallies
                .entry(route.release.clone())
                .or_insert_with(|| Arc::new(Tally::new(route.release.clone(), Counters::default())));
            let tally = Arc::clone(tally);
            parts.push(Part::new(route, tally, upstreams));
        }
        let routes = Arc::new(Routes::new(version, parts));
        {
            let mut current = self.routes.write().unwrap_or_else(PoisonError::into_inner);
            *current = routes;
            self.version.store(version.0, Ordering::SeqCst);
        }

        self.switched.notify_waiters();

        // Only now, so that a connection which a request is just giving back cannot be kept.
        known.retain(|upstream| {
            upstream.close();
            upstream.in_flight() > 0
        });
        *left = known;
        while tallies.len() > REMEMBERED + split.routes.len() {
            let Some(forgotten) = tallies.keys().find(|release| split.route(release).is_none()).cloned()
            else {
                break;
            };
            tallies.remove(&forgotten);
        }
    }

    /// Chooses a task for a request and counts the request in, at one instant with regard to switches.
    pub(super) fn claim(
        &self,
        wanted: &Wanted,
        ticket: u64,
        tried: &Tried,
        repeatable: bool,
    ) -> Result<Claim, NoTask> {
        loop {
            let routes = self.routes();
            let (part, upstream) = routes.next(wanted, ticket, tried, repeatable)?;
            // First counted in, then the version looked at again. A switch does it the other way round: it
            // sets the version, and `in_flight` is read after that. In the one order of these four, either
            // we see the new version here, or whoever reads `in_flight` sees us.
            upstream.enter();
            let claim = Claim {
                upstream: Arc::clone(upstream),
                tally: Arc::clone(&part.tally),
                speaks_h2: part.speaks_h2,
                version: routes.version,
            };
            if self.holds(&claim) {
                return Ok(claim);
            }
        }
    }

    /// Whether the split is still the one that a claim was made under.
    pub(super) fn holds(&self, claim: &Claim) -> bool {
        self.version.load(Ordering::SeqCst) == claim.version.0
    }

    pub(super) fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn by_header(&self) -> bool {
        self.by_header.load(Ordering::Relaxed)
    }

    pub(super) fn set_by_header(&self, by_header: bool) {
        self.by_header.store(by_header, Ordering::Relaxed);
    }

    /// Whether the task that this request will be given speaks HTTP/2, as far as can be told now.
    pub(super) fn speaks_h2(&self, wanted: &Wanted, ticket: u64) -> bool {
        self.routes().speaks_h2(wanted, ticket)
    }

    /// Makes what the service asks for hold for every request from now on.
    /// `secure` is what ends TLS, where that is asked for; without it nobody is let in.
    pub(super) fn configure(&self, spec: &ListenSpec, secure: Option<Arc<Secure>>) {
        self.by_header.store(spec.by_header(), Ordering::Relaxed);
        let wishes = Arc::new(Wishes { options: spec.options.clone(), secure });
        *self.wishes.write().unwrap_or_else(PoisonError::into_inner) = wishes;
        self.reconfigured.notify_one();
    }

    /// Waits until the service asks for something else. Only one may wait.
    pub(super) async fn reconfigured(&self) {
        self.reconfigured.notified().await;
    }

    /// Whether a request that a task took may be sent again.
    pub(super) fn may_repeat(&self, percent: u32) -> bool {
        let requests = self.tickets.load(Ordering::Relaxed);
        let may = self.budget.take(Instant::now(), requests, percent);
        if !may {
            tracing::debug!(service = %self.key, "the retry budget is spent");
        }
        may
    }

    /// What the service asks for, as it holds for a connection that begins now.
    pub(super) fn wishes(&self) -> Arc<Wishes> {
        Arc::clone(&self.wishes.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for a switch, where no release serves and not too many wait already. Answers whether there was one.
    pub(super) async fn next_switch(&self, deadline: Instant) -> bool {
        let Ok(_place) = self.waiting.try_acquire() else { return false };
        let mut switched = pin!(self.switched.notified());
        // One that came before this is seen by looking again, and one after it is told.
        switched.as_mut().enable();
        if !self.routes().is_vacant() {
            return true;
        }
        tokio::time::timeout_at(deadline, switched).await.is_ok()
    }

    /// The split's releases, as a person may know them.
    pub(super) fn releases(&self) -> Vec<ReleaseId> {
        self.routes().parts.iter().map(|part| part.release.clone()).collect()
    }

    /// Whether several releases serve.
    pub(super) fn is_shared(&self) -> bool {
        self.routes().is_shared
    }

    /// Every task of the split.
    pub(super) fn upstreams(&self) -> Vec<Arc<Upstream>> {
        self.routes().parts.iter().flat_map(|part| part.upstreams.iter().cloned()).collect()
    }

    /// The tasks of the split that others are preferred to, and why.
    pub(super) fn ailing(&self) -> BTreeMap<TaskId, String> {
        let ailing = |upstream: &Arc<Upstream>| Some((upstream.task.clone(), upstream.ailment()?.to_owned()));
        self.upstreams().iter().filter_map(ailing).collect()
    }

    pub(super) fn in_flight(&self) -> BTreeMap<TaskId, u64> {
        // The split is read under the lock that a switch holds, so that no task is missed between the two.
        let mut left = lock(&self.left);
        left.retain(|upstream| upstream.in_flight() > 0);
        let routes = self.routes();
        let mut counts = BTreeMap::new();
        let serving = routes.parts.iter().flat_map(|part| &part.upstreams);
        for upstream in serving.chain(left.iter()) {
            let count = upstream.in_flight();
            if count > 0 {
                *counts.entry(upstream.task.clone()).or_default() += count;
            }
        }
        counts
    }

    pub(super) fn counters(&self) -> BTreeMap<ReleaseId, Counters> {
        lock(&self.tallies).iter().map(|(release, tally)| (release.clone(), tally.read())).collect()
    }

    fn routes(&self) -> Arc<Routes> {
        Arc::clone(&self.routes.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Claim {
    /// Gives a connection back to the task's pool, which is closed once the task has left the split.
    pub(super) fn give_back(&self, wire: Wire) {
        self.upstream.pool.put(wire);
    }

    /// The task did not finish its answer.
    pub(super) fn broke_off(&self) {
        self.tally.broke_off();
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.upstream.leave();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::thread;

    use quickserve_core::traffic::{Role, Route, Upstream as Named};
    use quickserve_core::workload::Protocol;

    use super::*;

    const SWITCHES: u64 = 150;

    #[test]
    fn a_task_that_has_left_and_is_idle_is_never_claimed_again() {
        let address: SocketAddr = "127.0.0.1:9".parse().expect("an address");
        let name = |release: usize| TaskId(release.to_string());
        let to = |release: usize| Split {
            routes: vec![Route {
                release: format!("r-{release:012}").parse().expect("a release's name"),
                role: Role::Serving(1),
                protocol: Protocol::Http1,
                upstreams: vec![Named { task: name(release), address }],
            }],
        };
        let key = ServiceKey::new("storefront", "local").expect("a service's name");
        let traffic = Traffic::new(key, &BTreeMap::new());
        let splits = [to(0), to(1)];
        traffic.switch(&splits[0], SplitVersion(1));
        let stopped = [AtomicBool::new(false), AtomicBool::new(false)];
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let claimants: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut wrong = 0;
                        while !over.load(Ordering::SeqCst) {
                            let claim =
                                traffic.claim(&Wanted::Any, 0, &Tried::default(), true).expect("a task");
                            let release = usize::from(claim.upstream.task == name(1));
                            wrong += u64::from(stopped[release].load(Ordering::SeqCst));
                        }
                        wrong
                    })
                })
                .collect();
            for version in 0..SWITCHES {
                let (old, new) = if version % 2 == 0 { (0, 1) } else { (1, 0) };
                traffic.switch(&splits[new], SplitVersion(version + 2));
                while traffic.in_flight().contains_key(&name(old)) {
                    thread::yield_now();
                }
                // Its owner was told that it is idle, and stops it.
                stopped[old].store(true, Ordering::SeqCst);
                thread::yield_now();
                stopped[old].store(false, Ordering::SeqCst);
            }
            over.store(true, Ordering::SeqCst);
            let wrong: u64 = claimants.into_iter().map(|claimant| claimant.join().expect("no panic")).sum();
            assert_eq!(wrong, 0);
        });
    }
}

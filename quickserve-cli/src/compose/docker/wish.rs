//! Where a service shall listen with which split, and whether a split waits for that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use quickserve_core::journal::Act;
use quickserve_core::release::ReleaseId;
use quickserve_core::traffic::Split;
use quickserve_docker::router::{ListenSpec, ServiceStatus};

/// Where a service shall listen: as quickserve.toml says now, and as it was before.
#[derive(Debug)]
pub(super) struct Wish {
    now: Option<ListenSpec>,
    /// The release with which the port moves, where it was deployed by this process.
    moves_with: OnceLock<ReleaseId>,
    /// The release that a former owner was on the way to, where this process may finish that.
    finishes: OnceLock<ReleaseId>,
    /// Where and how the service listened before: so it goes on until that release serves, and again when that
    /// release is taken back.
    before: Mutex<Option<ListenSpec>>,
    /// Whether whatever is done takes requests back.
    goes_back: AtomicBool,
    /// Why it does not listen as it was asked to, in a sentence.
    amiss: Mutex<Option<String>>,
}

impl Wish {
    /// Without `now`, the service's port stays as it is.
    pub(super) fn new(now: Option<ListenSpec>) -> Self {
        let (moves_with, finishes, before) = (OnceLock::new(), OnceLock::new(), Mutex::default());
        Self { now, moves_with, finishes, before, goes_back: AtomicBool::new(false), amiss: Mutex::default() }
    }

    /// As quickserve.toml says.
    pub(super) fn now(&self) -> Option<&ListenSpec> {
        self.now.as_ref()
    }

    /// The port moves when this release gets requests, and not before. Said once.
    pub(super) fn move_with(&self, release: &ReleaseId) {
        // The same release is deployed again while it waits for another owner.
        let _ = self.moves_with.set(release.clone());
    }

    /// Whatever is done from now on takes requests back.
    pub(super) fn go_back(&self) {
        self.goes_back.store(true, Ordering::Relaxed);
    }

    /// What another owner began may be finished by this process: that act, with this release as its goal.
    pub(super) fn succeed(&self, act: Act, goal: Option<&ReleaseId>) {
        match (act, goal) {
            (Act::Rollback, _) => self.go_back(),
            (_, Some(release)) => {
                let _ = self.finishes.set(release.clone());
            }
            (_, None) => {}
        }
    }

    /// Keeps in mind where and how the service listens. Anew by each owner that this process becomes: others may
    /// have moved it in between.
    pub(super) fn remember(&self, service: &ServiceStatus) {
        if let Some(now) = &self.now
            && let Some(at) = service.listening
        {
            let asked = service.asked.as_ref().unwrap_or(now);
            *lock(&self.before) = Some(ListenSpec { public: at.public, ..asked.clone() });
        }
    }

    /// Where the service shall listen with this split.
    pub(super) fn with(&self, split: &Split) -> Option<ListenSpec> {
        let before = lock(&self.before).clone();
        if self.moves(split) { self.now.clone() } else { before.or_else(|| self.now.clone()) }
    }

    /// Where the service listened before, with all else as quickserve.toml asks for it now; nothing where that is the
    /// same.
    pub(super) fn as_today(&self, listen: &ListenSpec) -> Option<ListenSpec> {
        let today = ListenSpec { public: listen.public, ..self.now.clone()? };
        (today != *listen).then_some(today)
    }

    /// Whether this split takes requests back, which is worth more than a port.
    pub(super) fn takes_back(&self, split: &Split) -> bool {
        let finishes = self.finishes.get().is_none_or(|release| serves(split, release));
        self.is_way_back() || !self.moves(split) || !finishes
    }

    /// Whether whatever is done takes requests back.
    pub(super) fn is_way_back(&self) -> bool {
        self.goes_back.load(Ordering::Relaxed)
    }

    /// Notes why the service does not listen as it was asked to, or that it does.
    pub(super) fn note(&self, amiss: Option<String>) {
        *lock(&self.amiss) = amiss;
    }

    pub(super) fn amiss(&self) -> Option<String> {
        lock(&self.amiss).clone()
    }

    /// Whether the service moves, or has moved, with this split.
    fn moves(&self, split: &Split) -> bool {
        self.moves_with.get().is_none_or(|release| serves(split, release))
    }
}

fn serves(split: &Split, release: &ReleaseId) -> bool {
    split.serving().any(|(serving, _)| serving == release)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

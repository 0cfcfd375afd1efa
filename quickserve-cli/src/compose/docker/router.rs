//! The router, started and told where to listen when a deployment first needs it, and not before.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use quickserve_core::fence::Fence;
use quickserve_core::journal::Act;
use quickserve_core::orchestrator::TaskId;
use quickserve_core::release::ReleaseId;
use quickserve_core::traffic::{Counters, Split, SplitVersion, TrafficRouter};
use quickserve_core::{Error, ErrorKind, Result};
use quickserve_docker::router::{Launch, ListenSpec, RouterClient, ensure_running};

use super::wish::Wish;
use crate::asked::{self, Difference};

#[cfg(test)]
mod tests;

/// A router that is there once an owner has raised its epoch.
///
/// Until then one that does not run is no error: nothing is sent anywhere. A new owner's first act is to
/// [`raise`](TrafficRouter::raise); it holds the lock then and its checks have passed, so that is when the
/// router is started. The service's port is opened with the first split that has a route, and moves, where
/// another one is asked for, with the release that was deployed to be there. Should the router die later, the
/// next call brings it back.
#[derive(Debug)]
pub(crate) struct StandingRouter {
    client: RouterClient,
    launch: Launch,
    wish: Wish,
    raised: AtomicBool,
}

impl StandingRouter {
    /// Without `listen`, the service's port stays as it is.
    pub(crate) fn new(client: RouterClient, launch: Launch, listen: Option<ListenSpec>) -> Self {
        Self { client, launch, wish: Wish::new(listen), raised: AtomicBool::new(false) }
    }

    /// The port moves when this release gets requests, and not before. Said once.
    pub(crate) fn move_with(&self, release: &ReleaseId) {
        self.wish.move_with(release);
    }

    /// Whatever is done from now on takes requests back: no port is worth to keep them where they are.
    pub(crate) fn go_back(&self) {
        self.wish.go_back();
    }

    /// What another owner began may be finished by this process, forward or back: that act, with this release as its
    /// goal.
    pub(crate) fn succeed(&self, act: Act, goal: Option<&ReleaseId>) {
        self.wish.succeed(act, goal);
    }

    /// Why the service does not listen as it was asked to, in a sentence.
    pub(crate) fn amiss(&self) -> Option<String> {
        self.wish.amiss()
    }

    /// Has the service listen as this asks for; answers with a word about what could not be had.
    async fn configure(&self, fence: &Fence, listen: &ListenSpec) -> Result<Option<String>> {
        let configured = self.standing(|| self.client.configure(fence, listen)).await;
        match (configured, self.wish.as_today(listen)) {
            // What it asked for before may be gone, such as a certificate's file: a release that is good goes on
            // behind what there is today.
            (Err(error), Some(today)) if is_about_what_was_asked(error.kind()) => {
                match self.standing(|| self.client.configure(fence, &today)).await {
                    Ok(_) => {
                        let why = error.causes().join(": ");
                        Ok(Some(format!(
                            "it is reached as quickserve.toml asks for now, not as before: {why}"
                        )))
                    }
                    Err(second) => Err(neither(error, second)),
                }
            }
            (configured, _) => configured.map(|_| None),
        }
    }

    /// Whether a split is set although the service cannot listen as it should with it: one that takes requests back
    /// is not withheld for that, where they come in at all.
    async fn is_set_all_the_same(&self, split: &Split, error: &Error) -> bool {
        let is_about_the_caller = matches!(error.kind(), ErrorKind::Fenced | ErrorKind::Unavailable);
        if is_about_the_caller || !self.wish.takes_back(split) {
            return false;
        }
        let Ok(status) = self.client.control().status().await else { return false };
        let mut services = status.services.iter();
        services.any(|service| service.service == *self.client.service() && service.listening.is_some())
    }

    /// Refuses a router that would pass over a part of what the service asks for, before anything is asked of it.
    /// What only takes requests back does not wait for another router.
    async fn check_age(&self) -> Result<()> {
        match self.wish.now() {
            Some(listen) if !listen.rule.is_any() && !self.wish.is_way_back() => {
                self.client.control().status().await?.understands(&listen.rule)
            }
            _ => Ok(()),
        }
    }

    /// Keeps in mind where and how the service listens, before this process moves it.
    async fn remember(&self) -> Result<()> {
        if self.wish.now().is_none() {
            return Ok(());
        }
        let status = self.client.control().status().await?;
        let ours = status.services.iter().find(|service| service.service == *self.client.service());
        if let Some(service) = ours {
            self.wish.remember(service);
        }
        Ok(())
    }

    fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
    }

    /// Makes a call; where nobody answers, once more with the router started.
    async fn standing<T, F: Future<Output = Result<T>>>(&self, call: impl Fn() -> F) -> Result<T> {
        match call().await {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                ensure_running(&self.launch).await?;
                call().await
            }
            answer => answer,
        }
    }

    /// Makes a call that only looks: a router that does not run yet has nothing to show.
    async fn look<T: Default, F: Future<Output = Result<T>>>(&self, call: impl Fn() -> F) -> Result<T> {
        if self.is_raised() {
            return self.standing(call).await;
        }
        match call().await {
            Err(error) if error.kind() == ErrorKind::Unavailable => Ok(T::default()),
            answer => answer,
        }
    }
}

/// Whether a refusal is of what was asked for, and not of who asked or when.
fn is_about_what_was_asked(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound | ErrorKind::Invalid | ErrorKind::PermissionDenied | ErrorKind::Unexpected
    )
}

/// Why a service can listen neither as before nor as quickserve.toml asks for now.
fn neither(before: Error, today: Error) -> Error {
    if matches!(today.kind(), ErrorKind::Fenced | ErrorKind::Unavailable) {
        // It says nothing of what was asked for.
        return today;
    }
    // What was there before is what a person looks for first.
    before.with_context("as quickserve.toml asks for now", today.causes().join(": "))
}

#[async_trait]
impl TrafficRouter for StandingRouter {
    async fn split(&self) -> Result<(Split, SplitVersion)> {
        self.look(|| self.client.split()).await
    }

    async fn raise(&self, fence: &Fence) -> Result<()> {
        ensure_running(&self.launch).await?;
        self.check_age().await?;
        self.client.raise(fence).await?;
        self.remember().await?;
        self.raised.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn set(&self, fence: &Fence, expect: SplitVersion, split: &Split) -> Result<SplitVersion> {
        if !split.routes.is_empty()
            && let Some(listen) = self.wish.with(split)
        {
            let amiss = match self.configure(fence, &listen).await {
                Ok(amiss) => amiss,
                Err(error) if self.is_set_all_the_same(split, &error).await => {
                    Some(format!("it is not reached as it was asked for: {}", error.causes().join(": ")))
                }
                Err(error) => return Err(error),
            };
            self.wish.note(amiss);
        }
        self.standing(|| self.client.set(fence, expect, split)).await
    }

    async fn is_as_asked(&self, split: &Split) -> Result<bool> {
        let Some(wanted) = self.wish.with(split) else { return Ok(true) };
        let status = match self.client.control().status().await {
            // Once there is an owner, the next call brings it back.
            Err(error) if error.kind() == ErrorKind::Unavailable => return Ok(!self.is_raised()),
            status => status?,
        };
        let now = asked::in_effect(&status, self.client.service());
        Ok(now.is_some_and(|now| Difference::between(&now, &wanted).is_none()))
    }

    async fn closed(&self) -> Result<Option<String>> {
        if self.is_raised() {
            return self.standing(|| self.client.closed()).await;
        }
        match self.client.closed().await {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                Ok(Some("the router is not running".to_owned()))
            }
            closed => closed,
        }
    }

    async fn in_flight(&self) -> Result<BTreeMap<TaskId, u64>> {
        self.look(|| self.client.in_flight()).await
    }

    async fn counters(&self) -> Result<BTreeMap<ReleaseId, Counters>> {
        self.look(|| self.client.counters()).await
    }

    async fn remove(&self, fence: &Fence) -> Result<()> {
        self.standing(|| self.client.remove(fence)).await
    }
}

impl fmt::Display for StandingRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)
    }
}

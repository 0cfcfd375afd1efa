//! The router, started and told where to listen when a deployment first needs it, and not before.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use quickserve_core::fence::Fence;
use quickserve_core::orchestrator::TaskId;
use quickserve_core::release::ReleaseId;
use quickserve_core::traffic::{Counters, Split, SplitVersion, TrafficRouter};
use quickserve_core::{Error, ErrorKind, Result};
use quickserve_docker::router::{Launch, ListenSpec, RouterClient, ensure_running};

use crate::asked::{self, Difference};

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
    listen: Option<ListenSpec>,
    /// The release with which the port moves, where it was deployed by this process.
    moves_with: OnceLock<ReleaseId>,
    /// Where and how the service listened before: so it goes on until that release serves, and again when that
    /// release is taken back.
    before: Mutex<Option<ListenSpec>>,
    /// Whether whatever is done takes requests back.
    goes_back: AtomicBool,
    /// Why it does not listen as it should, although its requests have gone back.
    stays: Mutex<Option<String>>,
    raised: AtomicBool,
}

impl StandingRouter {
    /// Without `listen`, the service's port stays as it is.
    pub(crate) fn new(client: RouterClient, launch: Launch, listen: Option<ListenSpec>) -> Self {
        let (moves_with, before, stays) = (OnceLock::new(), Mutex::default(), Mutex::default());
        let (goes_back, raised) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { client, launch, listen, moves_with, before, goes_back, stays, raised }
    }

    /// The port moves when this release gets requests, and not before. Said once.
    pub(crate) fn move_with(&self, release: &ReleaseId) {
        // The same release is deployed again while it waits for another owner.
        let _ = self.moves_with.set(release.clone());
    }

    /// Whatever is done from now on takes requests back: no port is worth to keep them where they are.
    pub(crate) fn go_back(&self) {
        self.goes_back.store(true, Ordering::Relaxed);
    }

    /// Why the service does not listen as it should, although its requests have gone back.
    pub(crate) fn stays(&self) -> Option<String> {
        self.stays.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the service moves, or has moved, with this split.
    fn moves(&self, split: &Split) -> bool {
        let serves = |release| split.serving().any(|(serving, _)| serving == release);
        self.moves_with.get().is_none_or(serves)
    }

    /// Where the service shall listen with this split.
    fn listen_for(&self, split: &Split) -> Option<ListenSpec> {
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if self.moves(split) { self.listen.clone() } else { before.or_else(|| self.listen.clone()) }
    }

    /// Has the service listen as this asks for.
    async fn configure(&self, fence: &Fence, listen: &ListenSpec) -> Result<()> {
        let configured = self.standing(|| self.client.configure(fence, listen)).await;
        match (configured, self.as_today(listen)) {
            // What it asked for before may be gone, such as a certificate's file: a release that is good goes on
            // behind what there is today.
            (Err(error), Some(today)) if is_about_what_was_asked(error.kind()) => {
                let configured = self.standing(|| self.client.configure(fence, &today)).await;
                configured.map(drop).map_err(|second| neither(error, second))
            }
            (configured, _) => configured.map(drop),
        }
    }

    /// Whether a split is set although the service cannot listen as it should with it: one that takes requests back
    /// is not withheld for that, where they come in at all.
    async fn is_set_all_the_same(&self, split: &Split, error: &Error) -> bool {
        let is_about_the_caller = matches!(error.kind(), ErrorKind::Fenced | ErrorKind::Unavailable);
        let goes_back = self.goes_back.load(Ordering::Relaxed) || !self.moves(split);
        if is_about_the_caller || !goes_back {
            return false;
        }
        let Ok(status) = self.client.control().status().await else { return false };
        let mut services = status.services.iter();
        services.any(|service| service.service == *self.client.service() && service.listening.is_some())
    }

    /// Where the service listened before, with all else as quickserve.toml asks for it now; nothing where that is the
    /// same.
    fn as_today(&self, listen: &ListenSpec) -> Option<ListenSpec> {
        let today = ListenSpec { public: listen.public, ..self.listen.clone()? };
        (today != *listen).then_some(today)
    }

    /// Keeps in mind where and how the service listens, before this process moves it.
    async fn remember(&self) -> Result<()> {
        let Some(listen) = &self.listen else { return Ok(()) };
        let status = self.client.control().status().await?;
        let service = status.services.iter().find(|service| service.service == *self.client.service());
        if let Some(service) = service
            && let Some(at) = service.listening
        {
            let asked = service.asked.as_ref().unwrap_or(listen);
            let before = ListenSpec { public: at.public, ..asked.clone() };
            // Anew by each owner that this process becomes: others may have moved it in between.
            *self.before.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
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
        self.client.raise(fence).await?;
        self.remember().await?;
        self.raised.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn set(&self, fence: &Fence, expect: SplitVersion, split: &Split) -> Result<SplitVersion> {
        if !split.routes.is_empty()
            && let Some(listen) = self.listen_for(split)
        {
            let stays = match self.configure(fence, &listen).await {
                Ok(()) => None,
                Err(error) if self.is_set_all_the_same(split, &error).await => {
                    Some(error.causes().join(": "))
                }
                Err(error) => return Err(error),
            };
            *self.stays.lock().unwrap_or_else(PoisonError::into_inner) = stays;
        }
        self.standing(|| self.client.set(fence, expect, split)).await
    }

    async fn is_as_asked(&self, split: &Split) -> Result<bool> {
        let Some(wanted) = self.listen_for(split) else { return Ok(true) };
        let status = match self.client.control().status().await {
            // Once there is an owner, the next call brings it back.
            Err(error) if error.kind() == ErrorKind::Unavailable => return Ok(!self.is_raised()),
            status => status?,
        };
        let now = asked::in_effect(&status, self.client.service());
        Ok(now.is_some_and(|now| Difference::between(&now, &wanted).is_none()))
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::Path;

    use quickserve_core::fence::Epoch;
    use quickserve_core::service::ServiceKey;
    use quickserve_core::traffic::{Role, Route, Upstream};
    use quickserve_core::workload::Protocol;
    use quickserve_docker::router::{RouterControl, RouterSettings, Tls, run};
    use tempfile::TempDir;

    use super::*;

    fn fence(epoch: u64) -> Fence {
        Fence { epoch: Epoch(epoch), op: 0, not_after: jiff::Timestamp::MAX }
    }

    fn release(digit: &str) -> ReleaseId {
        format!("r-{}", digit.repeat(12)).parse().expect("a release's name")
    }

    fn serving(digit: &str) -> Split {
        let address = "127.0.0.1:9".parse().expect("an address");
        let upstreams = vec![Upstream { task: TaskId("t".to_owned()), address }];
        let (release, role, protocol) = (release(digit), Role::Serving(1), Protocol::Http1);
        Split { routes: vec![Route { release, role, protocol, upstreams }] }
    }

    fn at(address: &str) -> ListenSpec {
        ListenSpec::new(address.parse().expect("an address"))
    }

    fn with_certificate(name: &str) -> ListenSpec {
        let mut listen = at("127.0.0.1:0");
        let file = |end| Path::new("/nowhere").join(format!("{name}.{end}"));
        listen.options.tls = Some(Tls::Files { certificate: file("crt"), key: file("key") });
        listen
    }

    /// A router, what asks it, and what stands before it with a wish.
    struct Stage {
        client: RouterClient,
        standing: StandingRouter,
        _folder: TempDir,
    }

    impl Stage {
        async fn new(wish: ListenSpec) -> Self {
            let folder = TempDir::new().expect("a folder");
            let running = tokio::spawn(run(RouterSettings::new(folder.path()), std::future::pending()));
            let control = RouterControl::new(folder.path());
            while control.status().await.is_err() {
                assert!(!running.is_finished(), "the router ended");
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            let client = control.service(ServiceKey::new("shop", "local").expect("a service's name"));
            let launch = Launch::new(folder.path(), "/nowhere/quickserve", [""; 0]);
            let standing = StandingRouter::new(client.clone(), launch, Some(wish));
            Self { client, standing, _folder: folder }
        }

        /// Where the service listens.
        async fn public(&self) -> Option<SocketAddr> {
            let status = self.client.control().status().await.expect("a status");
            status.services.first().and_then(|service| Some(service.listening?.public))
        }

        async fn set(&self, epoch: u64, split: &Split) -> Result<SplitVersion> {
            let (_, version) = self.standing.split().await.expect("a split");
            self.standing.set(&fence(epoch), version, split).await
        }
    }

    #[tokio::test]
    async fn until_its_release_serves_the_port_is_where_it_was_when_this_owner_began() {
        let stage = Stage::new(at("127.0.0.1:0")).await;
        stage.client.configure(&fence(1), &at("127.0.0.1:0")).await.expect("it listens");
        stage.standing.move_with(&release("b"));
        stage.standing.raise(&fence(2)).await.expect("an owner");
        // While this process waits for its turn again, another owner moves it.
        stage.client.configure(&fence(3), &at("0.0.0.0:0")).await.expect("it listens");
        let moved = stage.public().await;
        stage.standing.raise(&fence(4)).await.expect("an owner");
        stage.set(4, &serving("a")).await.expect("a split");
        assert_eq!(stage.public().await, moved);
        stage.set(4, &serving("b")).await.expect("a split");
        assert_ne!(stage.public().await, moved);
    }

    #[tokio::test]
    async fn traffic_goes_back_also_where_the_port_of_before_is_taken() {
        let stage = Stage::new(at("127.0.0.1:0")).await;
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let before = free.expect("a port");
        stage.client.configure(&fence(1), &ListenSpec::new(before)).await.expect("it listens");
        stage.standing.move_with(&release("b"));
        stage.standing.raise(&fence(2)).await.expect("an owner");
        stage.set(2, &serving("b")).await.expect("a split");
        let moved = stage.public().await;
        assert_ne!(moved, Some(before));
        let stranger = std::net::TcpListener::bind(before).expect("the port of before is free");
        stage.set(2, &serving("a")).await.expect("the split all the same");
        let (split, _) = stage.client.split().await.expect("a split");
        assert_eq!((split, stage.public().await), (serving("a"), moved));
        let why = stage.standing.stays().expect("a reason");
        assert!(why.contains(&before.to_string()), "{why}");
        drop(stranger);
        stage.set(2, &serving("a")).await.expect("a split");
        assert_eq!((stage.public().await, stage.standing.stays()), (Some(before), None));
    }

    #[tokio::test]
    async fn only_what_goes_back_is_worth_more_than_a_port() {
        let stage = Stage::new(with_certificate("new")).await;
        stage.client.configure(&fence(1), &at("127.0.0.1:0")).await.expect("it listens");
        stage.standing.raise(&fence(2)).await.expect("an owner");
        stage.set(2, &serving("b")).await.expect_err("there is no certificate");
        assert_eq!(stage.client.split().await.expect("a split").0, Split::default());
        stage.standing.go_back();
        stage.set(2, &serving("a")).await.expect("the split all the same");
        assert!(stage.standing.stays().is_some_and(|why| why.contains("new.crt")));
    }

    #[tokio::test]
    async fn where_nothing_can_be_had_both_reasons_are_told() {
        let stage = Stage::new(with_certificate("new")).await;
        stage.standing.raise(&fence(1)).await.expect("an owner");
        stage.standing.move_with(&release("b"));
        *stage.standing.before.lock().expect("no panic") = Some(with_certificate("old"));
        let refused = stage.set(1, &serving("a")).await.expect_err("there is no certificate");
        let told = refused.causes().join(": ");
        assert!(told.contains("old.crt") && told.contains("new.crt"), "{told}");
        assert_eq!(stage.public().await, None);
    }
}

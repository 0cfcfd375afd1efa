//! Faults are planted in the backends in memory, and the suites must name the rules that break.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use quickserve_core::clock::Clock;
use quickserve_core::contract::{
    self, PlatformFixture, PlatformStage, RouterFixture, RouterStage, SecretsFixture, SecretsStage,
};
use quickserve_core::fence::{Epoch, Fence};
use quickserve_core::orchestrator::{
    Capabilities, Drive, Observed, Orchestrator, Revision, SetSpec, SetState, Standing, TaskFailure, TaskId,
    TaskSets, TaskState,
};
use quickserve_core::release::{Release, ReleaseId, SecretVersion};
use quickserve_core::secrets::{BoundSecret, SecretPresence, SecretStore};
use quickserve_core::traffic::{Counters, Split, SplitVersion, TrafficRouter};
use quickserve_core::{Error, ErrorKind, Result};
use secrecy::ExposeSecret as _;

use super::memory::PLAIN;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    // Of platforms.
    PlacesOneMore,
    PlacesTooFew,
    CountsDoomedTasks,
    StopsSurplusTasks,
    NeverFences,
    NeverPromotes,
    WrongDigests,
    OrderReversed,
    DoomsTheWholeSet,
    DoomNeverEnds,
    DoomFailsForStrangers,
    DoomAnswersWithOthers,
    DoomedLookAlive,
    RegistersAnew,
    ExplainsBackwards,
    ExplainsWithoutCode,
    // Of routers.
    IgnoresVersions,
    ConflictsWithItself,
    RaiseDoesNothing,
    RaiseEmpties,
    RemoveFailsTwice,
    ForgetsStandby,
    // Of secret stores.
    CheckFails,
    AlwaysCurrent,
    ShowsValues,
}

use Flaw::*;

/// Runs a suite and says how it ended.
async fn verdict(suite: impl Future<Output = ()>) -> String {
    match AssertUnwindSafe(suite).catch_unwind().await {
        Ok(()) => "held".to_owned(),
        Err(panic) => panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "another panic".to_owned()),
    }
}

fn assert_named(flaw: Flaw, verdict: &str, rule: &str) {
    assert!(
        verdict.contains(&format!("- {rule}:")),
        "{flaw:?} must break {rule:?}; the suite says: {verdict}"
    );
}

#[tokio::test]
async fn faults_in_task_sets_are_found() {
    for (flaw, rule) in [
        (PlacesOneMore, "only what is missing is added"),
        (PlacesTooFew, "a set gets as many tasks as asked for"),
        (CountsDoomedTasks, "doomed tasks of the set do not count and are left running"),
        (StopsSurplusTasks, "advance never stops a task"),
        (NeverFences, "an older owner is refused and changes nothing"),
        (NeverFences, "an older owner in another process is refused and changes nothing"),
        (NeverPromotes, "tasks have the standing asked for"),
        (WrongDigests, "tasks run the digests of their release"),
        (OrderReversed, "a set gets as many tasks as asked for"),
        (DoomsTheWholeSet, "doom leaves other tasks alone"),
        (DoomNeverEnds, "doom comes to an end and can be repeated"),
        (DoomFailsForStrangers, "what does not exist is doomed already"),
        (DoomAnswersWithOthers, "doom answers only with what was named"),
        (DoomedLookAlive, "a doomed task is seen as doomed by everyone"),
    ] {
        assert_named(flaw, &verdict(contract::task_sets(&Flawed(flaw))).await, rule);
    }
}

#[tokio::test]
async fn faults_in_platforms_are_found() {
    for (flaw, rule) in [
        (RegistersAnew, "a known release is registered again under the same revision"),
        (ExplainsBackwards, "failures are explained newest first"),
        (ExplainsWithoutCode, "a crash is explained with container and exit code"),
        (OrderReversed, "what is observed is what advance answered"),
        (NeverFences, "an older owner registers nothing"),
    ] {
        assert_named(flaw, &verdict(contract::orchestrator(&Flawed(flaw))).await, rule);
    }
}

#[tokio::test]
async fn faults_in_routers_are_found() {
    for (flaw, rule) in [
        (IgnoresVersions, "a stale version is a conflict and changes nothing"),
        (IgnoresVersions, "of two that race exactly one wins"),
        (ConflictsWithItself, "the split that is set already is a success with any version"),
        (NeverFences, "an older owner is refused and changes nothing"),
        (RaiseDoesNothing, "raise refuses older owners and changes nothing else"),
        (RaiseEmpties, "raise refuses older owners and changes nothing else"),
        (RemoveFailsTwice, "remove can be repeated"),
        (ForgetsStandby, "a split is read back exactly"),
    ] {
        assert_named(flaw, &verdict(contract::router(&Flawed(flaw))).await, rule);
    }
}

#[tokio::test]
async fn faults_in_secret_stores_are_found() {
    for (flaw, rule) in [
        (CheckFails, "a check answers for each source in order"),
        (AlwaysCurrent, "a bound version is still resolved after a change"),
        (ShowsValues, "no value is shown"),
    ] {
        assert_named(flaw, &verdict(contract::secrets(&Flawed(flaw))).await, rule);
    }
}

/// Memory with a flaw.
struct Flawed(Flaw);

struct Stage<S: ?Sized> {
    flaw: Flaw,
    inner: Box<S>,
}

/// A backend with a flaw.
#[derive(Debug)]
struct Bad<T: ?Sized> {
    flaw: Flaw,
    inner: Arc<T>,
}

impl<T: ?Sized + fmt::Display> fmt::Display for Bad<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<T: ?Sized> Bad<T> {
    fn fence(&self, fence: &Fence) -> Fence {
        if self.flaw == NeverFences { Fence { epoch: Epoch(u64::MAX), ..*fence } } else { *fence }
    }

    fn altered(&self, mut set: SetState) -> SetState {
        match self.flaw {
            OrderReversed => set.tasks.reverse(),
            WrongDigests => set.tasks.iter_mut().for_each(|task| task.images.clear()),
            DoomedLookAlive => set.tasks.iter_mut().for_each(|task| task.doomed = false),
            _ => {}
        }
        set
    }
}

#[async_trait]
impl PlatformFixture for Flawed {
    async fn fresh(&self) -> Box<dyn PlatformStage> {
        Box::new(Stage { flaw: self.0, inner: PlatformFixture::fresh(&PLAIN).await })
    }
}

impl PlatformStage for Stage<dyn PlatformStage> {
    fn platform(&self) -> Arc<dyn Orchestrator> {
        Arc::new(Bad { flaw: self.flaw, inner: self.inner.platform() })
    }

    fn another_process(&self) -> Arc<dyn Orchestrator> {
        Arc::new(Bad { flaw: self.flaw, inner: self.inner.another_process() })
    }

    fn release(&self) -> Arc<Release> {
        self.inner.release()
    }

    fn another_release(&self) -> Arc<Release> {
        self.inner.another_release()
    }

    fn crashing_release(&self) -> Arc<Release> {
        self.inner.crashing_release()
    }

    fn crash_code(&self) -> i64 {
        self.inner.crash_code()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.inner.clock()
    }
}

#[async_trait]
impl Orchestrator for Bad<dyn Orchestrator> {
    fn drive(&self) -> Drive {
        match self.inner.drive() {
            Drive::Stepwise { sets, router } => {
                Drive::Stepwise { sets: Arc::new(Bad { flaw: self.flaw, inner: sets }), router }
            }
            managed @ Drive::Managed(_) => managed,
        }
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn observe(&self) -> Result<Observed> {
        let mut observed = self.inner.observe().await?;
        if self.flaw == DoomedLookAlive {
            observed.sets =
                observed.sets.into_iter().map(|(release, set)| (release, self.altered(set))).collect();
        }
        Ok(observed)
    }

    async fn register(&self, fence: &Fence, release: &Release) -> Result<Revision> {
        let revision = self.inner.register(&self.fence(fence), release).await?;
        let anew = || Revision(format!("{revision}-{:p}", Arc::new(0)));
        Ok(if self.flaw == RegistersAnew { anew() } else { revision })
    }

    async fn explain(&self, release: &ReleaseId) -> Result<Vec<TaskFailure>> {
        let mut failures = self.inner.explain(release).await?;
        match self.flaw {
            ExplainsBackwards => failures.reverse(),
            ExplainsWithoutCode => failures.iter_mut().for_each(|failure| failure.exit_code = None),
            _ => {}
        }
        Ok(failures)
    }

    async fn circumstances(&self, release: &ReleaseId, since: Timestamp) -> Result<Vec<String>> {
        self.inner.circumstances(release, since).await
    }
}

#[async_trait]
impl TaskSets for Bad<dyn TaskSets> {
    async fn advance(&self, fence: &Fence, spec: &SetSpec) -> Result<SetState> {
        let fence = self.fence(fence);
        let mut spec = spec.clone();
        match self.flaw {
            PlacesOneMore => spec.tasks += 1,
            PlacesTooFew => spec.tasks = spec.tasks.saturating_sub(1),
            CountsDoomedTasks => spec.doomed.clear(),
            NeverPromotes => spec.standing = Standing::Staged,
            _ => {}
        }
        let set = self.inner.advance(&fence, &spec).await?;
        if self.flaw == StopsSurplusTasks {
            let surplus: Vec<TaskId> =
                set.live().skip(spec.tasks as usize).map(|task| task.id.clone()).collect();
            self.inner.doom(&fence, &surplus).await?;
        }
        Ok(self.altered(set))
    }

    async fn doom(&self, fence: &Fence, tasks: &[TaskId]) -> Result<Vec<TaskState>> {
        let fence = self.fence(fence);
        let mut named = tasks.to_vec();
        match self.flaw {
            // Ids in memory are numbered.
            DoomsTheWholeSet if !tasks.is_empty() => {
                named.extend((1..10).map(|number| TaskId(format!("t{number:04}"))));
            }
            DoomFailsForStrangers if tasks.iter().any(|task| task.0 == "never-was") => {
                return Err(Error::new(ErrorKind::NotFound, "there is no such task"));
            }
            DoomAnswersWithOthers => {
                let mut left = self.inner.doom(&fence, tasks).await?;
                if let Some(first) = left.first().cloned() {
                    left.push(TaskState { id: TaskId("other".to_owned()), ..first });
                }
                return Ok(left);
            }
            DoomNeverEnds => named.clear(),
            _ => {}
        }
        let left = self.inner.doom(&fence, &named).await?;
        if self.flaw == DoomNeverEnds && !tasks.is_empty() {
            return Err(Error::new(ErrorKind::Busy, "it is still there").temporary());
        }
        Ok(left)
    }
}

#[async_trait]
impl RouterFixture for Flawed {
    async fn fresh(&self) -> Box<dyn RouterStage> {
        Box::new(Stage { flaw: self.0, inner: RouterFixture::fresh(&PLAIN).await })
    }
}

#[async_trait]
impl RouterStage for Stage<dyn RouterStage> {
    fn router(&self) -> Arc<dyn TrafficRouter> {
        Arc::new(Bad { flaw: self.flaw, inner: self.inner.router() })
    }

    fn another_process(&self) -> Arc<dyn TrafficRouter> {
        Arc::new(Bad { flaw: self.flaw, inner: self.inner.another_process() })
    }

    fn another_service(&self) -> Option<Arc<dyn TrafficRouter>> {
        None
    }

    async fn restart(&self) {}
}

#[async_trait]
impl TrafficRouter for Bad<dyn TrafficRouter> {
    async fn split(&self) -> Result<(Split, SplitVersion)> {
        self.inner.split().await
    }

    async fn raise(&self, fence: &Fence) -> Result<()> {
        match self.flaw {
            RaiseDoesNothing => Ok(()),
            RaiseEmpties => self.inner.remove(fence).await,
            _ => self.inner.raise(&self.fence(fence)).await,
        }
    }

    async fn set(&self, fence: &Fence, expect: SplitVersion, split: &Split) -> Result<SplitVersion> {
        let (now, version) = self.inner.split().await?;
        let mut split = split.clone();
        let mut expect = expect;
        match self.flaw {
            IgnoresVersions => expect = version,
            ConflictsWithItself if now == split && expect != version => {
                return Err(Error::new(ErrorKind::Conflict, "the split has changed"));
            }
            ForgetsStandby => {
                split.routes.retain(|route| route.role != quickserve_core::traffic::Role::Standby);
            }
            _ => {}
        }
        self.inner.set(&self.fence(fence), expect, &split).await
    }

    async fn is_as_asked(&self, split: &Split) -> Result<bool> {
        self.inner.is_as_asked(split).await
    }

    async fn closed(&self) -> Result<Option<String>> {
        self.inner.closed().await
    }

    async fn in_flight(&self) -> Result<BTreeMap<TaskId, u64>> {
        self.inner.in_flight().await
    }

    async fn counters(&self) -> Result<BTreeMap<ReleaseId, Counters>> {
        self.inner.counters().await
    }

    async fn remove(&self, fence: &Fence) -> Result<()> {
        if self.flaw == RemoveFailsTwice && self.inner.split().await?.0.routes.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "there is no such service"));
        }
        self.inner.remove(&self.fence(fence)).await
    }
}

#[async_trait]
impl SecretsFixture for Flawed {
    async fn fresh(&self) -> Box<dyn SecretsStage> {
        Box::new(Stage { flaw: self.0, inner: SecretsFixture::fresh(&PLAIN).await })
    }
}

#[async_trait]
impl SecretsStage for Stage<dyn SecretsStage> {
    fn store(&self) -> Arc<dyn SecretStore> {
        Arc::new(Bad { flaw: self.flaw, inner: self.inner.store() })
    }

    fn another_process(&self) -> Arc<dyn SecretStore> {
        self.store()
    }

    async fn put(&self, name: &str, value: &str) -> String {
        self.inner.put(name, value).await
    }

    fn pins(&self) -> bool {
        self.inner.pins()
    }
}

#[async_trait]
impl SecretStore for Bad<dyn SecretStore> {
    async fn check(&self, sources: &[String]) -> Result<Vec<SecretPresence>> {
        let found = self.inner.check(sources).await?;
        let missing = found.iter().any(|presence| matches!(presence, SecretPresence::Missing { .. }));
        if self.flaw == CheckFails && missing {
            return Err(Error::new(ErrorKind::NotFound, "there is no such secret"));
        }
        Ok(found)
    }

    async fn bind(&self, source: &str) -> Result<SecretVersion> {
        self.inner.bind(source).await
    }

    async fn resolve(&self, source: &str, version: &SecretVersion) -> Result<BoundSecret> {
        let version = if self.flaw == AlwaysCurrent { &SecretVersion::Floating(None) } else { version };
        match self.inner.resolve(source, version).await {
            Ok(BoundSecret::Value(value)) if self.flaw == ShowsValues => {
                Ok(BoundSecret::Reference(format!("arn:{}", value.expose_secret())))
            }
            other => other,
        }
    }
}

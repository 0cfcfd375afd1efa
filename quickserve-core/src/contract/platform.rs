//! What the suites of platforms stand on.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::rule::{Broken, Held, ensure, eventually, fence};
use crate::clock::Clock;
use crate::orchestrator::{
    Drive, Orchestrator, SetSpec, SetState, Standing, TaskId, TaskPhase, TaskSets, TaskState,
};
use crate::release::Release;

/// Makes platforms for the suites [`task_sets`](super::task_sets) and [`orchestrator`](super::orchestrator()).
#[async_trait]
pub trait PlatformFixture: Sync {
    /// A platform bound to a service that has never had a task or an owner.
    async fn fresh(&self) -> Box<dyn PlatformStage>;
}

/// A platform and what runs on it. Dropped, nothing of it is left, after a panic too.
///
/// Every release has one container and asks for a second or two to stop at most.
pub trait PlatformStage: Send + Sync {
    /// The platform.
    fn platform(&self) -> Arc<dyn Orchestrator>;

    /// The same service as another process sees it, which has never made a call before.
    fn another_process(&self) -> Arc<dyn Orchestrator>;

    /// A release with an endpoint, whose tasks start and run until they are stopped.
    fn release(&self) -> Arc<Release>;

    /// Another such release.
    fn another_release(&self) -> Arc<Release>;

    /// A release whose tasks end by themselves shortly after their start.
    fn crashing_release(&self) -> Arc<Release>;

    /// The exit code with which they end.
    fn crash_code(&self) -> i64;

    /// The clock that the platform goes by; waiting for the platform is sleeping on it.
    fn clock(&self) -> Arc<dyn Clock>;
}

/// A set of this many staged tasks.
pub(super) fn spec(release: &Arc<Release>, tasks: u32) -> SetSpec {
    SetSpec { release: Arc::clone(release), tasks, standing: Standing::Staged, doomed: BTreeSet::new() }
}

/// The task sets of a platform.
pub(super) fn sets_of(platform: &dyn Orchestrator) -> Result<Arc<dyn TaskSets>, Broken> {
    match platform.drive() {
        Drive::Stepwise { sets, .. } => Ok(sets),
        Drive::Managed(_) => Err(Broken("the platform is not driven stepwise".to_owned())),
    }
}

/// Registers the release of a set as owner 1, and advances until its tasks run.
pub(super) async fn complete(stage: &dyn PlatformStage, spec: &SetSpec) -> Result<SetState, Broken> {
    stage.platform().register(&fence(1), &spec.release).await?;
    advance(stage, 1, spec).await
}

/// Advances until as many tasks run as the set asks for.
pub(super) async fn advance(
    stage: &dyn PlatformStage,
    epoch: u64,
    spec: &SetSpec,
) -> Result<SetState, Broken> {
    let sets = sets_of(&*stage.platform())?;
    let counts = |task: &&TaskState| !spec.doomed.contains(&task.id) && task.phase == TaskPhase::Running;
    let set = eventually(stage.clock(), "all tasks of the set run", || async {
        let set = sets.advance(&fence(epoch), spec).await?;
        Ok((set.live().filter(counts).count() >= spec.tasks as usize).then_some(set))
    });
    set.await
}

/// The release's tasks as another process sees them.
pub(super) async fn seen(stage: &dyn PlatformStage, release: &Release) -> Result<Vec<TaskState>, Broken> {
    Ok(stage.another_process().observe().await?.set(&release.id).tasks)
}

/// Dooms until nothing is left.
pub(super) async fn end(stage: &dyn PlatformStage, tasks: &[TaskId]) -> Held {
    let sets = sets_of(&*stage.platform())?;
    let ended = eventually(stage.clock(), "the answer to a doom is empty", || async {
        Ok(sets.doom(&fence(1), tasks).await?.is_empty().then_some(()))
    });
    ended.await
}

/// Waits without any call but looks, until so many tasks of a release have ended.
pub(super) async fn until_ended(stage: &dyn PlatformStage, release: &Release, count: usize) -> Held {
    let platform = stage.platform();
    let ended = eventually(stage.clock(), "the tasks end that crash", || async {
        let tasks = platform.observe().await?.set(&release.id).tasks;
        let ended = tasks.iter().filter(|task| task.phase == TaskPhase::Ended).count();
        Ok((ended >= count).then_some(()))
    });
    ended.await
}

/// Places one task of the crashing release after another, and waits for the end of each. Answers with them,
/// oldest first.
pub(super) async fn crash(stage: &dyn PlatformStage, times: usize) -> Result<Vec<TaskId>, Broken> {
    let release = stage.crashing_release();
    stage.platform().register(&fence(1), &release).await?;
    let sets = sets_of(&*stage.platform())?;
    let mut placed: Vec<TaskId> = Vec::new();
    while placed.len() < times {
        let set = sets.advance(&fence(1), &spec(&release, 1)).await?;
        let new: Vec<TaskId> = ids(&set.tasks).into_iter().filter(|id| !placed.contains(id)).collect();
        ensure(new.len() == 1, || format!("an advance beside ended tasks places {new:?}: {:?}", set.tasks))?;
        placed.extend(new);
        until_ended(stage, &release, placed.len()).await?;
    }
    Ok(placed)
}

pub(super) fn ids(tasks: &[TaskState]) -> Vec<TaskId> {
    tasks.iter().map(|task| task.id.clone()).collect()
}

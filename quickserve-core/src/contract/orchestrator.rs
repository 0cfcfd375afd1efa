//! What a platform must hold to that is driven stepwise.

use std::collections::BTreeSet;

use super::platform::{
    PlatformFixture, PlatformStage, advance, complete, crash, end, ids, sets_of, spec, until_ended,
};
use super::rule::{Broken, Held, a_moment, ensure, fence, hold, refused, same};
use crate::error::ErrorKind;
use crate::orchestrator::{Drive, Observed, TaskFailure};
use crate::traffic::Split;

/// Holds an [`Orchestrator`](crate::orchestrator::Orchestrator) to its contract: what it observes, registers
/// and explains. Its task sets and its router have suites of their own.
///
/// # Panics
/// When a rule is broken, with all the rules that are.
pub async fn orchestrator(fixture: &dyn PlatformFixture) {
    hold!(
        "the orchestrator",
        fixture,
        what_it_can_do_does_not_change,
        a_new_service_has_no_tasks_and_serves_nothing,
        a_known_release_is_registered_again_under_the_same_revision,
        two_releases_have_two_revisions,
        to_register_runs_nothing,
        an_older_owner_registers_nothing,
        every_release_with_tasks_is_observed,
        what_is_observed_is_what_advance_answered,
        the_observed_split_is_the_routers,
        of_an_unknown_release_there_is_nothing_to_explain,
        tasks_that_run_are_not_explained,
        a_task_that_was_told_to_end_is_no_failure,
        a_crash_is_explained_with_container_and_exit_code,
        failures_are_explained_newest_first,
        an_explanation_does_not_change,
        each_release_is_explained_by_itself,
    );
}

async fn what_it_can_do_does_not_change(stage: &dyn PlatformStage) -> Held {
    let can = stage.platform().capabilities();
    ensure(can.max_tasks > 0, || "no task is allowed".to_owned())?;
    same("what another process can do", &stage.another_process().capabilities(), &can)?;
    complete(stage, &spec(&stage.release(), 1)).await?;
    same("what it can do beside a task", &stage.platform().capabilities(), &can)
}

async fn a_new_service_has_no_tasks_and_serves_nothing(stage: &dyn PlatformStage) -> Held {
    let observed = stage.platform().observe().await?;
    same("its tasks", &observed.sets, &Observed::default().sets)?;
    same("its split", &observed.split, &Split::default())
}

async fn a_known_release_is_registered_again_under_the_same_revision(stage: &dyn PlatformStage) -> Held {
    let (platform, release) = (stage.platform(), stage.release());
    let revision = platform.register(&fence(1), &release).await?;
    for owner in [1, 1, 2] {
        let again = platform.register(&fence(owner), &release).await?;
        same("the revision of a known release", &again, &revision)?;
    }
    let other = stage.another_process().register(&fence(2), &release).await?;
    same("the revision in another process", &other, &revision)
}

async fn two_releases_have_two_revisions(stage: &dyn PlatformStage) -> Held {
    let platform = stage.platform();
    let one = platform.register(&fence(1), &stage.release()).await?;
    let other = platform.register(&fence(1), &stage.another_release()).await?;
    ensure(one != other, || format!("both are {one}"))
}

async fn to_register_runs_nothing(stage: &dyn PlatformStage) -> Held {
    let platform = stage.platform();
    platform.register(&fence(1), &stage.release()).await?;
    same("the tasks", &platform.observe().await?.sets, &Observed::default().sets)
}

async fn an_older_owner_registers_nothing(stage: &dyn PlatformStage) -> Held {
    let platform = stage.platform();
    platform.register(&fence(2), &stage.release()).await?;
    for release in [stage.release(), stage.another_release()] {
        refused("an older owner's release", platform.register(&fence(1), &release).await, ErrorKind::Fenced)?;
    }
    Ok(())
}

async fn every_release_with_tasks_is_observed(stage: &dyn PlatformStage) -> Held {
    let releases = [stage.release(), stage.another_release()];
    for release in &releases {
        complete(stage, &spec(release, 2)).await?;
    }
    for platform in [stage.platform(), stage.another_process()] {
        let observed = platform.observe().await?;
        let found: BTreeSet<_> = observed.sets.keys().collect();
        same("the releases with tasks", &found, &releases.iter().map(|release| &release.id).collect())?;
        ensure(observed.sets.values().all(|set| set.tasks.len() == 2), || {
            format!("each has two tasks; observed is {:?}", observed.sets)
        })?;
    }
    let observed = stage.platform().observe().await?;
    end(stage, &ids(&observed.set(&releases[0].id).tasks)).await?;
    let left = stage.platform().observe().await?;
    same("the tasks of a release whose tasks have ended", &left.set(&releases[0].id).tasks.len(), &0)
}

async fn what_is_observed_is_what_advance_answered(stage: &dyn PlatformStage) -> Held {
    let release = stage.release();
    complete(stage, &spec(&release, 3)).await?;
    let answered = advance(stage, 1, &spec(&release, 3)).await?;
    for platform in [stage.platform(), stage.another_process()] {
        let observed = platform.observe().await?.set(&release.id);
        same("the number of observed tasks", &observed.tasks.len(), &answered.tasks.len())?;
        for (seen, said) in observed.tasks.iter().zip(&answered.tasks) {
            same("its id", &seen.id, &said.id)?;
            same("its place", &seen.ordinal, &said.ordinal)?;
            same("its owner", &seen.epoch, &said.epoch)?;
            same("its address", &seen.address, &said.address)?;
            same("its images", &seen.images, &said.images)?;
            same("its standing", &seen.standing, &said.standing)?;
            same("its start", &seen.started, &said.started)?;
        }
    }
    Ok(())
}

async fn the_observed_split_is_the_routers(stage: &dyn PlatformStage) -> Held {
    let platform = stage.platform();
    let observed = platform.observe().await?;
    let Drive::Stepwise { router, .. } = platform.drive() else {
        return Err(Broken("the platform is not driven stepwise".to_owned()));
    };
    same("it", &(observed.split, observed.split_version), &router.split().await?)
}

async fn of_an_unknown_release_there_is_nothing_to_explain(stage: &dyn PlatformStage) -> Held {
    let failures = stage.platform().explain(&stage.release().id).await?;
    same("what is said", &failures, &Vec::new())
}

async fn tasks_that_run_are_not_explained(stage: &dyn PlatformStage) -> Held {
    let release = stage.release();
    complete(stage, &spec(&release, 2)).await?;
    same("what is said of them", &stage.platform().explain(&release.id).await?, &Vec::new())
}

async fn a_task_that_was_told_to_end_is_no_failure(stage: &dyn PlatformStage) -> Held {
    let release = stage.release();
    let set = complete(stage, &spec(&release, 1)).await?;
    sets_of(&*stage.platform())?.doom(&fence(1), &ids(&set.tasks)).await?;
    same("what is said of it on its way out", &stage.platform().explain(&release.id).await?, &Vec::new())?;
    end(stage, &ids(&set.tasks)).await?;
    same("what is said of it when it is gone", &stage.platform().explain(&release.id).await?, &Vec::new())
}

async fn a_crash_is_explained_with_container_and_exit_code(stage: &dyn PlatformStage) -> Held {
    let release = stage.crashing_release();
    let crashed = crash(stage, 1).await?;
    for platform in [stage.platform(), stage.another_process()] {
        let failures = platform.explain(&release.id).await?;
        let [failure] = failures.as_slice() else {
            return Err(Broken(format!("of one crash is said {failures:?}")));
        };
        same("the task", &failure.task, &crashed[0])?;
        same("the exit code", &failure.exit_code, &Some(stage.crash_code()))?;
        ensure(release.workload.container(&failure.container).is_some(), || {
            format!("the release has no container {:?}", failure.container)
        })?;
        ensure(!failure.reason.is_empty() && failure.ended.is_some() && !failure.out_of_memory, || {
            format!("reason, end or memory are wrong: {failure:?}")
        })?;
        ensure(!failure.log_tail.iter().any(|line| line.chars().any(char::is_control)), || {
            format!("its log has control characters: {:?}", failure.log_tail)
        })?;
    }
    Ok(())
}

async fn failures_are_explained_newest_first(stage: &dyn PlatformStage) -> Held {
    let mut crashed = crash(stage, 3).await?;
    crashed.reverse();
    let failures = stage.platform().explain(&stage.crashing_release().id).await?;
    let told: Vec<_> = failures.iter().map(|failure| failure.task.clone()).collect();
    same("the order of the failures", &told, &crashed)?;
    let ends: Vec<_> = failures.iter().map(|failure| failure.ended).collect();
    ensure(ends.is_sorted_by(|newer, older| newer >= older), || format!("their ends are {ends:?}"))
}

async fn an_explanation_does_not_change(stage: &dyn PlatformStage) -> Held {
    let release = stage.crashing_release();
    crash(stage, 1).await?;
    let first = stage.platform().explain(&release.id).await?;
    a_moment(stage.clock()).await;
    let ends = |failures: &[TaskFailure]| -> Vec<_> {
        failures.iter().map(|failure| (failure.task.clone(), failure.ended, failure.exit_code)).collect()
    };
    let again = stage.platform().explain(&release.id).await?;
    same("what is said a moment later", &ends(&again), &ends(&first))
}

async fn each_release_is_explained_by_itself(stage: &dyn PlatformStage) -> Held {
    let release = stage.release();
    complete(stage, &spec(&release, 1)).await?;
    crash(stage, 1).await?;
    until_ended(stage, &stage.crashing_release(), 1).await?;
    same("what is said of the release that runs", &stage.platform().explain(&release.id).await?, &Vec::new())
}

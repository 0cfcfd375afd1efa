//! What task sets must hold to.

use std::collections::{BTreeMap, BTreeSet};

use super::platform::{
    PlatformFixture, PlatformStage, advance, complete, crash, end, ids, seen, sets_of, spec,
};
use super::rule::{Held, a_moment, ensure, eventually, fence, hold, refused, same};
use crate::error::ErrorKind;
use crate::fence::Epoch;
use crate::orchestrator::{SetSpec, Standing, TaskId, TaskPhase, TaskState};

/// Holds a platform's [`TaskSets`](crate::orchestrator::TaskSets) to their contract.
///
/// # Panics
/// When a rule is broken, with all the rules that are.
pub async fn task_sets(fixture: &dyn PlatformFixture) {
    hold!(
        "task sets",
        fixture,
        a_set_gets_as_many_tasks_as_asked_for,
        a_complete_set_gets_no_more_tasks,
        only_what_is_missing_is_added,
        advance_never_stops_a_task,
        an_advance_made_twice_at_once_places_each_task_once,
        doomed_tasks_of_the_set_do_not_count_and_are_left_running,
        ended_tasks_do_not_count,
        a_new_task_takes_the_free_place,
        tasks_have_the_standing_asked_for,
        tasks_run_the_digests_of_their_release,
        running_tasks_have_addresses_of_their_own,
        sets_of_two_releases_do_not_touch_each_other,
        an_older_owner_is_refused_and_changes_nothing,
        an_older_owner_in_another_process_is_refused_and_changes_nothing,
        a_newer_owner_takes_the_tasks_over,
        what_does_not_exist_is_doomed_already,
        doom_comes_to_an_end_and_can_be_repeated,
        doom_answers_only_with_what_was_named,
        a_doomed_task_is_seen_as_doomed_by_everyone,
        a_doomed_task_never_comes_back,
        doom_leaves_other_tasks_alone,
        ids_are_never_used_twice,
    );
}

async fn a_set_gets_as_many_tasks_as_asked_for(stage: &dyn PlatformStage) -> Held {
    let release = stage.release();
    let set = complete(stage, &spec(&release, 3)).await?;
    same("the ordinals of three tasks, in the order of the answer,", &ordinals(&set.tasks), &vec![0, 1, 2])?;
    same("the number of different ids", &set_of(&set.tasks).len(), &3)?;
    ensure(set.tasks.iter().all(|task| task.started.is_some()), || {
        format!("a running task has no start: {:?}", set.tasks)
    })?;
    ensure(set.tasks.iter().all(|task| !task.doomed), || format!("a new task is doomed: {:?}", set.tasks))?;
    same("what another process sees", &ids(&seen(stage, &release).await?), &ids(&set.tasks))
}

async fn a_complete_set_gets_no_more_tasks(stage: &dyn PlatformStage) -> Held {
    let spec = spec(&stage.release(), 2);
    let first = complete(stage, &spec).await?;
    let sets = sets_of(&*stage.platform())?;
    for _ in 0..3 {
        let again = sets.advance(&fence(1), &spec).await?;
        same("the set after one more advance", &ids(&again.tasks), &ids(&first.tasks))?;
    }
    let starts = |tasks: &[TaskState]| tasks.iter().map(|task| task.started).collect::<Vec<_>>();
    let now = seen(stage, &spec.release).await?;
    same("the set that another process sees", &ids(&now), &ids(&first.tasks))?;
    same("when its tasks started", &starts(&now), &starts(&first.tasks))
}

async fn only_what_is_missing_is_added(stage: &dyn PlatformStage) -> Held {
    let release = stage.release();
    let first = complete(stage, &spec(&release, 1)).await?;
    let grown = advance(stage, 1, &spec(&release, 3)).await?;
    same("the number of tasks after growing from one to three", &grown.tasks.len(), &3)?;
    ensure(set_of(&grown.tasks).is_superset(&set_of(&first.tasks)), || {
        format!("the first task is gone: {:?}", grown.tasks)
    })
}

async fn advance_never_stops_a_task(stage: &dyn PlatformStage) -> Held {
    let release = stage.release();
    let three = complete(stage, &spec(&release, 3)).await?;
    let sets = sets_of(&*stage.platform())?;
    for fewer in [1, 0] {
        let answer = sets.advance(&fence(1), &spec(&release, fewer)).await?;
        same("the set when fewer tasks are asked for", &ids(&answer.tasks), &ids(&three.tasks))?;
    }
    a_moment(stage.clock()).await;
    let still = seen(stage, &release).await?;
    same("the set when fewer tasks were asked for", &ids(&still), &ids(&three.tasks))?;
    ensure(still.iter().all(|task| !task.doomed), || format!("a task is on its way out: {still:?}"))?;
    all_run(&still)
}

async fn an_advance_made_twice_at_once_places_each_task_once(stage: &dyn PlatformStage) -> Held {
    let spec = spec(&stage.release(), 2);
    stage.platform().register(&fence(1), &spec.release).await?;
    let (one, other) = (sets_of(&*stage.platform())?, sets_of(&*stage.another_process())?);
    let fence = fence(1);
    let both = futures_util::future::join(one.advance(&fence, &spec), other.advance(&fence, &spec)).await;
    for error in [both.0.err(), both.1.err()].into_iter().flatten() {
        ensure(error.is_temporary(), || format!("one of them failed for good: {error}"))?;
    }
    let set = advance(stage, 1, &spec).await?;
    same("the number of tasks", &set.live().count(), &2)?;
    same("the number of tasks that another process sees", &seen(stage, &spec.release).await?.len(), &2)
}

async fn doomed_tasks_of_the_set_do_not_count_and_are_left_running(stage: &dyn PlatformStage) -> Held {
    let mut spec = spec(&stage.release(), 2);
    let first = complete(stage, &spec).await?;
    spec.doomed.extend(first.tasks.iter().map(|task| task.id.clone()));
    let both = advance(stage, 1, &spec).await?;
    same("the number of tasks beside two that are doomed", &both.tasks.len(), &4)?;
    let again = sets_of(&*stage.platform())?.advance(&fence(1), &spec).await?;
    same("the set after one more advance", &ids(&again.tasks), &ids(&both.tasks))?;
    a_moment(stage.clock()).await;
    let all = seen(stage, &spec.release).await?;
    ensure(set_of(&all).is_superset(&set_of(&first.tasks)), || format!("a doomed task is gone: {all:?}"))?;
    all_run(&all)
}

async fn ended_tasks_do_not_count(stage: &dyn PlatformStage) -> Held {
    let placed = crash(stage, 2).await?;
    same("the number of tasks placed one after another", &placed.iter().collect::<BTreeSet<_>>().len(), &2)
}

async fn a_new_task_takes_the_free_place(stage: &dyn PlatformStage) -> Held {
    let release = stage.release();
    let first = complete(stage, &spec(&release, 3)).await?;
    let middle = named(&first.tasks, 1);
    end(stage, &middle).await?;
    let set = advance(stage, 1, &spec(&release, 3)).await?;
    same("the ordinals after one in the middle was replaced", &ordinals(&set.tasks), &vec![0, 1, 2])?;
    ensure(named(&set.tasks, 1) != middle, || "the replacement has the id of the old one".to_owned())
}

async fn tasks_have_the_standing_asked_for(stage: &dyn PlatformStage) -> Held {
    let mut spec = spec(&stage.release(), 2);
    let first = complete(stage, &spec).await?;
    let standings = |tasks: &[TaskState]| tasks.iter().map(|task| task.standing).collect::<Vec<_>>();
    same("the standing of new tasks", &standings(&first.tasks), &vec![Standing::Staged; 2])?;
    let sets = sets_of(&*stage.platform())?;
    for standing in [Standing::Promoted, Standing::Staged] {
        spec.standing = standing;
        let given = eventually(stage.clock(), "the tasks have the standing asked for", || async {
            let set = sets.advance(&fence(1), &spec).await?;
            Ok((standings(&set.tasks) == vec![standing; 2]).then_some(set))
        });
        same("the set with another standing", &ids(&given.await?.tasks), &ids(&first.tasks))?;
        let read = seen(stage, &spec.release).await?;
        same("the standing that another process sees", &standings(&read), &vec![standing; 2])?;
    }
    Ok(())
}

async fn tasks_run_the_digests_of_their_release(stage: &dyn PlatformStage) -> Held {
    let release = stage.release();
    let set = complete(stage, &spec(&release, 1)).await?;
    for task in set.tasks.iter().chain(&seen(stage, &release).await?) {
        same("what the task runs", &task.images, &release.digests())?;
        same("the epoch of the owner that made the task", &task.epoch, &Epoch(1))?;
    }
    Ok(())
}

async fn running_tasks_have_addresses_of_their_own(stage: &dyn PlatformStage) -> Held {
    let set = complete(stage, &spec(&stage.release(), 2)).await?;
    let addresses: BTreeSet<_> = set.tasks.iter().filter_map(|task| task.address).collect();
    ensure(addresses.len() == 2, || format!("two tasks have the addresses {addresses:?}"))
}

async fn sets_of_two_releases_do_not_touch_each_other(stage: &dyn PlatformStage) -> Held {
    let (one, other) = (stage.release(), stage.another_release());
    let first = complete(stage, &spec(&one, 2)).await?;
    let second = complete(stage, &spec(&other, 2)).await?;
    ensure(set_of(&first.tasks).is_disjoint(&set_of(&second.tasks)), || {
        format!("a task is in the answers for both releases: {:?}", second.tasks)
    })?;
    same("the number of tasks of the second release", &second.tasks.len(), &2)?;
    let still = seen(stage, &one).await?;
    same("the first release's set", &ids(&still), &ids(&first.tasks))?;
    all_run(&still)?;
    end(stage, &ids(&second.tasks)).await?;
    let still = seen(stage, &one).await?;
    same("the first release's set after the end of the second", &ids(&still), &ids(&first.tasks))?;
    all_run(&still)
}

async fn an_older_owner_is_refused_and_changes_nothing(stage: &dyn PlatformStage) -> Held {
    let release = stage.release();
    let (platform, sets) = (stage.platform(), sets_of(&*stage.platform())?);
    platform.register(&fence(2), &release).await?;
    let set = advance(stage, 2, &spec(&release, 1)).await?;
    for _ in 0..2 {
        let grown = sets.advance(&fence(1), &spec(&release, 2)).await;
        refused("an advance of an older owner", grown, ErrorKind::Fenced)?;
        refused("an older owner's doom", sets.doom(&fence(1), &ids(&set.tasks)).await, ErrorKind::Fenced)?;
    }
    let mut promoted = spec(&release, 1);
    promoted.standing = Standing::Promoted;
    refused(
        "another standing of an older owner",
        sets.advance(&fence(1), &promoted).await,
        ErrorKind::Fenced,
    )?;
    let still = seen(stage, &release).await?;
    same("the set after an older owner's calls", &ids(&still), &ids(&set.tasks))?;
    ensure(still.iter().all(|task| task.standing == Standing::Staged && !task.doomed), || {
        format!("an older owner's calls had an effect: {still:?}")
    })?;
    all_run(&still)?;
    let again = sets.advance(&fence(2), &spec(&release, 1)).await?;
    same("the set after the owner's own next call", &ids(&again.tasks), &ids(&set.tasks))
}

async fn an_older_owner_in_another_process_is_refused_and_changes_nothing(stage: &dyn PlatformStage) -> Held {
    let release = stage.release();
    stage.platform().register(&fence(2), &release).await?;
    let set = advance(stage, 2, &spec(&release, 1)).await?;
    let grown = sets_of(&*stage.another_process())?.advance(&fence(1), &spec(&release, 2)).await;
    refused("an advance of an older owner in another process", grown, ErrorKind::Fenced)?;
    let doomed = sets_of(&*stage.another_process())?.doom(&fence(1), &ids(&set.tasks)).await;
    refused("a doom of an older owner in another process", doomed, ErrorKind::Fenced)?;
    let still = seen(stage, &release).await?;
    same("the set after an older owner's calls", &ids(&still), &ids(&set.tasks))?;
    all_run(&still)
}

async fn a_newer_owner_takes_the_tasks_over(stage: &dyn PlatformStage) -> Held {
    let release = stage.release();
    let first = complete(stage, &spec(&release, 1)).await?;
    let set = advance(stage, 2, &spec(&release, 2)).await?;
    ensure(set_of(&set.tasks).is_superset(&set_of(&first.tasks)), || {
        format!("the older owner's task is gone: {:?}", set.tasks)
    })?;
    let epochs: BTreeMap<u32, Epoch> = set.tasks.iter().map(|task| (task.ordinal, task.epoch)).collect();
    same("the epochs by ordinal", &epochs, &BTreeMap::from([(0, Epoch(1)), (1, Epoch(2))]))
}

async fn what_does_not_exist_is_doomed_already(stage: &dyn PlatformStage) -> Held {
    let sets = sets_of(&*stage.platform())?;
    for tasks in [Vec::new(), vec![TaskId("never-was".to_owned())]] {
        same("what is left of nothing", &sets.doom(&fence(1), &tasks).await?, &Vec::new())?;
    }
    Ok(())
}

async fn doom_comes_to_an_end_and_can_be_repeated(stage: &dyn PlatformStage) -> Held {
    let release = stage.release();
    let set = complete(stage, &spec(&release, 2)).await?;
    end(stage, &ids(&set.tasks)).await?;
    same("what another process sees of doomed tasks", &seen(stage, &release).await?, &Vec::new())?;
    let sets = sets_of(&*stage.platform())?;
    for _ in 0..2 {
        let left = sets.doom(&fence(1), &ids(&set.tasks)).await?;
        same("what is left when everything had ended", &left, &Vec::new())?;
    }
    Ok(())
}

async fn doom_answers_only_with_what_was_named(stage: &dyn PlatformStage) -> Held {
    let set = complete(stage, &spec(&stage.release(), 3)).await?;
    let sets = sets_of(&*stage.platform())?;
    let named: BTreeSet<TaskId> = named(&set.tasks, 0).into_iter().collect();
    let asked: Vec<TaskId> = named.iter().cloned().chain([TaskId("never-was".to_owned())]).collect();
    let left = sets.doom(&fence(1), &asked).await?;
    ensure(set_of(&left).is_subset(&named), || format!("others are in the answer: {left:?}"))?;
    ensure(left.iter().all(|task| task.doomed), || format!("a task was doomed and is not: {left:?}"))
}

async fn a_doomed_task_is_seen_as_doomed_by_everyone(stage: &dyn PlatformStage) -> Held {
    let release = stage.release();
    let set = complete(stage, &spec(&release, 2)).await?;
    let one = named(&set.tasks, 0);
    sets_of(&*stage.platform())?.doom(&fence(1), &one).await?;
    for task in seen(stage, &release).await? {
        let expected = one.contains(&task.id);
        ensure(task.doomed == expected, || format!("doomed was {one:?}; another process sees {task:?}"))?;
    }
    Ok(())
}

async fn a_doomed_task_never_comes_back(stage: &dyn PlatformStage) -> Held {
    let release = stage.release();
    let mut wanted: SetSpec = spec(&release, 1);
    wanted.standing = Standing::Promoted;
    let first = complete(stage, &wanted).await?;
    let doomed = set_of(&first.tasks);
    sets_of(&*stage.platform())?.doom(&fence(1), &ids(&first.tasks)).await?;
    // The set does not name it as doomed: the platform itself knows.
    let next = advance(stage, 1, &wanted).await?;
    ensure(next.live().all(|task| !doomed.contains(&task.id)), || {
        format!("a doomed task counts again: {:?}", next.tasks)
    })?;
    end(stage, &ids(&first.tasks)).await?;
    let after = advance(stage, 1, &wanted).await?;
    ensure(set_of(&after.tasks).is_disjoint(&doomed), || {
        format!("a doomed task is back: {:?}", after.tasks)
    })?;
    same("the number of tasks after a replacement", &after.tasks.len(), &1)
}

async fn doom_leaves_other_tasks_alone(stage: &dyn PlatformStage) -> Held {
    let release = stage.release();
    let set = complete(stage, &spec(&release, 3)).await?;
    end(stage, &named(&set.tasks, 1)).await?;
    let left = seen(stage, &release).await?;
    same("the ordinals that are left when the middle one is gone", &ordinals(&left), &vec![0, 2])?;
    ensure(left.iter().all(|task| !task.doomed && set.tasks.iter().any(|old| old.id == task.id)), || {
        format!("a task that was not named is not as it was: {left:?}")
    })?;
    all_run(&left)
}

async fn ids_are_never_used_twice(stage: &dyn PlatformStage) -> Held {
    let mut used = BTreeSet::new();
    for release in [stage.release(), stage.another_release(), stage.release()] {
        for _ in 0..2 {
            let set = complete(stage, &spec(&release, 2)).await?;
            for task in &set.tasks {
                ensure(used.insert(task.id.clone()), || format!("the id {} is used again", task.id))?;
            }
            end(stage, &ids(&set.tasks)).await?;
        }
    }
    Ok(())
}

fn all_run(tasks: &[TaskState]) -> Held {
    ensure(tasks.iter().all(|task| task.phase == TaskPhase::Running), || {
        format!("a task does not run any more: {tasks:?}")
    })
}

fn ordinals(tasks: &[TaskState]) -> Vec<u32> {
    tasks.iter().map(|task| task.ordinal).collect()
}

fn set_of(tasks: &[TaskState]) -> BTreeSet<TaskId> {
    tasks.iter().map(|task| task.id.clone()).collect()
}

/// The task in this place.
fn named(tasks: &[TaskState], ordinal: u32) -> Vec<TaskId> {
    tasks.iter().filter(|task| task.ordinal == ordinal).map(|task| task.id.clone()).collect()
}

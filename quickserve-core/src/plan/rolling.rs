//! Rolling: tasks are replaced a few at a time, within a minimum of healthy ones and a maximum of all.

use super::{Other, Purpose, Share, Situation, Step, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::traffic::Role;

pub(super) fn steps(situation: &Situation<'_>, target: Target<'_>) -> Result<Vec<Step>> {
    let (idle, mut old): (Vec<Other>, Vec<Other>) =
        situation.others(target.release).into_iter().partition(|other| !other.serving);
    let bounds = Bounds::of(situation, target);
    let mut steps = vec![Step::Register { release: target.release.clone() }];
    // What serves nobody only takes up room.
    steps.extend(idle.iter().flat_map(|other| other.retire(0, situation)));

    let live = situation.observed.set(target.release).live().count();
    let mut new = u32::try_from(live).unwrap_or(u32::MAX).min(target.tasks);
    let mut placed = false;
    let mut unroute = situation.unroute();
    loop {
        let before = (new, total(&old), placed);
        let grown = target.tasks.min(bounds.maximum.saturating_sub(total(&old))).max(new);
        if grown > new || (grown > 0 && !placed) {
            let standing = situation.standing();
            steps.push(Step::Place { release: target.release.clone(), tasks: grown, standing });
            if !placed {
                steps.extend(target.smoke_staged(situation));
            }
            (new, placed) = (grown, true);
        }
        let retired = keep_at_most(bounds.minimum.saturating_sub(new), &mut old);
        if situation.has_traffic() {
            steps.push(Step::Shift { shares: shares(target, new, &old) });
        } else if !retired.is_empty() {
            steps.extend(unroute.take());
        }
        for (other, keep) in retired {
            steps.extend(other.retire(keep, situation));
        }
        if new == target.tasks && total(&old) == 0 {
            break;
        }
        if (new, total(&old), placed) == before {
            return Err(bounds.no_progress());
        }
    }
    if situation.purpose == Purpose::Prove {
        steps.extend(target.prove(situation));
    }
    steps.extend(target.finish(situation));
    Ok(steps)
}

/// Lowers what stays of the old releases to so many tasks and says which must shrink, and to what.
fn keep_at_most(mut keep: u32, old: &mut Vec<Other>) -> Vec<(Other, u32)> {
    let mut retired = Vec::new();
    for other in old.iter_mut() {
        let stay = keep.min(other.live);
        keep -= stay;
        if stay < other.live || stay == 0 {
            retired.push((other.clone(), stay));
        }
        other.live = stay;
    }
    old.retain(|other| other.live > 0);
    retired
}

fn total(old: &[Other]) -> u32 {
    old.iter().map(|other| other.live).sum()
}

/// Every task that stays gets the same part of the requests.
fn shares(target: Target<'_>, new: u32, old: &[Other]) -> Vec<Share> {
    let share =
        |release: &_, tasks| Share { release: Clone::clone(release), role: Role::Serving(tasks), tasks };
    target.share(new).into_iter().chain(old.iter().map(|other| share(&other.release, other.live))).collect()
}

/// How many tasks must be healthy and how many may exist.
///
/// ECS documentation, "Service deployment configuration": the minimum rounds up, the maximum rounds down.
pub(super) struct Bounds {
    pub(super) minimum: u32,
    pub(super) maximum: u32,
    tasks: u32,
    minimum_percent: u32,
    maximum_percent: u32,
}

impl Bounds {
    pub(super) fn of(situation: &Situation<'_>, target: Target<'_>) -> Self {
        let (minimum_percent, maximum_percent) =
            (situation.config.minimum_healthy_percent, situation.config.maximum_percent);
        Self {
            minimum: (target.tasks * minimum_percent).div_ceil(100),
            maximum: target.tasks * maximum_percent / 100,
            tasks: target.tasks,
            minimum_percent,
            maximum_percent,
        }
    }

    pub(super) fn no_progress(&self) -> Error {
        let Self { minimum, maximum, tasks, minimum_percent, maximum_percent } = self;
        let message = format!(
            "rolling cannot make progress: {minimum} of {tasks} tasks must stay healthy \
             (minimum_healthy_percent = {minimum_percent}) and at most {maximum} may exist \
             (maximum_percent = {maximum_percent})"
        );
        Error::new(ErrorKind::Unsupported, message)
            .with_hint("lower minimum_healthy_percent or raise maximum_percent")
    }
}

//! Renew: the tasks of the release that serves are replaced by fresh ones, a few at a time.

use super::rolling::Bounds;
use super::{Situation, Step, Strategy, Target};
use crate::error::Result;
use crate::fence::Epoch;

/// Fresh tasks come before worn ones go, within the bounds of a rolling deployment. A service of which two must
/// never run is emptied first.
pub(super) fn steps(situation: &Situation<'_>, target: Target<'_>, since: Epoch) -> Result<Vec<Step>> {
    let mut bounds = Bounds::of(situation, target);
    if situation.config.strategy == Strategy::Recreate {
        (bounds.minimum, bounds.maximum) = (0, target.tasks);
    }
    let release = || target.release.clone();
    let timeout = situation.config.drain_timeout;
    let set = situation.observed.set(target.release);
    let count = |worn: bool| {
        let tasks = set.live().filter(|task| (task.epoch < since) == worn).count();
        u32::try_from(tasks).unwrap_or(u32::MAX)
    };
    let (mut fresh, mut worn) = (count(false).min(target.tasks), count(true));
    let mut steps = vec![Step::Register { release: release() }];
    let mut placed = false;
    loop {
        let before = (fresh, worn, placed);
        let grown = target.tasks.min(bounds.maximum.saturating_sub(worn)).max(fresh);
        if grown > fresh || (grown > 0 && !placed) {
            let standing = situation.standing();
            steps.push(Step::Place { release: release(), tasks: grown + worn, standing });
            (fresh, placed) = (grown, true);
        }
        let stay = worn.min(bounds.minimum.saturating_sub(fresh));
        let keep = fresh + stay;
        if situation.has_traffic() {
            steps.push(Step::Shift { shares: target.share(keep).into_iter().collect() });
        }
        if stay < worn {
            steps.push(Step::Drain { release: release(), keep, timeout });
            steps.push(Step::Retire { release: release(), keep });
            worn = stay;
        }
        if fresh == target.tasks && worn == 0 {
            break;
        }
        if (fresh, worn, placed) == before {
            return Err(bounds.no_progress());
        }
    }
    steps.extend(situation.unroute());
    for other in situation.others(target.release) {
        steps.extend(other.retire(0, situation));
    }
    steps.extend(target.finish(situation));
    Ok(steps)
}

//! Recreate: the old release ends before the new one starts, for services of which two must never run.

use super::{Purpose, Situation, Step, Target};

pub(super) fn steps(situation: &Situation<'_>, target: Target<'_>) -> Vec<Step> {
    let others = situation.others(target.release);
    let traffic = situation.has_traffic();
    let mut steps = vec![Step::Register { release: target.release.clone() }];
    if !others.is_empty() {
        if traffic {
            steps.push(Step::Shift { shares: Vec::new() });
        }
        steps.extend(situation.unroute());
        for other in &others {
            steps.extend(other.retire(0, situation));
        }
    }
    steps.extend(target.place(situation).into_iter().skip(1));
    steps.extend(target.smoke_staged(situation));
    if traffic {
        steps.push(Step::Shift { shares: target.alone() });
    }
    if situation.purpose == Purpose::Prove {
        steps.extend(target.prove(situation));
    }
    steps.extend(target.finish(situation));
    steps
}

//! Managed: the platform rolls out by itself; its rollout is one step of the plan.

use super::{Purpose, Situation, Step, Strategy, Target};
use crate::error::{Error, ErrorKind, Result};

pub(super) fn steps(situation: &Situation<'_>, target: Target<'_>) -> Result<Vec<Step>> {
    let strategy = situation.config.strategy;
    if strategy != Strategy::Rolling {
        let message =
            format!("this platform rolls out by itself, and {strategy} is not one of its ways here");
        return Err(Error::new(ErrorKind::Unsupported, message).with_hint("set strategy = \"rolling\""));
    }
    let release = || target.release.clone();
    let mut steps = vec![
        Step::Register { release: release() },
        Step::RollOut {
            release: release(),
            tasks: desired(situation, target),
            fresh: fresh(situation, target),
        },
    ];
    if situation.purpose == Purpose::Prove {
        steps.extend(target.gates(situation));
    }
    steps.push(Step::Verify { release: release(), tasks: target.tasks, alone: true });
    if situation.purpose == Purpose::Prove {
        steps.push(Step::Promote { release: release(), tasks: target.tasks });
    }
    Ok(steps)
}

/// How many tasks the platform is told to keep. Where it keeps some already for another release, their number is
/// whoever's who scales the service, unless the configuration asks for one.
fn desired(situation: &Situation<'_>, target: Target<'_>) -> Option<u32> {
    let scaled_elsewhere = situation
        .observed
        .rollout
        .as_ref()
        .is_some_and(|rollout| rollout.release.as_ref() != Some(target.release));
    (!scaled_elsewhere || situation.config.tasks.is_some()).then_some(target.tasks)
}

/// Whether the tasks are to be replaced by others of the same release. A rollout to it that is under way does so
/// already.
fn fresh(situation: &Situation<'_>, target: Target<'_>) -> bool {
    let serves = situation
        .observed
        .rollout
        .as_ref()
        .is_some_and(|rollout| rollout.succeeded && rollout.release.as_ref() == Some(target.release));
    serves && matches!(situation.purpose, Purpose::Renew { .. })
}

//! Managed: the platform rolls out by itself; its rollout is one step of the plan, and so is each gate of it.

use std::time::Duration;

use super::{Proof, Purpose, Situation, Step, Strategy, Target, unsupported};
use crate::error::{Error, ErrorKind, Result};
use crate::orchestrator::{Native, Revision};
use crate::rollout::{Rollout, Stage, Way};

pub(super) fn steps(situation: &Situation<'_>, target: Target<'_>) -> Result<Vec<Step>> {
    let way = way(situation)?;
    let passes = passes(situation, target, way);
    let release = || target.release.clone();
    let mut steps: Vec<Step> = give_up(situation, target).into_iter().collect();
    steps.push(Step::Register { release: release() });
    steps.push(Step::RollOut {
        release: release(),
        tasks: desired(situation, target),
        fresh: fresh(situation, target),
        way,
        gates: passes.iter().map(|(stage, _)| *stage).collect(),
    });
    if situation.purpose == Purpose::Prove && passes.is_empty() {
        steps.extend(target.gates(situation));
    }
    steps.extend(passes.into_iter().map(|(stage, proofs)| Step::Pass { release: release(), stage, proofs }));
    steps.push(Step::Verify { release: release(), tasks: target.tasks, alone: true });
    if situation.purpose == Purpose::Prove {
        steps.push(Step::Promote { release: release(), tasks: target.tasks });
    }
    Ok(steps)
}

/// The way back to what the platform headed for before it was ours. It has served: it waits at no gate.
pub(super) fn back(situation: &Situation<'_>, revision: &Revision) -> Vec<Step> {
    // The service shifts requests by now where that was asked for, and does not roll as long as it does.
    let way = match situation.config.strategy {
        Strategy::Rolling | Strategy::Recreate => Way::Rolling,
        Strategy::BlueGreen | Strategy::Canary | Strategy::Linear => Way::BlueGreen,
    };
    let gated = situation.observed.rollout.as_ref().filter(|rollout| rollout.gated);
    let given_up = gated.filter(|rollout| rollout.revision != *revision);
    let given_up = given_up.map(|rollout| Step::GiveUp { rollout: rollout.id.clone() });
    given_up.into_iter().chain([Step::GoBack { revision: revision.clone(), way }]).collect()
}

/// How requests move, as the platform can do it exactly. What is known to be good takes them all at once.
fn way(situation: &Situation<'_>) -> Result<Way> {
    let strategy = situation.config.strategy;
    if strategy == Strategy::Rolling {
        return Ok(Way::Rolling);
    }
    let native = situation.capabilities.native.as_ref();
    let Some(native) = native.filter(|native| native.strategies.contains(&strategy)) else {
        return Err(unsupported(strategy).with_hint("set strategy = \"rolling\""));
    };
    if !situation.has_traffic() {
        let message = format!("{strategy} moves requests, and this service takes none");
        return Err(Error::new(ErrorKind::Unsupported, message).with_hint("set strategy = \"rolling\""));
    }
    let exact = exact(situation, native)?;
    Ok(if situation.purpose == Purpose::Prove { exact } else { Way::BlueGreen })
}

fn exact(situation: &Situation<'_>, native: &Native) -> Result<Way> {
    let gradual = &situation.config.gradual;
    match situation.config.strategy {
        Strategy::Canary => {
            let [percent] = gradual.canary_percent[..] else {
                let message = format!(
                    "this platform has one canary, and {} percents are asked for",
                    gradual.canary_percent.len()
                );
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .with_hint("name one canary_percent, or use strategy = \"linear\""));
            };
            let bake = kept(native, "canary_bake_time", gradual.canary_bake_time)?;
            Ok(Way::Canary { percent, bake })
        }
        Strategy::Linear => {
            let (percent, least) = (gradual.step_percent, native.least_step);
            if percent < least {
                let message = format!("this platform shifts by {least} at least, and {percent} is asked for");
                return Err(Error::new(ErrorKind::Unsupported, message).with_hint("raise step_percent"));
            }
            Ok(Way::Linear { percent, bake: kept(native, "step_bake_time", gradual.step_bake_time)? })
        }
        _ => Ok(Way::BlueGreen),
    }
}

/// A time that the platform keeps as it is asked for.
fn kept(native: &Native, key: &str, time: Duration) -> Result<Duration> {
    if time.as_nanos().is_multiple_of(native.unit.as_nanos().max(1)) {
        return Ok(time);
    }
    let message = format!("{key} is {time:?}, and this platform counts by {:?}", native.unit);
    Err(Error::new(ErrorKind::Unsupported, message).with_hint(format!("round {key}")))
}

/// What the release shows at each stage. The first release of a service takes requests from no other: there is nothing
/// to wait for. What serves already is looked at as it serves.
fn passes(situation: &Situation<'_>, target: Target<'_>, way: Way) -> Vec<(Stage, Vec<Proof>)> {
    let serves = |rollout: &Rollout| rollout.succeeded && rollout.release.as_ref() == Some(target.release);
    let gated = way != Way::Rolling
        && situation.purpose == Purpose::Prove
        && !situation.others(target.release).is_empty()
        && !situation.observed.rollout.as_ref().is_some_and(serves);
    if !gated {
        return Vec::new();
    }
    let smoke = !situation.config.smoke.is_empty();
    let preview = (smoke && situation.capabilities.preview).then_some(Proof::SmokePreview);
    let bake = situation.config.bake_time;
    let bake = (!bake.is_zero()).then_some(Proof::Bake { tasks: target.tasks, duration: bake });
    let public = smoke.then_some(Proof::SmokePublic);
    // Where requests move in steps, the new tasks have had some of them by the next: they are asked again.
    let between = preview.filter(|_| way != Way::BlueGreen);
    let tested = preview.map(|proof| (Stage::PostTestTrafficShift, vec![proof]));
    tested
        .into_iter()
        .chain([
            (Stage::PreProductionTrafficShift, between.into_iter().collect()),
            (Stage::PostProductionTrafficShift, public.into_iter().chain(bake).collect()),
        ])
        .collect()
}

/// A rollout to something else that waits at gates is taken back before another begins.
fn give_up(situation: &Situation<'_>, target: Target<'_>) -> Option<Step> {
    let rollout = situation.observed.rollout.as_ref()?;
    let elsewhere = rollout.gated && rollout.release.as_ref() != Some(target.release);
    elsewhere.then(|| Step::GiveUp { rollout: rollout.id.clone() })
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

//! Blue/green: the new release stands complete beside the old one and takes all traffic at one instant.

use super::{Purpose, Share, Situation, Step, Target};
use crate::traffic::Role;

pub(super) fn steps(situation: &Situation<'_>, target: Target<'_>) -> Vec<Step> {
    let others = situation.others(target.release);
    let mut steps = target.place(situation);
    let traffic = situation.has_traffic();
    match situation.purpose {
        Purpose::Prove => {
            // A look at the staged release is worth a preview; without one it only takes time.
            let look = target.smoke_staged(situation);
            if traffic && situation.capabilities.preview && look.is_some() {
                steps.extend(preview(situation, target));
            }
            steps.extend(look);
            // The old release stands by while the new one proves itself, so that a crash costs no request.
            let standby = others
                .iter()
                .filter(|other| situation.capabilities.standby && other.serving && other.live > 0);
            let mut shares = target.alone();
            shares.extend(standby.map(|other| other.share(Role::Standby)));
            let standing_by = shares.len() > 1;
            if traffic {
                steps.push(Step::Shift { shares });
            }
            steps.extend(target.prove(situation));
            if traffic && standing_by {
                steps.push(Step::Shift { shares: target.alone() });
            }
        }
        Purpose::Restore | Purpose::Renew { .. } => {
            steps.extend(traffic.then(|| Step::Shift { shares: target.alone() }));
        }
    }
    steps.extend(situation.unroute());
    for other in &others {
        steps.extend(other.retire(0, situation));
    }
    steps.extend(target.finish(situation));
    steps
}

/// Puts the staged target on the preview and leaves ordinary requests where they are.
fn preview(situation: &Situation<'_>, target: Target<'_>) -> Option<Step> {
    let split = &situation.observed.split;
    let serves_already = split.serving().any(|(release, _)| release == target.release);
    if serves_already {
        return None;
    }
    let mut shares: Vec<Share> = situation
        .others(target.release)
        .iter()
        .filter(|other| other.serving)
        .filter_map(|other| split.route(&other.release).map(|route| other.share(route.role)))
        .collect();
    shares.push(Share { release: target.release.clone(), role: Role::Preview, tasks: target.tasks });
    Some(Step::Shift { shares })
}

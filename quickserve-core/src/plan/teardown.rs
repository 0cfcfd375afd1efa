//! Teardown: nothing serves and nothing exists.

use super::{Situation, Step};
use crate::release::ReleaseId;

pub(super) fn steps(situation: &Situation<'_>) -> Vec<Step> {
    if situation.capabilities.managed {
        return vec![Step::Withdraw];
    }
    let mut steps = Vec::new();
    if !situation.observed.split.routes.is_empty() {
        steps.push(Step::Shift { shares: Vec::new() });
    }
    let existing = situation.observed.sets.iter().filter(|(_, set)| !set.tasks.is_empty());
    let releases: Vec<&ReleaseId> = existing.map(|(release, _)| release).collect();
    for release in releases {
        let timeout = situation.config.drain_timeout;
        steps.push(Step::Drain { release: release.clone(), keep: 0, timeout });
        steps.push(Step::Retire { release: release.clone(), keep: 0 });
    }
    steps.push(Step::Close);
    steps
}

//! Retention: how much of a service's past is kept, and what goes.
//!
//! [`expired`] and [`expired_snapshots`] decide and touch nothing. A [`Retainer`] lets go of what it keeps for the
//! releases that they name. What a deployment may come back to never goes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::between;
use crate::error::Result;
use crate::journal::State;
use crate::outcome::Outcome;
use crate::release::{Release, ReleaseId};
use crate::workload::seconds;

#[cfg(test)]
mod tests;

/// How much of a service's past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// How many releases are kept, the one that serves among them. What a rollback goes to is kept beyond that.
    pub keep_releases: u32,
    /// How long a release is kept after it last served.
    #[serde(with = "seconds")]
    pub keep_for: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { keep_releases: 5, keep_for: Duration::from_hours(30 * 24) }
    }
}

/// Keeps something for releases that may come back: their images, the values of their secrets.
#[async_trait]
pub trait Retainer: fmt::Display + fmt::Debug + Send + Sync + 'static {
    /// Lets go of what is kept for the releases that are gone and for none of those that stay. What something
    /// else still uses, such as a container, may stay until the next call. Nothing kept is a success.
    async fn let_go(&self, gone: &[Release], stay: &[Release]) -> Result<()>;

    /// What all that is kept amounts to.
    async fn usage(&self) -> Result<Usage>;
}

/// What takes up room on a disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// How many things.
    pub count: u64,
    /// Their bytes. Of images each counts in full: what they share is counted several times.
    pub bytes: u64,
}

impl FromIterator<u64> for Usage {
    /// Of the bytes of each thing.
    fn from_iter<I: IntoIterator<Item = u64>>(sizes: I) -> Self {
        sizes.into_iter().fold(Self::default(), |sum, bytes| Self {
            count: sum.count + 1,
            bytes: sum.bytes.saturating_add(bytes),
        })
    }
}

/// The releases that the journal knows and nothing needs any more.
///
/// Kept are what a deployment may come back to, whatever its number and age, and beside it the promoted releases
/// that served last, as many as the retention says and none that is too old. One that was condemned stands
/// behind every good one. A release that was never promoted is only kept while a deployment names it.
pub fn expired(state: &State, retention: &Retention, now: Timestamp) -> BTreeSet<ReleaseId> {
    let mut kept: BTreeSet<&ReleaseId> = needed(state);
    let slots = (retention.keep_releases as usize).saturating_sub(kept.len());
    let served = last_served(state);
    let young =
        |release: &ReleaseId| served.get(release).is_some_and(|at| between(*at, now) <= retention.keep_for);
    let mut candidates: Vec<&ReleaseId> = Vec::new();
    for release in state.promoted.iter().rev() {
        if !candidates.contains(&release) && !kept.contains(release) && state.can_return_to(release) {
            candidates.push(release);
        }
    }
    candidates.sort_by_key(|release| state.condemned.contains_key(*release));
    kept.extend(candidates.into_iter().filter(|release| young(release)).take(slots));
    state.releases.keys().filter(|release| !kept.contains(release)).cloned().collect()
}

/// Of these snapshots of the journal, those that go: the newest one never does.
pub fn expired_snapshots(
    state: &State,
    retention: &Retention,
    now: Timestamp,
    snapshots: &[u64],
) -> Vec<u64> {
    // A snapshot is what the records before a deployment amount to.
    let started: BTreeMap<u64, Timestamp> =
        state.deployments.iter().map(|deployment| (deployment.seq, deployment.started)).collect();
    let old = |number: u64| {
        let at = number.checked_add(1).and_then(|seq| started.get(&seq));
        at.is_none_or(|at| between(*at, now) > retention.keep_for)
    };
    let newest_first: BTreeSet<u64> = snapshots.iter().copied().collect();
    let older = newest_first.into_iter().rev().enumerate().skip(1);
    older
        .filter(|(place, number)| *place >= retention.keep_releases as usize || old(*number))
        .map(|(_, number)| number)
        .collect()
}

/// What is current, what a rollback would go to, and all that a deployment in flight names.
fn needed(state: &State) -> BTreeSet<&ReleaseId> {
    let mut needed: BTreeSet<&ReleaseId> =
        state.current().into_iter().chain(state.rollback_target()).collect();
    if let Some(open) = &state.open {
        needed.extend(open.opened.goal.release());
        needed.extend(&open.opened.fallback);
        if let Some((plan, _)) = &open.plan {
            needed.extend(plan.goal.release());
            needed.extend(plan.steps.iter().flat_map(|step| step.releases()));
        }
    }
    needed
}

/// When each release last served or was last deployed, as far as the history tells.
fn last_served(state: &State) -> BTreeMap<&ReleaseId, Timestamp> {
    let mut last = BTreeMap::new();
    let mut serving = None;
    for deployment in &state.deployments {
        let at = deployment.finished.unwrap_or(deployment.started);
        last.extend(deployment.release.as_ref().map(|release| (release, at)));
        if deployment.outcome == Some(Outcome::Done) {
            // It served until this one took its place.
            let before = std::mem::replace(&mut serving, deployment.release.as_ref());
            last.extend(before.map(|release| (release, at)));
        }
    }
    last
}

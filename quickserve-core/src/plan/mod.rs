//! Planning: from a goal and what is observed to the steps that lead there.
//!
//! A planner is a pure function; its plan is data that can be printed, journalled and run. Deploying, rolling
//! back and recovering differ only in the goal and the [`Purpose`], so a crash or a failure in the middle is
//! just another starting point.

mod blue_green;
mod config;
mod managed;
mod recreate;
mod renew;
mod rolling;
mod step;
mod teardown;
#[cfg(test)]
mod tests;

pub use config::{DeploymentConfig, Gradual, OnFailure, SmokeCheck, SmokeExpectation, Strategy};
pub use step::{Proof, Share, Step};

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::fence::Epoch;
use crate::orchestrator::{Capabilities, Observed, Revision};
use crate::release::ReleaseId;
use crate::traffic::Role;

/// What shall be so in the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "want")]
pub enum Goal {
    /// This release serves, with so many tasks, and no other exists.
    Serve {
        /// The release.
        release: ReleaseId,
        /// How many tasks.
        tasks: u32,
    },
    /// Nothing serves and nothing exists.
    Nothing,
    /// What the platform headed for before it was ours to deploy serves again.
    Before {
        /// The platform's name for it.
        revision: Revision,
    },
}

impl Goal {
    /// The release that shall serve, if one shall.
    pub fn release(&self) -> Option<&ReleaseId> {
        match self {
            Self::Serve { release, .. } => Some(release),
            Self::Nothing | Self::Before { .. } => None,
        }
    }
}

/// Whether the release of the goal must still prove itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// It is new: every gate applies, and it is promoted when it has passed them.
    Prove,
    /// It is known to be good (a rollback, a recovery, an interrupted clean-up): only its health is awaited.
    Restore,
    /// It is known to be good, and its tasks from before an epoch are replaced by fresh ones.
    Renew {
        /// The epoch from which on tasks count as fresh.
        since: Epoch,
    },
}

/// What a planner plans from.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// What shall be so.
    pub goal: &'a Goal,
    /// Whether the goal's release must still prove itself.
    pub purpose: Purpose,
    /// What is so, with doomed tasks marked as such.
    pub observed: &'a Observed,
    /// What the platform can do.
    pub capabilities: &'a Capabilities,
    /// How deployments of this service go.
    pub config: &'a DeploymentConfig,
}

/// The steps that lead to a goal, in order. Each ensures something and does nothing where it is so already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What shall be so in the end.
    pub goal: Goal,
    /// Whether the goal's release must still prove itself.
    pub purpose: Purpose,
    /// The strategy that it follows.
    pub strategy: Strategy,
    /// The steps.
    pub steps: Vec<Step>,
}

/// Plans the way from what is observed to the goal.
///
/// # Errors
/// [`ErrorKind::Unsupported`] when the platform, or the numbers given, do not
/// allow it; nothing that merely resembles what was asked is planned instead.
pub fn plan(situation: &Situation<'_>) -> Result<Plan> {
    let strategy = situation.config.strategy;
    let steps = match situation.goal {
        Goal::Nothing => teardown::steps(situation),
        Goal::Before { revision } => managed::back(situation, revision),
        Goal::Serve { release, tasks } => {
            let target = Target { release, tasks: *tasks };
            target.check(situation)?;
            match (situation.purpose, strategy) {
                _ if situation.capabilities.managed => managed::steps(situation, target)?,
                (Purpose::Renew { since }, _) => renew::steps(situation, target, since)?,
                (_, Strategy::Recreate) => recreate::steps(situation, target),
                (_, Strategy::Rolling) => rolling::steps(situation, target)?,
                (_, Strategy::BlueGreen) => blue_green::steps(situation, target),
                (_, Strategy::Canary | Strategy::Linear) => return Err(unsupported(strategy)),
            }
        }
    };
    Ok(Plan { goal: situation.goal.clone(), purpose: situation.purpose, strategy, steps })
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(f, "{:>3}. {step}", index + 1)?;
        }
        Ok(())
    }
}

/// A strategy that the platform does not have.
fn unsupported(strategy: Strategy) -> Error {
    Error::new(ErrorKind::Unsupported, format!("this platform does not have the strategy {strategy}"))
}

/// The release that shall serve and how many tasks of it.
#[derive(Debug, Clone, Copy)]
struct Target<'a> {
    release: &'a ReleaseId,
    tasks: u32,
}

impl Target<'_> {
    fn check(self, situation: &Situation<'_>) -> Result<()> {
        let unsupported = |message: String| Err(Error::new(ErrorKind::Unsupported, message));
        if self.tasks > situation.capabilities.max_tasks {
            let most = situation.capabilities.max_tasks;
            return unsupported(format!("{} tasks are more than this platform's {most}", self.tasks));
        }
        if situation.capabilities.managed {
            return Ok(());
        }
        let strategy = situation.config.strategy;
        if strategy != Strategy::Recreate && !situation.capabilities.side_by_side {
            return unsupported(format!(
                "{strategy} needs two releases side by side, and this platform has one"
            ));
        }
        if strategy == Strategy::Rolling && !situation.capabilities.weighted_traffic {
            return unsupported("rolling needs traffic by weight, which this platform does not have".into());
        }
        Ok(())
    }

    /// Steps that bring the target's tasks up.
    fn place(self, situation: &Situation<'_>) -> Vec<Step> {
        let (release, tasks, standing) = (|| self.release.clone(), self.tasks, situation.standing());
        let place = (tasks > 0).then(|| Step::Place { release: release(), tasks, standing });
        std::iter::once(Step::Register { release: release() }).chain(place).collect()
    }

    /// The target as the only one that serves; nobody does where it has no tasks.
    fn alone(self) -> Vec<Share> {
        self.share(self.tasks).into_iter().collect()
    }

    /// The part of so many tasks of it, if there are any.
    fn share(self, tasks: u32) -> Option<Share> {
        let share = || Share { release: self.release.clone(), role: Role::Serving(tasks), tasks };
        (tasks > 0).then(share)
    }

    /// Gates that the target passes while it serves and before it is promoted.
    fn prove(self, situation: &Situation<'_>) -> Vec<Step> {
        let release = || self.release.clone();
        let mut steps = self.gates(situation);
        steps.push(Step::Verify { release: release(), tasks: self.tasks, alone: false });
        steps.push(Step::Promote { release: release(), tasks: self.tasks });
        steps
    }

    /// Looks at the target while it serves.
    fn gates(self, situation: &Situation<'_>) -> Vec<Step> {
        let release = || self.release.clone();
        let mut steps = Vec::new();
        if !situation.config.smoke.is_empty() && situation.has_traffic() {
            steps.push(Step::SmokePublic { release: release() });
        }
        if !situation.config.bake_time.is_zero() {
            let duration = situation.config.bake_time;
            steps.push(Step::Bake { release: release(), tasks: self.tasks, duration });
        }
        steps
    }

    /// The look at the staged target before it serves.
    fn smoke_staged(self, situation: &Situation<'_>) -> Option<Step> {
        let wanted = situation.purpose == Purpose::Prove
            && !situation.config.smoke.is_empty()
            && situation.has_traffic();
        wanted.then(|| Step::SmokeStaged { release: self.release.clone() })
    }

    /// The last steps of every plan that makes a release serve: what failed or is too much of it goes, after
    /// the requests that it has, and the platform is read back.
    fn finish(self, situation: &Situation<'_>) -> Vec<Step> {
        let (release, keep) = (|| self.release.clone(), self.tasks);
        let surplus = situation.observed.set(self.release).live().count() > keep as usize;
        let timeout = situation.config.drain_timeout;
        let drain = surplus.then(|| Step::Drain { release: release(), keep, timeout });
        drain
            .into_iter()
            .chain([
                Step::Retire { release: release(), keep },
                Step::Verify { release: release(), tasks: keep, alone: true },
            ])
            .collect()
    }
}

impl Situation<'_> {
    fn standing(&self) -> crate::orchestrator::Standing {
        match self.purpose {
            Purpose::Prove => crate::orchestrator::Standing::Staged,
            Purpose::Restore | Purpose::Renew { .. } => crate::orchestrator::Standing::Promoted,
        }
    }

    /// Whether requests come to the service at all; a worker has none.
    fn has_traffic(&self) -> bool {
        self.config.traffic
    }

    /// A worker takes no requests: those of a release from before, which took some, go nowhere, before any of
    /// its tasks may go.
    fn unroute(&self) -> Option<Step> {
        let routed = !self.has_traffic() && !self.observed.split.routes.is_empty();
        routed.then(|| Step::Shift { shares: Vec::new() })
    }

    /// Releases other than the target that exist or get requests; those that do not serve come first.
    fn others(&self, target: &ReleaseId) -> Vec<Other> {
        let split = &self.observed.split;
        let mut others: Vec<Other> = self
            .observed
            .sets
            .iter()
            .filter(|(release, set)| *release != target && !set.tasks.is_empty())
            .map(|(release, _)| release)
            .chain(split.routes.iter().map(|route| &route.release).filter(|release| *release != target))
            .map(|release| {
                let live = u32::try_from(self.observed.set(release).live().count()).unwrap_or(u32::MAX);
                let routed = split.route(release).is_some_and(|route| route.role != Role::Preview);
                let serving = routed || (!self.has_traffic() && live > 0);
                Other { release: release.clone(), live, serving }
            })
            .collect();
        others.sort_by(|a, b| (a.serving, &a.release).cmp(&(b.serving, &b.release)));
        others.dedup();
        others
    }
}

/// A release other than the target. It serves when it gets ordinary requests, or stands by for
/// them; a worker serves by running.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Other {
    release: ReleaseId,
    live: u32,
    serving: bool,
}

impl Other {
    /// Steps that end all but the first `keep` tasks of it.
    fn retire(&self, keep: u32, situation: &Situation<'_>) -> [Step; 2] {
        let timeout = situation.config.drain_timeout;
        [
            Step::Drain { release: self.release.clone(), keep, timeout },
            Step::Retire { release: self.release.clone(), keep },
        ]
    }

    fn share(&self, role: Role) -> Share {
        Share { release: self.release.clone(), role, tasks: self.live }
    }
}

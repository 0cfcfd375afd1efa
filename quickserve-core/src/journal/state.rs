//! What a journal's records amount to, folded one after the other.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::lock::Lock;
use super::pause::Parked;
use super::record::{AbortKind, Act, Cause, CommandBegan, DeploymentId, Event, Opened, Owner, Record};
use crate::fence::Epoch;
use crate::orchestrator::{Revision, TaskId};
use crate::outcome::Outcome;
use crate::plan::{DeploymentConfig, Goal, Plan, Purpose, Step};
use crate::release::{Release, ReleaseId};
use crate::rollout::{RolloutId, Stage};

/// What a journal says, up to its last record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The number of the last record; 0 where there is none.
    pub last: u64,
    /// The newest epoch.
    pub epoch: Epoch,
    /// The deployment that has not ended, if there is one.
    pub open: Option<OpenDeployment>,
    /// Every release that a deployment was opened for since the service was last removed.
    pub releases: BTreeMap<ReleaseId, Release>,
    /// Promotions, oldest first; the last is what should serve.
    pub promoted: Vec<ReleaseId>,
    /// How many tasks the release that was promoted last has.
    pub tasks: u32,
    /// How many tasks the configuration asked for when that was decided.
    #[serde(default)]
    pub configured: Option<u32>,
    /// The configuration of the last deployment.
    pub config: Option<DeploymentConfig>,
    /// Releases that were decided to be bad, and why.
    pub condemned: BTreeMap<ReleaseId, Cause>,
    /// Releases of which nothing is kept any more, so that nothing goes back to them.
    #[serde(default)]
    pub pruned: BTreeSet<ReleaseId>,
    /// Tasks that a destructive intent has named.
    pub doomed: BTreeSet<TaskId>,
    /// Every deployment, oldest first.
    pub deployments: Vec<DeploymentSummary>,
    /// Every lock, oldest first; the last is in force unless it was lifted.
    #[serde(default)]
    pub locks: Vec<Lock>,
    /// The last commands that were run beside deployments, oldest first.
    #[serde(default)]
    pub commands: Vec<CommandSummary>,
}

/// How many commands a state remembers; the records know of all.
const COMMANDS: usize = 100;

/// A deployment that has not ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenDeployment {
    /// How it began.
    pub opened: Opened,
    /// When it began.
    pub started: Timestamp,
    /// Who holds it now.
    pub owner: Owner,
    /// The plan in force and when its goal must be reached.
    pub plan: Option<(Plan, Timestamp)>,
    /// What a platform that rolls out by itself headed for when it began.
    #[serde(default)]
    pub found: Option<Revision>,
    /// The step that was begun last, and when.
    pub step: Option<(u32, Step, Timestamp)>,
    /// Whether that step has completed.
    pub step_completed: bool,
    /// Where gates of a platform's rollout were answered.
    #[serde(default)]
    pub answered: Vec<(RolloutId, Stage)>,
    /// Why it failed, once it has.
    pub failed: Option<Cause>,
    /// How an abort was asked for, once it was.
    pub abort: Option<(AbortKind, String)>,
    /// Who asked for a pause that has not begun yet.
    #[serde(default)]
    pub pause: Option<String>,
    /// Set while it is paused.
    #[serde(default)]
    pub parked: Option<Parked>,
    /// Whether it is decided, so that it only goes forward: its release was promoted, or, of a removal, everything
    /// is gone.
    pub promoted: bool,
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentSummary {
    /// Its name.
    pub deployment: DeploymentId,
    /// The record that opened it.
    pub seq: u64,
    /// What was asked for.
    pub act: Act,
    /// Its release, if it had one.
    pub release: Option<ReleaseId>,
    /// How it ended, once it has.
    pub outcome: Option<Outcome>,
    /// When it began.
    pub started: Timestamp,
    /// When it ended, once it has.
    pub finished: Option<Timestamp>,
    /// Who did it.
    pub by: String,
    /// Why it did not end well.
    pub cause: Option<Cause>,
    /// The step that failed first, where one did.
    #[serde(default)]
    pub failed_at: Option<Step>,
}

/// A command that was run beside deployments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandSummary {
    /// The record that began it.
    pub seq: u64,
    /// What and where.
    pub began: CommandBegan,
    /// When it began.
    pub started: Timestamp,
    /// When it ended, once that was recorded.
    pub finished: Option<Timestamp>,
    /// Its exit code, where it came to one.
    pub exit_code: Option<i64>,
}

impl State {
    /// Folds the next record in.
    pub fn apply(&mut self, record: &Record) {
        self.last = record.seq;
        // Also of kinds that this version does not know: a record that begins an epoch has its own number.
        self.epoch = self.epoch.max(record.epoch);
        let Some(event) = record.entry.event() else { return };
        match event {
            Event::Opened(opened) => self.open(record, opened),
            Event::Promoted { release } => {
                self.promoted.push(release.clone());
                self.condemned.remove(release);
                self.pruned.remove(release);
                if let Some(open) = &mut self.open
                    && let Goal::Serve { release: wanted, tasks } = &open.opened.goal
                    && wanted == release
                {
                    open.promoted = true;
                    self.tasks = *tasks;
                    self.configured = open.opened.config.tasks;
                }
            }
            Event::Condemned { release, cause } => {
                self.condemned.insert(release.clone(), cause.clone());
            }
            Event::Pruned { releases } => self.pruned.extend(releases.iter().cloned()),
            Event::Removed {} => {
                self.promoted.clear();
                self.condemned.clear();
                self.pruned.clear();
                self.releases.clear();
                self.doomed.clear();
                if let Some(open) = &mut self.open {
                    open.promoted = true;
                }
            }
            Event::Ended { outcome, cause, .. } => {
                self.open = None;
                if let Some(summary) = self.deployments.last_mut() {
                    summary.outcome = Some(*outcome);
                    summary.finished = Some(record.at);
                    summary.cause.clone_from(cause);
                }
            }
            Event::Intended { dooms, .. } => {
                self.doomed.extend(dooms.iter().cloned());
                self.progress(record, event);
            }
            Event::TakenOver { .. }
            | Event::Planned { .. }
            | Event::Answering { .. }
            | Event::Completed { .. }
            | Event::Failed { .. }
            | Event::AbortRequested { .. }
            | Event::PauseRequested { .. }
            | Event::PromoteRequested { .. }
            | Event::Parked { .. } => self.progress(record, event),
            Event::Locked { .. } | Event::Unlocked { .. } => self.fold_lock(record, event),
            Event::CommandBegan(began) => {
                let (seq, began) = (record.seq, began.clone());
                let fresh =
                    CommandSummary { seq, began, started: record.at, finished: None, exit_code: None };
                self.commands.push(fresh);
                let surplus = self.commands.len().saturating_sub(COMMANDS);
                self.commands.drain(..surplus);
            }
            Event::CommandEnded { began, exit_code } => {
                if let Some(command) = self.commands.iter_mut().find(|command| command.seq == *began) {
                    (command.finished, command.exit_code) = (Some(record.at), *exit_code);
                }
            }
            Event::Repaired { .. } => {}
        }
    }

    fn open(&mut self, record: &Record, opened: &Opened) {
        if let Some(release) = &opened.release {
            self.releases.insert(release.id.clone(), release.clone());
        }
        self.config = Some(opened.config.clone());
        self.deployments.push(DeploymentSummary {
            deployment: opened.deployment.clone(),
            seq: record.seq,
            act: opened.act,
            release: opened.goal.release().cloned(),
            outcome: None,
            started: record.at,
            finished: None,
            by: opened.owner.who.clone(),
            cause: None,
            failed_at: None,
        });
        self.open = Some(OpenDeployment {
            opened: opened.clone(),
            started: record.at,
            owner: opened.owner.clone(),
            plan: None,
            found: None,
            step: None,
            step_completed: false,
            answered: Vec::new(),
            failed: None,
            abort: None,
            pause: None,
            parked: None,
            promoted: false,
        });
    }

    fn progress(&mut self, record: &Record, event: &Event) {
        let Some(open) = &mut self.open else { return };
        open.fold_pause(record, event);
        match event {
            Event::TakenOver { owner, .. } => open.owner = owner.clone(),
            Event::Planned { plan, deadline, found, .. } => {
                // Later plans find what this deployment has started.
                if open.plan.is_none() {
                    open.found.clone_from(found);
                }
                open.plan = Some((plan.clone(), *deadline));
                open.step = None;
            }
            Event::Intended { index, step, .. } => {
                open.step = Some((*index, step.clone(), record.at));
                open.step_completed = false;
            }
            Event::Answering { rollout, stage, .. } => open.answered.push((rollout.clone(), *stage)),
            Event::Completed { .. } => open.step_completed = true,
            Event::Failed { index, cause } => {
                open.failed = Some(cause.clone());
                let plan = open.plan.as_ref().map(|(plan, _)| &plan.steps);
                let at = index.and_then(|index| plan?.get(index as usize)).cloned();
                if let Some(summary) = self.deployments.last_mut() {
                    // What fails after it is an obstacle on the way back.
                    summary.failed_at = summary.failed_at.take().or(at);
                }
            }
            Event::AbortRequested { by, how } => open.abort = Some((*how, by.clone())),
            _ => {}
        }
    }

    /// The release that was promoted last: what should serve while no deployment is in flight.
    pub fn current(&self) -> Option<&ReleaseId> {
        self.promoted.last()
    }

    /// How many tasks a deployment has where the configuration asks for so many: a count that the service was
    /// scaled to since, as long as the configuration has not changed. A service that was scaled to nothing is
    /// woken: a release without tasks would prove nothing.
    pub fn tasks_for(&self, configured: u32) -> u32 {
        let holds = self.current().is_some() && self.configured == Some(configured) && self.tasks > 0;
        if holds { self.tasks } else { configured }
    }

    /// Whether a release may be gone back to: it was promoted, and what it needs is still kept.
    pub fn can_return_to(&self, release: &ReleaseId) -> bool {
        self.promoted.contains(release) && !self.pruned.contains(release)
    }

    /// What a rollback goes to: the newest promoted release that is kept and neither condemned nor the current
    /// one; the current one where a failed deployment was left in its place.
    pub fn rollback_target(&self) -> Option<&ReleaseId> {
        let current = self.current();
        if self.is_left_failed() {
            return current;
        }
        self.promoted.iter().rev().find(|release| {
            Some(*release) != current
                && !self.condemned.contains_key(*release)
                && !self.pruned.contains(*release)
        })
    }

    /// Whether the last deployment failed, was not taken back, and so serves where the current release should.
    fn is_left_failed(&self) -> bool {
        self.deployments.last().is_some_and(|last| {
            last.act == Act::Deploy
                && matches!(last.outcome, Some(Outcome::Frozen | Outcome::Stuck))
                && last.release.as_ref() != self.current()
        })
    }

    /// The goal that holds when a deployment's own is given up: the current release, else what was there before the
    /// first deployment, else nothing.
    pub fn fallback_goal(&self) -> Goal {
        let found = self.open.as_ref().and_then(|open| open.found.clone());
        match (self.current(), found) {
            (Some(release), _) => Goal::Serve { release: release.clone(), tasks: self.tasks },
            (None, Some(revision)) => Goal::Before { revision },
            (None, None) => Goal::Nothing,
        }
    }

    /// What the journal implies for an unfinished deployment: its goal and whether that must prove itself.
    pub fn implied(&self, open: &OpenDeployment) -> (Goal, Purpose) {
        if open.promoted {
            return (open.opened.goal.clone(), Purpose::Restore);
        }
        if open.failed.is_some() || open.abort.is_some() {
            return (self.fallback_goal(), Purpose::Restore);
        }
        (open.opened.goal.clone(), open.opened.purpose)
    }
}

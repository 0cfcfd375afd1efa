//! Shift: requests go to these releases and to no others, from one instant on.

use crate::engine::{Pace, Run, Stop};
use crate::journal::{Act, Cause};
use crate::orchestrator::{Observed, TaskId, TaskState};
use crate::plan::Share;
use crate::release::ReleaseId;
use crate::traffic::{Route, Split, SplitVersion, Upstream};
use crate::workload::Protocol;

impl Run {
    pub(crate) async fn shift(&mut self, shares: &[Share]) -> Result<Option<String>, Stop> {
        let mut pace = Pace::RETRY;
        loop {
            let split = self.split_for(shares).await?;
            let router = &self.router()?;
            let (current, version) = self.insist(async |_| router.split().await).await?;
            if current == split && self.is_as_asked(&split).await? {
                return Ok(None);
            }
            if self.replace(version, &split).await? {
                return Ok(None);
            }
            self.tick(&mut pace).await?;
        }
    }

    /// Whether the service is reached as it was asked for, where this is the deployment that brings that about. On
    /// the way back nothing new is brought about.
    async fn is_as_asked(&mut self, split: &Split) -> Result<bool, Stop> {
        let goes_back = self
            .journal
            .state()
            .open
            .as_ref()
            .is_some_and(|open| open.failed.is_some() || open.abort.is_some());
        if self.opened.act != Act::Deploy || goes_back {
            return Ok(true);
        }
        let router = &self.router()?;
        self.insist(async |_| router.is_as_asked(split).await).await
    }

    /// Takes tasks that have failed out of the split, wherever they are in it.
    pub(crate) async fn take_out(&mut self, failed: &[TaskId]) -> Result<(), Stop> {
        let mut pace = Pace::RETRY;
        loop {
            let router = &self.router()?;
            let (mut split, version) = self.insist(async |_| router.split().await).await?;
            if !failed.iter().any(|task| split.references(task)) {
                return Ok(());
            }
            for route in &mut split.routes {
                route.upstreams.retain(|upstream| !failed.contains(&upstream.task));
            }
            split.routes.retain(|route| !route.upstreams.is_empty());
            if self.replace(version, &split).await? {
                return Ok(());
            }
            self.tick(&mut pace).await?;
        }
    }

    /// Replaces the split, unless it has changed since it was read: then it answers no.
    async fn replace(&mut self, version: SplitVersion, split: &Split) -> Result<bool, Stop> {
        let router = &self.router()?;
        match self.insist(async |fence| router.set(&fence, version, split).await).await {
            Ok(_) => Ok(true),
            Err(Stop::Failed { cause, .. }) if self.changed_meanwhile(version).await? => {
                self.progress(format!("the split changed meanwhile: {}", cause.message));
                Ok(false)
            }
            Err(stop) => Err(stop),
        }
    }

    async fn changed_meanwhile(&mut self, version: SplitVersion) -> Result<bool, Stop> {
        let router = &self.router()?;
        Ok(self.insist(async |_| router.split().await).await?.1 != version)
    }

    /// The shares with the tasks that take part. A release that is brought up must be there in full; of one
    /// that is on its way out, what there is.
    async fn split_for(&mut self, shares: &[Share]) -> Result<Split, Stop> {
        let mut pace = Pace::QUICK;
        loop {
            let mut observed = self.observe().await?;
            let mut short = None;
            let mut routes = Vec::new();
            for share in shares {
                let wanted = self.is_wanted(share);
                if wanted {
                    self.examine(&mut observed, share).await?;
                }
                let tasks = self.upstreams(share, &observed, wanted);
                if wanted && tasks.len() < share.tasks as usize {
                    short = Some((share.release.clone(), tasks.len(), share.tasks));
                }
                if !tasks.is_empty() {
                    routes.push(Route {
                        release: share.release.clone(),
                        role: share.role,
                        protocol: self.protocol(&share.release),
                        upstreams: tasks,
                    });
                }
            }
            let Some((release, healthy, tasks)) = short else { return Ok(Split { routes }) };
            let failing = observed
                .set(&release)
                .tasks
                .iter()
                .filter(|task| !task.doomed)
                .find_map(super::place::failing);
            if let Some(why) = failing {
                let message =
                    format!("{release:#} has {healthy} of {tasks} tasks healthy, too few for requests");
                let cause = self.explained(Cause::new(message).because([why]), &release).await;
                return Err(Stop::Failed { cause, condemns: true });
            }
            self.tick(&mut pace).await?;
        }
    }

    /// What a release's tasks speak; one that the journal does not know any more is on its way out.
    fn protocol(&self, release: &ReleaseId) -> Protocol {
        let known = self.journal.state().releases.get(release);
        known.map(|release| release.workload.protocol).unwrap_or_default()
    }

    /// Whether a share is of the release that the goal wants.
    fn is_wanted(&self, share: &Share) -> bool {
        let plan = self.journal.state().open.as_ref().and_then(|open| open.plan.as_ref());
        plan.is_some_and(|(plan, _)| plan.goal.release() == Some(&share.release))
    }

    async fn examine(&mut self, observed: &mut Observed, share: &Share) -> Result<(), Stop> {
        let workload = self.workload(&share.release)?;
        let now = self.clock.now();
        if let Some(set) = observed.sets.get_mut(&share.release) {
            self.vitals.examine(set, &workload, now).await?;
        }
        Ok(())
    }

    fn upstreams(&self, share: &Share, observed: &Observed, wanted: bool) -> Vec<Upstream> {
        let set = observed.set(&share.release);
        let serves = |task: &&TaskState| observed.split.references(&task.id);
        let mut able: Vec<&TaskState> = set
            .live()
            .filter(|task| if wanted { self.policy.ready(task) } else { task.address.is_some() })
            .collect();
        // Tasks that serve already come first, so that a split does not change without need, and those that
        // are to be replaced last.
        able.sort_by_key(|task| (self.is_worn(task), !serves(task)));
        let upstream =
            |task: &TaskState| task.address.map(|address| Upstream { task: task.id.clone(), address });
        let mut upstreams: Vec<Upstream> =
            able.into_iter().take(share.tasks as usize).filter_map(upstream).collect();
        upstreams.sort_by(|a, b| a.task.cmp(&b.task));
        upstreams
    }
}

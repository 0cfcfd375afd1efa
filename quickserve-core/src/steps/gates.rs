//! Pass, give up: a rollout is let through its gates once its release has shown itself, or taken back.

use super::rollout::{Standing, superseded};
use crate::engine::{Pace, Run, Stop};
use crate::journal::{Cause, Event};
use crate::plan::Proof;
use crate::release::ReleaseId;
use crate::rollout::{Answer, GateId, RolloutId, RolloutState, Stage};

impl Run {
    /// A stage may have several gates, each with a name of its own: the release shows itself at every one.
    pub(crate) async fn pass(
        &mut self,
        release: &ReleaseId,
        stage: Stage,
        proofs: &[Proof],
    ) -> Result<Option<String>, Stop> {
        let Some(rollout) = self.rollout.clone() else { return Err(self.misplanned()) };
        let mut shown = Vec::new();
        let mut pace = Pace::REMOTE;
        loop {
            match self.standing(release, &rollout).await? {
                Standing::Running(progress) => self.watch(release, &mut pace, progress.to_string()).await?,
                Standing::Waiting { gate, stage: Some(at) } if at == stage => {
                    match self.prove(release, proofs).await {
                        Ok(evidence) => shown = evidence,
                        Err(stop) => {
                            // Where the platform has taken it back meanwhile, its reason is the better one.
                            if matches!(stop, Stop::Failed { .. }) {
                                self.standing(release, &rollout).await?;
                            }
                            return Err(stop);
                        }
                    }
                    self.let_through(release, &rollout, gate, stage).await?;
                    pace = Pace::REMOTE;
                    self.tick(&mut pace).await?;
                }
                Standing::Waiting { stage: Some(at), .. } if at > stage => {
                    return self.past(release, &rollout, stage, &shown);
                }
                Standing::Succeeded => return self.past(release, &rollout, stage, &shown),
                Standing::Waiting { gate, .. } => {
                    let message = format!("the rollout waits at gate {}, which no step is for", gate.0);
                    return Err(Stop::Failed { cause: Cause::new(message), condemns: false });
                }
            }
        }
    }

    /// The answer goes to the gate that is there when it is given: names change, and one that went meanwhile may not
    /// be answered for the one that was proven.
    async fn let_through(
        &mut self,
        release: &ReleaseId,
        rollout: &RolloutId,
        gate: GateId,
        stage: Stage,
    ) -> Result<(), Stop> {
        match self.standing(release, rollout).await? {
            Standing::Waiting { gate: now, .. } if now == gate => {}
            _ => return Ok(()),
        }
        // The last moment at which an abort or a rollback is cheaper than what follows.
        self.listen().await?;
        self.op =
            self.record(Event::Answering { rollout: rollout.clone(), gate: gate.clone(), stage }).await?;
        let (rollouts, answer) = (&self.rollouts()?, Answer::Continue);
        // Taken or gone: the next look shows what came of it.
        self.insist(async |fence| rollouts.answer(&fence, rollout, &gate, answer).await).await?;
        Ok(())
    }

    async fn prove(&mut self, release: &ReleaseId, proofs: &[Proof]) -> Result<Vec<String>, Stop> {
        let mut shown = Vec::new();
        for proof in proofs {
            shown.extend(match proof {
                Proof::SmokePreview => self.smoke_preview(release).await?,
                Proof::SmokePublic => self.smoke_public(release).await?,
                Proof::Bake { tasks, duration } => self.bake(release, *tasks, *duration).await?,
            });
        }
        Ok(shown)
    }

    fn past(
        &self,
        release: &ReleaseId,
        rollout: &RolloutId,
        stage: Stage,
        shown: &[String],
    ) -> Result<Option<String>, Stop> {
        if self.answered(rollout, stage) {
            return Ok((!shown.is_empty()).then(|| shown.join(", ")));
        }
        let message = format!("somebody else has let {release:#} through {stage}");
        let cause = Cause::new(message).because(["nothing was proven there".to_owned()]);
        Err(Stop::Failed { cause, condemns: false })
    }

    /// Whether a gate at a stage of a rollout was answered by an owner of this deployment.
    pub(crate) fn answered(&self, rollout: &RolloutId, stage: Stage) -> bool {
        let open = self.journal.state().open.as_ref();
        open.is_some_and(|open| open.answered.iter().any(|(of, at)| (of, *at) == (rollout, stage)))
    }

    /// What is under way is taken back by the platform, which knows the way; what it has brought to an end is not
    /// touched here.
    pub(crate) async fn give_up(&mut self, rollout: &RolloutId) -> Result<Option<String>, Stop> {
        let rollouts = &self.rollouts()?;
        let mut asked = false;
        let mut pace = Pace::REMOTE;
        loop {
            let (waits, shown) = match self.insist(async |_| rollouts.state(rollout).await).await? {
                RolloutState::Running(progress) => (false, progress.to_string()),
                RolloutState::Waiting { gate, .. } => (true, format!("waits at gate {}", gate.0)),
                RolloutState::Superseded { by } => return Err(superseded(by)),
                RolloutState::Succeeded | RolloutState::RolledBack { .. } | RolloutState::Failed { .. } => {
                    break;
                }
            };
            if waits || !asked {
                self.insist(async |fence| rollouts.abort(&fence, rollout).await).await?;
                asked = true;
            } else {
                self.progress(shown);
            }
            self.tick(&mut pace).await?;
        }
        // What it made of it is what comes next from here.
        self.from = self.observe().await?.rollout;
        Ok(None)
    }
}

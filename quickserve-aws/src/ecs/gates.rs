//! ECS's own blue/green, canary and linear deployments: where they stand, their gates, and their way back.

use std::net::SocketAddr;
use std::time::Duration;

use aws_sdk_ecs::types::{DeploymentLifecycleHookAction, DeploymentStrategy, StopServiceDeploymentStopType};
use aws_smithy_types::DateTime;
use quickserve_core::fence::Fence;
use quickserve_core::rollout::{Answer, Answered, GateId, RolloutId, RolloutProgress, RolloutState};
use quickserve_core::{Error, ErrorKind, Result};

use super::fence::fenced;
use super::history::{Open, Record};
use super::platform::Ecs;
use super::rollout::{ended, parts};
use super::service::Live;
use super::verdict::{State, Verdict};
use crate::error::{Call, call};

/// Seconds after which a deployment's record is there, if ever: `ListServiceDeployments` lags behind by a few.
const RECORD_LAG: i64 = 300;
/// For finding the address of a test listener.
const LOOKUP: Duration = Duration::from_secs(5);
const CONTINUE: Call = call("ecs", "ContinueServiceDeployment");
const STOP: Call = call("ecs", "StopServiceDeployment");

impl Live {
    /// Whether a deployment in another way than rolling is under way.
    pub(super) fn is_gated(&self) -> bool {
        let open = self.deployments.iter().any(|it| it.primary && it.state == State::InProgress);
        open && self.strategy() != DeploymentStrategy::Rolling
    }
}

impl Ecs {
    /// Where a deployment stands that ECS keeps a record of: only that says what it waits for, and only SUCCESSFUL is
    /// success.
    pub(super) async fn stand_gated(
        &self,
        live: &Live,
        id: &str,
        revision: &str,
        found: Verdict,
    ) -> Result<RolloutState> {
        let record = self.record(revision, live.made(id)).await?;
        Ok(match (record, found) {
            (Record::Open(open), found) => match (open.gate.clone(), open.goes_back()) {
                (Some(gate), false) => RolloutState::Waiting { stage: open.gate_stage(), gate },
                _ => RolloutState::Running(progress(open, found)),
            },
            (Record::Successful, Verdict::Complete) => RolloutState::Succeeded,
            (Record::Successful | Record::None | Record::Stopped(_), Verdict::Replaced(by)) => {
                RolloutState::Superseded { by }
            }
            (Record::Stopped(reason), _) => {
                RolloutState::Failed { reason: format!("{reason}; it was stopped where it was") }
            }
            (record @ (Record::RolledBack(_) | Record::RollbackFailed(_)), _) => ended(record, ""),
            // Its record is not seen yet, or is ahead of what the service shows.
            (Record::None | Record::Successful, Verdict::Running(progress)) => {
                RolloutState::Running(progress)
            }
            // ECS keeps its records for some months, and shows a new one a little late.
            (Record::None, Verdict::Complete) if self.is_settled(live.made(id)) => RolloutState::Succeeded,
            (Record::None, Verdict::Complete) => RolloutState::Running(RolloutProgress {
                note: Some("complete, and ECS shows no record of it yet".to_owned()),
                ..RolloutProgress::default()
            }),
            (Record::None | Record::Successful, Verdict::TakenBack(reason)) => {
                RolloutState::RolledBack { reason }
            }
            (Record::None | Record::Successful, Verdict::Failed(reason)) => RolloutState::Failed { reason },
        })
    }

    /// Whether a deployment was made so long ago that ECS would show its record, had it one still.
    fn is_settled(&self, made: Option<DateTime>) -> bool {
        made.is_some_and(|made| self.now().as_second().saturating_sub(made.secs()) > RECORD_LAG)
    }

    /// The open deployment that a rollout is, if it is still open.
    async fn open(&self, rollout: &RolloutId) -> Result<Option<Open>> {
        let (id, revision) = parts(rollout)?;
        let Some(live) = self.live().await? else { return Ok(None) };
        match self.record(revision, live.made(id)).await? {
            Record::Open(open) => Ok(Some(open)),
            _ => Ok(None),
        }
    }

    /// The gate is read again first: its name changes, and an answer names none but the one that it is for.
    pub(super) async fn answer_gate(
        &self,
        fence: &Fence,
        rollout: &RolloutId,
        gate: &GateId,
        answer: Answer,
    ) -> Result<Answered> {
        let waits = |open: Option<Open>| open.filter(|open| open.gate.as_ref() == Some(gate));
        let Some(open) = waits(self.open(rollout).await?) else { return Ok(Answered::Gone) };
        let action = match answer {
            Answer::Continue => DeploymentLifecycleHookAction::Continue,
            Answer::RollBack => DeploymentLifecycleHookAction::Rollback,
        };
        let request =
            self.client().continue_service_deployment().service_deployment_arn(open.arn).hook_id(&gate.0);
        let request = request.action(action).customize().config_override(fenced(fence, self.now())?);
        match request.send().await {
            Ok(_) => Ok(Answered::Taken),
            // The answer to an earlier attempt may have been lost, or the gate have closed meanwhile.
            Err(error) => match waits(self.open(rollout).await?) {
                None => Ok(Answered::Gone),
                Some(_) => Err(CONTINUE.failed(error)),
            },
        }
    }

    /// At a gate the answer is to go back; between two, the deployment is stopped with a rollback.
    pub(super) async fn take_back(&self, fence: &Fence, rollout: &RolloutId) -> Result<()> {
        let Some(open) = self.open(rollout).await?.filter(|open| !open.goes_back()) else { return Ok(()) };
        if let Some(gate) = &open.gate
            && self.answer_gate(fence, rollout, gate, Answer::RollBack).await? == Answered::Taken
        {
            return Ok(());
        }
        let request = self.client().stop_service_deployment().service_deployment_arn(open.arn);
        let request = request.stop_type(StopServiceDeploymentStopType::Rollback);
        let request = request.customize().config_override(fenced(fence, self.now())?);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match self.open(rollout).await?.filter(|open| !open.goes_back()) {
                None => Ok(()),
                Some(_) => Err(STOP.failed(error)),
            },
        }
    }

    /// The address of the test listener, looked up anew: a load balancer's addresses change.
    pub(super) async fn test_listener(&self) -> Result<Option<SocketAddr>> {
        let Some(name) = self.test_name() else { return Ok(None) };
        let failed = || Error::new(ErrorKind::Unavailable, format!("find the test listener {name}"));
        // The system's resolver has its own idea of patience, and the lease runs.
        let found = tokio::time::timeout(LOOKUP, tokio::net::lookup_host(name)).await;
        let found = found.map_err(|error| failed().temporary().with_source(error))?;
        let mut found = found.map_err(|error| failed().temporary().with_source(error))?;
        found.next().map(Some).ok_or_else(|| failed().temporary())
    }
}

fn progress(open: Open, found: Verdict) -> RolloutProgress {
    let told = match found {
        Verdict::Running(progress) => progress,
        _ => RolloutProgress::default(),
    };
    let words = [Some(open.status), open.stage].into_iter().flatten();
    let note = words.map(|word| word.to_lowercase().replace('_', " ")).collect::<Vec<_>>().join(", ");
    RolloutProgress { production: open.production, note: Some(note), ..told }
}

//! How a rollout stands, from what `DescribeServices` says of a service's deployments.

use quickserve_core::rollout::RolloutProgress;

/// A deployment of a service, without the SDK's types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deployment {
    /// Such as `ecs-svc/1234567890123456789`.
    pub(super) id: String,
    /// The ARN of its task definition.
    pub(super) revision: String,
    /// Whether it is what the service heads for.
    pub(super) primary: bool,
    pub(super) state: State,
    pub(super) desired: u32,
    pub(super) running: u32,
    pub(super) pending: u32,
    pub(super) failed: u32,
    pub(super) reason: Option<String>,
}

/// ECS API reference, `Deployment`, `rolloutState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    InProgress,
    Completed,
    Failed,
}

/// What a deployment's service says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// ECS works on it, or takes it back.
    Running(RolloutProgress),
    /// It is complete, and alone.
    Complete,
    /// It failed, and what was before serves again.
    TakenBack(String),
    /// It failed, and nothing takes it back.
    Failed(String),
    /// The service heads for something else. Why is not said here.
    Replaced(String),
}

/// How the deployment `id` stands. Only a deployment that is still the primary one can have succeeded: a
/// rollback of ECS makes another one primary, or makes an older one primary again.
pub(super) fn verdict(id: &str, deployments: &[Deployment]) -> Verdict {
    let primary = deployments.iter().find(|deployment| deployment.primary);
    let Some(own) = deployments.iter().find(|deployment| deployment.id == id) else {
        return Verdict::Replaced(primary.map_or_else(|| "no deployment".to_owned(), named));
    };
    let reason = || own.reason.clone().unwrap_or_else(|| "ECS gives no reason".to_owned());
    match (own.primary, own.state) {
        (true, State::Failed) => Verdict::Failed(reason()),
        (true, State::InProgress) => Verdict::Running(own.progress(own.reason.clone())),
        (true, State::Completed) => {
            let left = deployments.iter().filter(|it| !it.primary && it.state != State::Failed);
            let left: u32 = left.map(|it| it.running + it.pending).sum();
            match left {
                0 if own.running >= own.desired => Verdict::Complete,
                0 => Verdict::Running(own.progress(None)),
                left => Verdict::Running(own.progress(Some(format!("{left} old tasks are stopping")))),
            }
        }
        (false, State::Failed) => match primary {
            Some(back) if back.state == State::Completed => Verdict::TakenBack(reason()),
            Some(back) if back.state == State::Failed => {
                let why = back.reason.as_deref().unwrap_or("ECS gives no reason");
                Verdict::Failed(format!("{}; taking it back failed, too: {why}", reason()))
            }
            _ => Verdict::Running(own.progress(Some(format!("ECS takes it back: {}", reason())))),
        },
        (false, State::InProgress | State::Completed) => {
            Verdict::Replaced(primary.map_or_else(|| "no deployment".to_owned(), named))
        }
    }
}

fn named(deployment: &Deployment) -> String {
    let revision = deployment.revision.rsplit('/').next().unwrap_or_default();
    format!("deployment {} of {revision}", deployment.id)
}

impl Deployment {
    fn progress(&self, note: Option<String>) -> RolloutProgress {
        let &Self { desired, running, pending, failed, .. } = self;
        RolloutProgress {
            desired,
            running,
            pending,
            failed,
            production: None,
            note: note.filter(|note| !note.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(id: &str, primary: bool, state: State) -> Deployment {
        Deployment {
            id: id.into(),
            revision: format!(
                "arn:aws:ecs:us-east-1:123456789012:task-definition/shop:{}",
                &id[id.len() - 1..]
            ),
            primary,
            state,
            desired: 2,
            running: 2,
            pending: 0,
            failed: 0,
            reason: None,
        }
    }

    fn new(primary: bool, state: State) -> Deployment {
        deployment("ecs-svc/2", primary, state)
    }

    fn old(primary: bool, state: State) -> Deployment {
        deployment("ecs-svc/1", primary, state)
    }

    fn of(deployments: &[Deployment]) -> Verdict {
        verdict("ecs-svc/2", deployments)
    }

    #[test]
    fn complete_and_alone_is_success() {
        assert_eq!(of(&[new(true, State::Completed)]), Verdict::Complete);
        let drained = Deployment { running: 0, ..old(false, State::Completed) };
        assert_eq!(of(&[new(true, State::Completed), drained]), Verdict::Complete);
    }

    #[test]
    fn complete_beside_old_tasks_or_with_too_few_is_not_success_yet() {
        let beside = of(&[new(true, State::Completed), old(false, State::Completed)]);
        let Verdict::Running(progress) = beside else { panic!("{beside:?}") };
        assert_eq!(progress.note.as_deref(), Some("2 old tasks are stopping"));
        let few = Deployment { running: 1, ..new(true, State::Completed) };
        assert!(matches!(of(&[few]), Verdict::Running(_)));
    }

    #[test]
    fn a_rollback_is_no_success_whichever_deployment_it_makes_primary() {
        let failed = Deployment { reason: Some("circuit breaker".into()), ..new(false, State::Failed) };
        let taken = Verdict::TakenBack("circuit breaker".into());
        assert_eq!(of(&[failed.clone(), old(true, State::Completed)]), taken);
        let third = deployment("ecs-svc/3", true, State::Completed);
        assert_eq!(of(&[failed.clone(), third]), taken);
        let on_the_way = of(&[failed.clone(), old(true, State::InProgress)]);
        let Verdict::Running(progress) = on_the_way else { panic!("{on_the_way:?}") };
        assert_eq!(progress.note.as_deref(), Some("ECS takes it back: circuit breaker"));
        assert!(matches!(of(&[failed, old(true, State::Failed)]), Verdict::Failed(_)));
    }

    #[test]
    fn a_failure_that_nothing_takes_back_is_one() {
        assert_eq!(of(&[new(true, State::Failed)]), Verdict::Failed("ECS gives no reason".into()));
    }

    #[test]
    fn what_replaced_it_is_named() {
        let by = Verdict::Replaced("deployment ecs-svc/3 of shop:3".into());
        let third = deployment("ecs-svc/3", true, State::InProgress);
        assert_eq!(of(&[new(false, State::InProgress), third.clone()]), by);
        assert_eq!(of(&[third]), by);
    }
}

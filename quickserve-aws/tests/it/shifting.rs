//! ECS's own blue/green, canary and linear deployments, by the engine from the first stage to every end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use quickserve_core::clock::Clock as _;
use quickserve_core::engine::Control;
use quickserve_core::orchestrator::Orchestrator as _;
use quickserve_core::outcome::Outcome;
use quickserve_core::plan::Strategy;
use quickserve_core::rollout::ManagedRollout as _;
use serde_json::{Value, json};

use crate::fake::{Moment, State};
use crate::lab::Lab;
use crate::register::{balancers, version};

const WAYS: [Strategy; 3] = [Strategy::BlueGreen, Strategy::Canary, Strategy::Linear];

/// A service of ours that serves the first release.
async fn serving(strategy: Strategy) -> Lab {
    let lab = Lab::with(strategy).await;
    let first = lab.deploy(version("1")).await;
    assert_eq!((first.outcome, first.exit_code), (Outcome::Done, 0), "{first:#?}");
    assert!(lab.fake.seen("ContinueServiceDeployment").is_empty(), "it takes requests from nobody");
    lab
}

fn heads_for(lab: &Lab) -> String {
    lab.fake.state().deployments()[0]["taskDefinition"].as_str().expect("a definition").to_owned()
}

fn answers(lab: &Lab) -> Vec<String> {
    let action = |body: &str| {
        let body: Value = serde_json::from_str(body).expect("JSON");
        body["action"].as_str().expect("an action").to_owned()
    };
    lab.fake.seen("ContinueServiceDeployment").iter().map(|seen| action(&seen.body)).collect()
}

fn nothing_amiss(lab: &Lab) {
    assert_eq!(lab.fake.state().violations, Vec::<String>::new());
}

#[tokio::test]
async fn a_good_release_is_let_through_every_gate() {
    // After the test traffic, before each shift of ordinary requests, and after the last.
    for (strategy, gates) in WAYS.into_iter().zip([3, 4, 12]) {
        let lab = serving(strategy).await;
        let finished = lab.deploy(version("2")).await;
        assert_eq!((finished.outcome, finished.exit_code), (Outcome::Done, 0), "{strategy:?} {finished:#?}");
        assert_eq!(answers(&lab), vec!["CONTINUE"; gates], "{strategy:?}");
        assert_eq!(heads_for(&lab), State::arn(2));
        nothing_amiss(&lab);
    }
}

#[tokio::test]
async fn one_that_answers_wrongly_on_the_test_listener_is_taken_back() {
    for strategy in WAYS {
        let lab = serving(strategy).await;
        lab.answers.store(503, Ordering::SeqCst);
        let finished = lab.deploy(version("2")).await;
        assert_eq!((finished.outcome, finished.exit_code), (Outcome::RolledBack, 4), "{finished:#?}");
        assert!(finished.condemned);
        assert_eq!(answers(&lab), ["ROLLBACK"]);
        assert_eq!(heads_for(&lab), State::arn(1));
        nothing_amiss(&lab);
    }
}

#[tokio::test]
async fn one_that_ecs_takes_back_is_no_success() {
    for strategy in WAYS {
        let lab = serving(strategy).await;
        lab.fake.state().fates.fail.insert(2, Vec::new());
        let finished = lab.deploy(version("2")).await;
        assert_eq!((finished.outcome, finished.exit_code), (Outcome::RolledBack, 4), "{finished:#?}");
        assert_eq!(heads_for(&lab), State::arn(1));
        nothing_amiss(&lab);
    }
}

#[tokio::test]
async fn a_first_release_that_fails_leaves_no_service() {
    let lab = Lab::with(Strategy::Canary).await;
    lab.fake.state().fates.fail.insert(1, Vec::new());
    let finished = lab.deploy(version("1")).await;
    assert_ne!(finished.exit_code, 0, "{finished:#?}");
    assert_eq!(lab.fake.seen("DeleteService").len(), 1);
    nothing_amiss(&lab);
}

#[tokio::test]
async fn a_release_that_does_not_come_up_in_time_is_taken_back() {
    let lab = serving(Strategy::Canary).await;
    // Stages go on at every look, and there are none so many within the deadline.
    lab.fake.state().fates.takes = 10_000;
    let finished = lab.deploy(version("2")).await;
    assert_eq!(finished.outcome, Outcome::Stuck, "{finished:#?}");
    assert_eq!(lab.fake.seen("StopServiceDeployment").len(), 1, "a rollback that ECS does not finish");
    nothing_amiss(&lab);
}

#[tokio::test]
async fn a_client_that_never_returns_leaves_a_deployment_that_goes_back() {
    let lab = serving(Strategy::Canary).await;
    let before = lab.fake.state().seen.len() as u64;
    let undisturbed = {
        let other = serving(Strategy::Canary).await;
        let from = other.fake.state().seen.len();
        other.deploy(version("2")).await;
        let state = other.fake.state();
        state.seen[from..].iter().position(|seen| seen.operation == "ContinueServiceDeployment")
    };
    let first_answer = undisturbed.expect("an answer") as u64 + 1;
    assert!(before > 0);
    lab.fake.state().death.plan(first_answer, Moment::Before);
    assert!(lab.deploy_mortally(version("2")).await.is_none(), "it came to an end");
    for _ in 0..10 {
        lab.clock.advance(Duration::from_hours(1));
        lab.ecs.observe().await.expect("observed");
    }
    assert_eq!(heads_for(&lab), State::arn(1), "ECS has taken it back by itself");
    let finished = lab.deployer(3).resume(&Control::default()).await.expect("an end");
    assert_eq!(finished.outcome, Outcome::RolledBack, "{finished:#?}");
    nothing_amiss(&lab);
}

#[tokio::test]
async fn a_service_of_others_gets_back_what_it_had() {
    for (strategy, made) in [(Strategy::Canary, "BLUE_GREEN"), (Strategy::BlueGreen, "ROLLING")] {
        let lab = Lab::with(strategy).await;
        {
            let mut state = lab.fake.state();
            // ECS has forgotten how theirs was deployed.
            state.register(
                json!({ "family": "shop", "containerDefinitions": [{ "name": "app", "image": "theirs:1" }] }),
            );
            state.service = Some(json!({
                "serviceName": "shop-web", "status": "ACTIVE", "tags": [], "desiredCount": 2,
                "deploymentConfiguration": { "strategy": made }, "loadBalancers": balancers(), "deployments": [{
                    "id": "ecs-svc/100", "status": "PRIMARY", "taskDefinition": State::arn(1), "desiredCount": 2,
                    "runningCount": 2, "pendingCount": 0, "failedTasks": 0, "rolloutState": "COMPLETED",
                    "createdAt": lab.clock.now().as_second() - 200 * 24 * 60 * 60,
                }],
            }));
            state.run(&State::arn(1), 1);
        }
        lab.answers.store(503, Ordering::SeqCst);
        let finished = lab.deploy(version("1")).await;
        assert_eq!((finished.outcome, finished.exit_code), (Outcome::RolledBack, 4), "{finished:#?}");
        assert_eq!(heads_for(&lab), State::arn(1));
        assert!(lab.ecs.withdraw(&crate::support::fence()).await.is_err(), "theirs");
        nothing_amiss(&lab);
    }
}

//! How the service is reached: what serves already is deployed again where that is asked for otherwise, and behind a
//! closed port nothing serves.

use super::*;
use crate::journal::Act;
use crate::plan::Step;

async fn deployed() -> Stage {
    let stage = Stage::new(Strategy::BlueGreen, 2);
    assert_eq!(stage.deploy(release(1)).await, Outcome::Done);
    assert_eq!(stage.deploy(release(1)).await, Outcome::Unchanged);
    stage.world.ask_otherwise();
    stage
}

#[tokio::test]
async fn a_deployment_of_what_serves_brings_about_what_is_asked_of_the_router() {
    let stage = deployed().await;
    let before = stage.world.truth();
    let actor = stage.actor(FaultPlan::default());
    let plan = actor.deployer.plan(&stage.request(release(1))).await.expect("a plan");
    assert!(plan.steps.iter().any(|step| matches!(step, Step::Shift { .. })), "{plan}");
    assert!(!stage.world.is_as_asked(), "to plan changes nothing");

    assert_eq!(stage.deploy(release(1)).await, Outcome::Done);
    assert!(stage.world.is_as_asked());
    assert_eq!(stage.world.truth().split, before.split, "no task is touched");
    assert_eq!(stage.deploy(release(1)).await, Outcome::Unchanged);
}

#[tokio::test]
async fn what_was_decided_is_brought_back_without_what_is_asked_anew() {
    let stage = deployed().await;
    let actor = stage.actor(FaultPlan::default());
    let finished = actor.deployer.resume(&actor.control).await.expect("an end");
    assert_eq!(finished.outcome, Outcome::Unchanged);
    assert!(!stage.world.is_as_asked());
}

#[tokio::test]
async fn where_it_cannot_be_brought_about_what_serves_goes_on_as_before() {
    let stage = deployed().await;
    // Were it asked for again on the way back, it would come about there.
    let actor = stage.actor(FaultPlan::default().on("router", "set", 1, Fault::Conflict));
    let done = actor.deployer.deploy(&stage.request(release(1)), &actor.control).await;
    let finished = done.expect("an end");
    assert_eq!(finished.outcome, Outcome::RolledBack, "{finished:?}");
    assert!(!stage.world.is_as_asked());
    let journal = stage.journal().await;
    let last = journal.state().deployments.last().expect("a deployment");
    assert_eq!(last.act, Act::Deploy);
    assert!(matches!(last.failed_at, Some(Step::Shift { .. })), "{last:?}");
    assert_eq!(journal.state().condemned.len(), 0, "it is no fault of the release");
    assert_eq!(journal.state().current(), Some(&release(1).id));
}

#[tokio::test]
async fn behind_a_port_that_somebody_else_holds_nothing_is_done() {
    let stage = Stage::new(Strategy::BlueGreen, 2);
    assert_eq!(stage.deploy(release(1)).await, Outcome::Done);
    stage.world.set_closed(Some("127.0.0.1:8080 is already in use"));
    let resume = async || {
        let actor = stage.actor(FaultPlan::default());
        actor.deployer.resume(&actor.control).await.expect("an end")
    };
    let finished = resume().await;
    assert_eq!(finished.outcome, Outcome::Stuck);
    assert_eq!(finished.cause.expect("a cause").causes, ["127.0.0.1:8080 is already in use"]);

    assert_eq!(stage.deploy(release(2)).await, Outcome::Stuck);
    let journal = stage.journal().await;
    assert_eq!(journal.state().current(), Some(&release(2).id), "what was decided stands");
    let last = journal.state().deployments.last().expect("a deployment");
    assert_eq!(last.outcome, Some(Outcome::Stuck));

    stage.world.set_closed(None);
    assert_eq!(resume().await.outcome, Outcome::Unchanged);
}

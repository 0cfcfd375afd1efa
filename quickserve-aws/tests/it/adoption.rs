//! A service that somebody else made, deployed for the first time.

use quickserve_core::outcome::Outcome;
use quickserve_core::release::{Digest, Release};
use quickserve_core::rollout::ManagedRollout as _;
use serde_json::json;

use crate::fake::State;
use crate::lab::Lab;
use crate::register::version;
use crate::support::fence;

/// Their definition, registered as the first, and their service that runs it.
fn theirs(lab: &Lab) {
    let mut state = lab.fake.state();
    state.register(
        json!({ "family": "shop", "containerDefinitions": [{ "name": "app", "image": "theirs:1" }] }),
    );
    state.service = Some(json!({
        "serviceName": "shop-web", "status": "ACTIVE", "tags": [], "desiredCount": 2, "deployments": [{
            "id": "ecs-svc/100", "status": "PRIMARY", "taskDefinition": State::arn(1), "desiredCount": 2,
            "runningCount": 2, "pendingCount": 0, "failedTasks": 0, "rolloutState": "COMPLETED",
        }],
    }));
    state.run(&State::arn(1), 1);
}

fn heads_for(lab: &Lab) -> String {
    lab.fake.state().deployments()[0]["taskDefinition"].as_str().expect("a definition").to_owned()
}

#[tokio::test]
async fn a_failed_first_deployment_goes_back_to_their_revision() {
    let lab = Lab::open().await;
    theirs(&lab);
    lab.fake.state().fates.fail.insert(2, Vec::new());
    let finished = lab.deploy(version("1")).await;
    assert_eq!((finished.outcome, finished.exit_code), (Outcome::RolledBack, 4), "{finished:#?}");
    assert_eq!(heads_for(&lab), State::arn(1));
    assert_eq!(finished.serving.len(), 1, "{finished:#?}");
    assert!(lab.fake.seen("DeleteService").is_empty());
}

#[tokio::test]
async fn one_that_ecs_finished_and_we_refuse_goes_back_too() {
    let lab = Lab::open().await;
    theirs(&lab);
    // Its tasks run another image than the release says: ECS sees nothing wrong in that.
    lab.fake.state().fates.other_image = Some(Digest::of(b"another"));
    let finished = lab.deploy(version("1")).await;
    assert_eq!(finished.outcome, Outcome::RolledBack, "{finished:#?}");
    assert!(finished.cause.expect("a cause").message.contains("runs other images"));
    assert_eq!(heads_for(&lab), State::arn(1));
    let update = lab.fake.seen("UpdateService").pop().expect("an update");
    assert!(update.body.contains(&State::arn(1)), "{}", update.body);
    assert_eq!(lab.fake.state().violations, Vec::<String>::new());
}

#[tokio::test]
async fn a_good_first_deployment_adopts_it_and_leaves_their_number_of_tasks() {
    let lab = Lab::open().await;
    theirs(&lab);
    lab.fake.state().service.as_mut().expect("a service")["desiredCount"] = json!(3);
    let finished = lab.deploy(version("1")).await;
    assert_eq!(finished.outcome, Outcome::Done, "{finished:#?}");
    assert_eq!(finished.serving[0].tasks, 3);
    let error = lab.ecs.withdraw(&fence()).await.expect_err("theirs");
    assert_eq!(error.kind(), quickserve_core::ErrorKind::Unsupported);
    let release: Release = version("1");
    assert_eq!(finished.serving[0].release, release.id);
}

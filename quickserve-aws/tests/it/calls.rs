//! How many calls a deployment makes.

use std::time::Duration;

use jiff::Timestamp;
use quickserve_core::clock::after;
use quickserve_core::outcome::Outcome;

use crate::lab::Lab;
use crate::register::version;

/// The most calls in any minute.
fn most(calls: &[Timestamp]) -> usize {
    let within = |(index, first): (usize, &Timestamp)| {
        let end = after(*first, Duration::from_mins(1));
        calls[index..].iter().take_while(|at| **at < end).count()
    };
    calls.iter().enumerate().map(within).max().unwrap_or_default()
}

/// The calls of a service's second deployment, with their operations.
async fn second_deployment(looks: u32, bake_time: Duration) -> Vec<(String, Timestamp)> {
    let mut lab = Lab::open().await;
    assert_eq!(lab.deploy(version("1")).await.outcome, Outcome::Done);
    lab.clock.advance(Duration::from_hours(1));
    lab.fake.state().seen.clear();
    lab.fake.state().fates.takes = looks;
    lab.bake_time = bake_time;
    assert_eq!(lab.deploy(version("2")).await.outcome, Outcome::Done);
    let state = lab.fake.state();
    state.seen.iter().filter_map(|seen| Some((seen.operation.clone(), seen.at?))).collect()
}

#[tokio::test]
async fn no_minute_of_a_rollout_has_more_than_40_calls() {
    for looks in [10, 20, 30, 60] {
        let calls = second_deployment(looks, Duration::from_secs(1)).await;
        let ends = calls.iter().rposition(|(operation, _)| operation == "DescribeServiceDeployments");
        let rollout = calls[..=ends.expect("ECS's record is read in the end")].iter();
        let rollout = rollout.skip_while(|(operation, _)| operation != "UpdateService").map(|(_, at)| *at);
        let most = most(&rollout.collect::<Vec<_>>());
        assert!(most <= 40, "{most} calls, {looks} of them looks at the rollout");
    }
}

#[tokio::test]
async fn no_minute_of_baking_has_more_than_40_calls() {
    let calls = second_deployment(2, Duration::from_mins(5)).await;
    let after = calls.iter().skip_while(|(operation, _)| operation != "DescribeServiceDeployments");
    let most = most(&after.map(|(_, at)| *at).collect::<Vec<_>>());
    assert!(most <= 24, "{most} calls");
}

#[tokio::test]
async fn a_definition_that_is_known_is_not_asked_for_again() {
    let lab = Lab::open().await;
    for tag in ["1", "2", "3"] {
        assert_eq!(lab.deploy(version(tag)).await.outcome, Outcome::Done);
    }
    // Each deployment is a process of its own, and meets one definition more than the one before.
    assert_eq!(lab.fake.seen("DescribeTaskDefinition").len(), 1 + 2 + 3);
}

//! The crash matrix on real Docker: the command is killed at every boundary between two steps, and the next
//! command must leave exactly one complete release serving.
//!
//! One undisturbed run of each plan counts its boundaries. Then the plan is run again for each of them, and
//! killed (SIGKILL) as soon as that boundary is read from its events. The next command is `resume` at every
//! other boundary, and in between `deploy` of another release, `rollback`, `abort` and `down` in turn.
//! The engine's own crash matrix stops before and after every single call; here processes, the engine, the
//! router and files are real.

mod recovery;
mod run;

use run::{Act, Lane, Strategy};

/// Kills a plan at each of its boundaries.
fn matrix(strategy: Strategy, act: Act) {
    let mut lane = Lane::open(strategy, act);
    let points = lane.count();
    for point in 1..=points {
        lane.kill_and_recover(point);
    }
    report(&format!("crash matrix on Docker, {strategy} x {act}: {points} points"));
}

#[expect(clippy::disallowed_macros, reason = "the size of the matrix is part of what the test shows")]
fn report(line: &str) {
    println!("{line}");
}

#[test]
fn recreate_survives_kills_of_a_good_deployment() {
    matrix(Strategy::Recreate, Act::GoodDeployment);
}

#[test]
fn recreate_survives_kills_of_a_failing_deployment() {
    matrix(Strategy::Recreate, Act::FailingDeployment);
}

#[test]
fn recreate_survives_kills_of_a_rollback() {
    matrix(Strategy::Recreate, Act::Rollback);
}

#[test]
fn rolling_survives_kills_of_a_good_deployment() {
    matrix(Strategy::Rolling, Act::GoodDeployment);
}

#[test]
fn rolling_survives_kills_of_a_failing_deployment() {
    matrix(Strategy::Rolling, Act::FailingDeployment);
}

#[test]
fn rolling_survives_kills_of_a_rollback() {
    matrix(Strategy::Rolling, Act::Rollback);
}

#[test]
fn blue_green_survives_kills_of_a_good_deployment() {
    matrix(Strategy::BlueGreen, Act::GoodDeployment);
}

#[test]
fn blue_green_survives_kills_of_a_failing_deployment() {
    matrix(Strategy::BlueGreen, Act::FailingDeployment);
}

#[test]
fn blue_green_survives_kills_of_a_rollback() {
    matrix(Strategy::BlueGreen, Act::Rollback);
}

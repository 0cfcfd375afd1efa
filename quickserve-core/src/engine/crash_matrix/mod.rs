//! The crash matrix: every plan, stopped before and after every call that leaves the process.
//!
//! Each scenario is run once without faults to count its calls. Then it is run again for every call: the
//! process dies right before the call has its effect, or right after; another process recovers. It is run
//! once more for every call with its answer lost, with it failing once, and with it repeated, where the same
//! process must come to an end by itself. The [invariants](monitor) hold at every change, and in the end
//! exactly one complete release serves.

mod lab;
mod monitor;
mod planted;
mod scenario;

use std::sync::Arc;

use super::policy::{Policy, Standard};
use crate::fault::{Fault, FaultPlan};
use crate::orchestrator::Orchestrator;
use crate::plan::Strategy;
use lab::Lab;
use scenario::Scenario;

/// What a run of the whole matrix came to.
#[derive(Debug, Default)]
struct Tally {
    plans: usize,
    points: usize,
    runs: usize,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.plans += other.plans;
        self.points += other.points;
        self.runs += other.runs;
    }
}

/// The engine under test: as it is, or with a fault planted.
#[derive(Debug, Clone)]
struct Specimen {
    policy: Arc<dyn Policy>,
    /// What a process sees of the platform.
    wrap: fn(Arc<dyn Orchestrator>) -> Arc<dyn Orchestrator>,
}

impl Default for Specimen {
    fn default() -> Self {
        Self { policy: Arc::new(Standard), wrap: |platform| platform }
    }
}

/// Runs a scenario at every point; the first violation is the error.
async fn exhaust(scenario: &Scenario, specimen: &Specimen) -> Result<Tally, String> {
    let lab = Lab::new(scenario, specimen).await?;
    let calls = lab.undisturbed().await?;
    let mut tally = Tally { plans: 1, points: calls.len(), runs: 1 };
    for call in &calls {
        let at = |fault| FaultPlan::default().at(call.number, fault);
        let place = format!("{} at call {} ({} {})", scenario.name, call.number, call.target, call.operation);
        // Before or after a call that changes nothing, the world is as it was after the call before it.
        let crashes: &[Fault] =
            if call.mutating { &[Fault::Crash, Fault::CrashAfter] } else { &[Fault::Crash] };
        let recoveries = scenario.recoveries();
        let recoveries = if call.mutating { &recoveries[..] } else { &recoveries[..1] };
        for &fault in crashes {
            for &recovery in recoveries {
                let lab = Lab::new(scenario, specimen).await?;
                let told = |error| format!("{place}, {fault:?}, {recovery:?}: {error}");
                lab.crash_and_recover(at(fault), recovery, call.number).await.map_err(told)?;
                tally.runs += 1;
            }
        }
        if call.mutating {
            let lab = Lab::new(scenario, specimen).await?;
            let told = |error| format!("{place}, suspended: {error}");
            lab.suspend_and_take_over(at(Fault::Delay(lab::SUSPENSION))).await.map_err(told)?;
            tally.runs += 1;
        }
        let mut faults = vec![Fault::Fail];
        if call.mutating {
            faults.extend([Fault::LoseAnswer, Fault::Repeat]);
        }
        if call.target == "journal" && call.mutating {
            faults.push(Fault::FalseConflict);
        }
        for fault in faults {
            let lab = Lab::new(scenario, specimen).await?;
            lab.disturbed(at(fault)).await.map_err(|error| format!("{place}, {fault:?}: {error}"))?;
            tally.runs += 1;
        }
    }
    Ok(tally)
}

/// All scenarios of a strategy with so many tasks.
async fn matrix_of(strategy: Strategy, tasks: u32, managed: bool) {
    let mut whole = Tally::default();
    let wanted = |scenario: &Scenario| {
        (scenario.strategy, scenario.tasks, scenario.managed) == (strategy, tasks, managed)
    };
    for scenario in Scenario::all().into_iter().filter(wanted) {
        let exhausted = exhaust(&scenario, &Specimen::default()).await;
        let tally = exhausted.unwrap_or_else(|error| panic!("{error}"));
        report(&format!("  {:<48} {:>5} points {:>6} runs", scenario.name, tally.points, tally.runs));
        whole.add(&tally);
    }
    let Tally { plans, points, runs } = whole;
    assert!(plans > 0, "no scenario of {strategy} with {tasks} tasks");
    let by_itself = if managed { "managed " } else { "" };
    report(&format!(
        "crash matrix, {by_itself}{strategy} x{tasks}: {plans} plans, {points} points, {runs} runs"
    ));
}

#[tokio::test]
async fn recreate_survives_a_crash_at_every_call() {
    matrix_of(Strategy::Recreate, 1, false).await;
}

#[tokio::test]
async fn rolling_of_one_task_survives_a_crash_at_every_call() {
    matrix_of(Strategy::Rolling, 1, false).await;
}

#[tokio::test]
async fn rolling_of_three_tasks_survives_a_crash_at_every_call() {
    matrix_of(Strategy::Rolling, 3, false).await;
}

#[tokio::test]
async fn blue_green_survives_a_crash_at_every_call() {
    matrix_of(Strategy::BlueGreen, 2, false).await;
}

#[tokio::test]
async fn a_platform_that_rolls_out_by_itself_survives_a_crash_at_every_call() {
    matrix_of(Strategy::Rolling, 2, true).await;
}

#[tokio::test]
async fn a_blue_green_rollout_of_the_platform_survives_a_crash_at_every_call() {
    matrix_of(Strategy::BlueGreen, 2, true).await;
}

#[tokio::test]
async fn a_canary_rollout_of_the_platform_survives_a_crash_at_every_call() {
    matrix_of(Strategy::Canary, 2, true).await;
}

#[tokio::test]
async fn a_linear_rollout_of_the_platform_survives_a_crash_at_every_call() {
    matrix_of(Strategy::Linear, 2, true).await;
}

#[expect(clippy::disallowed_macros, reason = "the size of the matrix is part of what the test shows")]
fn report(line: &str) {
    println!("{line}");
}

//! Plans as people read them, for each strategy and starting state.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::*;
use crate::error::ErrorKind;
use crate::fence::Epoch;
use crate::orchestrator::{Health, SetState, Standing, TaskId, TaskPhase, TaskState};
use crate::traffic::{Route, Upstream};
use crate::workload::Protocol;

const OLD: &str = "r-aaaaaa000000";
const NEW: &str = "r-bbbbbb000000";

fn id(name: &str) -> ReleaseId {
    name.parse().expect("a release name")
}

fn task(release: &str, ordinal: u32) -> TaskState {
    TaskState {
        id: TaskId(format!("{release}-{ordinal}")),
        ordinal,
        epoch: Epoch(1),
        phase: TaskPhase::Running,
        health: Health::Healthy,
        address: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 4000))),
        images: BTreeMap::new(),
        standing: Standing::Promoted,
        started: None,
        restarts: 0,
        doomed: false,
        killed: false,
    }
}

/// So many tasks of each release, and its part of the requests.
fn observed(sets: &[(&str, u32, Option<Role>)]) -> Observed {
    let mut observed = Observed::default();
    for (release, tasks, role) in sets {
        let tasks: Vec<TaskState> = (0..*tasks).map(|ordinal| task(release, ordinal)).collect();
        if let Some(role) = role {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 4000));
            let upstreams = tasks.iter().map(|task| Upstream { task: task.id.clone(), address }).collect();
            observed.split.routes.push(Route {
                release: id(release),
                role: *role,
                protocol: Protocol::Http1,
                upstreams,
            });
        }
        observed.sets.insert(id(release), SetState { tasks });
    }
    observed
}

fn capabilities() -> Capabilities {
    Capabilities {
        side_by_side: true,
        weighted_traffic: true,
        preview: true,
        standby: true,
        max_tasks: 10,
        managed: false,
        native: None,
    }
}

fn config(strategy: Strategy) -> DeploymentConfig {
    let expect = SmokeExpectation { status: 200, json: BTreeMap::new() };
    let smoke = vec![SmokeCheck { path: "/".into(), timeout: Duration::from_secs(1), expect }];
    DeploymentConfig { strategy, smoke, ..DeploymentConfig::default() }
}

fn planned(goal: &Goal, purpose: Purpose, observed: &Observed, config: &DeploymentConfig) -> Result<Plan> {
    plan(&Situation { goal, purpose, observed, capabilities: &capabilities(), config })
}

fn serve(tasks: u32) -> Goal {
    Goal::Serve { release: id(NEW), tasks }
}

fn shown(tasks: u32, purpose: Purpose, observed: &Observed, config: &DeploymentConfig) -> String {
    planned(&serve(tasks), purpose, observed, config).expect("a plan").to_string()
}

#[test]
fn a_first_deployment_has_nothing_to_retire() {
    let plan = shown(1, Purpose::Prove, &observed(&[]), &config(Strategy::BlueGreen));
    insta::assert_snapshot!(plan);
}

#[test]
fn blue_green_keeps_the_old_release_standing_by_until_the_new_one_is_promoted() {
    let before = observed(&[(OLD, 2, Some(Role::Serving(2)))]);
    insta::assert_snapshot!(shown(2, Purpose::Prove, &before, &config(Strategy::BlueGreen)));
}

#[test]
fn blue_green_goes_back_traffic_first() {
    let midway = observed(&[(OLD, 2, Some(Role::Serving(2))), (NEW, 2, Some(Role::Standby))]);
    insta::assert_snapshot!(shown(2, Purpose::Restore, &midway, &config(Strategy::BlueGreen)));
}

#[test]
fn recreate_never_runs_two_releases() {
    let before = observed(&[(OLD, 1, Some(Role::Serving(1)))]);
    insta::assert_snapshot!(shown(1, Purpose::Prove, &before, &config(Strategy::Recreate)));
}

#[test]
fn rolling_replaces_tasks_within_its_bounds() {
    let before = observed(&[(OLD, 3, Some(Role::Serving(3)))]);
    let config = DeploymentConfig { maximum_percent: 134, ..config(Strategy::Rolling) };
    insta::assert_snapshot!(shown(3, Purpose::Prove, &before, &config));
}

#[test]
fn rolling_makes_room_first_where_no_task_more_may_exist() {
    let before = observed(&[(OLD, 2, Some(Role::Serving(2)))]);
    let config =
        DeploymentConfig { minimum_healthy_percent: 50, maximum_percent: 100, ..config(Strategy::Rolling) };
    insta::assert_snapshot!(shown(2, Purpose::Prove, &before, &config));
}

#[test]
fn rolling_that_cannot_make_progress_is_refused() {
    let before = observed(&[(OLD, 2, Some(Role::Serving(2)))]);
    let config = DeploymentConfig { maximum_percent: 100, ..config(Strategy::Rolling) };
    let error = planned(&serve(2), Purpose::Prove, &before, &config).expect_err("no progress");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.to_string(),
        "rolling cannot make progress: 2 of 2 tasks must stay healthy (minimum_healthy_percent = 100) and at \
         most 2 may exist (maximum_percent = 100)"
    );
}

#[test]
fn what_serves_nobody_goes_before_a_rolling_deployment_needs_the_room() {
    let before = observed(&[(OLD, 1, Some(Role::Serving(1))), ("r-cccccc000000", 1, None)]);
    insta::assert_snapshot!(shown(1, Purpose::Prove, &before, &config(Strategy::Rolling)));
}

#[test]
fn teardown_leaves_nothing() {
    let before = observed(&[(OLD, 1, Some(Role::Serving(1)))]);
    let plan = planned(&Goal::Nothing, Purpose::Restore, &before, &config(Strategy::BlueGreen));
    insta::assert_snapshot!(plan.expect("a plan").to_string());
}

#[test]
fn a_worker_has_no_traffic_to_shift() {
    let before = observed(&[(OLD, 1, None)]);
    for strategy in [Strategy::Recreate, Strategy::Rolling, Strategy::BlueGreen] {
        let config = DeploymentConfig { traffic: false, ..config(strategy) };
        let plan = planned(&serve(1), Purpose::Prove, &before, &config).expect("a plan");
        let shifts = plan.steps.iter().any(|step| matches!(step, Step::Shift { .. }));
        assert!(!shifts, "{strategy}: {plan}");
    }
}

#[test]
fn a_rolling_worker_keeps_its_old_task_until_the_new_one_is_healthy() {
    let config = DeploymentConfig { traffic: false, ..config(Strategy::Rolling) };
    insta::assert_snapshot!(shown(1, Purpose::Prove, &observed(&[(OLD, 1, None)]), &config));
}

#[test]
fn what_the_platform_cannot_do_is_refused() {
    let poor = Capabilities { side_by_side: false, weighted_traffic: false, max_tasks: 1, ..capabilities() };
    let refused = |strategy, tasks| {
        let (goal, observed, config) = (serve(tasks), observed(&[]), config(strategy));
        let situation = Situation {
            goal: &goal,
            purpose: Purpose::Prove,
            observed: &observed,
            capabilities: &poor,
            config: &config,
        };
        plan(&situation).is_err_and(|error| error.kind() == ErrorKind::Unsupported)
    };
    assert!(refused(Strategy::BlueGreen, 1));
    assert!(refused(Strategy::Rolling, 1));
    assert!(refused(Strategy::Recreate, 2));
    assert!(!refused(Strategy::Recreate, 1));
}

#[test]
fn a_plan_survives_the_journal() {
    let before = observed(&[(OLD, 2, Some(Role::Serving(2)))]);
    let plan = planned(&serve(2), Purpose::Prove, &before, &config(Strategy::Rolling)).expect("a plan");
    let text = serde_json::to_string(&plan).expect("JSON");
    assert_eq!(serde_json::from_str::<Plan>(&text).expect("a plan"), plan);
}

fn renewed(tasks: u32, worn: u32, config: &DeploymentConfig) -> String {
    let before = observed(&[(NEW, worn, Some(Role::Serving(worn)))]);
    let purpose = Purpose::Renew { since: Epoch(2) };
    planned(&serve(tasks), purpose, &before, config).expect("a plan").to_string()
}

#[test]
fn a_restart_replaces_tasks_within_the_bounds_of_a_rolling_deployment() {
    let config = DeploymentConfig { maximum_percent: 150, ..config(Strategy::BlueGreen) };
    insta::assert_snapshot!(renewed(2, 2, &config));
}

#[test]
fn a_restart_of_a_service_that_must_never_run_twice_empties_it_first() {
    insta::assert_snapshot!(renewed(1, 1, &config(Strategy::Recreate)));
}

#[test]
fn fewer_tasks_are_drained_before_they_go() {
    let before = observed(&[(NEW, 3, Some(Role::Serving(3)))]);
    insta::assert_snapshot!(shown(1, Purpose::Restore, &before, &config(Strategy::BlueGreen)));
}

#[test]
fn no_tasks_at_all_get_no_requests() {
    let before = observed(&[(NEW, 2, Some(Role::Serving(2)))]);
    insta::assert_snapshot!(shown(0, Purpose::Restore, &before, &config(Strategy::BlueGreen)));
}

/// ECS documentation, "Service deployment configuration": the lower limit rounds up, the upper one down.
#[test]
fn rolling_keeps_to_the_percents_as_ecs_rounds_them() {
    let table = [
        // tasks, minimum %, maximum %, the fewest that may serve, the most that may exist
        (1, 100, 200, 1, 2),
        (2, 50, 100, 1, 2),
        (3, 50, 150, 2, 4),
        (4, 50, 200, 2, 8),
        (5, 90, 130, 5, 6),
        (7, 66, 133, 5, 9),
        (10, 75, 125, 8, 12),
        (10, 0, 100, 0, 10),
    ];
    for (tasks, minimum_healthy_percent, maximum_percent, least, most) in table {
        let config =
            DeploymentConfig { minimum_healthy_percent, maximum_percent, ..config(Strategy::Rolling) };
        let before = observed(&[(OLD, tasks, Some(Role::Serving(tasks)))]);
        let plan = planned(&serve(tasks), Purpose::Prove, &before, &config).expect("a plan");
        let (mut old, mut new) = (tasks, 0);
        let (mut fewest, mut greatest) = (tasks, tasks);
        for step in &plan.steps {
            match step {
                Step::Place { tasks, .. } => new = *tasks,
                Step::Retire { release, keep } if *release == id(OLD) => old = *keep,
                Step::Shift { shares } => {
                    fewest = fewest.min(shares.iter().map(|share| share.tasks).sum());
                }
                _ => {}
            }
            greatest = greatest.max(old + new);
        }
        let case = format!("{tasks} tasks, {minimum_healthy_percent} to {maximum_percent} %");
        assert!(fewest >= least && greatest <= most, "{case}: {fewest} to {greatest}, {plan}");
    }
}

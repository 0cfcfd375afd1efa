//! ECS's own blue/green, canary and linear deployments, stage by stage as its documentation lists them: one stage at
//! each look.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use quickserve_core::clock::after;
use serde_json::{Value, json};

use super::State;

/// A deployment that is under way.
#[derive(Debug)]
pub(super) struct Walk {
    /// Its record, by its number from 1.
    record: usize,
    /// Its definition, by its number from 1.
    definition: usize,
    left: VecDeque<Leg>,
    hook: Hook,
}

/// A stage, and the part of ordinary requests that the new tasks get from then on.
#[derive(Debug, Clone, Copy)]
struct Leg {
    stage: &'static str,
    weight: f64,
}

/// Where it pauses.
#[derive(Debug)]
struct Hook {
    stages: Vec<String>,
    timeout: Duration,
    rolls_back: bool,
    /// How often it has waited: each time under another name.
    waits: u32,
    since: Option<Timestamp>,
}

impl Walk {
    fn of(record: usize, definition: usize, configuration: &Value) -> Self {
        let leg = |stage, weight| Leg { stage, weight };
        let mut left: VecDeque<Leg> = [
            "RECONCILE_SERVICE",
            "PRE_SCALE_UP",
            "SCALE_UP",
            "POST_SCALE_UP",
            "TEST_TRAFFIC_SHIFT",
            "POST_TEST_TRAFFIC_SHIFT",
        ]
        .map(|stage| leg(stage, 0.0))
        .into();
        let mut before = 0.0;
        for weight in weights(configuration) {
            left.push_back(leg("PRE_PRODUCTION_TRAFFIC_SHIFT", before));
            left.push_back(leg("PRODUCTION_TRAFFIC_SHIFT", weight));
            before = weight;
        }
        left.extend(
            ["POST_PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME", "CLEAN_UP"].map(|stage| leg(stage, 100.0)),
        );
        Self { record, definition, left, hook: Hook::of(configuration) }
    }

    /// The number of its record.
    pub(super) fn record(&self) -> usize {
        self.record
    }
}

/// The parts of ordinary requests, one after the other.
fn weights(configuration: &Value) -> Vec<f64> {
    match configuration["strategy"].as_str() {
        Some("CANARY") => {
            vec![configuration["canaryConfiguration"]["canaryPercent"].as_f64().unwrap_or(5.0), 100.0]
        }
        Some("LINEAR") => {
            let step = configuration["linearConfiguration"]["stepPercent"].as_f64().unwrap_or(10.0);
            let mut weights = vec![step];
            while weights.last().is_some_and(|weight| *weight < 100.0) {
                weights.push((weights[weights.len() - 1] + step).min(100.0));
            }
            weights
        }
        _ => vec![100.0],
    }
}

impl Hook {
    fn of(configuration: &Value) -> Self {
        let hooks = configuration["lifecycleHooks"].as_array().cloned().unwrap_or_default();
        let hook = hooks.into_iter().find(|hook| hook["targetType"] == "PAUSE").unwrap_or_default();
        let stages = hook["lifecycleStages"].as_array().cloned().unwrap_or_default();
        let timeout = &hook["timeoutConfiguration"];
        Self {
            stages: stages.iter().filter_map(|stage| stage.as_str().map(str::to_owned)).collect(),
            timeout: Duration::from_mins(timeout["timeoutInMinutes"].as_u64().unwrap_or(1440)),
            rolls_back: timeout["action"] != "CONTINUE",
            waits: 0,
            since: None,
        }
    }
}

impl State {
    /// Begins the newest deployment, where the service is not one that rolls.
    pub(super) fn set_out(&mut self) {
        let configuration = self.service.as_ref().map(|it| it["deploymentConfiguration"].clone());
        let configuration = configuration.unwrap_or_default();
        let strategy = configuration["strategy"].as_str();
        if !self.fates.alive || matches!(strategy, None | Some("ROLLING")) {
            return;
        }
        let (arn, definition) = self.newest();
        self.records.push((arn, "IN_PROGRESS", ""));
        self.walk = Some(Walk::of(self.records.len(), definition, &configuration));
    }

    /// The definition of the newest deployment, and its number.
    pub(super) fn newest(&mut self) -> (String, usize) {
        let arn = self.deployments()[0]["taskDefinition"].as_str().unwrap_or_default().to_owned();
        let number = arn.rsplit(':').next().and_then(|it| it.parse().ok()).unwrap_or_default();
        (arn, number)
    }

    /// One look at a deployment that goes by stages.
    pub(super) fn step(&mut self, mut walk: Walk) {
        let now = self.now();
        match self.records[walk.record - 1].1 {
            "IN_PROGRESS" => {}
            "ROLLBACK_REQUESTED" => {
                self.records[walk.record - 1].1 = "ROLLBACK_IN_PROGRESS";
                self.walk = Some(walk);
                return;
            }
            _ => return self.retreat(walk.record, Vec::new(), "it was told to go back"),
        }
        if self.awaits(walk.record) {
            let since = walk.hook.since.unwrap_or(now);
            if now >= after(since, walk.hook.timeout) {
                self.details.insert(walk.record, json!({}));
                if walk.hook.rolls_back {
                    self.records[walk.record - 1].1 = "ROLLBACK_REQUESTED";
                }
            }
            self.walk = Some(walk);
            return;
        }
        let Some(leg) = walk.left.pop_front() else {
            self.details.insert(walk.record, json!({}));
            self.complete();
            let (arn, number) = self.newest();
            self.run(&arn, number);
            self.records[walk.record - 1].1 = "SUCCESSFUL";
            return;
        };
        if leg.stage == "SCALE_UP" {
            if let Some(seen) = self.fates.fail.get(&walk.definition).cloned() {
                return self.retreat(walk.record, seen, "ECS deployment circuit breaker: tasks failed");
            }
            self.scale_up();
        }
        let mut details = json!({
            "lifecycleStage": leg.stage,
            "targetServiceRevision": { "requestedProductionTrafficWeight": leg.weight },
        });
        if walk.hook.stages.iter().any(|stage| stage == leg.stage) {
            walk.hook.waits += 1;
            walk.hook.since = Some(now);
            let id = format!("hook-{}-{}", walk.record, walk.hook.waits);
            details["lifecycleHookDetails"] =
                json!([{ "hookId": id, "targetType": "PAUSE", "status": "AWAITING_ACTION" }]);
        }
        self.details.insert(walk.record, details);
        self.walk = Some(walk);
    }

    /// Whether a recorded deployment waits for an answer.
    fn awaits(&self, record: usize) -> bool {
        let details = self.details.get(&record).unwrap_or(&Value::Null);
        details["lifecycleHookDetails"][0]["status"] == "AWAITING_ACTION"
    }

    /// The new tasks stand beside the old ones.
    fn scale_up(&mut self) {
        let (arn, number) = self.newest();
        let old: Vec<Value> =
            self.tasks.iter().filter(|task| task["desiredStatus"] == "RUNNING").cloned().collect();
        self.run(&arn, number);
        self.tasks.extend(old);
        let newest = &mut self.deployments()[0];
        newest["runningCount"] = newest["desiredCount"].clone();
    }

    /// Back to what completed before, if anything did.
    fn retreat(&mut self, record: usize, seen: Vec<Value>, reason: &'static str) {
        self.details.insert(record, json!({}));
        let completed = self.deployments().iter().any(|it| it["rolloutState"] == "COMPLETED");
        let status = if completed { "ROLLBACK_SUCCESSFUL" } else { "ROLLBACK_FAILED" };
        self.records[record - 1].1 = status;
        self.records[record - 1].2 = reason;
        self.break_off(seen);
        if completed {
            let (arn, number) = self.newest();
            self.run(&arn, number);
        }
    }
}

//! What becomes of deployments by themselves, where a test lets them: it happens while ECS is looked at.

use std::collections::BTreeMap;

use quickserve_core::release::Digest;
use serde_json::{Value, json};

use super::State;

/// What becomes of the deployments to each definition, by its number; those that are not named complete.
#[derive(Debug, Default)]
pub(crate) struct Fates {
    /// Whether anything happens by itself.
    pub(crate) alive: bool,
    /// Definitions whose tasks fail: what is seen of them.
    pub(crate) fail: BTreeMap<usize, Vec<Value>>,
    /// What tasks run instead of what their definition says.
    pub(crate) other_image: Option<Digest>,
    /// How many looks at the service a deployment takes.
    pub(crate) takes: u32,
    looks: u32,
}

impl State {
    /// One look at the service: a deployment goes on, and ends at some time.
    pub(super) fn proceed(&mut self) {
        let under_way = |service: &Value| {
            service["status"] == "ACTIVE" && service["deployments"][0]["rolloutState"] == "IN_PROGRESS"
        };
        if !self.fates.alive || !self.service.as_ref().is_some_and(under_way) {
            return;
        }
        self.fates.looks += 1;
        if self.fates.looks < self.fates.takes {
            return;
        }
        self.fates.looks = 0;
        if let Some(walk) = self.walk.take() {
            return self.step(walk);
        }
        let (arn, number) = self.newest();
        match self.fates.fail.get(&number).cloned() {
            None => {
                self.complete();
                self.run(&arn, number);
                self.records.push((arn, "SUCCESSFUL", ""));
            }
            Some(seen) => {
                self.break_off(seen);
                self.records.push((
                    arn,
                    "ROLLBACK_SUCCESSFUL",
                    "ECS deployment circuit breaker: tasks failed",
                ));
            }
        }
    }

    /// The newest deployment, if it is under way, is given up for another.
    pub(super) fn overtaken(&mut self) {
        let alive = self.fates.alive;
        self.fates.looks = 0;
        if let Some(walk) = self.walk.take() {
            self.records[walk.record() - 1].1 = "STOPPED";
            return;
        }
        let newest = self.deployments().first().filter(|it| alive && it["rolloutState"] == "IN_PROGRESS");
        if let Some(arn) = newest.and_then(|it| it["taskDefinition"].as_str()).map(str::to_owned) {
            self.records.push((arn, "STOPPED", ""));
        }
    }

    /// As many tasks of a definition as are desired, and none of another.
    pub(crate) fn run(&mut self, arn: &str, number: usize) {
        let other = self.fates.other_image.as_ref().map(|digest| json!(format!("other@{digest}")));
        let image = other.unwrap_or_else(|| self.image(number));
        let desired = self.service.as_ref().and_then(|it| it["desiredCount"].as_u64()).unwrap_or_default();
        self.tasks.retain(|task| task["desiredStatus"] == "STOPPED");
        let first = self.tasks.len();
        self.tasks.extend((0..desired).map(|index| {
            json!({
                "taskArn": format!("arn:aws:ecs:us-east-1:123456789012:task/main/{number}-{first}-{index}"),
                "desiredStatus": "RUNNING", "lastStatus": "RUNNING", "taskDefinitionArn": arn,
                "containers": [{ "name": "app", "image": image }],
            })
        }));
    }

    /// The circuit breaker: back to what completed before, if anything did.
    pub(super) fn break_off(&mut self, seen: Vec<Value>) {
        self.tasks.extend(seen);
        let id = format!("ecs-svc/{}", self.next_deployment());
        let deployments = self.deployments();
        deployments[0]["rolloutState"] = json!("FAILED");
        deployments[0]["rolloutStateReason"] =
            json!("ECS deployment circuit breaker: tasks failed to start.");
        deployments[0]["failedTasks"] = json!(3);
        let Some(before) = deployments.iter().position(|it| it["rolloutState"] == "COMPLETED") else {
            return;
        };
        let mut back = deployments.remove(before);
        deployments[0]["status"] = json!("ACTIVE");
        back["id"] = json!(id);
        back["status"] = json!("PRIMARY");
        deployments.insert(0, back);
    }
}

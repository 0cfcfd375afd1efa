//! What the fake knows: definitions, one service, and what a test says of its deployments.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use quickserve_core::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use super::Fault;
use super::beside::Beside;
use super::death::Death;
use super::fate::Fates;
use super::model::Model;
use super::stages::Walk;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) operation: String,
    pub(crate) body: String,
    /// `x-amz-date`.
    pub(crate) signed: String,
    /// When it came, by the clock of the test.
    pub(crate) at: Option<Timestamp>,
}

pub(crate) struct State {
    ecs: &'static Model,
    logs: &'static Model,
    /// What stands beside ECS.
    pub(crate) beside: Beside,
    pub(crate) seen: Vec<Seen>,
    /// What was wrong with requests, by the service model.
    pub(crate) violations: Vec<String>,
    pub(crate) faults: BTreeMap<&'static str, Fault>,
    /// What becomes of deployments by themselves.
    pub(crate) fates: Fates,
    /// When the caller dies.
    pub(crate) death: Death,
    /// The clock of the test, where it has its own.
    pub(crate) clock: Option<Arc<dyn Clock>>,
    /// Bodies of `RegisterTaskDefinition`.
    definitions: Vec<Value>,
    pub(crate) service: Option<Value>,
    /// ECS's record of deployments: task definition, status, reason; newest last.
    pub(crate) records: Vec<(String, &'static str, &'static str)>,
    /// The alarms that have taken the recorded deployments back.
    pub(crate) alarms: Vec<&'static str>,
    /// What `DescribeServiceDeployments` says of a deployment beside its status, by its number from 1.
    pub(crate) details: BTreeMap<usize, Value>,
    pub(crate) tasks: Vec<Value>,
    /// The deployment under way, where it goes by stages.
    pub(super) walk: Option<Walk>,
    deployed: u32,
}

pub(super) type Answer = Result<Value, (&'static str, String)>;

impl State {
    pub(super) fn new() -> Self {
        Self {
            ecs: Model::of_ecs(),
            logs: Model::of_logs(),
            beside: Beside::default(),
            seen: Vec::new(),
            violations: Vec::new(),
            faults: BTreeMap::new(),
            fates: Fates::default(),
            death: Death::default(),
            clock: None,
            definitions: Vec::new(),
            service: None,
            records: Vec::new(),
            alarms: Vec::new(),
            details: BTreeMap::new(),
            tasks: Vec::new(),
            walk: None,
            deployed: 0,
        }
    }

    /// Holds a request against its service's model.
    pub(super) fn check(&mut self, service: &str, operation: &str, request: &Value) {
        let model = if service == "logs" { self.logs } else { self.ecs };
        self.violations.extend(model.faults(operation, request));
    }

    /// Takes the fault that is due for an operation.
    pub(super) fn fault(&mut self, operation: &str) -> Option<Fault> {
        let fault = self.faults.get(operation).cloned()?;
        match self.faults.get_mut(operation) {
            Some(Fault::Throttled(left)) if *left > 1 => *left -= 1,
            _ => drop(self.faults.remove(operation)),
        }
        Some(fault)
    }

    /// By the clock of the test, where it has its own.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.as_ref().map_or_else(|| SystemClock.now(), |clock| clock.now())
    }

    /// Whether an operation changes something.
    pub(crate) fn changes(operation: &str) -> bool {
        ["Register", "Create", "Update", "Delete", "Continue", "Stop"]
            .iter()
            .any(|verb| operation.starts_with(verb))
    }

    /// The arn of a registered definition, by its number from 1.
    pub(crate) fn arn(number: usize) -> String {
        format!("arn:aws:ecs:us-east-1:123456789012:task-definition/shop:{number}")
    }

    /// The newest deployment waits at a hook of a stage.
    pub(crate) fn wait(&mut self, hook: &str, stage: &str) {
        let details = json!({
            "lifecycleStage": stage,
            "lifecycleHookDetails": [{ "hookId": hook, "targetType": "PAUSE", "status": "AWAITING_ACTION" }],
            "targetServiceRevision": { "requestedProductionTrafficWeight": 5.0 },
        });
        self.details.insert(self.records.len(), details);
    }

    pub(crate) fn deployments(&mut self) -> &mut Vec<Value> {
        let service = self.service.as_mut().expect("a service");
        service["deployments"].as_array_mut().expect("deployments")
    }

    /// Ends the newest deployment well: the old one is gone.
    pub(crate) fn complete(&mut self) {
        self.deployments().truncate(1);
        let newest = &mut self.deployments()[0];
        newest["rolloutState"] = json!("COMPLETED");
        newest["runningCount"] = newest["desiredCount"].clone();
    }

    pub(super) fn act(&mut self, operation: &str, request: &Value) -> Answer {
        if let Some(answer) = self.beside.act(operation, request) {
            return answer;
        }
        match operation {
            "RegisterTaskDefinition" => {
                self.definitions.push(request.clone());
                Ok(json!({ "taskDefinition": { "taskDefinitionArn": Self::arn(self.definitions.len()) } }))
            }
            "ListTaskDefinitions" => {
                let arns: Vec<String> = (1..=self.definitions.len()).rev().map(Self::arn).collect();
                Ok(json!({ "taskDefinitionArns": arns }))
            }
            "DescribeTaskDefinition" => {
                let arn = request["taskDefinition"].as_str().unwrap_or_default();
                let number: usize = arn.rsplit(':').next().and_then(|it| it.parse().ok()).unwrap_or_default();
                let definition = number.checked_sub(1).and_then(|index| self.definitions.get(index));
                let definition = definition
                    .ok_or(("ClientException", "Unable to describe task definition.".to_owned()))?;
                Ok(json!({ "taskDefinition": definition, "tags": definition["tags"] }))
            }
            "DescribeServices" => {
                self.proceed();
                Ok(match &self.service {
                    Some(service) => json!({ "services": [service], "failures": [] }),
                    None => json!({ "services": [], "failures": [{ "arn": "a", "reason": "MISSING" }] }),
                })
            }
            "CreateService" => {
                let mut service = json!({
                    "serviceName": request["serviceName"], "status": "ACTIVE", "tags": request["tags"],
                    "desiredCount": request["desiredCount"], "deployments": [],
                });
                service["deploymentConfiguration"] = request["deploymentConfiguration"].clone();
                service["loadBalancers"] = request.get("loadBalancers").cloned().unwrap_or_else(|| json!([]));
                self.service = Some(service);
                self.deploy(request);
                Ok(json!({ "service": self.service }))
            }
            "UpdateService" => {
                let service = self.service.as_mut().ok_or(("ServiceNotFoundException", "none".to_owned()))?;
                if let Some(count) = request.get("desiredCount") {
                    service["desiredCount"] = count.clone();
                }
                service["deploymentConfiguration"] = request["deploymentConfiguration"].clone();
                let same = service["deployments"][0]["taskDefinition"] == request["taskDefinition"];
                if !same || request["forceNewDeployment"] == true {
                    self.deploy(request);
                }
                Ok(json!({ "service": self.service }))
            }
            "DeleteService" => {
                let alive = self.fates.alive;
                let service = self.service.as_mut().ok_or(("ServiceNotFoundException", "none".to_owned()))?;
                // Its tasks end at once where things happen by themselves.
                service["status"] = json!(if alive { "INACTIVE" } else { "DRAINING" });
                let answer = json!({ "service": service });
                self.tasks.retain(|task| !alive || task["desiredStatus"] == "STOPPED");
                Ok(answer)
            }
            "ListTasks" => {
                let wanted = request["desiredStatus"].as_str().unwrap_or("RUNNING");
                let arns = self.tasks.iter().filter(|task| task["desiredStatus"] == wanted);
                let arns: Vec<&Value> = arns.map(|task| &task["taskArn"]).collect();
                Ok(json!({ "taskArns": arns }))
            }
            "DescribeTasks" => {
                let wanted = request["tasks"].as_array().cloned().unwrap_or_default();
                let tasks: Vec<&Value> =
                    self.tasks.iter().filter(|task| wanted.contains(&task["taskArn"])).collect();
                Ok(json!({ "tasks": tasks, "failures": [] }))
            }
            "RunTask" => Ok(self.run_task(request)),
            "StopTask" => self.stop_task(request),
            other => self.act_on_records(other, request),
        }
    }

    fn run_task(&mut self, request: &Value) -> Value {
        let arn = "arn:aws:ecs:us-east-1:123456789012:task/main/one-off";
        let overrides = &request["overrides"]["containerOverrides"][0];
        self.tasks.push(json!({
            "taskArn": arn, "desiredStatus": "RUNNING", "lastStatus": "PENDING",
            "taskDefinitionArn": request["taskDefinition"], "startedBy": request["startedBy"],
            "containers": [{ "name": overrides["name"] }],
        }));
        json!({ "tasks": [{ "taskArn": arn }], "failures": [] })
    }

    fn stop_task(&mut self, request: &Value) -> Answer {
        let task = self.tasks.iter_mut().find(|task| task["taskArn"] == request["task"]);
        let gone = || ("InvalidParameterException", "The referenced task was not found.".to_owned());
        let task = task.ok_or_else(gone)?;
        task["lastStatus"] = json!("STOPPED");
        task["containers"][0]["exitCode"] = json!(143);
        Ok(json!({ "task": task }))
    }

    /// A definition that somebody registered.
    pub(crate) fn register(&mut self, definition: Value) {
        self.definitions.push(definition);
    }

    /// The number of a deployment that begins.
    pub(super) fn next_deployment(&mut self) -> u32 {
        self.deployed += 1;
        self.deployed
    }

    /// The image of a registered definition, by its number from 1.
    pub(super) fn image(&self, number: usize) -> Value {
        self.definitions[number - 1]["containerDefinitions"][0]["image"].clone()
    }

    fn deploy(&mut self, request: &Value) {
        self.overtaken();
        let id = format!("ecs-svc/{}", self.next_deployment());
        let desired = self.service.as_ref().map(|service| service["desiredCount"].clone());
        for deployment in self.deployments().iter_mut() {
            deployment["status"] = json!("ACTIVE");
        }
        let deployment = json!({
            "id": id, "status": "PRIMARY", "taskDefinition": request["taskDefinition"], "desiredCount": desired,
            "runningCount": 0, "pendingCount": 0, "failedTasks": 0, "rolloutState": "IN_PROGRESS",
            "createdAt": self.now().as_second(),
        });
        self.deployments().insert(0, deployment);
        self.set_out();
    }
}

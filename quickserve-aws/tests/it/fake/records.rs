//! ECS's record of its deployments: what is asked of it, and the answers at its gates.

use serde_json::{Value, json};

use super::State;
use super::state::Answer;

impl State {
    pub(super) fn act_on_records(&mut self, operation: &str, request: &Value) -> Answer {
        match operation {
            "ListServiceDeployments" => {
                let briefs = (1..).zip(&self.records).map(|(number, _)| {
                    json!({ "serviceDeploymentArn": format!("d/{number}"), "createdAt": 1_764_370_000 + number,
                        "targetServiceRevisionArn": format!("r/{number}") })
                });
                Ok(json!({ "serviceDeployments": briefs.collect::<Vec<_>>() }))
            }
            "DescribeServiceRevisions" => {
                let revisions = (1..).zip(&self.records).map(|(number, (definition, ..))| {
                    json!({ "serviceRevisionArn": format!("r/{number}"), "taskDefinition": definition })
                });
                Ok(json!({ "serviceRevisions": revisions.collect::<Vec<_>>() }))
            }
            "DescribeServiceDeployments" => {
                let arn = request["serviceDeploymentArns"][0].as_str().unwrap_or_default();
                let number: usize = arn.trim_start_matches("d/").parse().unwrap_or(1);
                let (_, status, reason) = &self.records[number - 1];
                let alarms = json!({ "triggeredAlarmNames": self.alarms });
                let mut deployment = json!({
                    "serviceDeploymentArn": arn, "status": status, "statusReason": reason, "alarms": alarms,
                });
                for (member, value) in
                    self.details.get(&number).and_then(Value::as_object).into_iter().flatten()
                {
                    deployment[member] = value.clone();
                }
                Ok(json!({ "serviceDeployments": [deployment] }))
            }
            "ContinueServiceDeployment" => {
                let number = Self::number(&request["serviceDeploymentArn"]);
                let hook = &self.details.get(&number).unwrap_or(&Value::Null)["lifecycleHookDetails"][0];
                if hook["hookId"] != request["hookId"] || hook["status"] != "AWAITING_ACTION" {
                    return Err(("InvalidParameterException", "The hook awaits no action.".to_owned()));
                }
                self.details.insert(number, json!({}));
                if request["action"] == "ROLLBACK" {
                    self.records[number - 1].1 = "ROLLBACK_REQUESTED";
                }
                Ok(json!({ "serviceDeploymentArn": request["serviceDeploymentArn"] }))
            }
            "StopServiceDeployment" => {
                let number = Self::number(&request["serviceDeploymentArn"]);
                self.details.insert(number, json!({}));
                self.records[number - 1].1 = "ROLLBACK_REQUESTED";
                Ok(json!({ "serviceDeploymentArn": request["serviceDeploymentArn"] }))
            }
            other => Err(("UnknownOperationException", other.to_owned())),
        }
    }

    fn number(arn: &Value) -> usize {
        arn.as_str().and_then(|arn| arn.trim_start_matches("d/").parse().ok()).unwrap_or(1)
    }
}

//! What stands beside ECS at the same address: logs, target health and alarms, as a test says.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Another service's answer, or its error.
type Answer = Result<Value, (&'static str, String)>;

#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// The lines of each stream, by group and stream.
    pub(crate) logs: BTreeMap<(&'static str, &'static str), Vec<&'static str>>,
    /// Targets of each group: why each is unhealthy, if it is.
    pub(crate) targets: BTreeMap<&'static str, Vec<Option<(&'static str, &'static str)>>>,
    /// Alarms in ALARM, with the reason.
    pub(crate) alarms: Vec<(&'static str, &'static str)>,
}

impl Beside {
    /// The answer to an operation, if it is one of these.
    pub(super) fn act(&self, operation: &str, request: &Value) -> Option<Answer> {
        let text = |name: &str| request[name].as_str().unwrap_or_default();
        match operation {
            "GetLogEvents" => Some(self.log(text("logGroupName"), text("logStreamName"))),
            "DescribeTargetHealth" => {
                let group = text("TargetGroupArn");
                Some(match self.targets.get(group) {
                    Some(targets) => Ok(health(targets)),
                    None => Err(("TargetGroupNotFound", format!("Target groups '{group}' not found"))),
                })
            }
            "DescribeAlarms" => {
                let alarm = |(name, reason): &(&str, &str)| json!({ "AlarmName": name, "StateReason": reason, "StateValue": "ALARM" });
                Some(Ok(json!({ "MetricAlarms": self.alarms.iter().map(alarm).collect::<Vec<_>>() })))
            }
            _ => None,
        }
    }

    fn log(&self, group: &str, stream: &str) -> Answer {
        if !self.logs.keys().any(|(known, _)| *known == group) {
            return Err(("ResourceNotFoundException", "The specified log group does not exist.".to_owned()));
        }
        let lines = self.logs.iter().find(|((_, known), _)| *known == stream).map(|(_, lines)| lines);
        let lines = lines
            .ok_or(("ResourceNotFoundException", "The specified log stream does not exist.".to_owned()))?;
        let events: Vec<Value> =
            lines.iter().map(|line| json!({ "message": line, "timestamp": 1_764_370_000_000_u64 })).collect();
        Ok(json!({ "events": events }))
    }
}

fn health(targets: &[Option<(&str, &str)>]) -> Value {
    let described = targets.iter().map(|why| match why {
        None => json!({ "TargetHealth": { "State": "healthy" } }),
        Some((code, words)) => {
            json!({ "TargetHealth": { "State": "unhealthy", "Reason": code, "Description": words } })
        }
    });
    json!({ "TargetHealthDescriptions": described.collect::<Vec<_>>() })
}

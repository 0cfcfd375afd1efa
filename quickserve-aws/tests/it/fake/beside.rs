//! What stands beside ECS at the same address: logs, target health and alarms, as a test says.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Another service's answer, or its error.
type Answer = Result<Value, (&'static str, String)>;

/// When the first line of each stream was written, in milliseconds.
const LOGGED: u64 = 1_764_370_000_000;

#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// How many lines a page of a log has at most, where that is few.
    pub(crate) page: Option<usize>,
    /// The lines of each stream, by group and stream: each second one.
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
            "GetLogEvents" => Some(self.log(request)),
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

    /// `CloudWatch` Logs API reference, `GetLogEvents`: tokens stand for places, and at either end the caller's comes back.
    fn log(&self, request: &Value) -> Answer {
        let text = |name: &str| request[name].as_str().unwrap_or_default();
        let (group, stream) = (text("logGroupName"), text("logStreamName"));
        if !self.logs.keys().any(|(known, _)| *known == group) {
            return Err(("ResourceNotFoundException", "The specified log group does not exist.".to_owned()));
        }
        let lines = self.logs.iter().find(|((_, known), _)| *known == stream).map(|(_, lines)| lines);
        let lines = lines
            .ok_or(("ResourceNotFoundException", "The specified log stream does not exist.".to_owned()))?;
        let events: Vec<Value> = (LOGGED..)
            .step_by(1000)
            .zip(lines)
            .map(|(at, line)| json!({ "message": line, "timestamp": at }))
            .filter(|event| event["timestamp"].as_u64() >= request["startTime"].as_u64())
            .collect();
        let limit = request["limit"].as_u64().and_then(|limit| usize::try_from(limit).ok());
        let limit = limit.unwrap_or(usize::MAX).min(self.page.unwrap_or(10_000));
        let all = events.len();
        let head = request["startFromHead"] == true;
        let token = text("nextToken").split_once('/').map(|(way, at)| (way, at.parse().unwrap_or(all)));
        let (start, end) = match token {
            Some(("b", at)) => (usize::saturating_sub(at, limit), at),
            Some((_, at)) => (at, all.min(at + limit)),
            None if head => (0, all.min(limit)),
            None => (all.saturating_sub(limit), all),
        };
        let page = &events[start..end];
        Ok(json!({
            "events": page, "nextForwardToken": format!("f/{end}"), "nextBackwardToken": format!("b/{start}"),
        }))
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

//! QS617, QS618: the alarms that watch a deployment are there, and quiet.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use quickserve_core::Result;
use quickserve_core::finding::{Code, Finding, Severity};
use quickserve_core::preflight::Report;

use crate::clients::Clients;
use crate::error::{Call, call};

const DESCRIBE: Call = call("cloudwatch", "DescribeAlarms");
/// `CloudWatch` documentation, `DescribeAlarms`: at most 100 names.
const AT_ONCE: usize = 100;

pub(super) async fn alarms(clients: &Clients, names: &[String]) -> Result<Report> {
    let mut states = BTreeMap::new();
    for some in names.chunks(AT_ONCE) {
        let request = clients
            .cloudwatch()
            .describe_alarms()
            .set_alarm_names(Some(some.to_vec()))
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .max_records(100);
        let answer = request.send().await.map_err(|error| DESCRIBE.failed(error))?;
        let metric = answer.metric_alarms().iter().map(|it| (it.alarm_name(), it.state_value()));
        let composite = answer.composite_alarms().iter().map(|it| (it.alarm_name(), it.state_value()));
        for (name, state) in metric.chain(composite) {
            states.insert(name.unwrap_or_default().to_owned(), state == Some(&StateValue::Alarm));
        }
    }
    let region = clients.region().unwrap_or("this region");
    let reports = names.iter().map(|name| Report::of(judge(name, states.get(name).copied(), region)));
    Ok(reports.fold(Report::default(), Report::and))
}

fn judge(name: &str, firing: Option<bool>, region: &str) -> Vec<Finding> {
    let finding = match firing {
        Some(false) => return Vec::new(),
        Some(true) => {
            let message =
                format!("alarm {name} is firing, and ECS ignores it until this deployment has ended");
            let hint = "find out why before deploying, unless this deployment mends it";
            Finding::new(Code::ALARM_FIRING, Severity::Warning, message).with_hint(hint)
        }
        None => {
            let hint = "compare `alarms` in quickserve.toml with aws cloudwatch describe-alarms";
            Finding::error(Code::ALARM_NOT_FOUND, format!("alarm {name} not found in {region}"))
                .with_hint(hint)
        }
    };
    vec![finding.on(format!("alarm {name}"))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_that_is_absent_refuses_and_one_that_fires_warns() {
        assert_eq!(judge("shop-5xx", Some(false), "us-east-1"), []);
        let absent = judge("shop-5xx", None, "us-east-1");
        assert_eq!((absent[0].code, absent[0].severity), (Code::ALARM_NOT_FOUND, Severity::Error));
        let firing = judge("shop-5xx", Some(true), "us-east-1");
        assert_eq!((firing[0].code, firing[0].severity), (Code::ALARM_FIRING, Severity::Warning));
    }
}

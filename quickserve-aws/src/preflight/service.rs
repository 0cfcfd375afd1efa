//! QS609, QS610, QS619: the service is there or can be made, is ours to deploy, and can go back.

use quickserve_core::config::Strategy;
use quickserve_core::finding::{Code, Finding, Severity};
use quickserve_core::preflight::Report;
use quickserve_core::rollout::Way;

use super::subject::Subject;
use crate::ecs::Live;

pub(super) fn service(subject: &Subject, live: Option<&Live>) -> Report {
    there(subject, live).and(deployable(subject, live)).and(can_go_back(subject, live))
}

fn there(subject: &Subject, live: Option<&Live>) -> Report {
    if live.is_some() || subject.definition.is_some() {
        return Report::of(Vec::new());
    }
    let message = format!("service {} not found in cluster {}", subject.service, subject.cluster);
    let hint = "name a file that says how to make it: JSON as for aws ecs create-service --cli-input-json";
    let finding = Finding::error(Code::SERVICE_NOT_FOUND, message).on(&*subject.service).with_hint(hint);
    Report::of(vec![finding])
}

fn deployable(subject: &Subject, live: Option<&Live>) -> Report {
    let refused = |live: &Live| match subject.strategy {
        Strategy::Rolling => live.deployable(Way::Rolling, &[]).err(),
        // Whether requests can be shifted is told by what looks at the load balancer (QS614).
        _ => live.controllable().err(),
    };
    let Some(error) = live.and_then(refused) else { return Report::of(Vec::new()) };
    let mut finding = Finding::error(Code::FOREIGN_CONTROLLER, error.to_string()).on(&*subject.service);
    finding.hint = error.hint().map(str::to_owned);
    Report::of(vec![finding])
}

fn can_go_back(subject: &Subject, live: Option<&Live>) -> Report {
    if subject.has_good_release {
        return Report::of(Vec::new());
    }
    let otherwise = if live.is_some() {
        "if this deployment fails, ECS goes back to what serves now, by itself"
    } else {
        "if this deployment fails, nothing serves"
    };
    let message = format!("no release is known to be good, to go back to: {otherwise}");
    Report::of(vec![Finding::new(Code::NO_GOOD_RELEASE, Severity::Info, message).on(&*subject.service)])
}

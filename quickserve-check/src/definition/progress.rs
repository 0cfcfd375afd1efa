//! Bounds within which a rollout can never replace a task.

use quickserve_core::document::Node;
use quickserve_core::finding::{Code, Finding, Severity};

use super::Definition;
use super::container::integer;
use super::service::Service;
use crate::Subject;

/// ECS documentation, "DeploymentConfiguration": the least is rounded up and the most rounded down. A task is replaced
/// by starting one above the desired count, or by stopping one below it: where neither may be, nothing moves.
pub(crate) fn is_stuck(tasks: u64, least_percent: u64, most_percent: u64) -> bool {
    let least = tasks.saturating_mul(least_percent).div_ceil(100);
    let most = tasks.saturating_mul(most_percent) / 100;
    tasks > 0 && least >= tasks && most <= tasks
}

/// What is said of them.
pub(crate) fn message(tasks: u64, least: u64, most: u64) -> String {
    let plural = if tasks == 1 { "" } else { "s" };
    format!(
        "of {tasks} task{plural}, at least {least} % stay and at most {most} % run: none can ever be replaced"
    )
}

/// What does mend it: the least `maximumPercent` that makes room for one task more.
pub(crate) fn hint(tasks: u64) -> String {
    let most = tasks.saturating_add(1).saturating_mul(100).div_ceil(tasks.max(1));
    format!("let {most} % or more run, or let less than 100 % stay")
}

/// The bounds of quickserve.toml. Not surely fatal: they count in a rolling update only, and the number of tasks may be
/// the default of who does not know how many the service has.
pub(super) fn of_settings(subject: &Subject) -> Vec<Finding> {
    let Some(rollout) = subject.rollout else { return Vec::new() };
    let (tasks, least, most) =
        (rollout.tasks.into(), rollout.minimum_healthy_percent.into(), rollout.maximum_percent.into());
    let message = message(tasks, least, most);
    let finding =
        Finding::new(Code::NO_PROGRESS, Severity::Warning, message).on("[deploy] of quickserve.toml");
    Vec::from_iter(is_stuck(tasks, least, most).then(|| finding.with_hint(hint(tasks))))
}

/// The bounds of service definitions.
pub(super) fn of_services(definition: &Definition, _: &Subject) -> Vec<Finding> {
    definition.services.iter().filter_map(of_service).collect()
}

fn of_service(service: &Service) -> Option<Finding> {
    if !service.is_rolling() {
        return None;
    }
    let number = |node: Option<&Node>, or: u64| {
        node.map_or(Some(or), |node| integer(node).and_then(|number| u64::try_from(number).ok()))
    };
    let bounds = service.tree.get("deploymentConfiguration")?;
    let (least, most) =
        (number(bounds.get("minimumHealthyPercent"), 100)?, number(bounds.get("maximumPercent"), 200)?);
    // Without a count, only what no count could mend is judged: 100 % of any is that many.
    let tasks = number(service.tree.get("desiredCount"), 100)?;
    let span = bounds.get("maximumPercent").map_or(&bounds.span, |node| &node.span);
    let finding = service.file.error(Code::NO_PROGRESS, span, message(tasks, least, most));
    is_stuck(tasks, least, most).then(|| finding.with_hint(hint(tasks)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_task_cannot_be_replaced_within_less_than_two() {
        assert!(
            is_stuck(1, 100, 100) && is_stuck(1, 100, 150) && is_stuck(1, 50, 100) && is_stuck(3, 67, 100)
        );
        assert!(
            !is_stuck(1, 100, 200) && !is_stuck(1, 0, 100) && !is_stuck(2, 50, 100) && !is_stuck(2, 100, 150)
        );
        assert!(!is_stuck(0, 100, 100), "nothing is to be replaced");
        assert!(!is_stuck(u64::MAX, 0, u64::MAX));
    }
}

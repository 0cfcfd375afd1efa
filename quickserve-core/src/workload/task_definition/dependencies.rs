//! `dependsOn`: whom a container waits for. ECS documentation, "Container dependency".

use super::container::Read;
use crate::document::{Decoder, did_you_mean};
use crate::finding::Code;
use crate::workload::Condition;

/// Reports containers that do not exist, conditions that can never hold, and circles.
pub(super) fn check(decoder: &mut Decoder<'_>, containers: &[Read]) {
    for read in containers {
        for (dependency, span) in read.container.depends_on.iter().zip(&read.depends_on) {
            let (name, other) = (&read.container.name, &dependency.container);
            let found = containers.iter().find(|read| read.container.name == *other);
            let (message, hint) = match (found, dependency.condition) {
                (None, _) => {
                    let names: Vec<&str> = containers
                        .iter()
                        .map(|read| read.container.name.as_str())
                        .filter(|container| container != name)
                        .collect();
                    let hint =
                        did_you_mean(other, &names).unwrap_or_else(|| "the task has no other".to_owned());
                    (format!("no container is named {other:?}"), hint)
                }
                (Some(found), Condition::Healthy) if found.container.health_check.is_none() => (
                    format!("{other} has no healthCheck and can never be HEALTHY"),
                    format!("give {other} a healthCheck, or wait for START"),
                ),
                (Some(found), Condition::Complete | Condition::Success) if found.container.essential => (
                    format!("{other} is essential: the task ends when it does"),
                    format!("write \"essential\": false for {other}"),
                ),
                (Some(_), _) => continue,
            };
            decoder.report(Code::DEFINITION_DEPENDENCY, span, message).hint = Some(hint);
        }
    }
    report_circles(decoder, containers);
}

/// Reports each circle once, at the dependency that closes it.
fn report_circles(decoder: &mut Decoder<'_>, containers: &[Read]) {
    let mut done = vec![false; containers.len()];
    for start in 0..containers.len() {
        let mut path = Vec::new();
        visit(decoder, containers, start, &mut path, &mut done);
    }
}

fn visit(
    decoder: &mut Decoder<'_>,
    containers: &[Read],
    at: usize,
    path: &mut Vec<usize>,
    done: &mut [bool],
) {
    if done[at] {
        return;
    }
    path.push(at);
    let read = &containers[at];
    for (dependency, span) in read.container.depends_on.iter().zip(&read.depends_on) {
        let Some(next) = containers.iter().position(|read| read.container.name == dependency.container)
        else {
            continue;
        };
        if let Some(begin) = path.iter().position(|index| *index == next) {
            let circle = path[begin..].iter().chain([&next]);
            let names: Vec<&str> = circle.map(|index| containers[*index].container.name.as_str()).collect();
            let message = format!("containers wait for each other: {}", names.join(" -> "));
            decoder.report(Code::DEFINITION_DEPENDENCY, span, message).hint =
                Some("remove one of these dependencies".to_owned());
        } else {
            visit(decoder, containers, next, path, done);
        }
    }
    path.pop();
    done[at] = true;
}

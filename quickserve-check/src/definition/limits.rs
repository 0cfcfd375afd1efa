//! Time to stop, CPU and memory.

use quickserve_core::document::{Node, Value};
use quickserve_core::finding::{Code, Finding};

use super::container::integer;
use super::{Container, Definition};
use crate::Subject;

/// What ECS waits between SIGTERM and SIGKILL where nothing is said, in seconds. ECS documentation, `stopTimeout`.
const STOP_TIMEOUT: i64 = 30;

/// The longest that Fargate waits. The same.
const FARGATE_STOP_TIMEOUT: i64 = 120;

/// CPU units with the least memory, the most and the step between, in MiB. ECS documentation, "Troubleshoot Amazon ECS
/// task definition invalid CPU or memory errors".
const FARGATE: &[(u32, u32, u32, u32)] = &[
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16_384, 1024),
    (4096, 8192, 30_720, 1024),
    (8192, 16_384, 61_440, 4096),
    (16_384, 32_768, 122_880, 8192),
];

pub(super) fn stop_timeouts(definition: &Definition, subject: &Subject) -> Vec<Finding> {
    let main = definition.main(subject).map(|container| container.name());
    let containers = definition.containers().into_iter();
    let found = containers.filter_map(|container| {
        let drain = subject.rollout.filter(|_| main == Some(container.name()));
        let drain = drain.and_then(|rollout| i64::try_from(rollout.drain_timeout.as_secs()).ok());
        stop_timeout(definition, container, drain)
    });
    found.collect()
}

fn stop_timeout(definition: &Definition, container: Container<'_>, drain: Option<i64>) -> Option<Finding> {
    let (file, name, node) = (&definition.file, container.name(), container.get("stopTimeout"));
    let written = node.map(|node| integer(node).ok_or(())).transpose().ok()?;
    let span = node.map_or(container.span(), |node| node.span.clone());
    let seconds = written.unwrap_or(STOP_TIMEOUT);
    if definition.is_for_fargate() && seconds > FARGATE_STOP_TIMEOUT {
        let message = format!("stopTimeout of {name} is {seconds} s, and Fargate waits at most 120 s");
        return Some(file.error(Code::STOP_TIMEOUT, &span, message).with_hint("lower it to 120 or less"));
    }
    let drain = drain.filter(|drain| *drain > seconds)?;
    let said = if written.is_some() { "" } else { ", the default" };
    let message =
        format!("{name} is killed {seconds} s after SIGTERM{said}, and requests may take {drain} s to end");
    let hint = if definition.is_for_fargate() && drain > FARGATE_STOP_TIMEOUT {
        "set stopTimeout to 120, the most on Fargate, and lower drain_timeout".to_owned()
    } else {
        format!("set stopTimeout to {drain} or more, or lower drain_timeout")
    };
    Some(file.warning(Code::STOP_TIMEOUT, &span, message).with_hint(hint))
}

/// CPU and memory that Fargate does not offer together. Sizes above its largest are not judged: it grows.
pub(super) fn fargate_size(definition: &Definition, _: &Subject) -> Vec<Finding> {
    let sizes = || {
        let (cpu, memory) = (definition.tree.get("cpu")?, definition.tree.get("memory")?);
        Some((size(definition, cpu, "vcpu")?, size(definition, memory, "gb")?, cpu, memory))
    };
    let Some((cpu, memory, cpu_node, memory_node)) = sizes().filter(|_| definition.is_for_fargate()) else {
        return Vec::new();
    };
    let row = FARGATE.iter().find(|row| row.0 == cpu);
    let (fits, offered) = match row {
        _ if cpu == 256 => ([512, 1024, 2048].contains(&memory), "512, 1024 or 2048".to_owned()),
        Some((_, least, most, step)) => (
            (*least..=*most).contains(&memory) && memory % step == 0,
            format!("{least} to {most} in steps of {step}"),
        ),
        None if cpu > 16_384 => return Vec::new(),
        None => {
            let message = format!("Fargate has no tasks with {cpu} CPU units");
            let hint = "write 256, 512, 1024, 2048, 4096, 8192 or 16384";
            return vec![definition.file.error(Code::FARGATE_SIZE, &cpu_node.span, message).with_hint(hint)];
        }
    };
    let message = format!("Fargate has no tasks with {cpu} CPU units and {memory} MiB of memory");
    let finding = definition.file.error(Code::FARGATE_SIZE, &memory_node.span, message);
    Vec::from_iter((!fits).then(|| finding.with_hint(format!("with {cpu} CPU units, write {offered} MiB"))))
}

/// ECS documentation, "Task size": what containers reserve fits into what the task has.
pub(super) fn container_sums(definition: &Definition, _: &Subject) -> Vec<Finding> {
    let reserves = |container: &Container<'_>| {
        container.integer("memoryReservation").or(container.integer("memory")).unwrap_or(0)
    };
    let cpu = |container: &Container<'_>| container.integer("cpu").unwrap_or(0);
    let sum = |of: &dyn Fn(&Container<'_>) -> i64| {
        definition.containers().iter().fold(0_i64, |sum, container| sum.saturating_add(of(container)))
    };
    let over = |key: &str, unit: &str, what: &str, needed: i64| {
        let node = definition.tree.get(key)?;
        let has = size(definition, node, unit)?;
        let message = format!("the containers ask for {needed} {what} together, and the task has {has}");
        let hint = format!("raise `{key}` of the task, or lower it of the containers");
        let finding = definition.file.error(Code::FARGATE_SIZE, &node.span, message);
        (needed > i64::from(has)).then(|| finding.with_hint(hint))
    };
    let cpu = over("cpu", "vcpu", "CPU units", sum(&cpu));
    let memory = over("memory", "gb", "MiB of memory", sum(&reserves));
    cpu.into_iter().chain(memory).chain(hard_limits(definition)).collect()
}

/// A container that may use more memory than the whole task has. What it reserves may be less.
fn hard_limits(definition: &Definition) -> Vec<Finding> {
    let Some(task) = definition.tree.get("memory").and_then(|node| size(definition, node, "gb")) else {
        return Vec::new();
    };
    let containers = definition.containers().into_iter();
    let over = containers.filter_map(|container| {
        let node = container.get("memory")?;
        let limit = integer(node)?;
        let reserved = container.integer("memoryReservation").unwrap_or(limit);
        // Where it reserves as much, the sum says the same.
        let found = limit > i64::from(task) && reserved <= i64::from(task);
        let message = format!("memory of {} is {limit} MiB, and the task has {task}", container.name());
        let finding = definition.file.error(Code::FARGATE_SIZE, &node.span, message);
        found.then(|| finding.with_hint("lower it, or raise `memory` of the task"))
    });
    over.collect()
}

/// A limit that a process may raise to less than it has. setrlimit(2): the soft limit is at most the hard one, and the
/// container does not start.
pub(super) fn ulimits(definition: &Definition, _: &Subject) -> Vec<Finding> {
    let containers = definition.containers().into_iter();
    let all =
        containers.flat_map(|container| container.items("ulimits").iter().map(move |node| (container, node)));
    let above = all.filter_map(|(container, node)| {
        let soft = node.get("softLimit")?;
        let (limit, hard) = (integer(soft)?, integer(node.get("hardLimit")?)?);
        let name = node.get("name").and_then(Node::as_str).unwrap_or("ulimit");
        let message =
            format!("softLimit {limit} of {name} in {} is above hardLimit {hard}", container.name());
        let finding = definition.file.error(Code::DEFINITION_REJECTED, &soft.span, message);
        (hard >= 0 && limit > hard).then(|| finding.with_hint("lower softLimit, or raise hardLimit"))
    });
    above.collect()
}

/// ECS documentation, "Task definition parameters", memory: on EC2, each container has a limit or a reservation,
/// unless the task has a size.
pub(super) fn memory(definition: &Definition, _: &Subject) -> Vec<Finding> {
    if definition.is_for_fargate() || definition.tree.get("memory").is_some() {
        return Vec::new();
    }
    let containers = definition.containers().into_iter();
    let found = containers.filter_map(|container| {
        let (file, name) = (&definition.file, container.name());
        if container.get("memory").is_some() {
            None
        } else if let Some(reservation) = container.get("memoryReservation") {
            let message =
                format!("{name} reserves memory and has no limit: it may take all that the host has");
            let finding = file.info(Code::NO_LIMITS, &reservation.span, message);
            Some(finding.with_hint("give it a hard limit with `memory`"))
        } else {
            let message =
                format!("{name} has neither memory nor memoryReservation, and the task has no memory");
            let finding = file.error(Code::NO_LIMITS, &container.span(), message);
            Some(finding.with_hint("give the container a limit, such as \"memory\": 512"))
        }
    });
    found.collect()
}

/// A size of the task: text with units, or a number, where ECS itself takes text only and the core says so.
fn size(definition: &Definition, node: &Node, unit: &str) -> Option<u32> {
    if let Value::Integer(number) = node.value {
        return u32::try_from(number).ok();
    }
    let text = definition.filled(node)?.trim().to_ascii_lowercase();
    let (number, factor) = text.strip_suffix(unit).map_or((&*text, 1.0), |number| (number, 1024.0));
    let size = number.trim().parse::<f64>().ok()? * factor;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range checked")]
    ((1.0..=16_777_216.0).contains(&size) && size.fract() == 0.0).then_some(size as u32)
}

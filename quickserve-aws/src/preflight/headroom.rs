//! QS612: instances have room for the tasks that a deployment starts beside the old ones.

use aws_sdk_ecs::types::{ContainerInstance, ContainerInstanceStatus, LaunchType};
use quickserve_core::Result;
use quickserve_core::finding::{Code, Finding, Severity};
use quickserve_core::preflight::Report;
use quickserve_core::workload::Workload;

use super::declared::Declared;
use super::subject::Subject;
use crate::clients::Clients;
use crate::ecs::Live;
use crate::error::{Call, call};

const LIST: Call = call("ecs", "ListContainerInstances");
const DESCRIBE: Call = call("ecs", "DescribeContainerInstances");
/// ECS API reference, `DescribeContainerInstances`: at most 100.
const AT_ONCE: i32 = 100;

/// CPU in 1/1024 of a core, and memory in MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    cpu: u64,
    memory: u64,
}

/// How many tasks are started, and how many have to fit at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Tasks beside those that run.
    pub(super) beside: u64,
    /// Whether old tasks may stop before new ones start.
    pub(super) may_stop_first: bool,
}

/// Looks at the instances of a service of launch type EC2. Capacity providers make room by themselves, and Fargate has
/// no instances.
pub(super) async fn headroom(
    clients: &Clients,
    subject: &Subject,
    declared: &Declared,
    live: Option<&Live>,
) -> Result<Report> {
    let on_instances = live.map_or_else(
        || declared.service.launch_type.as_deref() == Some("EC2"),
        |live| live.service.launch_type() == Some(&LaunchType::Ec2),
    );
    if !on_instances {
        return Ok(Report::default());
    }
    let free = free(clients, &subject.cluster).await?;
    Ok(judge(subject, wanted(subject, live.map(Live::desired)), &free))
}

async fn free(clients: &Clients, cluster: &str) -> Result<Vec<Size>> {
    let mut pages = clients
        .ecs()
        .list_container_instances()
        .cluster(cluster)
        .status(ContainerInstanceStatus::Active)
        .max_results(AT_ONCE)
        .into_paginator()
        .send();
    let mut free = Vec::new();
    while let Some(page) = pages.next().await {
        let arns = page.map_err(|error| LIST.failed(error))?.container_instance_arns.unwrap_or_default();
        if arns.is_empty() {
            continue;
        }
        let request = clients.ecs().describe_container_instances().cluster(cluster);
        let answer = request.set_container_instances(Some(arns)).send().await;
        let answer = answer.map_err(|error| DESCRIBE.failed(error))?;
        free.extend(answer.container_instances().iter().map(remaining));
    }
    Ok(free)
}

fn remaining(instance: &ContainerInstance) -> Size {
    let resource = |name: &str| {
        let found = instance.remaining_resources().iter().find(|it| it.name() == Some(name));
        found.map_or(0, |it| u64::try_from(it.integer_value()).unwrap_or_default())
    };
    Size { cpu: resource("CPU"), memory: resource("MEMORY") }
}

/// ECS documentation, "Rolling update": the minimum is rounded up, the maximum down.
pub(super) fn wanted(subject: &Subject, desired: Option<u32>) -> Wanted {
    let tasks = u64::from(subject.tasks.or(desired).unwrap_or(1));
    let running = u64::from(desired.unwrap_or_default());
    let most = tasks * u64::from(subject.maximum_percent) / 100;
    let least = (tasks * u64::from(subject.minimum_healthy_percent)).div_ceil(100);
    Wanted { beside: most.saturating_sub(running).min(tasks), may_stop_first: least < running }
}

fn size(workload: &Workload) -> Size {
    let containers = || workload.containers.iter();
    let cpu = workload.cpu_units.unwrap_or_else(|| containers().filter_map(|it| it.cpu_units).sum());
    // The scheduler counts what is reserved. ECS documentation, "memoryReservation".
    let reserved = containers().filter_map(|it| it.memory_reservation_mib.or(it.memory_mib)).sum();
    Size { cpu: u64::from(cpu), memory: u64::from(workload.memory_mib.unwrap_or(reserved)) }
}

fn judge(subject: &Subject, wanted: Wanted, free: &[Size]) -> Report {
    let task = size(&subject.workload);
    let fit: u64 = free.iter().map(|free| fits(task, *free, wanted.beside)).sum();
    if fit >= wanted.beside {
        return Report::of(Vec::new());
    }
    let severity = if fit == 0 && !wanted.may_stop_first { Severity::Error } else { Severity::Warning };
    let message = format!(
        "a deployment starts up to {} tasks beside the old ones, and {} active instances have room for {fit}",
        wanted.beside,
        free.len()
    );
    let hint = format!(
        "each task takes {} CPU units and {} MiB: add instances, or lower maximum_percent and minimum_healthy_percent",
        task.cpu, task.memory
    );
    let cluster = format!("cluster {}", subject.cluster_name());
    Report::of(vec![Finding::new(Code::INSTANCE_HEADROOM, severity, message).on(cluster).with_hint(hint)])
}

/// How many tasks fit. One that reserves nothing fits wherever there is an instance, as often as it is wanted.
fn fits(task: Size, free: Size, wanted: u64) -> u64 {
    let times = |free: u64, each: u64| free.checked_div(each).unwrap_or(wanted);
    times(free.cpu, task.cpu).min(times(free.memory, task.memory))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::subject_for_tests as subject;

    const ROOM: Size = Size { cpu: 1024, memory: 2048 };

    fn report(tasks: u32, minimum: u32, maximum: u32, free: &[Size]) -> Report {
        let mut subject = subject();
        subject.workload.cpu_units = Some(512);
        subject.workload.memory_mib = Some(1024);
        subject.minimum_healthy_percent = minimum;
        subject.maximum_percent = maximum;
        judge(&subject, wanted(&subject, Some(tasks)), free)
    }

    #[test]
    fn the_tasks_of_a_deployment_are_counted_within_the_bounds() {
        let mut subject = subject();
        for (tasks, running, maximum, beside) in [
            (None, Some(4), 200, 4),
            (None, Some(4), 150, 2),
            (None, Some(3), 150, 1),
            (Some(2), None, 200, 2),
        ] {
            subject.tasks = tasks;
            subject.maximum_percent = maximum;
            assert_eq!(wanted(&subject, running).beside, beside, "{tasks:?} {running:?} {maximum}");
        }
    }

    #[test]
    fn too_little_room_warns_and_none_at_all_refuses_unless_old_tasks_may_go_first() {
        assert_eq!(report(2, 100, 200, &[ROOM]).passed, 1);
        let little = report(4, 100, 200, &[ROOM]);
        assert_eq!(little.findings[0].severity, Severity::Warning);
        insta::assert_snapshot!(report(2, 100, 200, &[]).findings[0], @r"
        QS612 a deployment starts up to 2 tasks beside the old ones, and 0 active instances have room for 0
          --> cluster main
          hint: each task takes 512 CPU units and 1024 MiB: add instances, or lower maximum_percent and minimum_healthy_percent
        ");
        assert!(report(2, 100, 200, &[]).refuses());
        assert!(!report(2, 50, 200, &[Size { cpu: 100, memory: 2048 }]).refuses());
    }
}

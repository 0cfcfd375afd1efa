//! QS304: the processor that a task runs on, beside those that its image is built for.

use quickserve_core::finding::{Code, Finding};

use crate::definition::Definition;
use crate::dockerfile::Dockerfile;
use crate::processor::Processor;
use crate::workflow::built;
use crate::{Facts, Subject};

pub(super) fn check(subject: &Subject, facts: &Facts, definition: &Definition) -> Vec<Finding> {
    let Some(task) = of_task(definition).filter(|_| subject.is_for_ecs()) else { return Vec::new() };
    let said = match definition.architecture() {
        Some(_) => format!("the task runs on {}", task.in_task()),
        None => format!("the task runs on {}, as nothing else is said", task.in_task()),
    };
    let dockerfile = facts.build.dockerfile.as_ref().and_then(|dockerfile| of_base(dockerfile, task, &said));
    // What a base is fixed to holds whatever the workflow asks for.
    dockerfile.or_else(|| of_pipelines(facts, task, &said)).into_iter().collect()
}

/// ECS documentation, "Task definition parameters", runtime platform: `X86_64` where nothing is said, for Fargate; on EC2
/// it is the instance's.
fn of_task(definition: &Definition) -> Option<Processor> {
    match definition.architecture() {
        Some(node) => Processor::of_task(node.as_str()?),
        None => definition.is_for_fargate().then_some(Processor::Amd64),
    }
}

/// A base of the final image that is fixed to another processor.
fn of_base(dockerfile: &Dockerfile, task: Processor, said: &str) -> Option<Finding> {
    let flag = dockerfile.root()?.platform.as_ref()?;
    let base = Processor::of_platform(&flag.value).filter(|base| *base != task)?;
    let message = format!("the image is built on {base}, and {said}");
    let hint = format!("leave --platform out and build with it, or write --platform={task}");
    Some(dockerfile.file.error(Code::IMAGE_ARCHITECTURE, &flag.span, message).with_hint(hint))
}

/// Pipelines of which none builds for the task's processor. Which of several images is the task's is a guess: a warning.
fn of_pipelines(facts: &Facts, task: Processor, said: &str) -> Option<Finding> {
    let built = built::of(&facts.pipelines);
    let may_fit = |built: &built::Built<'_>| built.processors.is_empty() || built.processors.contains(&task);
    if built.iter().any(may_fit) {
        return None;
    }
    let first = built.first()?;
    let processor = first.processors.first()?;
    let by = if first.is_written { "" } else { ", the platform of its runner" };
    let message = format!("the image is built for {processor}{by}, and {said}");
    let hint = match task {
        Processor::Arm64 => format!("build with --platform {task}, on a runner such as ubuntu-24.04-arm"),
        Processor::Amd64 => format!("build with --platform {task}, or give the task cpuArchitecture ARM64"),
    };
    Some(first.file.warning(Code::IMAGE_ARCHITECTURE, &first.span, message).with_hint(hint))
}

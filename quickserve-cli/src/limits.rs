//! What may be asked of a deployment and this version cannot do: refused, never passed over.

use quickserve_core::config::{Config, Platform, Scan, Settings, Stages, Strategy, WorkloadSource};
use quickserve_core::finding::{Code, Finding};
use quickserve_core::outcome::Outcome;

use crate::failure::Failure;

/// A strategy, and by what it was chosen where that was not quickserve.toml.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chosen {
    pub(crate) strategy: Strategy,
    pub(crate) by: &'static str,
}

/// From how many tasks on local Docker has no service.
const MOST_TASKS: u32 = 101;

/// Whether a platform has the strategy.
fn is_built(platform: Platform, strategy: Strategy) -> bool {
    match platform {
        Platform::Docker => !matches!(strategy, Strategy::Canary | Strategy::Linear),
        // It never stops all tasks before others start.
        Platform::Ecs => strategy != Strategy::Recreate,
    }
}

/// The strategies that a platform has, by name.
pub(crate) fn built(platform: Platform) -> Vec<&'static str> {
    let built = Strategy::ALL.iter().filter(|(_, strategy)| is_built(platform, *strategy));
    built.map(|(name, _)| *name).collect()
}

/// All that cannot be done, as one refusal.
pub(crate) fn check(config: &Config, settings: &Settings, chosen: Option<Chosen>) -> Result<(), Failure> {
    let mut settings = settings.clone();
    let mut findings = Vec::new();
    if let Some(Chosen { strategy, by }) = chosen {
        // What the file says does not count then.
        settings.deploy.strategy = Some(strategy);
        if !is_built(settings.platform, strategy) {
            settings.deploy.strategy = None;
            let finding = Finding::not_built(&format!("the strategy is {strategy}"));
            findings.push(
                finding.on(by).with_hint(format!("use one of {}", built(settings.platform).join(", "))),
            );
        }
    }
    findings.extend(around(config, &settings));
    findings.extend(settings.not_built().into_iter().map(|finding| finding.on("quickserve.toml")));
    if findings.is_empty() { Ok(()) } else { Err(Failure::findings(Outcome::Refused, findings)) }
}

/// What is asked for around a deployment, where the command would have to do it.
fn around(config: &Config, settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut refuse = |what: &str, hint: &str| {
        findings.push(Finding::not_built(what).on("quickserve.toml").with_hint(hint));
    };
    if let (Platform::Ecs, WorkloadSource::ShortForm(_)) = (settings.platform, &settings.workload) {
        let what =
            format!("environment {} runs on ECS without a task definition", settings.key.environment());
        refuse(&what, "name a file: task_definition = \"deploy/task-definition.json\"");
    }
    let Stages { lint, test, scan, sign } = &settings.stages;
    let stages = [
        ("lint", lint.is_some()),
        ("test", test.is_some()),
        ("scan", scan.as_ref().is_some_and(Scan::is_run)),
        ("sign", sign.is_some()),
    ];
    let stages: Vec<&str> = stages.iter().filter(|(_, asked)| *asked).map(|(name, _)| *name).collect();
    if !stages.is_empty() {
        let hint = "run them before quickserve, and switch them off for this environment with false";
        refuse(&format!("the stages {} must pass first", stages.join(", ")), hint);
    }
    if let (Platform::Docker, Some(tasks @ MOST_TASKS..)) = (settings.platform, settings.deploy.tasks) {
        let most = MOST_TASKS - 1;
        let message = format!("tasks is {tasks} in [deploy], and local Docker has at most {most}");
        let finding = Finding::error(Code::NOT_BUILT, message).on("quickserve.toml");
        let finding = finding.with_hint(format!("write tasks = {most}, or less"));
        findings.push(config.place(finding, &settings.key, &["deploy", "tasks"]));
    }
    findings
}

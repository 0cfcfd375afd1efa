//! QS807: commands and options that do not exist any more, or never did.

use quickserve_core::document::{Span, nearest};
use quickserve_core::finding::{Code, Finding, Severity};

use crate::workflow::Pipelines;
use crate::workflow::pipelines::{Origin, Unit};
use crate::workflow::shell::Command;

/// What is wrong, how to mend it, and where.
struct Removed {
    severity: Severity,
    span: Span,
    message: String,
    hint: String,
}

pub(super) fn check(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for unit in pipelines.units() {
        for command in &unit.shell.commands {
            let rules = [docker(command), aws(unit, command), system(command), actions(unit, command)];
            findings.extend(rules.into_iter().flatten().map(|removed| {
                let Removed { severity, span, message, hint } = removed;
                let finding = match severity {
                    Severity::Error => unit.file.error(Code::REMOVED_COMMAND, &span, message),
                    Severity::Warning => unit.file.warning(Code::REMOVED_COMMAND, &span, message),
                    Severity::Info => unit.file.info(Code::REMOVED_COMMAND, &span, message),
                };
                finding.with_hint(hint)
            }));
        }
    }
    findings
}

fn removed(severity: Severity, span: &Span, message: &str, hint: &str) -> Removed {
    Removed { severity, span: span.clone(), message: message.into(), hint: hint.into() }
}

/// Where a command is named: its program and the subcommands, without arguments.
fn head(command: &Command, words: usize) -> Span {
    let program = command.program();
    let start = program.first().map_or(command.span.start, |word| word.span.start);
    let end = program.iter().take(words).next_back().map_or(command.span.end, |word| word.span.end);
    start..end
}

fn docker(command: &Command) -> Option<Removed> {
    if command.is("docker scan") {
        let message = "`docker scan` was removed from Docker in April 2023";
        let hint = "use `docker scout cves`, `trivy image` or `grype`, with a severity that fails the job";
        return Some(removed(Severity::Error, &head(command, 2), message, hint));
    }
    if command.name() == "docker-compose" {
        let message = "`docker-compose` is gone from Docker and from GitHub's runners";
        return Some(removed(Severity::Warning, &head(command, 1), message, "write `docker compose`"));
    }
    None
}

fn aws(unit: Unit<'_>, command: &Command) -> Option<Removed> {
    // Source: AWS CLI Command Reference; none of these has the option, and the CLI refuses what it does not know.
    let without_wait = ["update-service", "create-service", "run-task", "register-task-definition"];
    for subcommand in without_wait {
        if command.is(&format!("aws ecs {subcommand}")) {
            let flag = command.flag("--wait")?;
            let message = format!("`aws ecs {subcommand}` has no option --wait, so the command fails");
            let hint =
                "remove it, and wait with a command of its own that looks at the deployment's rolloutState";
            return Some(removed(Severity::Error, &flag.span, &message, hint));
        }
    }
    if command.is("aws ecs wait") {
        // Source: AWS CLI Command Reference, "ecs wait".
        const WAITERS: [&str; 4] = ["services-stable", "services-inactive", "tasks-running", "tasks-stopped"];
        let word = command.program().iter().skip_while(|word| word.text != "wait").nth(1)?;
        let is_name = !word.text.starts_with('-') && !word.text.contains(['$', '`']);
        if WAITERS.contains(&word.text.as_str()) {
            return None;
        }
        // One that is near to none of them may be newer than this list.
        let near = nearest(&word.text, WAITERS).filter(|_| is_name)?;
        let message =
            format!("`aws ecs wait` has no {}, so the command fails and waits for nothing", word.text);
        return Some(removed(Severity::Error, &word.span, &message, &format!("did you mean {near}")));
    }
    if command.is("aws ecr get-login") {
        // Version 1 of the CLI still has it, and a script may run where that is.
        let severity = match unit.origin {
            Origin::Step(..) => Severity::Error,
            Origin::Script(_) => Severity::Warning,
        };
        let message = "`aws ecr get-login` is not in version 2 of the AWS CLI";
        let hint =
            "use `aws ecr get-login-password | docker login --username AWS --password-stdin <registry>`";
        return Some(removed(severity, &head(command, 3), message, hint));
    }
    None
}

fn system(command: &Command) -> Option<Removed> {
    if command.name() == "apt-key" {
        // Its manual page in Ubuntu 24.04: "will last be available in Debian 12 and Ubuntu 24.04".
        let message = "`apt-key` is deprecated, and last in Debian 12 and Ubuntu 24.04";
        let hint = "put the key under /etc/apt/keyrings, and name it with `signed-by` in the source";
        return Some(removed(Severity::Warning, &head(command, 1), message, hint));
    }
    if command.is("npm ci") || command.is("npm install") {
        let only = command.flag("--only").filter(|_| command.option("--only") == Some("production"))?;
        let message = "`--only=production` of npm is deprecated";
        return Some(removed(Severity::Info, &only.span, message, "write `--omit=dev`"));
    }
    None
}

/// What a step says to the runner by printing it.
fn actions(unit: Unit<'_>, command: &Command) -> Option<Removed> {
    let Origin::Step(workflow, job, step) = unit.origin else { return None };
    if !command.prints() {
        return None;
    }
    let word = command.words.iter().find(|word| word.text.starts_with("::"))?;
    let name = word.text[2..].split([' ', ':']).next().unwrap_or_default();
    match name {
        "set-output" | "save-state" => {
            let file = if name == "set-output" { "GITHUB_OUTPUT" } else { "GITHUB_STATE" };
            let message = format!("`::{name}` is deprecated, and GitHub will disable it");
            let hint = format!("append to the file: `echo \"name=value\" >> \"${file}\"`");
            Some(removed(Severity::Warning, &word.span, &message, &hint))
        }
        "set-env" | "add-path" => {
            let allows = |key: &str| key == "ACTIONS_ALLOW_UNSECURE_COMMANDS";
            let mut env = workflow.env.iter().chain(&job.env).chain(&step.env);
            if env.any(|input| allows(&input.key)) {
                return None;
            }
            let file = if name == "set-env" { "GITHUB_ENV" } else { "GITHUB_PATH" };
            let message = format!("`::{name}` is disabled since November 2020, and fails the step");
            Some(removed(Severity::Error, &word.span, &message, &format!("append to the file ${file}")))
        }
        _ => None,
    }
}

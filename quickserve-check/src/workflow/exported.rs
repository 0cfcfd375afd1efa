//! Variables that the steps of a job have without an `env` that gives them.

use crate::workflow::Pipelines;
use crate::workflow::actions::{Job, Step, Workflow};
use crate::workflow::pipelines::{Placed, Unit};
use crate::workflow::shell::Command;

/// Owners whose actions hand on no variable that they do not document.
const KNOWN_OWNERS: [&str; 4] = ["actions/", "aws-actions/", "docker/", "github/"];

/// The action that hands on credentials and the region.
pub(crate) const CREDENTIALS: &str = "aws-actions/configure-aws-credentials";

/// What it hands on. Its README, "Inputs" and "Credential Lifetime".
const OF_CREDENTIALS: [&str; 5] =
    ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// Commands that run what is written elsewhere. What installs or tests a project hands nothing on.
const RUNNERS: [&str; 13] = [
    "python", "python3", "node", "deno run", "ruby", "make", "just", "task", "npx", "npm run", "yarn run",
    "pnpm run", "bun run",
];

/// How sure it is that earlier steps hand on a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exported {
    /// None does.
    No,
    /// One runs what nobody reads here.
    Perhaps,
    /// One does, or the runner has it.
    Yes,
}

/// Whether a step has a variable from the runner, or from those before it.
pub(crate) fn exported(
    pipelines: &Pipelines,
    workflow: &Workflow,
    job: &Job,
    earlier: &[Step],
    name: &str,
) -> Exported {
    if is_given(name) {
        return Exported::Yes;
    }
    let of_step = |step: &Step| {
        let steps = pipelines.steps_of(Placed { workflow, job, step });
        let units = pipelines.units_of_step(workflow, job, step);
        let has_credentials = steps.iter().any(|placed| placed.step.is_action(CREDENTIALS));
        let is_unknown = |placed: &Placed<'_>| {
            // Of one of this repository that was read, its own steps tell.
            let is_read = placed.step.local_action().is_some() && steps.len() > 1;
            !is_read && runs_the_unknown(placed.step, &units)
        };
        if (has_credentials && OF_CREDENTIALS.contains(&name)) || units.iter().any(writes) {
            Exported::Yes
        } else if steps.iter().any(is_unknown) {
            Exported::Perhaps
        } else {
            Exported::No
        }
    };
    earlier.iter().map(of_step).max().unwrap_or(Exported::No)
}

/// GitHub's documentation, "Variables reference", and what every shell has.
fn is_given(name: &str) -> bool {
    let starts = ["GITHUB_", "RUNNER_", "ACTIONS_"].iter().any(|start| name.starts_with(start));
    starts || matches!(name, "CI" | "HOME" | "PATH" | "PWD" | "USER" | "SHELL" | "LANG" | "HOSTNAME")
}

/// Whether a text of commands hands variables to later steps.
fn writes(unit: &Unit<'_>) -> bool {
    let of_step = |step: &Step| step.run.as_ref().is_some_and(|run| run.text.contains("GITHUB_ENV"));
    unit.step().map_or_else(|| unit.file.text.contains("GITHUB_ENV"), of_step)
}

/// Whether a step runs an action, or a program, of which nobody knows here what it hands on.
fn runs_the_unknown(step: &Step, units: &[Unit<'_>]) -> bool {
    let is_known = |uses: &str| KNOWN_OWNERS.iter().any(|owner| uses.starts_with(owner));
    let runs = |command: &Command| RUNNERS.iter().any(|runner| command.is(runner)) && !command.tests();
    step.uses.as_ref().is_some_and(|(uses, _)| !is_known(uses))
        || units.iter().flat_map(|unit| &unit.shell.commands).any(runs)
}

//! What gives a service its variables: by name and source, never a value.

use std::collections::BTreeMap;

use quickserve_check::Subject;
use quickserve_check::contract::provided;
use quickserve_check::definition::Definition;
use quickserve_core::config::{Settings, WorkloadSource};
use quickserve_core::finding::{Code, Severity};
use quickserve_core::outcome::Outcome;
use quickserve_docker::variable_names;

use crate::assemble;
use crate::failure::Failure;
use crate::project::Project;
use crate::settings::Context;

/// Where each variable's value comes from.
pub(super) type Sources = BTreeMap<String, Vec<&'static str>>;

/// The variables that an environment gives to its service, whatever images it runs. A placeholder without a value, as an
/// image often has before a deployment, hides none of them.
pub(super) fn given(
    context: &Context,
    project: &Project,
    settings: &Settings,
    subject: &Subject,
) -> Result<Sources, Failure> {
    let (_, wrong) = assemble::variables(context, project, settings);
    let wrong: Vec<_> = wrong
        .into_iter()
        .filter(|finding| finding.code != Code::UNRESOLVED_PLACEHOLDER && finding.severity == Severity::Error)
        .collect();
    if !wrong.is_empty() {
        // What has a value is not known: to call it missing would be wrong.
        return Err(Failure::findings(Outcome::UsageError, wrong));
    }
    let mut sources = Sources::new();
    let mut add = |name: &str, source: &'static str| {
        let of_name = sources.entry(name.to_owned()).or_default();
        if !of_name.contains(&source) {
            of_name.push(source);
        }
    };
    let file = assemble::env_file(project, settings);
    // One that does not exist gives nothing a value.
    let of_file = settings.env_file.as_ref().and_then(|_| variable_names(&file).ok()).unwrap_or_default();
    for name in &of_file {
        add(name, "env_file");
    }
    for name in settings.variables.keys() {
        add(name, "variables");
    }
    match settings.workload {
        WorkloadSource::TaskDefinition(_) => {
            let (definition, _) = quickserve_check::definition::read(subject);
            for container in definition.iter().flat_map(Definition::containers) {
                for (name, ..) in container.environment() {
                    add(name, "environment");
                }
                for (name, ..) in container.secrets() {
                    add(name, "secrets");
                }
            }
        }
        // Each name of the file of values is passed as a secret.
        WorkloadSource::ShortForm(_) => {
            for name in of_file.iter().filter(|name| !settings.variables.contains_key(*name)) {
                add(name, "secrets");
            }
        }
        // Nothing in a file.
        WorkloadSource::Live => {}
    }
    Ok(sources)
}

/// Whether a task has a variable without anybody's doing.
pub(super) fn by_platform(settings: &Settings, name: &str) -> bool {
    provided(Some(settings.platform), name) || name == settings.version_variable
}

//! What gives a service its variables: by name and source, never a value.

use std::collections::{BTreeMap, BTreeSet};

use quickserve_check::Subject;
use quickserve_check::contract::provided;
use quickserve_check::definition::Definition;
use quickserve_core::config::{Settings, WorkloadSource};
use quickserve_core::finding::{Code, Severity};
use quickserve_core::outcome::Outcome;
use quickserve_docker::{valued_names, variable_names};

use crate::assemble;
use crate::failure::Failure;
use crate::project::Project;
use crate::settings::Context;

/// What names each variable, in the order in which it is looked at.
pub(super) type Sources = BTreeMap<String, Vec<Source>>;

/// What names a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) name: &'static str,
    pub(super) gives: Gives,
}

/// What a source gives to a variable that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gives {
    Value,
    /// It names it, and that is all: a deployment counts it as missing.
    Nothing,
    /// A store does, or does not: it is not asked here.
    Unknown,
}

impl Gives {
    fn a_value(is_there: bool) -> Self {
        if is_there { Self::Value } else { Self::Nothing }
    }
}

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
    // Of a name in several containers, one that has a value decides.
    let mut add = |name: &str, source: &'static str, gives: Gives| {
        let of_name = sources.entry(name.to_owned()).or_default();
        match of_name.iter_mut().find(|known| known.name == source) {
            Some(known) if gives == Gives::Value => known.gives = gives,
            Some(_) => {}
            None => of_name.push(Source { name: source, gives }),
        }
    };
    let file = assemble::env_file(project, settings);
    // One that does not exist gives nothing a value.
    let is_named = settings.env_file.is_some();
    let of_file = if is_named { variable_names(&file).unwrap_or_default() } else { Vec::new() };
    let valued = if is_named { valued_names(&file).unwrap_or_default() } else { BTreeSet::new() };
    // Where tasks do not run on ECS, the file has the values of secrets, whatever store a definition names.
    let of_secret = |name: &str| match settings.ecs {
        Some(_) => Gives::Unknown,
        None => Gives::a_value(valued.contains(name)),
    };
    for name in &of_file {
        add(name, "env_file", Gives::a_value(valued.contains(name)));
    }
    for (name, value) in &settings.variables {
        add(name, "variables", Gives::a_value(!value.is_empty()));
    }
    match settings.workload {
        WorkloadSource::TaskDefinition(_) => {
            let (definition, _) = quickserve_check::definition::read(subject);
            for container in definition.iter().flat_map(Definition::containers) {
                for (name, value, _) in container.environment() {
                    add(name, "environment", Gives::a_value(value.as_str() != Some("")));
                }
                for (name, ..) in container.secrets() {
                    add(name, "secrets", of_secret(name));
                }
            }
        }
        // Each name of the file of values is passed as a secret.
        WorkloadSource::ShortForm(_) => {
            for name in of_file.iter().filter(|name| !settings.variables.contains_key(*name)) {
                add(name, "secrets", of_secret(name));
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

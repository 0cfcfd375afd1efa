//! Where the values of secrets are, and what is known of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use quickserve_check::Text;
use quickserve_core::Error;
use quickserve_core::config::Settings;
use quickserve_core::finding::{Code, Finding, Place};
use quickserve_core::preflight::{SecretNames, SecretSource};
use quickserve_core::workload::{Container, Workload};
use quickserve_docker::variable_names;

use super::read::is_absent;
use crate::project::Project;
use crate::settings::Context;

/// Where the values of secrets are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kept {
    /// In a file, as the user would write it; none where the settings name none.
    File(Option<String>, Values),
    /// In stores of this region, which the task definition names.
    Stores(String),
}

/// What of the file of values is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    Read,
    Absent,
    /// Nobody knows what is missing in it.
    Unreadable,
}

/// Where the file with secrets is; one that does not exist where none is named.
pub(crate) fn env_file(project: &Project, settings: &Settings) -> PathBuf {
    project.path(settings.env_file.as_deref().unwrap_or(Path::new(".env")))
}

/// Every secret variable and its source. In a file of values it is found under the variable's own name, whatever store
/// a task definition names: that one is ECS's.
pub(super) fn secrets(
    workload: &Workload,
    kept: &Kept,
    places: &BTreeMap<(String, String), Place>,
) -> SecretNames {
    let of_container = |container: &Container| {
        let source = |(variable, named): (&String, &String)| {
            let key = (container.name.clone(), variable.clone());
            let source = match kept {
                Kept::File(..) => SecretSource { name: variable.clone(), place: None },
                Kept::Stores(_) => SecretSource { name: named.clone(), place: places.get(&key).cloned() },
            };
            (key, source)
        };
        container.secrets.iter().map(source).collect::<Vec<_>>()
    };
    workload.containers.iter().flat_map(of_container).collect()
}

/// The names in the file of secrets. What is wrong with it is a finding beside the others.
pub(super) fn secret_names(
    context: &Context,
    project: &Project,
    settings: &Settings,
    notes: &mut Vec<Finding>,
) -> (Vec<String>, Values) {
    if settings.env_file.is_none() || settings.ecs.is_some() {
        return (Vec::new(), Values::Read);
    }
    let path = env_file(project, settings);
    let shown = context.shown(&path);
    if let Err(mut finding) = Text::read(&path, &shown) {
        let is_absent = is_absent(&path);
        finding.code = Code::ENV_FILE;
        if is_absent {
            finding.hint = Some(match &settings.env_contract {
                Some(contract) => {
                    let contract = context.shown(&project.path(contract));
                    format!("cp {contract} {shown}, then fill it in")
                }
                None => "make it, or remove `env_file`".to_owned(),
            });
        }
        notes.push(*finding);
        return (Vec::new(), if is_absent { Values::Absent } else { Values::Unreadable });
    }
    match variable_names(&path) {
        Ok(names) => (names, Values::Read),
        Err(error) => {
            notes.push(unreadable(&error, &path, shown));
            (Vec::new(), Values::Unreadable)
        }
    }
}

/// The finding of a file that is no dotenv file, at the line that is told in the error.
fn unreadable(error: &Error, path: &Path, file: String) -> Finding {
    let message = error.causes().join(": ");
    let told = message.strip_prefix(&format!("read {}:", path.display()));
    let place = told.and_then(|told| told.split_once(": ")).and_then(|(line, what)| {
        Some((Place { file, line: line.parse().ok()?, column: 1 }, what.to_owned()))
    });
    let finding = match place {
        Some((place, what)) => Finding::error(Code::ENV_FILE, what).at(place),
        None => Finding::error(Code::ENV_FILE, message),
    };
    match error.hint() {
        Some(hint) => finding.with_hint(hint),
        None => finding,
    }
}

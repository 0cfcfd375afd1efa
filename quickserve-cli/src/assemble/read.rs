//! What files and arguments say of a release.

use std::collections::BTreeMap;
use std::path::Path;

use quickserve_check::Text;
use quickserve_core::config::variables::Contract;
use quickserve_core::config::{Settings, WorkloadSource};
use quickserve_core::finding::{Finding, Problems};
use quickserve_core::outcome::Outcome;
use quickserve_core::workload::{Reading, TaskDefinition, Workload, from_short_form};

use super::draft::Draft;
use super::images::{Images, short_form, task_definition};
use super::values::{Kept, Values, env_file, secret_names, secrets};
use crate::failure::Failure;
use crate::project::Project;
use crate::settings::Context;

/// How the task definition that a service runs is named, where a file's name would stand.
const LIVE: &str = "the live task definition";

/// Reads what decides a release; `live` is the task definition that the service runs, where that is the source.
pub(crate) fn draft(
    context: &Context,
    project: &Project,
    settings: &Settings,
    images: &[String],
    live: Option<&str>,
) -> Result<Draft, Failure> {
    let images = Images::parse(context, settings, images)?;
    let named = images.any_is_named;
    let mut notes = Vec::new();
    let contract = settings.env_contract.as_ref().and_then(|path| {
        let path = project.path(path);
        let read = configured(context, &path, "env_contract");
        read.map(|text| Contract::parse(&text, &context.shown(&path)))
            .map_err(|finding| notes.push(*finding))
            .ok()
    });
    let (names, values) = secret_names(context, project, settings, &mut notes);
    let mut places = BTreeMap::new();
    let described = match &settings.workload {
        WorkloadSource::ShortForm(form) => Err(form),
        WorkloadSource::TaskDefinition(path) => {
            let path = project.path(path);
            match configured(context, &path, "task_definition") {
                Ok(text) => Ok((text, context.shown(&path))),
                // Nothing else can be looked at without it.
                Err(finding) => {
                    notes.push(*finding);
                    return Err(Failure::findings(Outcome::UsageError, notes));
                }
            }
        }
        WorkloadSource::Live => match live {
            Some(text) => Ok((text.to_owned(), LIVE.to_owned())),
            None => {
                return Err(Failure::refused(
                    "nobody has asked ECS for the live task definition",
                    "quickserve status",
                ));
            }
        },
    };
    let (workload, references, main) = match described {
        Err(form) => short_form(settings, form, &names, images)?,
        Ok((text, shown)) => {
            let definition = match task_definition(context, &text, shown, settings, &images) {
                Ok(definition) => definition,
                Err(mut failure) => {
                    // With what was wrong before, where it is a list of what is wrong.
                    if !failure.finished.findings.is_empty() {
                        failure.finished.findings.splice(..0, notes);
                    }
                    return Err(failure);
                }
            };
            notes.extend(definition.notes);
            places = definition.secrets;
            let first = &definition.workload.containers[0].name;
            let main = definition.main.unwrap_or_else(|| first.clone());
            (definition.workload, definition.images, main)
        }
    };
    let kept = if settings.ecs.is_some() {
        Kept::Stores(settings.aws.region.clone().unwrap_or_else(|| "AWS".to_owned()))
    } else {
        let named = settings.env_file.is_some();
        Kept::File(named.then(|| context.shown(&env_file(project, settings))), values)
    };
    let home = match (&settings.workload, &kept) {
        (WorkloadSource::TaskDefinition(path), _) => {
            format!("`environment` or `secrets` of {main} in {}", context.shown(&project.path(path)))
        }
        (WorkloadSource::Live, _) => {
            format!("`environment` or `secrets` of {main} where the service's task definition is made")
        }
        (_, Kept::File(Some(file), _)) => file.clone(),
        (_, _) => "`variables` or `env_file` of quickserve.toml".to_owned(),
    };
    Ok(Draft {
        secrets: secrets(&workload, &kept, &places),
        workload,
        references,
        kept,
        notes,
        main,
        named,
        contract,
        home,
        platform: settings.platform,
        policy: settings.secrets,
        version_variable: settings.version_variable.clone(),
    })
}

/// What the files say of a service's variables, whatever images it runs: the workload, and what is wrong with the files.
/// A file of values that does not exist gives nothing a value, and is no mistake here.
pub(crate) fn variables(
    context: &Context,
    project: &Project,
    settings: &Settings,
) -> (Option<Workload>, Vec<Finding>) {
    let mut wrong = Vec::new();
    let (names, values) = secret_names(context, project, settings, &mut wrong);
    if values == Values::Absent {
        wrong.clear();
    }
    if let Some(path) = &settings.env_contract
        && let Err(finding) = configured(context, &project.path(path), "env_contract")
    {
        wrong.push(*finding);
    }
    let workload = match &settings.workload {
        WorkloadSource::ShortForm(form) => {
            Some(from_short_form(settings, form, names.iter().map(String::as_str)))
        }
        WorkloadSource::TaskDefinition(path) => {
            let path = project.path(path);
            let read = configured(context, &path, "task_definition").map_err(|finding| vec![*finding]);
            let mut values = context.placeholders().clone();
            // Which version it will be is not known here, and no variable depends on it.
            values.entry("IMAGE_TAG".to_owned()).or_insert_with(|| "unknown".to_owned());
            let reading = Reading { values, ..Reading::of(settings, context.shown(&path)) };
            let read =
                read.and_then(|text| TaskDefinition::read(&text, &reading).map_err(Problems::into_findings));
            read.map(|definition| definition.workload).map_err(|findings| wrong.extend(findings)).ok()
        }
        // Nothing in a file.
        WorkloadSource::Live => None,
    };
    quickserve_check::hide(&mut wrong);
    quickserve_check::sort(&mut wrong);
    (workload, wrong)
}

/// What runs, while its images need not be known yet: enough to say what it needs around it.
pub(crate) fn workload(
    context: &Context,
    project: &Project,
    settings: &Settings,
) -> Result<Workload, Failure> {
    let WorkloadSource::TaskDefinition(path) = &settings.workload else {
        let hint = "name a file: task_definition = \"deploy/task-definition.json\"";
        return Err(Failure::refused("only a task definition in a file says what the service needs", hint));
    };
    let path = project.path(path);
    let unfit = |findings| Failure::findings(Outcome::UsageError, findings);
    let text = configured(context, &path, "task_definition").map_err(|finding| unfit(vec![*finding]))?;
    let reading = Reading {
        values: context.placeholders().clone(),
        // The built image's place is empty as long as nobody has named it.
        image: Some("unnamed".to_owned()),
        ..Reading::of(settings, context.shown(&path))
    };
    let read = TaskDefinition::read(&text, &reading);
    let discreet =
        |problems: Problems| quickserve_check::definition::discreet(&text, problems.into_findings());
    Ok(read.map_err(|problems| unfit(discreet(problems)))?.workload)
}

/// The text of a file that quickserve.toml names, or the finding that it cannot be read.
fn configured(context: &Context, path: &Path, key: &str) -> Result<String, Box<Finding>> {
    let read = Text::read(path, &context.shown(path)).map(|text| text.text);
    read.map_err(|mut finding| {
        if is_absent(path) {
            finding.hint = Some(format!("make it, or correct `{key}` in quickserve.toml"));
        }
        finding
    })
}

/// Whether nothing is there. A link that leads round in a circle is.
pub(super) fn is_absent(path: &Path) -> bool {
    path.metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

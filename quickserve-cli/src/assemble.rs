//! From settings and arguments to a release: which containers run which images with which secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use quickserve_check::Text;
use quickserve_check::contract::provided;
use quickserve_core::config::variables::Contract;
use quickserve_core::config::{Platform, SecretPolicy, Settings, ShortForm, WorkloadSource};
use quickserve_core::finding::{Code, Finding, Place, Problems};
use quickserve_core::outcome::Outcome;
use quickserve_core::preflight::{self, Report, SecretNames, SecretSource};
use quickserve_core::registry::ResolvedImage;
use quickserve_core::release::{Commit, Image, Release, SecretBinding, SecretVersion};
use quickserve_core::secrets::SecretStore;
use quickserve_core::workload::{Container, Reading, TaskDefinition, Workload, from_short_form};
use quickserve_core::{Error, Result};
use quickserve_docker::variable_names;

use crate::failure::Failure;
use crate::project::Project;
use crate::settings::Context;

/// A release to be: what files and arguments say, before anything was asked.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) workload: Workload,
    /// Each container's image.
    pub(crate) references: BTreeMap<String, String>,
    /// Every secret variable and its source.
    pub(crate) secrets: SecretNames,
    /// Where the values of secrets are kept.
    kept: Kept,
    /// What is worth knowing of the files, and what is wrong with the file of secrets.
    pub(crate) notes: Vec<Finding>,
    /// The container that the image and the contract are about.
    main: String,
    /// Whether its image was named for this very deployment, and so need not be what the checkout holds.
    named: bool,
    contract: Option<Contract>,
    platform: Platform,
    policy: SecretPolicy,
    version_variable: String,
}

/// Where the values of secrets are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kept {
    /// In a file, as the user would write it; none where the settings name none.
    File(Option<String>, Values),
    /// In stores of this region, which the task definition names.
    Stores(String),
}

/// What of the file of values is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    Read,
    Absent,
    /// Nobody knows what is missing in it.
    Unreadable,
}

/// Where the file with secrets is; one that does not exist where none is named.
pub(crate) fn env_file(project: &Project, settings: &Settings) -> PathBuf {
    project.path(settings.env_file.as_deref().unwrap_or(Path::new(".env")))
}

/// Reads what decides a release.
pub(crate) fn draft(
    context: &Context,
    project: &Project,
    settings: &Settings,
    images: &[String],
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
    let (workload, references, main) = match &settings.workload {
        WorkloadSource::ShortForm(form) => short_form(settings, form, &names, images)?,
        WorkloadSource::TaskDefinition(path) => {
            let path = project.path(path);
            let text = match configured(context, &path, "task_definition") {
                Ok(text) => text,
                // Nothing else can be looked at without it.
                Err(finding) => {
                    notes.push(*finding);
                    return Err(Failure::findings(Outcome::UsageError, notes));
                }
            };
            let definition = match task_definition(context, &text, context.shown(&path), settings, &images) {
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
        WorkloadSource::Live => {
            let hint = "name a file: task_definition = \"task-definition.json\"";
            return Err(Failure::refused("this version cannot read the live task definition", hint));
        }
    };
    let kept = if let Some(ecs) = &settings.ecs {
        Kept::Stores(ecs.region.clone().unwrap_or_else(|| "AWS".to_owned()))
    } else {
        let named = settings.env_file.is_some();
        Kept::File(named.then(|| context.shown(&env_file(project, settings))), values)
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
        platform: settings.platform,
        policy: settings.secrets,
        version_variable: settings.version_variable.clone(),
    })
}

/// Every secret variable and its source. In a file of values it is found under the variable's own name, whatever store
/// a task definition names: that one is ECS's.
fn secrets(workload: &Workload, kept: &Kept, places: &BTreeMap<(String, String), Place>) -> SecretNames {
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
            let reading = Reading {
                values: context.placeholders().clone(),
                ..Reading::of(settings, context.shown(&path))
            };
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

/// The images that were named: of containers, and of the main one.
struct Images {
    main: Option<String>,
    named: BTreeMap<String, String>,
    /// Whether any image was named by an argument or a variable.
    any_is_named: bool,
    buildable: bool,
}

impl Images {
    fn parse(context: &Context, settings: &Settings, arguments: &[String]) -> Result<Self, Failure> {
        let from_variable: Vec<String> = context.image.iter().cloned().collect();
        let arguments = if arguments.is_empty() { from_variable.as_slice() } else { arguments };
        let mut images = Self {
            main: None,
            named: BTreeMap::new(),
            any_is_named: !arguments.is_empty(),
            buildable: settings.build.is_some(),
        };
        for argument in arguments {
            let twice = match argument.split_once('=') {
                Some((container, reference)) => {
                    images.named.insert(container.to_owned(), reference.to_owned()).is_some()
                }
                None => images.main.replace(argument.clone()).is_some(),
            };
            if twice {
                let hint = "name each container once: --image web=shop:1.2 --image log=logger:3";
                return Err(Failure::usage(
                    format!("two images are given for the same container: {argument}"),
                    hint,
                ));
            }
        }
        // With a build, `image` names the repository of what is built, not something to deploy.
        if images.main.is_none() && !images.buildable {
            images.main.clone_from(&settings.image);
        }
        Ok(images)
    }

    fn missing(&self) -> Failure {
        if self.buildable {
            let hint = "build it yourself, then name it: quickserve deploy --image REF";
            return Failure::refused("this version cannot build images yet", hint);
        }
        let hint = "name it: --image shop:1.8.2, or image = \"shop:1.8.2\" in quickserve.toml";
        Failure::usage("no image is named", hint)
    }
}

type Described = (Workload, BTreeMap<String, String>, String);

fn short_form(
    settings: &Settings,
    form: &ShortForm,
    names: &[String],
    mut images: Images,
) -> Result<Described, Failure> {
    let workload = from_short_form(settings, form, names.iter().map(String::as_str));
    let container = workload.containers[0].name.clone();
    let own = images.named.remove(&container).or(images.main.take());
    if let Some(other) = images.named.keys().next() {
        let hint = format!("the only container is {container}");
        return Err(Failure::usage(format!("no container is named {other}"), hint));
    }
    let reference = own.ok_or_else(|| images.missing())?;
    Ok((workload, [(container.clone(), reference)].into(), container))
}

fn task_definition(
    context: &Context,
    text: &str,
    shown: String,
    settings: &Settings,
    images: &Images,
) -> Result<TaskDefinition, Failure> {
    let reading = Reading {
        values: context.placeholders().clone(),
        image: images.main.clone(),
        images: images.named.clone(),
        ..Reading::of(settings, shown)
    };
    // The reader knows no secrets: what holds values is not shown, as `check` does not.
    let discreet = |findings| quickserve_check::definition::discreet(text, findings);
    let mut definition = TaskDefinition::read(text, &reading)
        .map_err(|problems| Failure::findings(Outcome::UsageError, discreet(problems.into_findings())))?;
    definition.notes = discreet(definition.notes);
    if definition.images.len() < definition.workload.containers.len() {
        return Err(images.missing());
    }
    let is_local = settings.ecs.is_none();
    if is_local && definition.workload.endpoint.is_some() && settings.public.port.is_none() {
        let environment = settings.key.environment();
        let hint = format!("add public_port = 8080 to [environments.{environment}]");
        return Err(Failure::usage("`public_port` is missing: the service takes requests", hint));
    }
    Ok(definition)
}

/// The text of a file that quickserve.toml names, or the finding that it cannot be read.
fn configured(context: &Context, path: &Path, key: &str) -> std::result::Result<String, Box<Finding>> {
    let read = Text::read(path, &context.shown(path)).map(|text| text.text);
    read.map_err(|mut finding| {
        if is_absent(path) {
            finding.hint = Some(format!("make it, or correct `{key}` in quickserve.toml"));
        }
        finding
    })
}

/// Whether nothing is there. A link that leads round in a circle is.
fn is_absent(path: &Path) -> bool {
    path.metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// The names in the file of secrets. What is wrong with it is a finding beside the others.
fn secret_names(
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

impl Draft {
    /// Looks at secrets and variables, given the images.
    pub(crate) async fn check(
        &self,
        store: &dyn SecretStore,
        images: &BTreeMap<String, ResolvedImage>,
    ) -> Result<Report> {
        let (valued, report) = match &self.kept {
            Kept::Stores(region) => {
                let remedy = |name: &str| {
                    format!("make it: aws secretsmanager create-secret --name {name} --secret-string ...")
                };
                preflight::secrets(store, region, &self.secrets, remedy).await?
            }
            Kept::File(Some(file), Values::Read) => {
                let remedy = |name: &str| format!("add {name}=... to {file}");
                preflight::secrets(store, file, &self.secrets, remedy).await?
            }
            // That it cannot be read is said of all in it.
            Kept::File(Some(_), Values::Absent | Values::Unreadable) => Default::default(),
            Kept::File(None, _) => (BTreeSet::new(), self.no_env_file()),
        };
        // What was reported as a secret is not reported again as a variable.
        let is_reported = report.refuses() || self.values() != Values::Read;
        let missing = self.secrets.keys().filter(|key| is_reported && !valued.contains(*key));
        let reported: BTreeSet<String> = missing.map(|(_, name)| name.clone()).collect();
        let variables = match &self.contract {
            Some(contract) if self.values() != Values::Unreadable => {
                preflight::variables(contract, &self.provided(&valued, images.get(&self.main)), &reported)
            }
            _ => Report::default(),
        };
        Ok(report.and(variables))
    }

    /// What of the values is known.
    fn values(&self) -> Values {
        match self.kept {
            Kept::File(_, values) => values,
            Kept::Stores(_) => Values::Read,
        }
    }

    fn no_env_file(&self) -> Report {
        let finding = |(container, name): &(String, String)| {
            Finding::error(Code::SECRET_NOT_FOUND, format!("secret {name} has no value: no env_file is set"))
                .on(format!("container {container}"))
                .with_hint("write env_file = \".env\" in quickserve.toml")
        };
        Report { passed: 0, findings: self.secrets.keys().map(finding).collect() }
    }

    /// The variables of the main container that have a value.
    fn provided(
        &self,
        valued: &BTreeSet<(String, String)>,
        image: Option<&ResolvedImage>,
    ) -> BTreeSet<String> {
        let container = self.workload.container(&self.main);
        let plain = container.into_iter().flat_map(|container| &container.environment);
        let plain = plain.filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.clone());
        let secret = valued.iter().filter(|(container, _)| *container == self.main);
        let ours = ["QUICKSERVE_RELEASE", "IMAGE_TAG", &self.version_variable].map(str::to_owned);
        let declared = self.contract.iter().flat_map(Contract::names);
        let by_platform = declared.filter(|name| provided(Some(self.platform), name)).map(str::to_owned);
        let of_image = image.into_iter().flat_map(|image| image.variables.clone());
        plain
            .chain(secret.map(|(_, name)| name.clone()))
            .chain(ours)
            .chain(of_image)
            .chain(by_platform)
            .collect()
    }

    /// Binds the secrets, and names the release.
    pub(crate) async fn release(
        mut self,
        store: &dyn SecretStore,
        images: BTreeMap<String, ResolvedImage>,
        checkout: Option<Commit>,
    ) -> Result<Release> {
        // An image that was named was built from what it says itself, whatever is checked out here: the same
        // image is the same release wherever it is deployed from.
        let commit = if self.named {
            let revision = images.get(&self.main).and_then(|image| image.revision.clone());
            revision.map(|hash| Commit { hash, dirty: false })
        } else {
            checkout
        };
        let images: BTreeMap<String, Image> =
            images.into_iter().map(|(container, resolved)| (container, resolved.image)).collect();
        let version = images.get(&self.main).map_or_else(String::new, |image| match image.tag() {
            Some(tag) => tag.to_owned(),
            None => image.digest.hex()[..12].to_owned(),
        });
        // Tasks get IMAGE_TAG anyhow.
        if self.version_variable != "IMAGE_TAG"
            && let Some(main) =
                self.workload.containers.iter_mut().find(|container| container.name == self.main)
        {
            main.environment.entry(self.version_variable.clone()).or_insert_with(|| version.clone());
        }
        let mut bindings = Vec::new();
        for ((container, variable), source) in &self.secrets {
            let source = &source.name;
            let version = match (store.bind(source).await?, self.policy) {
                (SecretVersion::Pinned(version), SecretPolicy::Current) => {
                    SecretVersion::Floating(Some(version))
                }
                (version, _) => version,
            };
            let (container, variable) = (container.clone(), variable.clone());
            bindings.push(SecretBinding { container, variable, source: source.clone(), version });
        }
        Release::new(version, images, bindings, self.workload, commit)
    }
}

/// The commit of the folder, where it is in a checkout.
pub(crate) async fn commit(folder: &Path) -> Option<Commit> {
    let folder = folder.to_owned();
    let read = tokio::task::spawn_blocking(move || quickserve_check::workflow::commit(&folder)).await;
    let (hash, dirty) = read.ok().flatten()?;
    Some(Commit { hash, dirty })
}

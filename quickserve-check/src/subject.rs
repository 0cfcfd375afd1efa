//! What is checked: which files, for which platform, under which settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quickserve_core::config::{Platform, Settings, WorkloadSource};
use quickserve_core::workload::Probe;

/// What is checked. Paths are relative to [`root`](Subject::root), or absolute.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Subject {
    /// The project's folder: what the code scan walks through, and where `.github` is.
    pub root: PathBuf,
    /// The folder as the user would write it from where they stand; empty where they stand in it.
    pub shown: PathBuf,
    /// The environment that it is checked for.
    pub environment: Option<String>,
    /// What runs the tasks, where that is known. A task definition alone is one for ECS.
    pub platform: Option<Platform>,
    /// The ECS task definition.
    pub definition: Option<PathBuf>,
    /// The container that the built image is for, where the settings name it.
    pub container: Option<String>,
    /// The port that takes requests, where the settings name it.
    pub port: Option<u16>,
    /// The port of this machine on which the settings have the service answer.
    pub public_port: Option<u16>,
    /// The path that the settings have the service asked for, to see whether it is healthy.
    pub health_path: Option<String>,
    /// The image that is deployed, where the settings name it.
    pub image: Option<String>,
    /// The file that declares which variables must exist.
    pub contract: Option<PathBuf>,
    /// The files of values, of this environment and of others.
    pub env_files: Vec<EnvironmentFile>,
    /// Plain variables that the settings give to the main container.
    pub variables: BTreeMap<String, String>,
    /// Values for `${NAME}` in task definitions.
    pub placeholders: BTreeMap<String, String>,
    /// The variable in which the application finds its version.
    pub version_variable: Option<String>,
    /// The Dockerfile.
    pub dockerfile: Option<PathBuf>,
    /// The build context; [`root`](Subject::root) where it is not said.
    pub context: Option<PathBuf>,
    /// Reports of scanners, which must be of the image that is deployed.
    pub scan_reports: Vec<PathBuf>,
    /// The program hadolint, by its name or path, whose findings shall join; one that is not there adds none.
    pub hadolint: Option<PathBuf>,
    /// Whether whoever asks looks at the values of this environment by itself, as a deployment does: at variables that
    /// are missing, at files that cannot be read, and at the digests of images. Then nothing is said of these here.
    pub values_elsewhere: bool,
    /// Whether QuickServe deploys it, as where its settings are known: no workflow and no script of the project has a
    /// part in that deployment, so that what is wrong with those is a warning at most.
    pub deployed_by_quickserve: bool,
    /// How a release takes the place of another, where the settings say it.
    pub rollout: Option<Rollout>,
}

/// A file of values, and the environment that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentFile {
    /// The environment's name.
    pub environment: String,
    /// The file.
    pub path: PathBuf,
}

/// What of a rollout the files must be fit for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rollout {
    /// How many tasks.
    pub tasks: u32,
    /// The least part of them that stays healthy, in percent.
    pub minimum_healthy_percent: u32,
    /// The most of them at a time, in percent.
    pub maximum_percent: u32,
    /// How long requests in flight may take to end.
    pub drain_timeout: Duration,
    /// Within which time a task must be healthy.
    pub grace: Option<Duration>,
}

impl Subject {
    /// What is found in a folder where nothing says more: `Dockerfile`, `.env.example`, and the task definition,
    /// where there is exactly one.
    pub fn in_folder(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        // Also what is there and cannot be read: that is told.
        let there = |name: &str| root.join(name).symlink_metadata().is_ok().then(|| PathBuf::from(name));
        Self {
            dockerfile: there("Dockerfile"),
            contract: there(".env.example"),
            definition: definition_in(&root),
            root,
            ..Self::default()
        }
    }

    /// What quickserve.toml says; `root` is its folder.
    pub fn of(settings: &Settings, root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let build = settings.build.as_ref();
        let env_file = settings.env_file.iter().map(|path| EnvironmentFile {
            environment: settings.key.environment().to_owned(),
            path: path.clone(),
        });
        let deploy = &settings.deploy;
        let found = Self::in_folder(&root);
        Self {
            environment: Some(settings.key.environment().to_owned()),
            platform: Some(settings.platform),
            definition: match &settings.workload {
                WorkloadSource::TaskDefinition(path) => Some(path.clone()),
                WorkloadSource::Live | WorkloadSource::ShortForm(_) => None,
            },
            container: settings.container.clone(),
            port: settings.port,
            public_port: settings.public.port,
            health_path: match &settings.health_check.probe {
                Some(Probe::Http { path }) => Some(path.clone()),
                Some(_) | None => None,
            },
            image: settings.image.clone(),
            contract: settings.env_contract.clone().or(found.contract),
            env_files: env_file.collect(),
            variables: settings.variables.clone(),
            version_variable: Some(settings.version_variable.clone()),
            dockerfile: build.map(|build| build.dockerfile.clone()).or(found.dockerfile),
            context: build.map(|build| build.context.clone()),
            scan_reports: settings.stages.scan.iter().filter_map(|scan| scan.report.clone()).collect(),
            rollout: Some(Rollout {
                tasks: deploy.tasks.unwrap_or(1),
                minimum_healthy_percent: deploy.minimum_healthy_percent,
                maximum_percent: deploy.maximum_percent,
                drain_timeout: deploy.drain_timeout,
                grace: settings.health_check.grace,
            }),
            deployed_by_quickserve: true,
            root,
            ..Self::default()
        }
    }

    /// Whether no file is named, and none was found.
    pub fn is_empty(&self) -> bool {
        let named = [&self.definition, &self.contract, &self.dockerfile];
        named.into_iter().all(Option::is_none)
            && self.env_files.is_empty()
            && !self.root.join(".github").is_dir()
    }

    /// Where a file is.
    pub fn path(&self, path: &Path) -> PathBuf {
        self.root.join(path)
    }

    /// A file as findings call it.
    pub fn name(&self, path: &Path) -> String {
        self.shown.join(path).display().to_string()
    }

    /// Whether the tasks run on ECS, or are described as ECS would run them.
    pub fn is_for_ecs(&self) -> bool {
        self.platform.map_or(self.definition.is_some(), |platform| platform == Platform::Ecs)
    }
}

/// Whether a file is a template such as `.env.example`, which declares variables and gives none a value.
pub fn is_template(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let words = ["example", "sample", "template", "dist"];
    name.split(['.', '-', '_']).any(|part| words.contains(&part))
}

/// The folders in which projects keep their task definition.
const DEFINITION_FOLDERS: [&str; 6] = ["", "deploy", "ecs", ".aws", "aws", "infra"];

/// The only file there that describes a task; where none does, the only one that is called a task definition: what
/// keeps it from being one is told.
fn definition_in(root: &Path) -> Option<PathBuf> {
    let found = DEFINITION_FOLDERS.iter().flat_map(|folder| {
        let entries = std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
        let names = entries.map(|entry| Path::new(folder).join(entry.file_name()));
        names.filter(|path| path.extension().is_some_and(|extension| extension == "json"))
    });
    let found: Vec<PathBuf> = found.collect();
    let only = |is: &dyn Fn(&Path) -> bool| {
        let mut those = found.iter().filter(|path| is(path));
        let first = those.next()?;
        Some(those.next().is_none().then(|| first.clone()))
    };
    let describes_task = |path: &Path| {
        crate::inside::inside(root, path)
            .and_then(|there| crate::Text::read(&there, "").ok())
            .is_some_and(|text| text.text.contains("\"containerDefinitions\""))
    };
    only(&describes_task).or_else(|| only(&is_called_definition)).flatten()
}

/// Whether a file has the name of a task definition: `task-definition.json`, `web_taskdef.json`.
fn is_called_definition(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let letters: String = stem.chars().filter(char::is_ascii_alphanumeric).collect();
    letters.contains("taskdefinition") || letters.ends_with("taskdef")
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    #[test]
    fn what_is_called_a_task_definition_and_cannot_be_read_is_told() {
        let found = |make: &dyn Fn(&Path)| {
            let folder = tempfile::tempdir().expect("a folder");
            std::fs::create_dir(folder.path().join("deploy")).expect("a folder");
            make(&folder.path().join("deploy/aws-task-definition.json"));
            let subject = Subject::in_folder(folder.path());
            assert_eq!(subject.definition, Some(PathBuf::from("deploy/aws-task-definition.json")));
            let report = crate::check(&subject);
            let of_it = report.findings.iter().filter(|finding| {
                finding.place().is_some_and(|place| place.file == "deploy/aws-task-definition.json")
            });
            let errors =
                of_it.filter(|finding| finding.severity > quickserve_core::finding::Severity::Warning);
            assert_ne!(errors.count(), 0, "{:?}", report.findings);
        };
        let write = |bytes: &'static [u8]| move |path: &Path| std::fs::write(path, bytes).expect("written");
        found(&write(b""));
        found(&write(b"{\"family\": \"\xe9\"}"));
        found(&write(b"family: shop\ncontainerDefinitions:\n  - name: app\n"));
        found(&write(b"[{\"containerDefinitions\": []}]"));
        found(&|path| std::fs::create_dir(path).expect("a folder"));
        found(&|path| std::os::unix::fs::symlink("aws-task-definition.json", path).expect("a link"));
        found(&|path| mkfifoat(CWD, path, Mode::RWXU).expect("a pipe"));
        found(&|path| std::fs::File::create(path).and_then(|file| file.set_len(107 << 20)).expect("a file"));
    }

    #[test]
    fn a_dockerfile_or_contract_that_is_no_file_is_told() {
        for name in ["Dockerfile", ".env.example"] {
            let makes: [&dyn Fn(&Path); 3] = [
                &|path| std::fs::create_dir(path).expect("a folder"),
                &|path| std::os::unix::fs::symlink(name, path).expect("a link"),
                &|path| mkfifoat(CWD, path, Mode::RWXU).expect("a pipe"),
            ];
            for make in makes {
                let folder = tempfile::tempdir().expect("a folder");
                make(&folder.path().join(name));
                let report = crate::check(&Subject::in_folder(folder.path()));
                let first = report.findings.first().expect("a finding");
                assert!(report.refuses() && first.message.starts_with(name), "{first}");
                assert_eq!(first.place().map(ToString::to_string), Some(format!("{name}:1:1")));
            }
        }
    }

    #[test]
    fn a_file_that_describes_a_task_wins_over_a_name() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("task-definition.json"), "").expect("written");
        std::fs::write(folder.path().join("web.json"), "{\"containerDefinitions\": []}").expect("written");
        assert_eq!(Subject::in_folder(folder.path()).definition, Some(PathBuf::from("web.json")));
    }
}

//! The service that a command is about, and the parts that work for it.

use std::path::PathBuf;

use quickserve_core::config::Settings;
use quickserve_core::journal::State;
use quickserve_core::release::{Release, ReleaseId};
use quickserve_core::service::ServiceKey;

use crate::assemble;
use crate::compose::{self, Reach, Stage};
use crate::failure::Failure;
use crate::project::Project;
use crate::render::Reporter;
use crate::settings::Context;

/// A service as quickserve.toml describes it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) key: ServiceKey,
    pub(crate) reach: Reach,
    pub(crate) env_file: PathBuf,
    pub(crate) settings: Settings,
}

impl Target {
    /// The service that the arguments mean.
    pub(crate) fn read(context: &Context) -> Result<(Self, Project), Failure> {
        let project = Project::read(context)?;
        let settings = project.settings(context)?.clone();
        Ok((Self::of(&project, settings), project))
    }

    /// A service of a file.
    pub(crate) fn of(project: &Project, settings: Settings) -> Self {
        Self {
            key: settings.key.clone(),
            reach: Reach::of(&settings),
            env_file: assemble::env_file(project, &settings),
            settings,
        }
    }

    /// As `service -> environment`.
    pub(crate) fn arrow(&self) -> String {
        format!("{} -> {}", self.key.service(), self.key.environment())
    }

    /// Where people reach it.
    pub(crate) fn url(&self) -> Option<String> {
        self.reach.public.map(|address| format!("http://{address}"))
    }

    /// Connects to the engine and puts the parts together.
    pub(crate) async fn stage(&self, context: &Context, reporter: &Reporter) -> Result<Stage, Failure> {
        if self.settings.platform == quickserve_core::config::Platform::Ecs {
            let message = format!("environment {} runs on ECS", self.key.environment());
            let hint = "this version works on local Docker; choose another environment with -e";
            return Err(Failure::refused(message, hint));
        }
        let engine = compose::engine(context).await?;
        let observer = reporter.observer();
        let stage = Stage::new(context, engine, &self.key, &self.reach, self.env_file.clone(), observer)?;
        Ok(stage)
    }
}

/// The release that a word means: its name, the beginning of it, or its version where only one has it.
pub(crate) fn named(state: &State, word: &str) -> Result<ReleaseId, Failure> {
    let known: Vec<&Release> = state.releases.values().collect();
    let exact = known.iter().filter(|release| release.id.as_str() == word).copied().collect::<Vec<_>>();
    let prefix =
        known.iter().filter(|release| word.len() > 2 && release.id.as_str().starts_with(word)).copied();
    let versions = known.iter().filter(|release| release.version == word).copied();
    let candidates = [exact, prefix.collect(), versions.collect()];
    let found = candidates.into_iter().find(|candidates| !candidates.is_empty()).unwrap_or_default();
    match found.as_slice() {
        [only] => Ok(only.id.clone()),
        [] => {
            let hint = "quickserve history lists the releases";
            Err(Failure::usage(format!("no release here is named {word}"), hint))
        }
        several => {
            let names: Vec<&str> = several.iter().map(|release| release.id.short()).collect();
            let message = format!("{word} means several releases");
            Err(Failure::usage(message, format!("name one of {}", names.join(", "))))
        }
    }
}

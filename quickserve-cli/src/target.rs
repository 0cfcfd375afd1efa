//! The service that a command is about, and the parts that work for it.

use std::path::{Path, PathBuf};

use quickserve_core::config::Settings;
use quickserve_core::journal::{DeploymentSummary, State};
use quickserve_core::outcome::Outcome;
use quickserve_core::release::{Release, ReleaseId};
use quickserve_core::service::ServiceKey;
use quickserve_docker::router::ListenSpec;

use crate::asked::{self, Difference};
use crate::assemble;
use crate::compose::{self, Access, Reach, Stage};
use crate::failure::Failure;
use crate::project::Project;
use crate::render::{Reporter, words};
use crate::settings::Context;

/// A service as quickserve.toml describes it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) key: ServiceKey,
    pub(crate) reach: Reach,
    pub(crate) env_file: PathBuf,
    pub(crate) settings: Settings,
    /// Where quickserve.toml is.
    folder: PathBuf,
}

impl Target {
    /// The service that the arguments mean.
    pub(crate) fn read(context: &Context) -> Result<(Self, Project), Failure> {
        let project = Project::read(context)?;
        let settings = project.settings(context)?.clone();
        Ok((Self::of(&project, settings), project))
    }

    /// The same, also where the file is wrong about other services or environments: what runs must not depend on
    /// those. The mistakes are told.
    pub(crate) fn find(context: &Context, reporter: &Reporter) -> Result<Self, Failure> {
        let project = Project::read_leniently(context)?;
        let settings = project.settings_despite(context)?.clone();
        project.mistakes().into_iter().for_each(|text| reporter.caution(text));
        Ok(Self::of(&project, settings))
    }

    /// The same to look only: stdout is for what is looked at.
    pub(crate) fn find_to_look(context: &Context) -> Result<(Self, Project), Failure> {
        let project = Project::read_leniently(context)?;
        let settings = project.settings_despite(context)?.clone();
        project.tell_mistakes(context);
        Ok((Self::of(&project, settings), project))
    }

    /// A service of a file.
    pub(crate) fn of(project: &Project, settings: Settings) -> Self {
        Self {
            key: settings.key.clone(),
            reach: Reach::of(project, &settings),
            env_file: assemble::env_file(project, &settings),
            settings,
            folder: project.folder.clone(),
        }
    }

    /// As `service -> environment`.
    pub(crate) fn arrow(&self) -> String {
        format!("{} -> {}", self.key.service(), self.key.environment())
    }

    /// Where people reach it.
    pub(crate) fn url(&self) -> Option<String> {
        self.reach.listen().as_ref().map(compose::url).or_else(|| self.public_url())
    }

    /// Where people reach it behind somebody else's load balancer, as quickserve.toml says.
    pub(crate) fn public_url(&self) -> Option<String> {
        self.settings.ecs.as_ref()?.public_url.as_ref().map(ToString::to_string)
    }

    /// A path of quickserve.toml, from where the user stands.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    /// How the router has it now; nothing where it does not run or does not listen.
    pub(crate) async fn in_effect(&self, stage: &Stage) -> Option<ListenSpec> {
        asked::in_effect(&stage.router_status().await.ok()??, &self.key)
    }

    /// What to say where quickserve.toml asks for something of the router that is not in effect.
    pub(crate) fn pending(&self, now: &ListenSpec) -> Option<String> {
        let difference = Difference::between(now, &self.reach.listen()?);
        let text = format!("quickserve.toml asks for {}: quickserve deploy brings it", difference.sentence());
        (!difference.is_none()).then_some(text)
    }

    /// What to say of a file that looks like a contract and is none: nobody knows then which variables must be there.
    pub(crate) fn contract_beside(&self, context: &Context) -> Option<String> {
        let example = self.folder.join(".env.example");
        let unused = self.settings.env_contract.is_none() && example.is_file();
        unused.then(|| {
            let shown = context.shown(&example);
            format!("env_contract = \".env.example\" in quickserve.toml holds deployments to {shown}")
        })
    }

    /// Connects to the platform and puts the parts together.
    pub(crate) async fn stage(&self, context: &Context, reporter: &Reporter) -> Result<Stage, Failure> {
        self.stage_with(context, reporter, Access::Write).await
    }

    /// The same to look only: not even the state folder is made.
    pub(crate) async fn stage_to_look(
        &self,
        context: &Context,
        reporter: &Reporter,
    ) -> Result<Stage, Failure> {
        self.stage_with(context, reporter, Access::Read).await
    }

    pub(crate) async fn stage_with(
        &self,
        context: &Context,
        reporter: &Reporter,
        access: Access,
    ) -> Result<Stage, Failure> {
        Stage::new(context, self, access, reporter.observer()).await
    }
}

/// The release that a word means: its name, the beginning of it, or its version where only one has it.
pub(crate) fn named(state: &State, word: &str) -> Result<ReleaseId, Failure> {
    let found = meant(state, word, |_| true);
    one_of(state, word, &found)
}

/// As [`named`], of the releases that a rollback can go to. A word that means none of them may mean one that it cannot
/// go to: then that is what there is to say.
pub(crate) fn named_to_return(state: &State, word: &str) -> Result<ReleaseId, Failure> {
    let found =
        meant(state, word, |release| state.can_return_to(release) && state.current() != Some(release));
    if found.is_empty() { named(state, word) } else { one_of(state, word, &found) }
}

/// What a word may mean: releases of that name, else those whose names begin so, else those of that version.
fn meant(state: &State, word: &str, may: impl Fn(&ReleaseId) -> bool) -> Vec<ReleaseId> {
    let known: Vec<&Release> = state.releases.values().filter(|release| may(&release.id)).collect();
    let of = |is: &dyn Fn(&Release) -> bool| -> Vec<ReleaseId> {
        known.iter().filter(|release| is(release)).map(|release| release.id.clone()).collect()
    };
    let candidates = [
        of(&|release| release.id.as_str() == word),
        of(&|release| word.len() > 2 && release.id.as_str().starts_with(word)),
        of(&|release| release.version == word),
    ];
    candidates.into_iter().find(|candidates| !candidates.is_empty()).unwrap_or_default()
}

fn one_of(state: &State, word: &str, found: &[ReleaseId]) -> Result<ReleaseId, Failure> {
    match found {
        [only] => Ok(only.clone()),
        [] => {
            let hint = "quickserve history lists the releases";
            Err(Failure::usage(format!("no release here is named {word}"), hint))
        }
        several => {
            let names: Vec<String> = several.iter().map(|release| told_apart(state, release)).collect();
            let message = format!("{word} means several releases");
            Err(Failure::usage(message, format!("name one of {}", names.join(", "))))
        }
    }
}

/// `r-7c41e9 (serves since 2026-11-23 07:12:31Z)`, `r-7c41e9 (promoted last 2026-11-23 07:12:31Z)`.
fn told_apart(state: &State, release: &ReleaseId) -> String {
    let good = |summary: &&DeploymentSummary| {
        summary.release.as_ref() == Some(release) && summary.outcome == Some(Outcome::Done)
    };
    let last = state.deployments.iter().rev().find(good).and_then(|summary| summary.finished);
    let when = match last {
        Some(at) if state.current() == Some(release) => format!("serves since {}", words::moment(at)),
        Some(at) => format!("promoted last {}", words::moment(at)),
        None => "never served".to_owned(),
    };
    format!("{release:#} ({when})")
}

#[cfg(test)]
mod tests {
    use quickserve_core::journal::Cause;

    use super::*;

    /// Three releases of version 2, of which the middle one serves and the last was never promoted.
    fn state() -> (State, [ReleaseId; 3]) {
        let ids = ["1", "2", "3"].map(|digit| {
            let id: ReleaseId = format!("r-{}", digit.repeat(12)).parse().expect("a name");
            id
        });
        let mut state = State::default();
        for id in &ids {
            let workload = quickserve_core::workload::Workload::single("app");
            let version = "2".to_owned();
            let (images, secrets) = (std::collections::BTreeMap::new(), Vec::new());
            let release = Release { id: id.clone(), version, images, secrets, workload, commit: None };
            state.releases.insert(id.clone(), release);
        }
        state.promoted = vec![ids[0].clone(), ids[1].clone()];
        (state, ids)
    }

    #[test]
    fn only_what_can_be_gone_back_to_is_meant() {
        let (mut state, [before, current, failed]) = state();
        assert_eq!(named_to_return(&state, "2").expect("only one"), before);
        assert_eq!(named_to_return(&state, failed.as_str()).expect("by its whole name"), failed);
        let failure = named(&state, "2").expect_err("several");
        let hint = failure.finished.cause.and_then(|cause| cause.hint).expect("a hint");
        assert_eq!(hint.matches("never served").count(), 3, "{hint}");

        state.promoted.insert(0, failed.clone());
        state.condemned.insert(failed, Cause::new("rolled back"));
        let failure = named_to_return(&state, "2").expect_err("two that may be gone to");
        let hint = failure.finished.cause.and_then(|cause| cause.hint).expect("a hint");
        assert!(!hint.contains(current.short()), "{hint}");
    }
}

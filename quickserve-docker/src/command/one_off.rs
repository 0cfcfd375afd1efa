//! A command in a container of its own, made as those of a release's tasks are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use quickserve_core::clock::{Clock, between};
use quickserve_core::fence::Epoch;
use quickserve_core::journal::{Liveness, Process};
use quickserve_core::orchestrator::{SetSpec, Standing, TaskId};
use quickserve_core::release::Release;
use quickserve_core::workload::Container;
use quickserve_core::{Error, ErrorKind, Result};

use super::exec::no_container;
use super::running::Running;
use crate::engine::{
    Attachment, Console, Created, NewContainer, RestartPolicy, RunState, Started, TerminalSize,
};
use crate::platform::DockerPlatform;
use crate::task_set::{Blueprint, Definition, environment, innermost};
use crate::{names, random};

/// For how long somebody may read what a command wrote after it has ended.
const LONGEST_READ: Duration = Duration::from_hours(1);

/// A command to run in a container of its own.
#[derive(Debug, Clone, Default)]
pub struct OneOff {
    /// The container of the workload that it runs as; the one that takes requests, or the first essential one,
    /// without.
    pub container: Option<String>,
    /// What follows the entry point.
    pub command: Vec<String>,
    /// Replaces the container's entry point, where there is one.
    pub entry_point: Option<String>,
    /// The size of the terminal that it gets, if it gets one.
    pub terminal: Option<TerminalSize>,
    /// Whether it reads anything.
    pub input: bool,
    /// The process that runs it, and removes it: while it lives, nobody else does.
    pub caller: Option<Process>,
}

impl OneOff {
    /// The container of a release's workload that it runs as.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the release has no such container.
    pub fn container_in<'a>(&self, release: &'a Release) -> Result<&'a Container> {
        let name = self.container.as_deref().unwrap_or(release.workload.main_container());
        let known = release.workload.containers.iter().map(|container| container.name.as_str());
        release.workload.container(name).ok_or_else(|| no_container(name, known))
    }
}

impl DockerPlatform {
    /// Runs a command in a container of its own: image, variables, secrets, volumes, user and limits are those
    /// of the release's container; it is on the network of its environment under no service's name, publishes
    /// no port, has no health check and is never started again. As with `RunTask` of ECS, the command replaces
    /// the container's command, and the entry point stays.
    ///
    /// The caller [removes](super::RunningHandle::remove) it. What a dead caller left goes with
    /// [`remove_left_commands`](Self::remove_left_commands) and with [`sweep`](Self::sweep).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when it cannot start, such as for a program that is not there.
    pub async fn run(&self, release: &Release, one_off: &OneOff) -> Result<Running> {
        let container = one_off.container_in(release)?;
        let new = self.one_off(release, container, one_off).await?;
        let id = self.create_one_off(&new).await?;
        let started = self.start_one_off(&id, one_off).await;
        if started.is_err() {
            // What is wrong with it matters more.
            let _ = self.engine().remove(&id).await;
        }
        started
    }

    async fn create_one_off(&self, new: &NewContainer) -> Result<String> {
        let engine = self.engine();
        let mut created = engine.create(new).await?;
        if matches!(created, Created::NetworkGone) {
            engine.ensure_network(self.key().environment()).await?;
            created = engine.create(new).await?;
        }
        match created {
            Created::New(id) => Ok(id),
            Created::NameTaken | Created::NetworkGone => {
                let message =
                    format!("create container {}: its name or network is in somebody's hands", new.name);
                Err(Error::new(ErrorKind::Conflict, message).temporary())
            }
        }
    }

    async fn start_one_off(&self, id: &str, one_off: &OneOff) -> Result<Running> {
        let engine = self.engine();
        // Attached first: nothing that it writes is lost.
        let attached = engine.attach(id).await?;
        match engine.start(id).await? {
            Started::Yes => {}
            Started::Failed | Started::PortTaken | Started::NetworkGone => {
                let why = engine.inspect(id).await?.and_then(|container| container.start_error);
                let why = innermost(why.as_deref().unwrap_or_default());
                return Err(Error::new(ErrorKind::Invalid, format!("the command could not start: {why}"))
                    .with_hint("the command follows the image's entry point; --entry-point replaces that"));
            }
        }
        if let Some(size) = one_off.terminal {
            engine.resize(id, size).await?;
        }
        Ok(Running::one_off(engine.clone(), id.to_owned(), attached))
    }

    /// Removes the containers of one-off commands that have ended and whose callers are gone. Where that cannot be
    /// known, they are after an hour.
    pub async fn remove_left_commands(&self, liveness: &dyn Liveness, clock: &dyn Clock) -> Result<()> {
        let mut labels = names::service_labels(self.key());
        labels.insert(names::ONE_OFF.to_owned(), "true".to_owned());
        for listed in self.engine().list(&labels).await? {
            let Some(found) = self.engine().inspect(&listed.id).await? else { continue };
            let caller = listed.labels.get(names::CALLER).and_then(|text| serde_json::from_str(text).ok());
            let lives = caller.and_then(|caller: Process| liveness.check(&caller));
            let is_left = match (found.state, lives) {
                (RunState::Ended | RunState::Created, Some(lives)) => !lives,
                (RunState::Ended, None) => {
                    found.ended.is_none_or(|at| between(at, clock.now()) > LONGEST_READ)
                }
                _ => false,
            };
            if is_left {
                self.engine().remove(&found.id).await?;
            }
        }
        Ok(())
    }

    async fn one_off(
        &self,
        release: &Release,
        described: &Container,
        one_off: &OneOff,
    ) -> Result<NewContainer> {
        let blueprint = Blueprint::of(&release.workload)?;
        let part = blueprint.part(&described.name).ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, format!("container {} is no part of its task", described.name))
        })?;
        let nonce = random::hex(&random::bytes::<4>()?);
        let cpus = match release.workload.cpu_units {
            Some(_) => Some(self.engine().cpus().await?),
            None => None,
        };
        self.sets().ensure_volumes(release, described).await?;
        let spec = SetSpec {
            release: Arc::new(release.clone()),
            tasks: 0,
            standing: Standing::Staged,
            doomed: BTreeSet::new(),
        };
        let definition = Definition {
            key: self.key(),
            spec: &spec,
            blueprint: &blueprint,
            id: &TaskId(format!("{:#}-run-{nonce}", release.id)),
            ordinal: 0,
            generation: 0,
            epoch: Epoch(0),
            cpus,
        };
        let variables = environment(release, described, self.sets().secrets()).await?;
        let network = names::network(self.key().environment());
        let network = Attachment::Bridge { network, aliases: Vec::new(), published: BTreeMap::new() };
        let new = definition.container(part, variables, network)?;
        Ok(NewContainer {
            name: names::one_off(self.key(), &release.id, &nonce),
            labels: self.one_off_labels(release, described, one_off.caller.as_ref()),
            command: Some(one_off.command.clone()),
            entry_point: match &one_off.entry_point {
                Some(program) => Some(vec![program.clone()]),
                None => new.entry_point,
            },
            health_check: Some(quickserve_core::workload::ContainerHealthCheck::none()),
            policy: RestartPolicy::No,
            console: match (one_off.terminal, one_off.input) {
                (Some(_), _) => Console::Terminal,
                (None, true) => Console::Input,
                (None, false) => Console::None,
            },
            ..new
        })
    }

    /// Without those of a task: nothing takes it for one.
    fn one_off_labels(
        &self,
        release: &Release,
        container: &Container,
        caller: Option<&Process>,
    ) -> BTreeMap<String, String> {
        let bound = release.secrets.iter().filter(|secret| secret.container == container.name);
        let secrets: Vec<&str> = bound.map(|secret| secret.variable.as_str()).collect();
        let mut labels = container.labels.clone();
        labels.extend(names::service_labels(self.key()));
        let caller = caller.and_then(|caller| serde_json::to_string(caller).ok());
        labels.extend(caller.map(|caller| (names::CALLER.to_owned(), caller)));
        labels.extend(
            [
                (names::ONE_OFF, "true".to_owned()),
                (names::RELEASE, release.id.to_string()),
                (names::VERSION, release.version.clone()),
                (names::CONTAINER, container.name.clone()),
                (names::SECRETS, secrets.join(",")),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        labels
    }
}

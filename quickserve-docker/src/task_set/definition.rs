//! What a container of a workload is to the engine.

use std::collections::BTreeMap;

use quickserve_core::fence::Epoch;
use quickserve_core::orchestrator::{SetSpec, TaskId};
use quickserve_core::release::{Image, Release};
use quickserve_core::secrets::{BoundSecret, SecretStore};
use quickserve_core::service::ServiceKey;
use quickserve_core::workload::{Container, Workload};
use quickserve_core::{Error, ErrorKind, Result};
use secrecy::SecretString;

use super::blueprint::{Blueprint, Part};
use super::task::policy;
use crate::engine::{Attachment, Console, NewContainer};
use crate::names;

/// The variable that tells a container its release.
const RELEASE_VARIABLE: &str = "QUICKSERVE_RELEASE";
/// The variable that tells a container its version, unless the workload sets it.
const VERSION_VARIABLE: &str = "IMAGE_TAG";

/// What is needed to define the containers of one task.
#[derive(Debug)]
pub(crate) struct Definition<'a> {
    pub(crate) key: &'a ServiceKey,
    pub(crate) spec: &'a SetSpec,
    pub(crate) blueprint: &'a Blueprint,
    pub(crate) id: &'a TaskId,
    pub(crate) ordinal: u32,
    pub(crate) generation: u32,
    pub(crate) epoch: Epoch,
    /// Of the engine's machine.
    pub(crate) cpus: Option<u32>,
}

impl Definition<'_> {
    /// The engine's name of a container.
    pub(crate) fn name(&self, part: &Part) -> String {
        let task = names::task(self.key, &self.spec.release.id, self.ordinal, self.generation);
        if self.blueprint.parts.len() == 1 { task } else { names::container(&task, &part.name) }
    }

    /// A container as the engine shall make it.
    pub(crate) fn container(
        &self,
        part: &Part,
        environment: BTreeMap<String, SecretString>,
        network: Attachment,
    ) -> Result<NewContainer> {
        let release = &self.spec.release;
        let workload = &release.workload;
        let unknown = || {
            let message = format!("release {:#} has no container {}", release.id, part.name);
            Error::new(ErrorKind::Invalid, message)
        };
        let container = workload.container(&part.name).ok_or_else(unknown)?;
        let image = release.images.get(&part.name).ok_or_else(unknown)?;
        Ok(NewContainer {
            name: self.name(part),
            image: image.digest.clone(),
            labels: self.labels(container)?,
            environment,
            entry_point: container.entry_point.clone(),
            command: container.command.clone(),
            user: container.user.clone(),
            working_directory: container.working_directory.clone(),
            read_only_root: container.read_only_root,
            health_check: container.health_check.clone(),
            stop_timeout: container.stop_timeout,
            init_process: container.init_process,
            nano_cpus: nano_cpus(workload, self.cpus),
            // ECS doc, "cpu": relative shares, 2 at least.
            cpu_shares: container.cpu_units.filter(|units| *units > 0).map(|units| i64::from(units.max(2))),
            memory: container.memory_mib.or(workload.memory_mib).map(mib),
            memory_reservation: container.memory_reservation_mib.map(mib),
            binds: self.binds(workload, container)?,
            tmpfs: container.tmpfs.clone(),
            shared_memory: container.shared_memory_mib.map(mib),
            ulimits: container.ulimits.clone(),
            policy: policy(part, self.spec.standing),
            network,
            console: Console::None,
        })
    }

    /// The workload's own labels, and over them ours.
    fn labels(&self, container: &Container) -> Result<BTreeMap<String, String>> {
        let blueprint = serde_json::to_string(self.blueprint)
            .map_err(|error| Error::new(ErrorKind::Unexpected, "describe the task").with_source(error))?;
        let release = &self.spec.release;
        let bound = release.secrets.iter().filter(|secret| secret.container == container.name);
        let secrets: Vec<&str> = bound.map(|secret| secret.variable.as_str()).collect();
        let mut labels = container.labels.clone();
        labels.extend(names::service_labels(self.key));
        labels.extend(
            [
                (names::RELEASE, release.id.to_string()),
                (names::VERSION, release.version.clone()),
                (names::EPOCH, self.epoch.to_string()),
                (names::TASK, self.id.to_string()),
                (names::ORDINAL, self.ordinal.to_string()),
                (names::GENERATION, self.generation.to_string()),
                (names::CONTAINER, container.name.clone()),
                (names::BLUEPRINT, blueprint),
                (names::SECRETS, secrets.join(",")),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        Ok(labels)
    }

    fn binds(&self, workload: &Workload, container: &Container) -> Result<Vec<String>> {
        let bind = |mount: &quickserve_core::workload::Mount| {
            let volume = workload.volumes.iter().find(|volume| volume.name == mount.volume);
            let volume = volume.ok_or_else(|| {
                let message = format!(
                    "container {} mounts volume {}, which is not defined",
                    container.name, mount.volume
                );
                Error::new(ErrorKind::Invalid, message)
            })?;
            let source = volume.host_path.clone().unwrap_or_else(|| names::volume(self.key, &volume.name));
            let mode = if mount.read_only { ":ro" } else { "" };
            Ok(format!("{source}:{}{mode}", mount.path))
        };
        container.mounts.iter().map(bind).collect()
    }
}

/// The variables of a container: the workload's, the secrets' values, and which release this is.
///
/// This is the one place where values are read; they go to the engine and nowhere else.
pub(crate) async fn environment(
    release: &Release,
    container: &Container,
    secrets: &dyn SecretStore,
) -> Result<BTreeMap<String, SecretString>> {
    let mut environment: BTreeMap<String, SecretString> = container
        .environment
        .iter()
        .map(|(name, value)| (name.clone(), SecretString::from(value.as_str())))
        .collect();
    for binding in release.secrets.iter().filter(|binding| binding.container == container.name) {
        match secrets.resolve(&binding.source, &binding.version).await? {
            BoundSecret::Value(value) => drop(environment.insert(binding.variable.clone(), value)),
            BoundSecret::Reference(_) => {
                let message = format!(
                    "give container {} the variable {}: its secret is a reference that only another platform \
                     can resolve",
                    container.name, binding.variable
                );
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        }
    }
    environment
        .entry(VERSION_VARIABLE.to_owned())
        .or_insert_with(|| SecretString::from(version_of(release, &container.name)));
    environment.insert(RELEASE_VARIABLE.to_owned(), SecretString::from(release.id.as_str()));
    Ok(environment)
}

/// The version that a container shows: the release's for the one that takes requests or stands alone, its own
/// image's tag for one beside it.
fn version_of<'a>(release: &'a Release, container: &str) -> &'a str {
    let main = match &release.workload.endpoint {
        Some(endpoint) => endpoint.container == container,
        None => release.workload.containers.first().is_some_and(|first| first.name == container),
    };
    let tag = release.images.get(container).and_then(Image::tag);
    if main { &release.version } else { tag.unwrap_or(&release.version) }
}

/// The task's CPU as a limit of each container, as far as the machine has it.
///
/// On Fargate the task's CPU is a hard limit of the whole task and a container's own is its share in it. An
/// engine has no limit across containers without a cgroup of its own, so each container of a task may use
/// as much as the task; where there is no task-level CPU nothing limits, as on ECS with EC2. A machine with
/// fewer cores than asked for gives all that it has.
fn nano_cpus(workload: &Workload, cpus: Option<u32>) -> Option<i64> {
    let units = workload.cpu_units.filter(|units| *units > 0)?;
    let nanos = i64::from(units) * 1_000_000_000 / 1024;
    Some(cpus.map_or(nanos, |cpus| nanos.min(i64::from(cpus) * 1_000_000_000)))
}

fn mib(mib: u32) -> i64 {
    i64::from(mib) * 1024 * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_gets_what_it_asks_for_and_what_the_machine_has() {
        let mut workload = Workload::single("app");
        assert_eq!(nano_cpus(&workload, Some(2)), None);
        workload.cpu_units = Some(256);
        assert_eq!(nano_cpus(&workload, Some(2)), Some(250_000_000));
        workload.cpu_units = Some(4096);
        assert_eq!(nano_cpus(&workload, Some(2)), Some(2_000_000_000));
    }

    #[test]
    fn a_container_beside_the_main_one_shows_the_version_of_its_own_image() {
        use quickserve_core::release::Digest;
        let mut workload = Workload::single("side");
        workload.containers.push(Container::new("web"));
        let port = quickserve_core::workload::EndpointPort { container: "web".to_owned(), port: 80 };
        workload.endpoint = Some(port);
        let image = |tag: &str| {
            let digest = Digest::of(tag.as_bytes());
            (
                (if tag == "2" { "side" } else { "web" }).to_owned(),
                Image { reference: format!("shop:{tag}"), digest, manifest: None },
            )
        };
        let images = BTreeMap::from([image("2"), image("3")]);
        let release = Release::new("3", images, Vec::new(), workload, None).expect("a release");
        assert_eq!(version_of(&release, "web"), "3");
        assert_eq!(version_of(&release, "side"), "2");
    }
}

//! Containers: list, look, make, start, signal, remove.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::{
    ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, ContainerSummary,
    ContainerUpdateBody, HealthStatusEnum, PortBinding, RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, KillContainerOptionsBuilder,
    ListContainersOptions, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    RenameContainerOptionsBuilder, RestartContainerOptions, StopContainerOptions,
};
use jiff::{SignedDuration, Timestamp};
use quickserve_core::Result;
use quickserve_core::clock::{Clock as _, SystemClock};
use quickserve_core::release::Digest;
use secrecy::SecretString;

use super::creation::{NewContainer, create_body};
use super::{Engine, fault};
use crate::mask::{masked, repeats};
use crate::names;

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunState {
    Created,
    Running,
    Restarting,
    Ended,
}

/// When the engine starts a container again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum RestartPolicy {
    #[default]
    No,
    OnFailure,
    UnlessStopped,
}

/// What a container's own health check says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CheckResult {
    None,
    Starting,
    Healthy,
    /// With the first line of the last run's output.
    Unhealthy(String),
}

/// A container as a list shows it.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) labels: HashMap<String, String>,
    /// Published host ports.
    pub(crate) ports: Vec<u16>,
}

/// A container as a close look shows it, without its environment.
#[derive(Debug, Clone)]
pub(crate) struct Inspected {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) labels: HashMap<String, String>,
    pub(crate) image: Option<Digest>,
    pub(crate) state: RunState,
    /// Whether it was suspended (`docker pause`): it runs, and does nothing.
    pub(crate) paused: bool,
    pub(crate) exit_code: i64,
    /// Why it could not start.
    pub(crate) start_error: Option<String>,
    pub(crate) oom_killed: bool,
    pub(crate) started: Option<Timestamp>,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) check: CheckResult,
    pub(crate) restarts: u32,
    pub(crate) policy: RestartPolicy,
    pub(crate) stop_signal: String,
    pub(crate) stop_timeout: Duration,
    pub(crate) memory: Option<u64>,
    /// Container port to published loopback port.
    pub(crate) published: BTreeMap<u16, u16>,
    /// The secret values that it was given; to hide them in what it says.
    pub(crate) secrets: Vec<SecretString>,
}

/// What came of making a container.
#[derive(Debug)]
pub(crate) enum Created {
    /// It exists, with this id.
    New(String),
    /// One of that name existed before, or is being made.
    NameTaken,
    /// Its network does not exist.
    NetworkGone,
}

/// How long Podman may tidy up after a container, and how often it is asked meanwhile.
const TIDIED: SignedDuration = SignedDuration::from_secs(10);
const TIDYING: Duration = Duration::from_millis(50);

/// What came of starting a container.
#[derive(Debug)]
pub(crate) enum Started {
    /// It runs, or ran before.
    Yes,
    /// Its host port is held by something else.
    PortTaken,
    /// Its network is gone.
    NetworkGone,
    /// It can never start; an inspection says why.
    Failed,
}

impl Engine {
    /// Containers with these labels, running or not.
    pub(crate) async fn list(&self, labels: &BTreeMap<String, String>) -> Result<Vec<Listed>> {
        let filters = HashMap::from([("label", label_filters(labels))]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        self.list_with(Some(options)).await
    }

    /// All running containers, whoever made them.
    pub(crate) async fn list_running(&self) -> Result<Vec<Listed>> {
        self.list_with(None).await
    }

    /// Podman calls a container `stopped` from its end until it has tidied up after it, a state that Docker does not
    /// know: the list is asked for again then.
    async fn list_with(&self, options: Option<ListContainersOptions>) -> Result<Vec<Listed>> {
        let deadline = SystemClock.now() + TIDIED;
        loop {
            match self.docker.list_containers(options.clone()).await {
                Ok(listed) => return Ok(listed.into_iter().map(listed_from).collect()),
                Err(error) if fault::is_tidying(&error) && SystemClock.now() < deadline => {
                    SystemClock.sleep(TIDYING).await;
                }
                Err(error) => return Err(fault::to_core("list containers", error)),
            }
        }
    }

    /// One container, by id or name; `None` when it does not exist.
    pub(crate) async fn inspect(&self, container: &str) -> Result<Option<Inspected>> {
        match self.docker.inspect_container(container, None::<InspectContainerOptions>).await {
            Ok(response) => Ok(Some(inspected_from(response))),
            Err(error) if fault::is_not_found(&error) => Ok(None),
            Err(error) => Err(fault::to_core(format!("inspect container {container}"), error)),
        }
    }

    /// Makes a container, without starting it.
    pub(crate) async fn create(&self, new: &NewContainer) -> Result<Created> {
        let options = CreateContainerOptionsBuilder::default().name(&new.name).build();
        match self.docker.create_container(Some(options), create_body(new)).await {
            Ok(response) => Ok(Created::New(response.id)),
            Err(error) => match fault::answer(&error) {
                Some((409, message)) if message.contains("is already in use") => Ok(Created::NameTaken),
                Some((404, message)) if message.starts_with("network ") => Ok(Created::NetworkGone),
                Some((_, message)) if new.environment.values().any(|value| repeats(message, value)) => {
                    // The engine repeats what it does not like; a value must not reach an error.
                    let hidden = bollard::errors::Error::DockerResponseServerError {
                        status_code: 400,
                        message: "the engine refused the container's definition".into(),
                    };
                    Err(fault::to_core(format!("create container {}", new.name), hidden))
                }
                _ => Err(fault::to_core(format!("create container {}", new.name), error)),
            },
        }
    }

    /// Starts a container; one that runs already is a success.
    pub(crate) async fn start(&self, container: &str) -> Result<Started> {
        let Err(error) = self.docker.start_container(container, None).await else {
            return Ok(Started::Yes);
        };
        match fault::answer(&error) {
            Some((_, message)) if fault::is_port_taken(message) => Ok(Started::PortTaken),
            Some((404, message)) if message.starts_with("network ") => Ok(Started::NetworkGone),
            Some((404, message)) if message.to_lowercase().contains("no such container") => {
                Err(fault::to_core(format!("start container {container}"), error))
            }
            Some((_, message)) if message.contains("marked for removal") => {
                Err(fault::to_core(format!("start container {container}"), error).temporary())
            }
            Some((400 | 404 | 409 | 500, _)) => Ok(Started::Failed),
            _ => Err(fault::to_core(format!("start container {container}"), error)),
        }
    }

    /// Sends a signal, without waiting; a container that does not run is a success.
    ///
    /// It also ends a pending restart.
    pub(crate) async fn kill(&self, container: &str, signal: &str) -> Result<()> {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        match self.docker.kill_container(container, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) => match fault::answer(&error) {
                Some((404, _)) => Ok(()),
                Some((409 | 500, message)) if fault::is_not_running(message) => Ok(()),
                _ => Err(fault::to_core(format!("send {signal} to container {container}"), error)),
            },
        }
    }

    /// Stops a container and waits: its stop signal, its stop timeout, SIGKILL.
    pub(crate) async fn stop(&self, container: &str) -> Result<()> {
        match self.docker.stop_container(container, None::<StopContainerOptions>).await {
            Ok(()) => Ok(()),
            Err(error) if fault::is_not_found(&error) => Ok(()),
            Err(error) => Err(fault::to_core(format!("stop container {container}"), error)),
        }
    }

    /// Stops a container and starts it again; one that does not exist is a success.
    pub(crate) async fn restart(&self, container: &str) -> Result<()> {
        match self.docker.restart_container(container, None::<RestartContainerOptions>).await {
            Ok(()) => Ok(()),
            Err(error) if fault::is_not_found(&error) => Ok(()),
            Err(error) => Err(fault::to_core(format!("restart container {container}"), error)),
        }
    }

    /// Removes an ended container with its anonymous volumes, and answers whether it is gone; one that runs
    /// or is being removed is not.
    pub(crate) async fn remove(&self, container: &str) -> Result<bool> {
        let options = RemoveContainerOptionsBuilder::default().v(true).force(false).build();
        match self.docker.remove_container(container, Some(options)).await {
            Ok(()) => Ok(true),
            Err(error) => match fault::answer(&error) {
                Some((404, _)) => Ok(true),
                Some((409, _)) => Ok(false),
                _ => Err(fault::to_core(format!("remove container {container}"), error)),
            },
        }
    }

    /// Renames a container; one that does not exist is a success.
    pub(crate) async fn rename(&self, container: &str, name: &str) -> Result<()> {
        let options = RenameContainerOptionsBuilder::default().name(name).build();
        match self.docker.rename_container(container, options).await {
            Ok(()) => Ok(()),
            Err(error) if fault::is_not_found(&error) => Ok(()),
            Err(error) => Err(fault::to_core(format!("rename container {container}"), error)),
        }
    }

    /// Changes when the engine starts a container again by itself; one that does not exist is a success.
    pub(crate) async fn set_policy(&self, container: &str, policy: RestartPolicy) -> Result<()> {
        let body = ContainerUpdateBody { restart_policy: Some(policy_to(policy)), ..Default::default() };
        match self.docker.update_container(container, body).await {
            Ok(()) => Ok(()),
            Err(error) => match fault::answer(&error) {
                Some((404, _)) => Ok(()),
                Some((_, message)) if message.contains("marked for removal") => Ok(()),
                _ => Err(fault::to_core(format!("set the restart policy of container {container}"), error)),
            },
        }
    }
}

/// `name=value` for each label, as the engine's filters want them.
pub(super) fn label_filters(labels: &BTreeMap<String, String>) -> Vec<String> {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn listed_from(summary: ContainerSummary) -> Listed {
    let name = summary.names.unwrap_or_default().into_iter().next().unwrap_or_default();
    let mut ports: Vec<u16> =
        summary.ports.unwrap_or_default().into_iter().filter_map(|port| port.public_port).collect();
    ports.sort_unstable();
    ports.dedup();
    Listed {
        id: summary.id.unwrap_or_default(),
        name: name.trim_start_matches('/').to_owned(),
        image: summary.image.unwrap_or_default(),
        labels: summary.labels.unwrap_or_default(),
        ports,
    }
}

pub(super) fn inspected_from(response: ContainerInspectResponse) -> Inspected {
    let state = response.state.unwrap_or_default();
    let host = response.host_config.unwrap_or_default();
    let config = response.config.unwrap_or_default();
    let run_state = match state.status {
        Some(ContainerStateStatusEnum::CREATED) => RunState::Created,
        Some(ContainerStateStatusEnum::RESTARTING) => RunState::Restarting,
        Some(
            ContainerStateStatusEnum::RUNNING
            | ContainerStateStatusEnum::PAUSED
            | ContainerStateStatusEnum::STOPPING,
        ) => RunState::Running,
        _ => RunState::Ended,
    };
    let labels = config.labels.unwrap_or_default();
    let secrets = secrets_of(&labels, config.env.as_deref().unwrap_or_default());
    let stop_timeout = config.stop_timeout.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(10);
    Inspected {
        id: response.id.unwrap_or_default(),
        name: response.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        labels,
        image: response.image.and_then(|image| image.parse().ok()),
        state: run_state,
        paused: state.status == Some(ContainerStateStatusEnum::PAUSED),
        exit_code: state.exit_code.unwrap_or_default(),
        start_error: state
            .error
            .as_deref()
            .filter(|error| !error.is_empty())
            .map(|text| masked(text, &secrets)),
        oom_killed: state.oom_killed.unwrap_or_default(),
        started: state.started_at.as_deref().and_then(timestamp),
        ended: state.finished_at.as_deref().and_then(timestamp),
        check: check_from(&state, &secrets),
        restarts: response.restart_count.and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
        policy: match host.restart_policy.and_then(|policy| policy.name) {
            Some(RestartPolicyNameEnum::UNLESS_STOPPED | RestartPolicyNameEnum::ALWAYS) => {
                RestartPolicy::UnlessStopped
            }
            Some(RestartPolicyNameEnum::ON_FAILURE) => RestartPolicy::OnFailure,
            _ => RestartPolicy::No,
        },
        stop_signal: config
            .stop_signal
            .filter(|signal| !signal.is_empty())
            .unwrap_or_else(|| "SIGTERM".into()),
        stop_timeout: Duration::from_secs(stop_timeout),
        memory: host.memory.and_then(|bytes| u64::try_from(bytes).ok()).filter(|bytes| *bytes > 0),
        published: host.port_bindings.map(published_from).unwrap_or_default(),
        secrets,
    }
}

/// The values of the variables that the labels say are secret.
fn secrets_of(labels: &HashMap<String, String>, environment: &[String]) -> Vec<SecretString> {
    let Some(listed) = labels.get(names::SECRETS) else { return Vec::new() };
    let secret = |name: &str| listed.split(',').any(|known| known == name);
    let pairs = environment.iter().filter_map(|pair| pair.split_once('='));
    let kept = pairs.filter(|(name, value)| secret(name) && !is_plainly_no_secret(name, value));
    kept.map(|(_, value)| SecretString::from(value)).collect()
}

/// Whether name and value of what came with the secrets, as all of an `env_file` does, say that it is none. A port or a
/// level that is hidden makes a log unreadable, and hides nothing.
fn is_plainly_no_secret(name: &str, value: &str) -> bool {
    let is_port = (name == "PORT" || name.ends_with("_PORT")) && value.parse::<u16>().is_ok();
    let is_word = value.len() < 16 && value.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_port
        || (matches!(name, "NODE_ENV" | "APP_ENV" | "RAILS_ENV" | "LOG_LEVEL" | "RUST_LOG" | "TZ") && is_word)
}

/// The engine's time; its zero value means "not yet".
pub(super) fn timestamp(text: &str) -> Option<Timestamp> {
    text.parse().ok().filter(|time: &Timestamp| time.as_second() > 0)
}

fn check_from(state: &ContainerState, secrets: &[SecretString]) -> CheckResult {
    let Some(health) = &state.health else {
        return CheckResult::None;
    };
    match health.status {
        Some(HealthStatusEnum::STARTING) => CheckResult::Starting,
        Some(HealthStatusEnum::HEALTHY) => CheckResult::Healthy,
        Some(HealthStatusEnum::UNHEALTHY) => {
            let last = health.log.as_ref().and_then(|log| log.last());
            let output = last.and_then(|result| result.output.as_deref()).unwrap_or_default();
            let output = masked(output, secrets);
            let line = output.lines().map(quickserve_core::text::plain).find(|line| !line.trim().is_empty());
            let code = last.and_then(|result| result.exit_code).unwrap_or_default();
            CheckResult::Unhealthy(line.unwrap_or_else(|| format!("its health check exited {code}")))
        }
        _ => CheckResult::None,
    }
}

fn published_from(map: HashMap<String, Option<Vec<PortBinding>>>) -> BTreeMap<u16, u16> {
    map.into_iter()
        .filter_map(|(port, bindings)| {
            let inner = port.strip_suffix("/tcp").unwrap_or(&port).parse().ok()?;
            let outer = bindings?.into_iter().find_map(|binding| binding.host_port?.parse().ok())?;
            Some((inner, outer))
        })
        .collect()
}

pub(super) fn policy_to(policy: RestartPolicy) -> bollard::models::RestartPolicy {
    let name = match policy {
        RestartPolicy::No => RestartPolicyNameEnum::NO,
        RestartPolicy::OnFailure => RestartPolicyNameEnum::ON_FAILURE,
        RestartPolicy::UnlessStopped => RestartPolicyNameEnum::UNLESS_STOPPED,
    };
    bollard::models::RestartPolicy { name: Some(name), maximum_retry_count: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_that_the_labels_name_are_secret() {
        use secrecy::ExposeSecret as _;

        let labels = HashMap::from([(names::SECRETS.to_owned(), "DATABASE_URL,PIN".to_owned())]);
        let environment =
            ["DATABASE_URL=postgresql://u:pw@db/shop", "PIN=12", "PORT=3000"].map(str::to_owned);
        let secrets = secrets_of(&labels, &environment);
        let values: Vec<&str> = secrets.iter().map(SecretString::expose_secret).collect();
        assert_eq!(values, ["postgresql://u:pw@db/shop", "12"]);
        assert!(secrets_of(&HashMap::new(), &environment).is_empty());
    }

    #[test]
    fn what_plainly_is_no_secret_is_not_hidden() {
        use secrecy::ExposeSecret as _;

        let names = "PORT,DB_PORT,LOG_LEVEL,PIN,PORT_KEY,NODE_ENV";
        let labels = HashMap::from([(names::SECRETS.to_owned(), names.to_owned())]);
        let environment = [
            "PORT=3000",
            "DB_PORT=x5432secret",
            "LOG_LEVEL=debug",
            "PIN=3141",
            "PORT_KEY=5926",
            "NODE_ENV=s3cr3t",
        ];
        let secrets = secrets_of(&labels, &environment.map(str::to_owned));
        let values: Vec<&str> = secrets.iter().map(SecretString::expose_secret).collect();
        assert_eq!(values, ["x5432secret", "3141", "5926", "s3cr3t"]);
    }
}

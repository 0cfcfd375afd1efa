//! The workload: what runs, in the terms of an ECS task definition, whichever platform it runs on.

mod endpoint;
mod gate;
mod short_form;
pub(crate) mod size;
pub mod substitute;
mod task_definition;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use short_form::from_short_form;
pub use task_definition::{Reading, TaskDefinition};

/// What one task of a service is made of.
///
/// Field meanings follow the ECS documentation, "Task definition parameters"; the local platform behaves
/// the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// The containers of a task, in the order of the definition. Never empty.
    pub containers: Vec<Container>,
    /// Which container and port requests go to; a worker has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointPort>,
    /// What speaks there.
    #[serde(default, skip_serializing_if = "Protocol::is_http1")]
    pub protocol: Protocol,
    /// When a task counts as healthy.
    pub gate: HealthGate,
    /// CPU of the whole task in 1/1024 of a core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_units: Option<u32>,
    /// Memory of the whole task in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// Volumes that containers mount by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// The task definition that it was read from, byte for byte, where it was: what ECS gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
}

/// What the tasks of a service speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1; gRPC calls go to them over HTTP/2 all the same.
    #[default]
    Http1,
    /// HTTP/2 without TLS, with prior knowledge (RFC 9113, 3.3).
    H2c,
}

impl Protocol {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    pub(crate) fn is_http1(&self) -> bool {
        *self == Self::Http1
    }
}

/// The container and port that requests go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointPort {
    /// The container's name.
    pub container: String,
    /// The port inside the container.
    pub port: u16,
}

/// One container of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its name, unique within the task.
    pub name: String,
    /// Whether the task ends when it ends. ECS default: true.
    pub essential: bool,
    /// Plain environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Variables whose values come from a secret store: name to where it is found.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// TCP ports that it listens on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// Replaces the image's entry point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_point: Option<Vec<String>>,
    /// Replaces the image's command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// The directory that it starts in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// `user`, `user:group`, or numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether its root file system is read-only.
    #[serde(default)]
    pub read_only_root: bool,
    /// Its own health check; the image's applies where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<ContainerHealthCheck>,
    /// What must have happened to other containers of the task before it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Dependency>,
    /// From SIGTERM to SIGKILL. ECS default: 30 s.
    #[serde(with = "seconds")]
    pub stop_timeout: Duration,
    /// CPU share in 1/1024 of a core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_units: Option<u32>,
    /// Hard limit of memory in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// Soft limit of memory in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_reservation_mib: Option<u32>,
    /// Volumes mounted into it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// The size of `/dev/shm` in MiB; the platform's own where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_memory_mib: Option<u32>,
    /// tmpfs mounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tmpfs: Vec<Tmpfs>,
    /// Resource limits such as `nofile`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ulimits: Vec<Ulimit>,
    /// Labels that the definition gives it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whether a small init process reaps children and forwards signals.
    #[serde(default)]
    pub init_process: bool,
}

/// A container's own health check, run inside it by the platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerHealthCheck {
    /// `["CMD", ...]` or `["CMD-SHELL", command]`.
    pub command: Vec<String>,
    /// Between two runs. ECS: 5-300 s, default 30 s.
    #[serde(with = "seconds")]
    pub interval: Duration,
    /// For one run. ECS: 2-60 s, default 5 s.
    #[serde(with = "seconds")]
    pub timeout: Duration,
    /// Failures in a row that make it unhealthy. ECS: 1-10, default 3.
    pub retries: u32,
    /// In which failures do not count. ECS: 0-300 s, default none.
    #[serde(with = "seconds")]
    pub start_period: Duration,
}

/// What another container must have reached before a container starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The other container.
    pub container: String,
    /// What it must have reached.
    pub condition: Condition,
}

/// A condition of `dependsOn`. ECS documentation, "Container dependency".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Condition {
    /// It has started.
    Start,
    /// It has ended, whatever the exit code.
    Complete,
    /// It has ended with exit code 0.
    Success,
    /// Its health check has passed.
    Healthy,
}

/// A named volume of the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// The name that mounts refer to.
    pub name: String,
    /// A path on the host; without one the platform makes a volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_path: Option<String>,
}

/// A volume mounted into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The volume's name.
    pub volume: String,
    /// Where the container sees it.
    pub path: String,
    /// Whether the container may only read it.
    #[serde(default)]
    pub read_only: bool,
}

/// A tmpfs mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tmpfs {
    /// Where the container sees it.
    pub path: String,
    /// Its size in MiB.
    pub size_mib: u32,
    /// Mount options.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

/// A resource limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// Such as `nofile`.
    pub name: String,
    /// The soft limit.
    pub soft: i64,
    /// The hard limit.
    pub hard: i64,
}

/// When a task counts as healthy for taking traffic: our own probes, at a fast cadence, beside the
/// container's own health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthGate {
    /// What one probe does.
    pub probe: Probe,
    /// For one probe.
    #[serde(with = "seconds")]
    pub timeout: Duration,
    /// Successes in a row that make a task healthy.
    pub healthy_threshold: u32,
    /// Failures in a row, after the grace, that fail a task.
    pub unhealthy_threshold: u32,
    /// From the task's start, in which failed probes do not count.
    #[serde(with = "seconds")]
    pub grace: Duration,
}

/// What one probe does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Probe {
    /// `GET path` on the endpoint's port; any 2xx or 3xx answer is healthy.
    Http {
        /// The path, beginning with `/`.
        path: String,
    },
    /// A TCP connection to the endpoint's port opens.
    Tcp,
    /// The task runs for this long without ending (for a worker without a port).
    Stays {
        /// How long it must run.
        #[serde(with = "seconds")]
        duration: Duration,
    },
}

impl Workload {
    /// The smallest workload: one container of that name, without a port, healthy when it stays up for 5 s.
    pub fn single(container: impl Into<String>) -> Self {
        Self {
            containers: vec![Container::new(container)],
            endpoint: None,
            protocol: Protocol::Http1,
            gate: HealthGate::new(Probe::Stays { duration: Duration::from_secs(5) }),
            cpu_units: None,
            memory_mib: None,
            volumes: Vec::new(),
            document: None,
        }
    }

    /// The platform that its images must be for, as registries name it. ECS documentation, "Task definition
    /// parameters": a `runtimePlatform` that does not say is Linux on `X86_64`.
    pub fn platform(&self) -> &'static str {
        let document = self.document.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let document: serde_json::Value = document.unwrap_or_default();
        let said = |key: &str| document["runtimePlatform"][key].as_str().unwrap_or_default();
        match (said("operatingSystemFamily").starts_with("WINDOWS"), said("cpuArchitecture")) {
            (true, _) => "windows/amd64",
            (false, "ARM64") => "linux/arm64",
            (false, _) => "linux/amd64",
        }
    }

    /// The container of that name.
    pub fn container(&self, name: &str) -> Option<&Container> {
        self.containers.iter().find(|container| container.name == name)
    }

    /// The container that the service is about: the one that takes requests, else the first essential one.
    pub fn main_container(&self) -> &str {
        let essential = || self.containers.iter().find(|container| container.essential);
        let named = self.endpoint.as_ref().map(|endpoint| &endpoint.container);
        named
            .or_else(|| essential().or(self.containers.first()).map(|container| &container.name))
            .map_or("", String::as_str)
    }

    /// The longest stop timeout of its containers.
    pub fn stop_timeout(&self) -> Duration {
        self.containers.iter().map(|container| container.stop_timeout).max().unwrap_or_default()
    }
}

impl Container {
    /// An essential container with ECS's defaults.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            essential: true,
            environment: BTreeMap::new(),
            secrets: BTreeMap::new(),
            ports: Vec::new(),
            entry_point: None,
            command: None,
            working_directory: None,
            user: None,
            read_only_root: false,
            health_check: None,
            depends_on: Vec::new(),
            stop_timeout: Duration::from_secs(30),
            cpu_units: None,
            memory_mib: None,
            memory_reservation_mib: None,
            mounts: Vec::new(),
            shared_memory_mib: None,
            tmpfs: Vec::new(),
            ulimits: Vec::new(),
            labels: BTreeMap::new(),
            init_process: false,
        }
    }
}

impl ContainerHealthCheck {
    /// The check that switches the image's own off. ECS documentation, "Health check": `NONE`.
    pub fn none() -> Self {
        Self {
            command: vec!["NONE".to_owned()],
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            retries: 3,
            start_period: Duration::ZERO,
        }
    }
}

impl HealthGate {
    /// A gate with the defaults: 2 s a probe, 2 successes in a row, 3 failures in a row after 30 s.
    pub fn new(probe: Probe) -> Self {
        Self {
            probe,
            timeout: Duration::from_secs(2),
            healthy_threshold: 2,
            unhealthy_threshold: 3,
            grace: Duration::from_secs(30),
        }
    }
}

/// Durations as a number of seconds, whole where they are whole.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        if duration.subsec_nanos() == 0 {
            serializer.serialize_u64(duration.as_secs())
        } else {
            serializer.serialize_f64(duration.as_secs_f64())
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(seconds).map_err(D::Error::custom)
    }
}

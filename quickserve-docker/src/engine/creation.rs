//! A container to make, and what the engine is told about it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig, NetworkingConfig,
    PortBinding, ResourcesUlimits,
};
use quickserve_core::release::Digest;
use quickserve_core::workload::{ContainerHealthCheck, Tmpfs, Ulimit};
use secrecy::{ExposeSecret as _, SecretString};

use super::RestartPolicy;
use super::containers::policy_to;

/// How many bytes of log an engine keeps of a container: three files of this size.
const LOG_FILE: (&str, &str) = ("10m", "3");

/// A container to make.
pub(crate) struct NewContainer {
    pub(crate) name: String,
    pub(crate) image: Digest,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) environment: BTreeMap<String, SecretString>,
    pub(crate) entry_point: Option<Vec<String>>,
    pub(crate) command: Option<Vec<String>>,
    pub(crate) user: Option<String>,
    pub(crate) working_directory: Option<String>,
    pub(crate) read_only_root: bool,
    pub(crate) health_check: Option<ContainerHealthCheck>,
    pub(crate) stop_timeout: Duration,
    pub(crate) init_process: bool,
    pub(crate) nano_cpus: Option<i64>,
    pub(crate) cpu_shares: Option<i64>,
    pub(crate) memory: Option<i64>,
    pub(crate) memory_reservation: Option<i64>,
    pub(crate) binds: Vec<String>,
    pub(crate) tmpfs: Vec<Tmpfs>,
    /// In bytes.
    pub(crate) shared_memory: Option<i64>,
    pub(crate) ulimits: Vec<Ulimit>,
    pub(crate) policy: RestartPolicy,
    pub(crate) network: Attachment,
    pub(crate) console: Console,
}

/// What a container reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Console {
    /// Nothing.
    #[default]
    None,
    /// What whoever is attached writes.
    Input,
    /// A terminal.
    Terminal,
}

/// How a container is attached to the network.
#[derive(Debug, Clone)]
pub(crate) enum Attachment {
    /// To a network of its own standing.
    Bridge {
        network: String,
        aliases: Vec<String>,
        /// Container port to loopback port.
        published: BTreeMap<u16, u16>,
    },
    /// Through another container, by id.
    Joined(String),
}

impl fmt::Debug for NewContainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables: Vec<&String> = self.environment.keys().collect();
        f.debug_struct("NewContainer")
            .field("name", &self.name)
            .field("image", &self.image)
            .field("variables", &variables)
            .finish_non_exhaustive()
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Whole seconds, rounded up: a container never gets less time than it was promised.
fn whole_seconds(duration: Duration) -> i64 {
    let up = u64::from(duration.subsec_nanos() > 0);
    i64::try_from(duration.as_secs() + up).unwrap_or(i64::MAX)
}

pub(super) fn create_body(new: &NewContainer) -> ContainerCreateBody {
    let (network_mode, networking, exposed, bindings) = attachment(&new.network);
    let host = HostConfig {
        network_mode: Some(network_mode),
        port_bindings: bindings,
        restart_policy: Some(policy_to(new.policy)),
        readonly_rootfs: Some(new.read_only_root),
        init: new.init_process.then_some(true),
        nano_cpus: new.nano_cpus,
        cpu_shares: new.cpu_shares,
        memory: new.memory,
        // No swap beside the memory: a task that needs more than its limit is killed, as on Fargate.
        memory_swap: new.memory,
        memory_reservation: new.memory_reservation,
        binds: (!new.binds.is_empty()).then(|| new.binds.clone()),
        tmpfs: (!new.tmpfs.is_empty()).then(|| new.tmpfs.iter().map(tmpfs).collect()),
        shm_size: new.shared_memory,
        ulimits: (!new.ulimits.is_empty()).then(|| new.ulimits.iter().map(ulimit).collect()),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".into()),
            config: Some(
                [("max-size", LOG_FILE.0), ("max-file", LOG_FILE.1)]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
            ),
        }),
        ..Default::default()
    };
    let environment = new.environment.iter().map(|(name, value)| format!("{name}={}", value.expose_secret()));
    ContainerCreateBody {
        image: Some(new.image.as_str().to_owned()),
        labels: Some(new.labels.clone().into_iter().collect()),
        env: Some(environment.collect()),
        entrypoint: new.entry_point.clone(),
        cmd: new.command.clone(),
        user: new.user.clone(),
        working_dir: new.working_directory.clone(),
        healthcheck: new.health_check.as_ref().map(health),
        stop_timeout: Some(whole_seconds(new.stop_timeout)),
        exposed_ports: exposed,
        open_stdin: Some(new.console != Console::None),
        stdin_once: Some(new.console != Console::None),
        tty: Some(new.console == Console::Terminal),
        host_config: Some(host),
        networking_config: networking,
        ..Default::default()
    }
}

type Bindings = HashMap<String, Option<Vec<PortBinding>>>;

fn attachment(
    attachment: &Attachment,
) -> (String, Option<NetworkingConfig>, Option<Vec<String>>, Option<Bindings>) {
    match attachment {
        Attachment::Joined(container) => (format!("container:{container}"), None, None, None),
        Attachment::Bridge { network, aliases, published } => {
            let endpoint = EndpointSettings { aliases: Some(aliases.clone()), ..Default::default() };
            let networking =
                NetworkingConfig { endpoints_config: Some(HashMap::from([(network.clone(), endpoint)])) };
            let exposed = published.keys().map(|port| format!("{port}/tcp")).collect();
            let bindings = published
                .iter()
                .map(|(inner, outer)| {
                    let binding =
                        PortBinding { host_ip: Some("127.0.0.1".into()), host_port: Some(outer.to_string()) };
                    (format!("{inner}/tcp"), Some(vec![binding]))
                })
                .collect();
            (network.clone(), Some(networking), Some(exposed), Some(bindings))
        }
    }
}

fn health(check: &ContainerHealthCheck) -> HealthConfig {
    HealthConfig {
        test: Some(check.command.clone()),
        interval: Some(nanos(check.interval)),
        timeout: Some(nanos(check.timeout)),
        retries: Some(i64::from(check.retries)),
        start_period: Some(nanos(check.start_period)),
        start_interval: None,
    }
}

fn tmpfs(tmpfs: &Tmpfs) -> (String, String) {
    let mut options = vec![format!("size={}m", tmpfs.size_mib)];
    options.extend(tmpfs.options.iter().cloned());
    (tmpfs.path.clone(), options.join(","))
}

fn ulimit(ulimit: &Ulimit) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(ulimit.name.clone()), soft: Some(ulimit.soft), hard: Some(ulimit.hard) }
}

//! Connecting to an engine.

use std::fmt;
use std::sync::Arc;

use bollard::Docker;
use bollard::models::SystemVersion;
use quickserve_core::{Error, ErrorKind, Result};
use tokio::sync::OnceCell;

use super::fault;

/// For one answer to begin, in seconds. Starting a container is the slowest request.
const TIMEOUT: u64 = 120;

/// A connection to a Docker engine on this machine.
///
/// Cheap to clone. It shows nothing of what passes through it.
#[derive(Clone)]
pub struct Engine {
    pub(super) docker: Docker,
    address: Arc<str>,
    /// Whether it is Podman that answers as Docker does.
    pub(super) is_podman: bool,
    cpus: Arc<OnceCell<u32>>,
}

impl Engine {
    /// Where engines usually listen.
    pub const DEFAULT_ADDRESS: &'static str = "unix:///var/run/docker.sock";

    /// Connects, and agrees on a version of the API.
    ///
    /// The address is as in `DOCKER_HOST`: `unix:///run/user/1000/docker.sock`; without one,
    /// [`DEFAULT_ADDRESS`](Self::DEFAULT_ADDRESS). The environment is not read.
    ///
    /// # Errors
    /// - [`ErrorKind::Unsupported`] for an address of another machine: ports are published on loopback.
    /// - [`ErrorKind::Unavailable`] when no engine answers there.
    /// - [`ErrorKind::PermissionDenied`] when the socket may not be used.
    /// - [`ErrorKind::Unsupported`] for Podman before 5.1, which has no call to change a restart policy.
    pub async fn connect(address: Option<&str>) -> Result<Self> {
        let address = address.filter(|address| !address.is_empty()).unwrap_or(Self::DEFAULT_ADDRESS);
        let path = match address.split_once("://") {
            None => address,
            Some(("unix", path)) => path,
            Some((scheme, _)) => {
                let message = format!("reach a Docker engine by {scheme}");
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .with_context("address", address)
                    .with_hint(
                        "give the address of an engine on this machine, such as unix:///var/run/docker.sock",
                    ));
            }
        };
        let docker =
            Docker::connect_with_unix(path, TIMEOUT, bollard::API_DEFAULT_VERSION).map_err(|error| {
                fault::to_core("reach the Docker engine", error).with_context("address", address)
            })?;
        let docker = docker.negotiate_version().await.map_err(|error| {
            fault::to_core("reach the Docker engine", error).with_context("address", address)
        })?;
        let version = docker.version().await.map_err(|error| {
            fault::to_core("ask the engine for its version", error).with_context("address", address)
        })?;
        let podman = podman(&version);
        if let Some(version) = &podman
            && !changes_restart_policies(version)
        {
            let message = format!(
                "use Podman {version}: it cannot change when a container is started again, which a promotion does"
            );
            return Err(Error::new(ErrorKind::Unsupported, message)
                .with_context("address", address)
                .with_hint("Podman 5.1 or later can, and so can any Docker engine"));
        }
        Ok(Self { docker, address: address.into(), is_podman: podman.is_some(), cpus: Arc::default() })
    }

    /// Where the engine listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many cores the engine's machine has; asked once.
    pub(crate) async fn cpus(&self) -> Result<u32> {
        let ask = || async {
            let info = self
                .docker
                .info()
                .await
                .map_err(|error| fault::to_core("ask the engine for its size", error))?;
            Ok(info.ncpu.and_then(|cpus| u32::try_from(cpus).ok()).unwrap_or(1).max(1))
        };
        self.cpus.get_or_try_init(ask).await.copied()
    }
}

/// The version of Podman, where that answers instead of a Docker engine.
fn podman(version: &SystemVersion) -> Option<String> {
    let mut components = version.components.iter().flatten();
    components.find(|component| component.name == "Podman Engine").map(|podman| podman.version.clone())
}

/// Podman's release notes, 5.1.0: "A Docker-compatible Update endpoint for Containers".
fn changes_restart_policies(podman: &str) -> bool {
    let mut numbers = podman.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (5, 1)
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("address", &self.address).finish_non_exhaustive()
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Docker engine at {}", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podman_is_told_from_docker_by_its_component() {
        // As Podman 4.3.1 answers, and Docker Engine 20.10.
        let podman_says = r#"{"Version":"4.3.1","ApiVersion":"1.41","MinAPIVersion":"1.24","Components":
            [{"Name":"Podman Engine","Version":"4.3.1"},{"Name":"Conmon","Version":"conmon version 2.1.6"}]}"#;
        let docker_says = r#"{"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12","Components":
            [{"Name":"Engine","Version":"20.10.24"},{"Name":"containerd","Version":"1.6.20"}]}"#;
        let of = |text: &str| podman(&serde_json::from_str(text).expect("a version"));
        assert_eq!(of(podman_says).as_deref(), Some("4.3.1"));
        assert_eq!(of(docker_says), None);
    }

    #[test]
    fn podman_changes_restart_policies_from_5_1_on() {
        let able = ["5.1.0", "5.1.0-rc1", "5.8.2", "6.0.0", "10.0"];
        let unable = ["5.0.3", "4.9.5", "3.4.4", "", "dev"];
        assert!(able.into_iter().all(changes_restart_policies));
        assert!(!unable.into_iter().any(changes_restart_policies));
    }
}

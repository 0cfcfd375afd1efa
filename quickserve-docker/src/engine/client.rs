//! Connecting to an engine.

use std::fmt;
use std::sync::Arc;

use bollard::Docker;
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
    pub async fn connect(address: Option<&str>) -> Result<Self> {
        let address = address.filter(|address| !address.is_empty()).unwrap_or(Self::DEFAULT_ADDRESS);
        let path = match address.split_once("://") {
            None => address,
            Some(("unix", path)) => path,
            Some((scheme, _)) => {
                let message = format!("reach a Docker engine by {scheme}");
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .with_context("address", address)
                    .with_hint("give the address of an engine on this machine, such as unix:///var/run/docker.sock"));
            }
        };
        let docker = Docker::connect_with_unix(path, TIMEOUT, bollard::API_DEFAULT_VERSION)
            .map_err(|error| fault::to_core("reach the Docker engine", error).with_context("address", address))?;
        let docker = docker
            .negotiate_version()
            .await
            .map_err(|error| fault::to_core("reach the Docker engine", error).with_context("address", address))?;
        Ok(Self { docker, address: address.into(), cpus: Arc::default() })
    }

    /// Where the engine listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many cores the engine's machine has; asked once.
    pub(crate) async fn cpus(&self) -> Result<u32> {
        let ask = || async {
            let info =
                self.docker.info().await.map_err(|error| fault::to_core("ask the engine for its size", error))?;
            Ok(info.ncpu.and_then(|cpus| u32::try_from(cpus).ok()).unwrap_or(1).max(1))
        };
        self.cpus.get_or_try_init(ask).await.copied()
    }
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

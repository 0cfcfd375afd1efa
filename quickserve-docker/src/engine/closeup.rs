//! A container as a diagnosis wants it, and the machine under it.

use std::collections::BTreeSet;

use bollard::models::{ContainerInspectResponse, HealthcheckResult};
use bollard::query_parameters::InspectContainerOptions;
use jiff::Timestamp;
use quickserve_core::Result;
use quickserve_core::diagnosis::CheckRun;
use secrecy::SecretString;

use super::containers::{inspected_from, timestamp};
use super::{Engine, Inspected, fault};
use crate::mask::masked;

/// A container, its variables by name, and what its health check said lately.
#[derive(Debug, Clone)]
pub(crate) struct Closeup {
    pub(crate) container: Inspected,
    /// Names of the variables that have a value; never the values.
    pub(crate) variables: BTreeSet<String>,
    pub(crate) checks: Vec<CheckRun>,
}

/// The machine under an engine, as the engine tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its clock.
    pub time: Option<Timestamp>,
    /// All of its memory, in bytes.
    pub memory: Option<u64>,
    /// Its platform, such as `linux/amd64`.
    pub platform: String,
    /// Where it keeps images and containers.
    pub folder: String,
}

impl Engine {
    /// A close look at a container; `None` when it is gone.
    pub(crate) async fn closeup(&self, container: &str) -> Result<Option<Closeup>> {
        match self.docker.inspect_container(container, None::<InspectContainerOptions>).await {
            Ok(response) => Ok(Some(closeup_from(response))),
            Err(error) if fault::is_not_found(&error) => Ok(None),
            Err(error) => Err(fault::to_core(format!("look at container {container}"), error)),
        }
    }

    /// What the engine says of its machine.
    pub async fn machine(&self) -> Result<Machine> {
        let info = self.docker.info().await;
        let info = info.map_err(|error| fault::to_core("ask the engine for its machine", error))?;
        Ok(Machine {
            time: info.system_time.and_then(|time| time.parse().ok()),
            memory: info.mem_total.and_then(|bytes| u64::try_from(bytes).ok()).filter(|bytes| *bytes > 0),
            platform: platform(info.os_type.as_deref(), info.architecture.as_deref()),
            folder: info.docker_root_dir.unwrap_or_default(),
        })
    }
}

/// As images name it: the engine names the processor as the kernel does.
fn platform(os: Option<&str>, machine: Option<&str>) -> String {
    let architecture = match machine.unwrap_or_default() {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armv7l" => "arm",
        other => other,
    };
    format!("{}/{architecture}", os.unwrap_or("linux"))
}

fn closeup_from(response: ContainerInspectResponse) -> Closeup {
    let environment = response.config.as_ref().and_then(|config| config.env.clone()).unwrap_or_default();
    let pairs = environment.iter().filter_map(|pair| pair.split_once('='));
    let variables = pairs.filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.to_owned()).collect();
    let health = response.state.as_ref().and_then(|state| state.health.as_ref());
    let runs = health.and_then(|health| health.log.clone()).unwrap_or_default();
    let container = inspected_from(response);
    let checks = runs.iter().map(|run| check_run(run, &container.secrets)).collect();
    Closeup { container, variables, checks }
}

fn check_run(run: &HealthcheckResult, secrets: &[SecretString]) -> CheckRun {
    let output = masked(run.output.as_deref().unwrap_or_default(), secrets);
    CheckRun {
        at: run.start.as_deref().and_then(timestamp),
        exit_code: run.exit_code.unwrap_or_default(),
        said: output.lines().map(quickserve_core::text::plain).find(|line| !line.trim().is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_told_by_name_and_checks_without_secrets() {
        let response = serde_json::json!({
            "Config": {
                "Env": ["DATABASE_URL=postgresql://u:s3cret@db/shop", "EMPTY=", "PORT=3000"],
                "Labels": { crate::names::SECRETS: "DATABASE_URL" },
            },
            "State": { "Health": { "Status": "unhealthy", "Log": [
                { "Start": "2026-11-23T07:12:31Z", "ExitCode": 1,
                  "Output": "\ncannot reach postgresql://u:s3cret@db/shop\nmore" },
            ] } },
        });
        let closeup = closeup_from(serde_json::from_value(response).expect("an answer"));
        assert_eq!(
            closeup.variables.iter().map(String::as_str).collect::<Vec<_>>(),
            ["DATABASE_URL", "PORT"]
        );
        let said = closeup.checks[0].said.as_deref().expect("a line");
        assert!(said.starts_with("cannot reach ") && !said.contains("s3cret"), "{said}");
        assert!(!format!("{closeup:?}").contains("s3cret"));
    }

    #[test]
    fn processors_are_named_as_images_name_them() {
        assert_eq!(platform(Some("linux"), Some("x86_64")), "linux/amd64");
        assert_eq!(platform(None, Some("aarch64")), "linux/arm64");
    }
}

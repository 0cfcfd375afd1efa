//! The health gate that a workload implies.

use std::time::Duration;

use crate::config::HealthCheck;
use crate::workload::{Container, ContainerHealthCheck, EndpointPort, HealthGate, Probe};

/// How long a worker must run to count as healthy.
const STAYS: Duration = Duration::from_secs(5);

/// The gate of a workload: what the settings say; else the path that the endpoint container's own health check
/// plainly asks for; else a connection to the endpoint's port; else, for a worker, staying up. The grace is
/// the start period of the container's health check, where it has one.
pub(crate) fn gate(
    settings: &HealthCheck,
    endpoint: Option<&EndpointPort>,
    container: Option<&Container>,
) -> HealthGate {
    let check = container.and_then(|container| container.health_check.as_ref());
    let implied = match (endpoint, check) {
        (None, _) => Probe::Stays { duration: STAYS },
        (Some(endpoint), check) => check
            .and_then(|check| http_path(check, endpoint.port))
            .map_or(Probe::Tcp, |path| Probe::Http { path }),
    };
    let mut gate = HealthGate::new(settings.probe.clone().unwrap_or(implied));
    if let Some(check) = check.filter(|check| !check.start_period.is_zero()) {
        gate.grace = check.start_period;
    }
    settings.over(gate)
}

/// The path that a health check asks for, if it is plainly one request by `curl` or `wget` to that port of the
/// container itself.
fn http_path(check: &ContainerHealthCheck, port: u16) -> Option<String> {
    let words: Vec<&str> = check.command.iter().skip(1).flat_map(|part| part.split_whitespace()).collect();
    let program = words.first()?.rsplit('/').next()?;
    if !matches!(program, "curl" | "wget") {
        return None;
    }
    // A request with a body or another method is no probe that we can repeat.
    let other = ["-X", "--request", "-d", "--data", "-T", "-H", "--header", "--post-data", "-k", "-u"];
    if words.iter().any(|word| other.contains(word)) {
        return None;
    }
    let unquoted = words.iter().map(|word| word.trim_matches(['"', '\'']));
    let mut urls = unquoted.filter_map(|word| word.strip_prefix("http://"));
    let (url, None) = (urls.next()?, urls.next()) else { return None };
    let (authority, path) = url.split_at(url.find('/').unwrap_or(url.len()));
    let rest = ["localhost", "127.0.0.1", "0.0.0.0", "[::1]"]
        .iter()
        .find_map(|host| authority.strip_prefix(host))?;
    let asked = if rest.is_empty() { 80 } else { rest.strip_prefix(':')?.parse().ok()? };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~%?=&+".contains(&byte);
    let path = if path.is_empty() { "/" } else { path };
    (asked == port && path.bytes().all(plain)).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(command: &[&str], port: u16) -> Option<String> {
        let check = ContainerHealthCheck {
            command: command.iter().map(ToString::to_string).collect(),
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            retries: 3,
            start_period: Duration::ZERO,
        };
        http_path(&check, port)
    }

    #[test]
    fn a_plain_request_to_the_endpoint_names_its_path() {
        for command in [
            ["CMD-SHELL", "curl -f http://localhost:3000/health || exit 1"].as_slice(),
            &["CMD", "/usr/bin/curl", "-fsS", "http://127.0.0.1:3000/health"],
            &["CMD-SHELL", "wget -qO- 'http://[::1]:3000/health' >/dev/null"],
        ] {
            assert_eq!(path(command, 3000).as_deref(), Some("/health"), "{command:?}");
        }
        assert_eq!(path(&["CMD-SHELL", "curl http://localhost"], 80).as_deref(), Some("/"));
    }

    #[test]
    fn anything_else_names_none() {
        for command in [
            ["CMD", "node", "healthcheck.js"].as_slice(),
            &["CMD-SHELL", "curl -f http://localhost:${PORT}/health"],
            &["CMD-SHELL", "curl -f http://localhost:9000/health"],
            &["CMD-SHELL", "curl -f https://localhost:3000/health"],
            &["CMD-SHELL", "curl -X POST http://localhost:3000/health"],
            &["CMD-SHELL", "curl http://localhost:3000/a && curl http://localhost:3000/b"],
            &["CMD-SHELL", "curl http://localhost.example:3000/health"],
            &["CMD-SHELL", "curl http://localhost:3000/$(id)"],
            &["CMD-SHELL", ""],
            &[],
        ] {
            assert_eq!(path(command, 3000), None, "{command:?}");
        }
    }
}

//! The short form of quickserve.toml as a workload.

use crate::config::{Settings, ShortForm};
use crate::workload::{Container, EndpointPort, Workload, gate};

/// The workload of a short form: one essential container, named by the key `container`, else by the service.
///
/// `secrets` are the names in the environment's `env_file`: each is passed to the container as a secret
/// variable, found in that file under its own name. One that `variables` has too is left out: what
/// quickserve.toml says wins.
pub fn from_short_form<'n>(
    settings: &Settings,
    short_form: &ShortForm,
    secrets: impl IntoIterator<Item = &'n str>,
) -> Workload {
    let name = settings.container.as_deref().unwrap_or(settings.key.service());
    let secrets = secrets.into_iter().filter(|secret| !settings.variables.contains_key(*secret));
    let default = Container::new(name);
    let container = Container {
        environment: settings.variables.clone(),
        secrets: secrets.map(|secret| (secret.to_owned(), secret.to_owned())).collect(),
        ports: settings.port.into_iter().collect(),
        entry_point: short_form.entry_point.clone(),
        command: short_form.command.clone(),
        user: short_form.user.clone(),
        cpu_units: short_form.cpu_units,
        memory_mib: short_form.memory_mib,
        stop_timeout: short_form.stop_timeout.unwrap_or(default.stop_timeout),
        ..default
    };
    let endpoint = settings.port.map(|port| EndpointPort { container: name.to_owned(), port });
    let gate = gate::gate(&settings.health_check, endpoint.as_ref(), Some(&container));
    Workload {
        containers: vec![container],
        endpoint,
        protocol: settings.public.upstream,
        gate,
        cpu_units: None,
        memory_mib: None,
        volumes: Vec::new(),
        document: None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Config, WorkloadSource};
    use crate::workload::Probe;

    fn workload(text: &str, secrets: &[&str]) -> Workload {
        let config = Config::parse(text, "quickserve.toml").expect("a configuration");
        let settings = config.settings(None, None).expect("settings");
        let WorkloadSource::ShortForm(short_form) = &settings.workload else { panic!("not the short form") };
        from_short_form(settings, short_form, secrets.iter().copied())
    }

    #[test]
    fn the_shortest_form_becomes_one_container_probed_by_http() {
        let workload = workload(include_str!("../config/testdata/short.toml"), &["DATABASE_URL"]);
        assert_eq!(workload.containers[0].name, "quickserve");
        assert_eq!(workload.containers[0].secrets["DATABASE_URL"], "DATABASE_URL");
        assert_eq!(workload.endpoint, Some(EndpointPort { container: "quickserve".into(), port: 3000 }));
        assert_eq!(workload.gate.probe, Probe::Http { path: "/health".into() });
    }

    #[test]
    fn every_key_of_the_short_form_reaches_the_container() {
        let text = r#"
            service = "worker"
            container = "app"
            command = ["node", "worker.js"]
            entry_point = ["tini", "--"]
            user = "1001:1001"
            cpu = "0.5 vCPU"
            memory = "512 MiB"
            stop_timeout = "1m30s"
            variables = { LOG_LEVEL = "info", TOKEN = "plain" }
            [environments.local]
            variables = { LOG_LEVEL = "debug" }
        "#;
        let workload = workload(text, &["TOKEN"]);
        let container = workload.container("app").expect("the container");
        assert_eq!(
            container.command.as_deref(),
            Some(["node".to_owned(), "worker.js".to_owned()].as_slice())
        );
        assert_eq!((container.cpu_units, container.memory_mib), (Some(512), Some(512)));
        assert_eq!(container.stop_timeout, Duration::from_secs(90));
        assert_eq!(container.environment["LOG_LEVEL"], "debug");
        assert!(container.secrets.is_empty(), "what the file says wins over the env_file");
        assert_eq!(workload.gate.probe, Probe::Stays { duration: Duration::from_secs(5) });
    }
}

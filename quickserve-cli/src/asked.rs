//! What quickserve.toml asks of the router, beside what is in effect.

use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::Rule;
use quickserve_docker::router::{ListenSpec, Options, ServiceStatus, Status};
use serde::Serialize;
use serde_json::{Map, Value};

/// Where and how one reaches a service otherwise. All of it empty: no difference.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    /// The public port and the one that it moves to.
    pub(crate) port: Option<(u16, u16)>,
    /// Which requests of the port there are for it, and which there will be.
    pub(crate) route: Option<(String, String)>,
    /// Keys of quickserve.toml for the router that have another value.
    pub(crate) router: Vec<String>,
}

impl Difference {
    /// From what is in effect to what is asked for.
    pub(crate) fn between(from: &ListenSpec, to: &ListenSpec) -> Self {
        let (at, wanted) = (from.public, to.public);
        // Port 0 is any.
        let moves = wanted.port() != 0 && at.port() != wanted.port();
        let mut router = options(&from.options, &to.options);
        if at.ip() != wanted.ip() {
            router.push("public_host".to_owned());
        }
        if from.preview != to.preview {
            router.push("preview_port".to_owned());
        }
        router.sort();
        Self {
            port: moves.then_some((at.port(), wanted.port())),
            route: (from.rule != to.rule).then(|| (route(&from.rule), route(&to.rule))),
            router,
        }
    }

    /// Whether there is none.
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// For a person: `public port 8080 -> 8081`, `route none -> shop.test`, `router access_log, hold`.
    pub(crate) fn parts(&self) -> Vec<String> {
        let port = self.port.map(|(from, to)| format!("public port {from} -> {to}"));
        let route = self.route.as_ref().map(|(from, to)| format!("route {from} -> {to}"));
        let router = (!self.router.is_empty()).then(|| format!("router {}", self.router.join(", ")));
        [port, route, router].into_iter().flatten().collect()
    }

    /// The same on one line.
    pub(crate) fn sentence(&self) -> String {
        self.parts().join("; ")
    }
}

/// How the router has a service now; nothing where it does not listen for it.
pub(crate) fn in_effect(status: &Status, key: &ServiceKey) -> Option<ListenSpec> {
    listens(status.services.iter().find(|service| service.service == *key)?)
}

/// The same of a service.
pub(crate) fn listens(service: &ServiceStatus) -> Option<ListenSpec> {
    let public = service.listening?.public;
    let asked = service.asked.clone().unwrap_or_else(|| ListenSpec::new(public));
    Some(ListenSpec { public, ..asked })
}

fn route(rule: &Rule) -> String {
    if rule.is_any() { "none".to_owned() } else { rule.to_string() }
}

/// The keys of options that differ, as quickserve.toml names them.
fn options(from: &Options, to: &Options) -> Vec<String> {
    let (from, to) = (flat(from), flat(to));
    let differs = |key: &&String| from.get(*key) != to.get(*key);
    let mut keys: Vec<String> = from.keys().chain(to.keys()).filter(differs).map(|key| named(key)).collect();
    keys.sort();
    keys.dedup();
    keys
}

/// Options as they are sent to the router, their limits beside the others.
fn flat(options: &Options) -> Map<String, Value> {
    // Texts and numbers can always be written.
    let Ok(Value::Object(mut all)) = serde_json::to_value(options) else { return Map::new() };
    if let Some(Value::Object(limits)) = all.remove("limits") {
        all.extend(limits);
    }
    all
}

/// The key of quickserve.toml for one of the router's.
fn named(key: &str) -> String {
    match key {
        "head_bytes" => "head_size",
        "check" => "check_interval",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use quickserve_docker::router::{Check, Tls};

    use super::*;

    fn at(address: &str) -> ListenSpec {
        ListenSpec::new(address.parse().expect("an address"))
    }

    #[test]
    fn a_difference_names_ports_routes_and_keys() {
        let before = at("127.0.0.1:8080");
        assert!(Difference::between(&before, &before).is_none());
        assert!(Difference::between(&before, &at("127.0.0.1:0")).is_none(), "any port will do");
        let mut now = at("127.0.0.1:8081");
        now.rule.hosts = vec!["shop.test".parse().expect("a host")];
        now.options.hold = Duration::from_secs(5);
        now.options.limits.head_bytes = 1;
        now.options.check = Some(Check::new(Duration::from_secs(1)));
        now.options.tls = Some(Tls::Local);
        let sentence = Difference::between(&before, &now).sentence();
        assert_eq!(
            sentence,
            "public port 8080 -> 8081; route none -> shop.test; router check_interval, head_size, hold, tls"
        );
    }

    #[test]
    fn every_option_of_the_router_is_a_key_of_the_file() {
        let mut all = Options::default();
        (all.tls, all.metrics_port) = (Some(Tls::Local), Some(1));
        all.check = Some(Check::new(Duration::from_secs(1)));
        let page = include_str!("../../docs/reference/configuration.md");
        for key in flat(&all).keys() {
            assert!(page.contains(&format!("`{}`", named(key))), "{key} is no key of quickserve.toml");
        }
    }
}

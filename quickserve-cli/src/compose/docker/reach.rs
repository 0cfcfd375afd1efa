//! Where a service's requests come in, and what its settings ask of the router.

use std::net::SocketAddr;
use std::path::Path;

use quickserve_core::config::{self, HealthCheck, Settings};
use quickserve_core::traffic::Rule;
use quickserve_core::workload::Probe;
use quickserve_docker::prober::HttpProber;
use quickserve_docker::router::{Check, Limits, ListenSpec, Options, Tls};

use crate::project::Project;

/// Where the service's requests come in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reach {
    pub(crate) public: Option<SocketAddr>,
    /// Which requests there are for it.
    pub(crate) rule: Rule,
    pub(crate) preview: Option<u16>,
    pub(crate) options: Options,
}

impl Reach {
    /// As the settings say. The router runs elsewhere, so it is told whole paths.
    pub(crate) fn of(project: &Project, settings: &Settings) -> Self {
        // There the router is a load balancer, which is somebody else's.
        if settings.ecs.is_some() {
            return Self::default();
        }
        let whole = |path: &Path| {
            let path = project.path(path);
            std::path::absolute(&path).unwrap_or(path)
        };
        let public = settings.public.port.map(|port| SocketAddr::new(settings.public.host, port));
        let mut options = Options::default();
        options.tls = settings.public.tls.as_ref().map(|tls| match tls {
            config::Tls::Local => Tls::Local,
            config::Tls::Files { certificate, key } => {
                Tls::Files { certificate: whole(certificate), key: whole(key) }
            }
        });
        options.hold = settings.deploy.hold;
        options.limits = limits(&settings.router);
        options.metrics_port = settings.router.metrics_port;
        options.access_log = settings.router.access_log;
        options.sticky = settings.router.sticky;
        options.check = check(settings);
        Self { public, rule: settings.public.rule.clone(), preview: settings.public.preview_port, options }
    }

    pub(super) fn prober(&self) -> HttpProber {
        match self.public {
            Some(public) => HttpProber::for_public(public, self.rule.name(), self.options.tls.is_some()),
            None => HttpProber::default(),
        }
    }

    /// The same for the router; nothing where it takes no requests.
    pub(crate) fn listen(&self) -> Option<ListenSpec> {
        let public = self.public?;
        let mut listen = ListenSpec::new(public);
        listen.rule = self.rule.clone();
        listen.preview = self.preview.or(listen.preview);
        listen.options = self.options.clone();
        Some(listen)
    }
}

/// A public address as a URL, and which of its requests are meant.
pub(crate) fn url(listen: &ListenSpec) -> String {
    let scheme = if listen.options.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{}{}", listen.public, for_rule(&listen.rule))
}

/// Which requests of an address are meant, to be put behind it: ` for shop.example.com/api`.
pub(crate) fn for_rule(rule: &Rule) -> String {
    if rule.is_any() { String::new() } else { format!(" for {rule}") }
}

/// What clients and tasks may take, as the router has it.
fn limits(settings: &config::Router) -> Limits {
    let mut limits = Limits::default();
    limits.connections = usize::try_from(settings.connections).unwrap_or(usize::MAX);
    limits.head_bytes = usize::try_from(settings.head_size).unwrap_or(usize::MAX);
    limits.idle_timeout = settings.idle_timeout;
    limits.upload_pause = settings.upload_pause;
    limits.download_pause = settings.download_pause;
    limits.answer_timeout = settings.answer_timeout;
    limits.retry_budget = settings.retry_budget;
    limits.eject_after = settings.eject_after;
    limits
}

/// How the router asks tasks whether they are well: what the settings say of the health check.
fn check(settings: &Settings) -> Option<Check> {
    let interval = settings.router.check_interval;
    if interval.is_zero() {
        return None;
    }
    let HealthCheck { probe, timeout, healthy_threshold, unhealthy_threshold, .. } = &settings.health_check;
    let mut check = Check::new(interval);
    if let Some(Probe::Http { path }) = probe {
        check.path = Some(path.clone());
    }
    check.timeout = timeout.unwrap_or(check.timeout);
    check.healthy_threshold = healthy_threshold.unwrap_or(check.healthy_threshold);
    check.unhealthy_threshold = unhealthy_threshold.unwrap_or(check.unhealthy_threshold);
    Some(check)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_file_does_not_say_is_as_the_router_has_it() {
        assert_eq!(limits(&config::Router::default()), Limits::default());
    }

    #[test]
    fn tasks_are_asked_as_the_health_check_says() {
        let read = |said: &str| {
            let text = format!("service = 'a'\nport = 1\n{said}\n[environments.local]\npublic_port = 2\n");
            let config = config::Config::parse(&text, "quickserve.toml").expect("settings");
            check(config.settings(None, None).expect("settings"))
        };
        assert_eq!(read("health_check = '/up'"), None);
        let table = "[health_check]\npath = '/up'\ntimeout = '1s'\nunhealthy_threshold = 1\n\
            [router]\ncheck_interval = '3s'";
        let mut expected = Check::new(std::time::Duration::from_secs(3));
        expected.path = Some("/up".to_owned());
        expected.timeout = std::time::Duration::from_secs(1);
        expected.unhealthy_threshold = 1;
        assert_eq!(read(table), Some(expected));
        let tcp = read("[router]\ncheck_interval = '3s'").expect("a check");
        assert_eq!((tcp.path, tcp.healthy_threshold), (None, 2));
    }
}

//! Which metrics there are.

use quickserve_core::traffic::Counters;

use super::text::{Labels, Text};
use crate::router::door::Doors;
use crate::router::protocol::{ServiceStatus, Status};

/// Reads one of a release's counters.
type Read = fn(&Counters) -> u64;

/// What the router and some of its services have counted.
pub(super) fn write(status: &Status, services: &[ServiceStatus], doors: &Doors) -> String {
    let mut text = Text::default();
    let info = "The router, with its version.";
    text.gauge("quickserve_router_info", info).sample(&[("version", &status.version)], 1);
    let open = "Connections of clients that are open, of all services.";
    let with_followers = status.followers.iter().map(|follower| follower.connections);
    let connections = doors.connections() + with_followers.sum::<usize>();
    text.gauge("quickserve_router_connections", open).sample(&[], connections);
    let deaths = "Workers of the router that died and were replaced.";
    let died = status.supervision.as_ref().map_or(0, |parent| parent.deaths);
    text.counter("quickserve_router_worker_deaths_total", deaths).sample(&[], died);
    let unrouted = "Requests that were for no service of their address.";
    text.counter("quickserve_unrouted_requests_total", unrouted).sample(&[], status.unrouted);
    let unlogged = "Requests that the access log had to leave out.";
    text.counter("quickserve_access_log_dropped_total", unlogged).sample(&[], doors.unlogged());
    releases(&mut text, services);
    tasks(&mut text, services);
    text.into_string()
}

fn releases(text: &mut Text, services: &[ServiceStatus]) {
    let counters: [(&'static str, &str, Read); 4] = [
        ("quickserve_requests_total", "Requests that were answered or failed.", |of| of.requests),
        ("quickserve_server_errors_total", "Requests that a task answered with a 5xx status.", |of| {
            of.server_errors
        }),
        ("quickserve_unanswered_total", "Requests that no task answered to the end.", |of| of.unanswered),
        ("quickserve_retries_total", "Requests that were sent again to another task.", |of| of.retried),
    ];
    for (name, help, read) in counters {
        let mut family = text.counter(name, help);
        for service in services {
            for (release, counters) in &service.counters {
                of(service, ("release", release.as_str()), |labels| family.sample(labels, read(counters)));
            }
        }
    }
    let help = "From a request's first task until it began to be answered, or failed.";
    let mut family = text.histogram("quickserve_request_duration_seconds", help);
    for service in services {
        for (release, counters) in &service.counters {
            of(service, ("release", release.as_str()), |labels| family.latency(labels, &counters.latency));
        }
    }
    let help = "The weight with which a release gets requests.";
    let mut family = text.gauge("quickserve_release_weight", help);
    for service in services {
        for (release, weight) in service.split.serving() {
            of(service, ("release", release.as_str()), |labels| family.sample(labels, weight));
        }
    }
}

fn tasks(text: &mut Text, services: &[ServiceStatus]) {
    let help = "Requests and connections that a task works on.";
    let mut family = text.gauge("quickserve_requests_in_flight", help);
    for service in services {
        for (task, count) in &service.in_flight {
            of(service, ("task", &task.0), |labels| family.sample(labels, *count));
        }
    }
    let help = "Whether no other task of its release is preferred to a task.";
    let mut family = text.gauge("quickserve_task_healthy", help);
    for service in services {
        for task in service.split.routes.iter().flat_map(|route| &route.upstreams).map(|one| &one.task) {
            let healthy = u8::from(!service.ailing.contains_key(task));
            of(service, ("task", &task.0), |labels| family.sample(labels, healthy));
        }
    }
}

/// Calls with the labels of something that a service has.
fn of(service: &ServiceStatus, more: (&str, &str), call: impl FnOnce(Labels<'_>)) {
    let key = &service.service;
    call(&[("service", key.service()), ("environment", key.environment()), more]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::access_log::AccessLog;
    use crate::router::folder::Folder;

    const PAGE: &str = include_str!("../../../../docs/reference/metrics.md");

    #[tokio::test]
    async fn every_metric_is_documented_and_none_that_there_is_not() {
        let doors = Doors::new(AccessLog::new(&Folder::new("nowhere")));
        let status = Status {
            version: "1.0.0".to_owned(),
            pid: 1,
            uptime: 0,
            worker: false,
            supervision: None,
            followers: Vec::new(),
            services: Vec::new(),
            unrouted: 0,
            level: 0,
        };
        let text = write(&status, &[], &doors);
        let shown = text.lines().filter_map(|line| {
            let mut words = line.strip_prefix("# TYPE ")?.split(' ');
            Some(format!("| `{}` | {} |", words.next()?, words.next()?))
        });
        let mut shown: Vec<String> = shown.collect();
        let documented = PAGE.lines().filter(|line| line.starts_with("| `quickserve_"));
        let documented =
            documented.map(|line| line.splitn(4, '|').take(3).collect::<Vec<_>>().join("|") + "|");
        let mut documented: Vec<String> = documented.collect();
        shown.sort();
        documented.sort();
        assert_eq!(shown, documented);
    }
}

//! Who listens where the service shall be reached.

use std::io::ErrorKind as Io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use quickserve_core::Result;
use quickserve_core::preflight::{PortState, Report, port};
use quickserve_core::service::ServiceKey;
use quickserve_docker::router::{RouterControl, ServiceStatus, Status};
use quickserve_docker::{Engine, PortHolder};
use tokio::net::TcpSocket;

use super::{Reach, for_rule};

/// The key of the port that services may share.
const PUBLIC: &str = "public_port";

/// Looks at the public port, and at those for the preview and for metrics where they are asked for.
pub(crate) async fn check(
    engine: &Engine,
    control: &RouterControl,
    key: &ServiceKey,
    reach: &Reach,
) -> Result<Report> {
    let loopback = |port: u16| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let (preview, metrics) = (reach.preview.map(loopback), reach.options.metrics_port.map(loopback));
    let asked = [(PUBLIC, reach.public), ("preview_port", preview), ("metrics_port", metrics)];
    let router = control.status().await.ok();
    let mut report = Report::default();
    for (name, address) in asked {
        let Some(address) = address else { continue };
        // Metrics of several services may share a port.
        let shares = |service: &ServiceStatus| name == "metrics_port" && service.metrics == Some(address);
        let state = match &router {
            Some(router) if router.services.iter().any(shares) => PortState::Ours,
            _ => match own(router.as_ref(), key, reach, name, address) {
                Some(state) => state,
                None => look(engine, control, key, reach, name, address).await?,
            },
        };
        report = report.and(port(name, address, &state));
    }
    Ok(report)
}

/// The state of an address that our router listens on, or cannot open as it is asked to.
fn own(
    router: Option<&Status>,
    key: &ServiceKey,
    reach: &Reach,
    name: &str,
    address: SocketAddr,
) -> Option<PortState> {
    let router = router?;
    if name == PUBLIC
        && let Err(error) = router.understands(&reach.rule)
    {
        let hint = error.hint().unwrap_or_default().to_owned();
        return Some(PortState::Forbidden { why: error.to_string(), hint });
    }
    let is_there = |service: &&ServiceStatus| service.listening.is_some_and(|at| at.public == address);
    // The router refuses what clashes with a service that belongs there, be it in trouble or not.
    let belong = router.services.iter().filter(|service| name == PUBLIC && is_there(service));
    let is_in_the_way =
        |other: &&ServiceStatus| other.service != *key && !(name == PUBLIC && may_share(other, reach));
    let Some(other) = belong.chain(ours(router, address)).find(is_in_the_way) else {
        let mut ours = ours(router, address).peekable();
        ours.peek()?;
        let moves = ours.find_map(|service| moves_host(service, key, name, address));
        return Some(moves.unwrap_or(PortState::Ours));
    };
    let rule = for_rule(&other.rule());
    let clashes = other.asked.as_ref().is_some_and(|asked| asked.rule.clashes(&reach.rule));
    // Where both ask for every request, there is no route to name.
    let ours = if name == PUBLIC && is_there(&other) && clashes && !reach.rule.is_any() {
        format!(", and {key} asks for {}", reach.rule)
    } else {
        String::new()
    };
    let by = format!("service {}{rule} of this machine's router{ours}", other.service);
    let also = match &other.asked {
        _ if name != PUBLIC || !is_there(&other) => "",
        Some(asked) if !asked.rule.clashes(&reach.rule) => {
            ", or set `tls` for all services there or for none of them"
        }
        _ => ", or give each service there a [route] of its own",
    };
    Some(PortState::Held { by, hint: Some(format!("choose another {name}{also}")) })
}

/// What is in the way of a service that asks for another host on the port that it has: the new address cannot be opened
/// before the old one is closed, and in between requests would be lost.
fn moves_host(
    service: &ServiceStatus,
    key: &ServiceKey,
    name: &str,
    address: SocketAddr,
) -> Option<PortState> {
    let at = service.listening?.public;
    let moves = name == PUBLIC && service.service == *key && at.port() == address.port() && at != address;
    moves.then(|| PortState::Forbidden {
        why: format!("{key} listens on {at}, and its host cannot change while it does"),
        hint: "quickserve down, then deploy; or choose another public_port along with the host".to_owned(),
    })
}

/// Whether requests for a service of our router can be told from those for this one, on the same address.
fn may_share(other: &ServiceStatus, reach: &Reach) -> bool {
    let (Some(at), Some(asked)) = (other.listening, &other.asked) else { return false };
    let is_secure = reach.options.tls.is_some();
    reach.public == Some(at.public)
        && asked.options.tls.is_some() == is_secure
        && !asked.rule.clashes(&reach.rule)
}

async fn look(
    engine: &Engine,
    control: &RouterControl,
    key: &ServiceKey,
    reach: &Reach,
    name: &str,
    address: SocketAddr,
) -> Result<PortState> {
    let another = format!("choose another {name}");
    let bound = try_bind(address);
    // The router may have come to listen there since it was asked: another deployment goes on.
    if bound.as_ref().is_err_and(|error| error.kind() == Io::AddrInUse)
        && let Some(state) = own(control.status().await.ok().as_ref(), key, reach, name, address)
    {
        return Ok(state);
    }
    match (bound, engine.who_holds(address.port()).await?) {
        // Without a proxy process the engine takes the requests before any listener gets them.
        (_, Some(holder @ PortHolder::Container { .. })) => {
            let PortHolder::Container { name, .. } = &holder else { return Ok(PortState::Free) };
            let hint = format!("docker stop {name}, or {another}");
            Ok(PortState::Held { by: holder.to_string(), hint: Some(hint) })
        }
        (Ok(()), _) => Ok(PortState::Free),
        (Err(error), holder) => Ok(match error.kind() {
            Io::AddrInUse => {
                let by = holder.map_or_else(|| "another process".to_owned(), |holder| holder.to_string());
                let hint = by.contains(" router run").then(|| {
                    "it is a router that keeps its state elsewhere: name the same --state-dir".to_owned()
                });
                PortState::Held { by, hint }
            }
            Io::PermissionDenied => PortState::Forbidden {
                why: "permission denied".to_owned(),
                hint: format!("{another}; ports below 1024 need a privilege"),
            },
            Io::AddrNotAvailable => PortState::Forbidden {
                why: format!("{} is no address of this machine", address.ip()),
                hint: "choose another public_host".to_owned(),
            },
            _ => PortState::Forbidden { why: error.to_string(), hint: another },
        }),
    }
}

/// Whether one may listen on an address. It is not done, so that nobody who does the same at this moment, nor the
/// router itself, finds the address taken (socket(7), `SO_REUSEADDR`).
fn try_bind(address: SocketAddr) -> std::io::Result<()> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)
}

/// The services of our router that listen on the address.
fn ours(router: &Status, address: SocketAddr) -> impl Iterator<Item = &ServiceStatus> {
    let overlaps = move |other: SocketAddr| {
        let (ip, port) = (address.ip(), address.port());
        other.port() == port && (other.ip() == ip || other.ip().is_unspecified() || ip.is_unspecified())
    };
    let listens = move |service: &&ServiceStatus| {
        let listening = service.listening.filter(|_| service.trouble.is_none());
        listening.is_some_and(|at| overlaps(at.public) || at.preview.is_some_and(overlaps))
            || service.metrics.is_some_and(overlaps)
    };
    router.services.iter().filter(listens)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use quickserve_core::fence::Epoch;
    use quickserve_core::traffic::{Rule, Split, SplitVersion};
    use quickserve_docker::router::{ListenSpec, Listening, Tls};

    use super::*;

    const AT: &str = "127.0.0.1:8080";

    fn key(name: &str) -> ServiceKey {
        ServiceKey::new(name, "local").expect("a service's name")
    }

    fn router(services: Vec<ServiceStatus>) -> Status {
        Status {
            version: "0.0.9".to_owned(),
            pid: 1,
            uptime: 1,
            worker: true,
            supervision: None,
            followers: Vec::new(),
            services,
            unrouted: 0,
            level: 1,
        }
    }

    /// What the router says of a service at an address, and what that is for `web`, which asks for `public`.
    fn seen(name: &str, change: impl FnOnce(&mut ServiceStatus), public: &str) -> Option<PortState> {
        seen_by(name, change, public, Reach::default())
    }

    /// The same for a `web` that asks for this, too.
    fn seen_by(
        name: &str,
        change: impl FnOnce(&mut ServiceStatus),
        public: &str,
        reach: Reach,
    ) -> Option<PortState> {
        let [at, public] = [AT, public].map(|address| address.parse().expect("an address"));
        let mut service = ServiceStatus {
            service: key(name),
            listening: Some(Listening { public: at, preview: None }),
            asked: Some(ListenSpec::new(at)),
            metrics: None,
            secure: false,
            trouble: None,
            only_preview: false,
            epoch: Epoch(1),
            split: Split::default(),
            split_version: SplitVersion::default(),
            in_flight: BTreeMap::new(),
            counters: BTreeMap::new(),
            ailing: BTreeMap::new(),
        };
        change(&mut service);
        let reach = Reach { public: Some(public), ..reach };
        own(Some(&router(vec![service])), &key("web"), &reach, PUBLIC, public)
    }

    fn held(state: Option<PortState>) -> (String, String) {
        match state {
            Some(PortState::Held { by, hint }) => (by, hint.unwrap_or_default()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_service_in_trouble_keeps_its_place_at_the_address() {
        let (by, hint) = held(seen("api", |api| api.trouble = Some("no certificate".to_owned()), AT));
        assert_eq!(by, "service api/local of this machine's router");
        assert_eq!(hint, "choose another public_port, or give each service there a [route] of its own");
        let apart = |api: &mut ServiceStatus| {
            api.trouble = Some("no certificate".to_owned());
            let asked = api.asked.as_mut().expect("a wish");
            asked.rule.hosts = vec!["api.test".parse().expect("a host")];
        };
        assert_eq!(seen("api", apart, AT), None);
    }

    #[test]
    fn services_that_ask_for_the_same_requests_are_named_with_their_routes() {
        let rule = |rule: &mut Rule| {
            rule.hosts = ["shop.test", "api.test"].map(|host| host.parse().expect("a host")).to_vec();
        };
        let asks = |api: &mut ServiceStatus| rule(&mut api.asked.as_mut().expect("a wish").rule);
        let mut reach = Reach::default();
        reach.rule.hosts = vec!["api.test".parse().expect("a host")];
        let (by, _) = held(seen_by("api", asks, AT, reach));
        assert_eq!(
            by,
            "service api/local for shop.test, api.test of this machine's router, and web/local asks for api.test"
        );
    }

    #[test]
    fn where_only_tls_differs_the_hint_is_of_that() {
        let secure = |api: &mut ServiceStatus| {
            let asked = api.asked.as_mut().expect("a wish");
            asked.rule.hosts = vec!["api.test".parse().expect("a host")];
            asked.options.tls = Some(Tls::Local);
        };
        let (_, hint) = held(seen("api", secure, AT));
        assert_eq!(
            hint,
            "choose another public_port, or set `tls` for all services there or for none of them"
        );
    }

    #[test]
    fn a_router_that_would_pass_the_rule_over_is_found_out_before_it_is_asked() {
        let public = AT.parse().expect("an address");
        let mut reach = Reach { public: Some(public), ..Reach::default() };
        let seen = |reach: &Reach, level| {
            own(Some(&Status { level, ..router(Vec::new()) }), &key("web"), reach, PUBLIC, public)
        };
        assert_eq!(seen(&reach, 0), None, "it asks for nothing that is new");
        reach.rule.hosts = vec!["web.test".parse().expect("a host")];
        assert_eq!(seen(&reach, 1), None);
        let Some(PortState::Forbidden { why, hint }) = seen(&reach, 0) else {
            panic!("the rule would be passed over");
        };
        let ours = env!("CARGO_PKG_VERSION");
        assert_eq!(
            why,
            format!("the router of this machine is too old for [route] (version 0.0.9, this is {ours})")
        );
        assert_eq!(hint, "quickserve router upgrade");
    }

    #[test]
    fn the_host_of_an_open_port_cannot_change() {
        let Some(PortState::Forbidden { why, hint }) = seen("web", |_| {}, "0.0.0.0:8080") else {
            panic!("it would be found out in the midst of the deployment");
        };
        assert_eq!(why, "web/local listens on 127.0.0.1:8080, and its host cannot change while it does");
        assert_eq!(hint, "quickserve down, then deploy; or choose another public_port along with the host");
        assert_eq!(seen("web", |_| {}, AT), Some(PortState::Ours));
        // Neither is in the other's way.
        assert_eq!(seen("web", |_| {}, "127.0.0.2:8080"), None);
    }

    #[tokio::test]
    async fn whoever_looks_at_a_port_keeps_nobody_from_it() {
        let free =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("reused");
        socket.bind(free).expect("another one looks");
        try_bind(free).expect("nobody listens");
        let listener = std::net::TcpListener::bind(free).expect("nobody listens, though somebody looks");
        assert_eq!(try_bind(free).expect_err("somebody listens").kind(), Io::AddrInUse);
        drop((socket, listener));
    }
}

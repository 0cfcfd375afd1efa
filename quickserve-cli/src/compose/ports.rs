//! Who listens where the service shall be reached.

use std::io::ErrorKind as Io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use quickserve_core::Result;
use quickserve_core::preflight::{PublicPort, Report, public_port};
use quickserve_core::service::ServiceKey;
use quickserve_docker::router::Status;
use quickserve_docker::{Engine, PortHolder};

use super::Stage;
use crate::target::Target;

/// Looks at the public port, and at the preview port where one is asked for.
pub(crate) async fn check(stage: &Stage, target: &Target) -> Result<Report> {
    let preview = target.reach.preview.map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    let router = stage.control.status().await.ok();
    let mut report = Report::default();
    for address in target.reach.public.into_iter().chain(preview) {
        let state = look(&stage.engine, router.as_ref(), &target.key, address).await?;
        report = report.and(public_port(address, &state));
    }
    Ok(report)
}

async fn look(
    engine: &Engine,
    router: Option<&Status>,
    key: &ServiceKey,
    address: SocketAddr,
) -> Result<PublicPort> {
    if let Some(service) = router.and_then(|router| ours(router, address)) {
        if service == key {
            return Ok(PublicPort::Ours);
        }
        let by = format!("service {service} of this machine's router");
        return Ok(PublicPort::Held { by, hint: Some("choose another public_port".to_owned()) });
    }
    let bound = TcpListener::bind(address).map(drop);
    match (bound, engine.who_holds(address.port()).await?) {
        // Without a proxy process the engine takes the requests before any listener gets them.
        (_, Some(holder @ PortHolder::Container { .. })) => {
            let PortHolder::Container { name, .. } = &holder else { return Ok(PublicPort::Free) };
            let hint = format!("docker stop {name}, or choose another public_port");
            Ok(PublicPort::Held { by: holder.to_string(), hint: Some(hint) })
        }
        (Ok(()), _) => Ok(PublicPort::Free),
        (Err(error), holder) => Ok(match error.kind() {
            Io::AddrInUse => {
                let by = holder.map_or_else(|| "another process".to_owned(), |holder| holder.to_string());
                let hint = by.contains(" router run").then(|| {
                    "it is a router that keeps its state elsewhere: name the same --state-dir".to_owned()
                });
                PublicPort::Held { by, hint }
            }
            Io::PermissionDenied => PublicPort::Forbidden { why: "permission denied".to_owned() },
            Io::AddrNotAvailable => {
                PublicPort::Forbidden { why: format!("{} is no address of this machine", address.ip()) }
            }
            _ => PublicPort::Forbidden { why: error.to_string() },
        }),
    }
}

/// The service of our router that listens on the address.
fn ours(router: &Status, address: SocketAddr) -> Option<&ServiceKey> {
    let overlaps = |other: SocketAddr| {
        let (ip, port) = (address.ip(), address.port());
        other.port() == port && (other.ip() == ip || other.ip().is_unspecified() || ip.is_unspecified())
    };
    let listens = |service: &&quickserve_docker::router::ServiceStatus| {
        let listening = service.listening.filter(|_| service.trouble.is_none());
        listening.is_some_and(|at| overlaps(at.public) || at.preview.is_some_and(overlaps))
    };
    router.services.iter().find(listens).map(|service| &service.service)
}

//! Which container and port of a workload requests go to.

use crate::workload::{Container, EndpointPort};

/// Why it cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unclear {
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// The endpoint of these containers; `None` for a worker, none of whose containers has a port.
///
/// The container is the one that the settings name, if it has ports; else the only one with ports (with
/// `port`, with that port); else the only essential one of those. Its port is `port`, or its only one.
pub(crate) fn endpoint(
    containers: &[Container],
    container: Option<&str>,
    port: Option<u16>,
) -> Result<Option<EndpointPort>, Unclear> {
    let listening: Vec<&Container> =
        containers.iter().filter(|container| !container.ports.is_empty()).collect();
    let chosen: Vec<&Container> = match port {
        Some(port) => listening.iter().copied().filter(|container| container.ports.contains(&port)).collect(),
        None => listening.clone(),
    };
    let candidates = match container.and_then(|name| chosen.iter().find(|container| container.name == name)) {
        Some(named) => vec![*named],
        None => chosen,
    };
    let essential = candidates.iter().copied().filter(|container| container.essential);
    let container = match (candidates.as_slice(), essential.collect::<Vec<_>>().as_slice()) {
        ([only], _) | (_, [only]) => *only,
        ([], _) => match port {
            None => return Ok(None),
            Some(port) => return Err(no_such_port(&listening, port)),
        },
        _ => {
            let names: Vec<&str> = candidates.iter().map(|container| container.name.as_str()).collect();
            let message = format!("containers {} all take requests", names.join(", "));
            let hint = format!("say which in quickserve.toml: container = {:?}", names[0]);
            return Err(Unclear { message, hint });
        }
    };
    let port = match (port, container.ports.as_slice()) {
        (Some(port), _) => port,
        (None, [port]) => *port,
        (None, ports) => {
            let message = format!("container {} has the ports {}", container.name, listed(ports));
            return Err(Unclear {
                message,
                hint: format!("say which in quickserve.toml: port = {}", ports[0]),
            });
        }
    };
    Ok(Some(EndpointPort { container: container.name.clone(), port }))
}

fn no_such_port(listening: &[&Container], port: u16) -> Unclear {
    let ports: Vec<u16> = listening.iter().flat_map(|container| container.ports.iter().copied()).collect();
    let hint = if ports.is_empty() {
        "add it to the portMappings of the container that listens on it".to_owned()
    } else {
        format!("the containers have {}", listed(&ports))
    };
    Unclear { message: format!("no container has the port {port} that quickserve.toml names"), hint }
}

fn listed(ports: &[u16]) -> String {
    ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(name: &str, essential: bool, ports: &[u16]) -> Container {
        Container { essential, ports: ports.to_vec(), ..Container::new(name) }
    }

    fn chosen(containers: &[Container], name: Option<&str>, port: Option<u16>) -> Result<String, String> {
        match endpoint(containers, name, port) {
            Ok(Some(EndpointPort { container, port })) => Ok(format!("{container}:{port}")),
            Ok(None) => Ok("none".to_owned()),
            Err(unclear) => Err(unclear.message),
        }
    }

    #[test]
    fn the_only_container_with_a_port_takes_requests() {
        let task = [container("log", true, &[]), container("web", true, &[80])];
        assert_eq!(chosen(&task, None, None).as_deref(), Ok("web:80"));
        assert_eq!(chosen(&task, Some("log"), None).as_deref(), Ok("web:80"));
        assert_eq!(chosen(&task[..1], None, None).as_deref(), Ok("none"));
    }

    #[test]
    fn among_several_the_only_essential_one_takes_requests() {
        let task = [container("metrics", false, &[9090]), container("web", true, &[80])];
        assert_eq!(chosen(&task, None, None).as_deref(), Ok("web:80"));
        assert_eq!(chosen(&task, Some("metrics"), None).as_deref(), Ok("metrics:9090"));
    }

    #[test]
    fn what_cannot_be_told_names_the_choices() {
        let task = [container("api", true, &[3000, 9090]), container("web", true, &[80])];
        assert_eq!(chosen(&task, None, None), Err("containers api, web all take requests".to_owned()));
        assert_eq!(
            chosen(&task, Some("api"), None),
            Err("container api has the ports 3000, 9090".to_owned())
        );
        assert_eq!(chosen(&task, Some("api"), Some(9090)).as_deref(), Ok("api:9090"));
        assert_eq!(chosen(&task, None, Some(80)).as_deref(), Ok("web:80"));
        let wrong = "no container has the port 81 that quickserve.toml names";
        assert_eq!(chosen(&task, None, Some(81)), Err(wrong.to_owned()));
    }
}

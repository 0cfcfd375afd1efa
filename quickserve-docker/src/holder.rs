//! Who holds a port of this machine.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use quickserve_core::Result;

use crate::engine::Engine;
use crate::names;

/// What holds a TCP port of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortHolder {
    /// A container publishes it.
    Container {
        /// Its name.
        name: String,
        /// Its image's name.
        image: String,
        /// The service it belongs to, where QuickServe made it, as `service/environment`.
        service: Option<String>,
    },
    /// A process listens on it.
    Process {
        /// Its number.
        pid: u32,
        /// Its command line, without what may be secret in it.
        command: String,
    },
    /// Something listens on it that we may not look at, such as another user's process.
    Unknown,
}

impl fmt::Display for PortHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container { name, image, service: None } => write!(f, "container {name} ({image})"),
            Self::Container { name, image, service: Some(service) } => {
                write!(f, "container {name} ({image}) of {service}")
            }
            Self::Process { pid, command } => write!(f, "process {pid} ({command})"),
            Self::Unknown => f.write_str("another user's process"),
        }
    }
}

impl Engine {
    /// Who holds a TCP port of this machine; `None` when nobody does, or where it cannot be known (only Linux
    /// tells which processes listen).
    pub async fn who_holds(&self, port: u16) -> Result<Option<PortHolder>> {
        let containers = self.list_running().await?;
        if let Some(container) = containers.into_iter().find(|container| container.ports.contains(&port)) {
            let label = |name| container.labels.get(name).cloned();
            let service = label(names::SERVICE).zip(label(names::ENVIRONMENT));
            return Ok(Some(PortHolder::Container {
                service: service.map(|(service, environment)| format!("{service}/{environment}")),
                name: container.name,
                image: container.image,
            }));
        }
        Ok(process_that_listens(Path::new("/proc"), port))
    }
}

/// The process that listens on a port, as the kernel tells it.
fn process_that_listens(proc: &Path, port: u16) -> Option<PortHolder> {
    let sockets: BTreeSet<String> = ["net/tcp", "net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(proc.join(table)).ok())
        .flat_map(|table| listening(&table, port))
        .collect();
    if sockets.is_empty() {
        return None;
    }
    let processes = std::fs::read_dir(proc).ok()?.flatten();
    for process in processes {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let holds = files.flatten().any(|file| {
            std::fs::read_link(file.path()).is_ok_and(|target| {
                let target = target.to_string_lossy();
                target
                    .strip_prefix("socket:[")
                    .and_then(|rest| rest.strip_suffix(']'))
                    .is_some_and(|inode| sockets.contains(inode))
            })
        });
        if holds {
            let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            return Some(PortHolder::Process { pid, command: command(&line) });
        }
    }
    Some(PortHolder::Unknown)
}

/// The inodes of sockets that listen on a port. proc(5), `/proc/net/tcp`; state 0A is LISTEN.
fn listening(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    let row = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let listens = columns.get(1)?.ends_with(&suffix) && *columns.get(3)? == "0A";
        listens.then(|| columns.get(9).map(|inode| (*inode).to_owned()))?
    };
    table.lines().skip(1).filter_map(row).collect()
}

/// A command line that may be shown: what looks like a secret is hidden, and it is not too long.
fn command(line: &[u8]) -> String {
    const SUSPICIOUS: [&str; 6] = ["pass", "secret", "token", "key", "auth", "credential"];
    let mut shown: Vec<String> = Vec::new();
    let mut hide_next = false;
    for word in line.split(|byte| *byte == 0).filter(|word| !word.is_empty()) {
        let word = quickserve_core::text::plain(&String::from_utf8_lossy(word));
        let lower = word.to_lowercase();
        let is_option = word.starts_with('-');
        if std::mem::take(&mut hide_next) && !is_option {
            shown.push("***".into());
        } else if let Some((name, _)) = word.split_once('=')
            && SUSPICIOUS.iter().any(|part| lower[..name.len().min(lower.len())].contains(part))
        {
            shown.push(format!("{name}=***"));
        } else if word.contains("://") && word.contains('@') {
            shown.push("***".into());
        } else {
            hide_next = is_option && SUSPICIOUS.iter().any(|part| lower.contains(part));
            shown.push(word);
        }
    }
    let mut text = shown.join(" ");
    if text.chars().count() > 120 {
        text = text.chars().take(119).chain(['…']).collect();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listeners_on_the_very_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                     0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 111 1\n\
                     1: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000  1000        0 222 1\n\
                     2: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 333 1\n";
        assert_eq!(listening(table, 8080), ["111"]);
    }

    #[test]
    fn a_command_line_keeps_its_secrets() {
        assert_eq!(
            command(b"server\0--port\x0080\0--password\0hunter2\0API_TOKEN=x\0pg://u:p@h/d\0--api-key=k\0"),
            "server --port 80 --password *** API_TOKEN=*** *** --api-key=***"
        );
    }
}

//! Caddy: a switch is another configuration, which `caddy reload` gives to its admin port.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{IDLE, Peer, folder};
use crate::Result;
use crate::machine::{Machine, Server, free_address, listens, program};

#[derive(Debug)]
pub(super) struct Caddy {
    address: SocketAddr,
    admin: SocketAddr,
    server: Server,
    folder: TempDir,
}

impl Caddy {
    pub(super) fn start(machine: &Machine, upstream: SocketAddr) -> Result<Self> {
        let (folder, address, admin) = (folder()?, free_address()?, free_address()?);
        configure(&folder, address, admin, upstream)?;
        let mut command = machine.on_proxy_core(&program("caddy")?);
        at_home(command.args(["run", "--adapter", "caddyfile", "--config"]), folder.path());
        let server = Server::start(&mut command, folder.path(), || listens(address))?;
        Ok(Self { address, admin, server, folder })
    }
}

/// Lets a command find its configuration, and keep what it keeps, in the folder.
fn at_home<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    command.arg(folder.join("Caddyfile"));
    command
        .env("HOME", folder)
        .env("XDG_DATA_HOME", folder)
        .env("XDG_CONFIG_HOME", folder)
        .env("GOMAXPROCS", "1")
}

fn configure(folder: &TempDir, address: SocketAddr, admin: SocketAddr, upstream: SocketAddr) -> Result<()> {
    let text = format!(
        "{{
           admin {admin}
           auto_https off
           log {{
             level ERROR
           }}
         }}
         http://{address} {{
           bind {}
           reverse_proxy {upstream} {{
             transport http {{
               keepalive_idle_conns_per_host {IDLE}
             }}
           }}
         }}
",
        address.ip()
    );
    Ok(fs::write(folder.path().join("Caddyfile"), text)?)
}

impl Peer for Caddy {
    fn name(&self) -> &'static str {
        "caddy"
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn server(&self) -> &Server {
        &self.server
    }

    fn switch(&mut self, upstream: SocketAddr) -> Result<()> {
        configure(&self.folder, self.address, self.admin, upstream)?;
        let mut command = Command::new(program("caddy")?);
        command.args(["reload", "--adapter", "caddyfile", "--address", &self.admin.to_string(), "--config"]);
        let output = at_home(&mut command, self.folder.path()).stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(()) } else { Err(format!("caddy reload: {said}").into()) }
    }
}

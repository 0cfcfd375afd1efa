//! nginx: a switch is another configuration and a SIGHUP, upon which new workers start and the old ones finish.

use std::fs;
use std::net::SocketAddr;

use rustix::process::Signal;
use tempfile::TempDir;

use super::{IDLE, Peer, folder};
use crate::Result;
use crate::machine::{Machine, Server, free_address, listens, program};
use crate::upstream::HEAD;

#[derive(Debug)]
pub(super) struct Nginx {
    address: SocketAddr,
    server: Server,
    folder: TempDir,
}

impl Nginx {
    pub(super) fn start(machine: &Machine, upstream: SocketAddr) -> Result<Self> {
        let (folder, address) = (folder()?, free_address()?);
        configure(&folder, address, upstream)?;
        let mut command = machine.on_proxy_core(&program("nginx")?);
        command.arg("-p").arg(folder.path()).args(["-c", "nginx.conf", "-e", "stderr"]);
        let server = Server::start(&mut command, folder.path(), || listens(address))?;
        Ok(Self { address, server, folder })
    }
}

fn configure(folder: &TempDir, address: SocketAddr, upstream: SocketAddr) -> Result<()> {
    let text = format!(
        "{HEAD}
           map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
           upstream tasks {{ server {upstream}; keepalive {IDLE}; keepalive_requests 1000000000; }}
           server {{
             listen {address} backlog=8192; keepalive_requests 1000000000; keepalive_timeout 1h;
             location / {{
               proxy_pass http://tasks; proxy_http_version 1.1;
               proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
               proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Host $http_host;
               proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
               proxy_set_header X-Forwarded-Proto $scheme;
             }}
           }}
         }}"
    );
    Ok(fs::write(folder.path().join("nginx.conf"), text)?)
}

impl Peer for Nginx {
    fn name(&self) -> &'static str {
        "nginx"
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn server(&self) -> &Server {
        &self.server
    }

    fn switch(&mut self, upstream: SocketAddr) -> Result<()> {
        configure(&self.folder, self.address, upstream)?;
        self.server.signal(Signal::HUP)
    }
}

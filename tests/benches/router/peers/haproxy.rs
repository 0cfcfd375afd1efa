//! HAProxy as master and worker: a switch is another configuration and a SIGUSR2, upon which the next worker takes the
//! listening sockets over and the old one finishes.

use std::fs;
use std::net::SocketAddr;

use rustix::process::Signal;
use tempfile::TempDir;

use super::{IDLE, Peer, folder};
use crate::Result;
use crate::machine::{Machine, Server, free_address, listens, program};

#[derive(Debug)]
pub(super) struct Haproxy {
    address: SocketAddr,
    server: Server,
    folder: TempDir,
}

impl Haproxy {
    pub(super) fn start(machine: &Machine, upstream: SocketAddr) -> Result<Self> {
        let (folder, address) = (folder()?, free_address()?);
        configure(&folder, address, upstream)?;
        let mut command = machine.on_proxy_core(&program("haproxy")?);
        command.arg("-W").arg("-f").arg(folder.path().join("haproxy.cfg"));
        let server = Server::start(&mut command, folder.path(), || listens(address))?;
        Ok(Self { address, server, folder })
    }
}

fn configure(folder: &TempDir, address: SocketAddr, upstream: SocketAddr) -> Result<()> {
    let socket = folder.path().join("stats.sock");
    let text = format!(
        "global
           nbthread 1
           maxconn 8000
           stats socket {} level admin expose-fd listeners
         defaults
           mode http
           timeout connect 5s
           timeout client 1h
           timeout server 1h
           timeout tunnel 1h
         frontend public
           bind {address} backlog 8192
           option forwardfor
           http-request set-header X-Forwarded-Proto http
           http-request set-header X-Forwarded-Host %[req.hdr(host)]
           default_backend tasks
         backend tasks
           http-reuse safe
           server task {upstream} pool-max-conn {IDLE}
",
        socket.display()
    );
    Ok(fs::write(folder.path().join("haproxy.cfg"), text)?)
}

impl Peer for Haproxy {
    fn name(&self) -> &'static str {
        "haproxy"
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn server(&self) -> &Server {
        &self.server
    }

    fn switch(&mut self, upstream: SocketAddr) -> Result<()> {
        configure(&self.folder, self.address, upstream)?;
        self.server.signal(Signal::USR2)
    }
}

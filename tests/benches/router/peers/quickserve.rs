//! Our router, as a deployment starts it and as it switches.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::Timestamp;
use quickserve_core::fence::{Epoch, Fence};
use quickserve_core::orchestrator::TaskId;
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::{Role, Route, Split, SplitVersion, TrafficRouter as _, Upstream};
use quickserve_core::workload::Protocol;
use quickserve_docker::router::{ListenSpec, RouterClient, RouterControl};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{OURS, Peer, folder};
use crate::Result;
use crate::machine::{Machine, Server, free_address};

const FENCE: Fence = Fence { epoch: Epoch(1), op: 0, not_after: Timestamp::MAX };

#[derive(Debug)]
pub(crate) struct Quickserve {
    address: SocketAddr,
    server: Server,
    exe: PathBuf,
    runtime: Runtime,
    service: RouterClient,
    version: SplitVersion,
    folder: TempDir,
}

impl Quickserve {
    pub(crate) fn start(machine: &Machine, exe: &Path, upstream: SocketAddr) -> Result<Self> {
        let (folder, address) = (folder()?, free_address()?);
        let dir = folder.path().join("router");
        let control = RouterControl::new(&dir);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let service = control.service(ServiceKey::new("shop", "bench")?);

        let mut command = machine.on_proxy_core(exe);
        command.args(["router", "run"]).env("QUICKSERVE_STATE_DIR", folder.path());
        // It has no port before somebody asks for one.
        let answers = || runtime.block_on(control.status()).is_ok();
        let server = Server::start(&mut command, folder.path(), answers)?;
        runtime.block_on(service.configure(&FENCE, &ListenSpec::new(address)))?;
        let mut router = Self {
            address,
            server,
            exe: exe.to_owned(),
            runtime,
            service,
            version: SplitVersion::default(),
            folder,
        };
        router.switch(upstream)?;
        Ok(router)
    }

    /// Replaces the worker, as an upgrade does.
    pub(crate) fn upgrade(&self) -> Result<()> {
        let mut command = Command::new(&self.exe);
        command.args(["router", "upgrade"]).env("QUICKSERVE_STATE_DIR", self.folder.path());
        let output = command.stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(()) } else { Err(format!("router upgrade: {said}").into()) }
    }
}

impl Peer for Quickserve {
    fn name(&self) -> &'static str {
        OURS
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn server(&self) -> &Server {
        &self.server
    }

    fn switch(&mut self, upstream: SocketAddr) -> Result<()> {
        // A release for each upstream: what is named by its port is another one.
        let release = format!("r-{:012x}", upstream.port()).parse()?;
        let upstreams = vec![Upstream { task: TaskId(upstream.to_string()), address: upstream }];
        let split = Split {
            routes: vec![Route { release, role: Role::Serving(1), protocol: Protocol::Http1, upstreams }],
        };
        self.version = self.runtime.block_on(self.service.set(&FENCE, self.version, &split))?;
        Ok(())
    }
}

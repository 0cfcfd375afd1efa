//! What the proxies stand in front of: an nginx that answers a few words, and an echo for WebSockets.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use futures_util::{SinkExt as _, StreamExt as _};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::Result;
use crate::machine::{Machine, Server, free_address, listens, program};

/// One task. It answers its name everywhere, and takes WebSockets at `/ws`.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    _server: Server,
    _folder: TempDir,
}

/// Sends every message of a WebSocket back.
#[derive(Debug)]
pub(crate) struct Echo {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Upstream {
    pub(crate) fn start(machine: &Machine, name: &str, echo: Option<&Echo>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("quickserve-bench-").tempdir()?;
        let address = free_address()?;
        let websockets = echo.map_or(String::new(), |echo| {
            format!(
                "location /ws {{ proxy_pass http://{}; proxy_http_version 1.1; proxy_read_timeout 1h;
                   proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }}",
                echo.address
            )
        });
        let text = format!(
            "{HEAD}
               default_type application/json;
               server {{
                 listen {address} backlog=8192; keepalive_requests 1000000000; keepalive_timeout 1h;
                 location / {{ return 200 '{{\"served by\": \"{name}\", \"status\": \"OK\"}}'; }}
                 {websockets}
               }}
             }}"
        );
        fs::write(folder.path().join("nginx.conf"), text)?;
        let mut command = machine.on_load_cores(&program("nginx")?);
        command.arg("-p").arg(folder.path()).args(["-c", "nginx.conf", "-e", "stderr"]);
        let server = Server::start(&mut command, folder.path(), || listens(address))?;
        Ok(Self { address, _server: server, _folder: folder })
    }
}

/// The beginning of an nginx configuration with one worker, up to inside of `http`.
pub(crate) const HEAD: &str = "daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid nginx.pid;
error_log stderr crit;
events { worker_connections 12000; }
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;";

impl Echo {
    pub(crate) fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
                    while let Some(Ok(message)) = socket.next().await {
                        if message.is_text() && socket.send(message).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Ok(Self { address, _runtime: runtime })
    }
}

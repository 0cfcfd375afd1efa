//! A listening socket of a service, and the connections that came through it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::forward::Forwarder;
use super::headers::Client;
use super::traffic::Traffic;
use super::tunnel::Tunnels;

/// For reading a request's head. hyper has one clock for this and for idle connections, and an idle one that
/// we close while its client writes costs a request: so it is as long as other servers' keep-alive.
const HEAD: Duration = Duration::from_secs(75);

/// How long accepting rests after the machine ran out of something, such as file descriptors.
const SHORTAGE: Duration = Duration::from_millis(20);

/// All doors of a router, and how they are closed.
#[derive(Debug, Clone)]
pub(super) struct Doors {
    tracker: TaskTracker,
    /// No new connections, and no new requests on the open ones.
    stop: CancellationToken,
    /// Ends what is left.
    cut: CancellationToken,
}

/// An open door. Dropped, it closes.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) address: SocketAddr,
    stop: DropGuard,
    listening: JoinHandle<()>,
}

impl Doors {
    pub(super) fn new() -> Self {
        Self { tracker: TaskTracker::new(), stop: CancellationToken::new(), cut: CancellationToken::new() }
    }

    /// Serves a listening socket.
    pub(super) fn open(
        &self,
        listener: TcpListener,
        address: SocketAddr,
        traffic: &Arc<Traffic>,
        preview: bool,
    ) -> Door {
        let tunnels = Tunnels { tracker: self.tracker.clone(), cut: self.cut.clone() };
        let forwarder = Forwarder { traffic: Arc::clone(traffic), tunnels, preview };
        let stop = self.stop.child_token();
        let accept = accept(listener, Arc::new(forwarder), self.clone(), stop.clone());
        Door { address, stop: stop.drop_guard(), listening: tokio::spawn(accept) }
    }

    /// Lets requests in flight end until the deadline, then cuts what is left.
    pub(super) async fn close(&self, grace: Duration) {
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout(grace, self.tracker.wait()).await.is_err() {
            tracing::warn!(left = self.tracker.len(), "closing connections that did not end in time");
        }
        self.cut.cancel();
        self.tracker.wait().await;
    }

    /// A guard that closes all at once when dropped.
    pub(super) fn guard(&self) -> (DropGuard, DropGuard) {
        (self.stop.clone().drop_guard(), self.cut.clone().drop_guard())
    }
}

impl Door {
    /// Stops listening; returns when the port is free. Requests in flight go on.
    pub(super) async fn close(self) {
        drop(self.stop);
        let _ = self.listening.await;
    }
}

async fn accept(listener: TcpListener, forwarder: Arc<Forwarder>, doors: Doors, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, client)) => {
                let serve =
                    serve(stream, client, Arc::clone(&forwarder), doors.cut.clone(), stop.child_token());
                doors.tracker.spawn(serve);
            }
            Err(error) => {
                // A client that went away again is no trouble; running out of file descriptors is, and
                // accepting again at once would spin.
                tracing::warn!(%error, service = %forwarder.traffic.key, "accept a connection");
                tokio::time::sleep(SHORTAGE).await;
            }
        }
    }
}

/// Serves one connection to its end.
async fn serve(
    stream: TcpStream,
    client: SocketAddr,
    forwarder: Arc<Forwarder>,
    cut: CancellationToken,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let Ok(ours) = stream.local_addr() else { return };
    let client = Arc::new(Client::new(client, ours));
    let service = service_fn(move |request| {
        let (forwarder, client) = (Arc::clone(&forwarder), Arc::clone(&client));
        async move { Ok::<_, Infallible>(forwarder.answer(request, &client).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = cut.cancelled() => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a client's connection ended");
    }
}

//! A listening socket, and the connections that came through it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::access_log::AccessLog;
use super::connection::{self, Ends};
use super::forward::Forwarder;
use super::strays::Strays;
use super::table::Table;
use super::traffic::{Traffic, Wishes};
use super::tunnel::Tunnels;

/// How long accepting rests after the machine ran out of something, such as file descriptors.
const SHORTAGE: Duration = Duration::from_millis(20);

/// A request costs up to three file descriptors: the client's socket, the task's, and a second one of that to
/// look at it.
const DESCRIPTORS: u64 = 3;

/// How many clients at a time are turned away with a word; more are without.
const TURNED_AWAY: usize = 64;

/// How long one may take to hear it.
const FAREWELL: Duration = Duration::from_secs(1);

const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 50\r\nretry-after: 1\r\nconnection: close\r\n\r\n\
    quickserve: too many connections are open already\n";

/// All doors of a router, and how they are closed.
#[derive(Debug, Clone)]
pub(super) struct Doors {
    tracker: TaskTracker,
    /// No new connections, and no new requests on the open ones.
    stop: CancellationToken,
    /// Ends what is left.
    cut: CancellationToken,
    /// Whether clients are asked to connect anew, which leads them to another worker.
    leaving: Arc<watch::Sender<bool>>,
    /// The connections that are open, of all doors.
    open: Arc<AtomicUsize>,
    /// As many as there may be.
    most: usize,
    /// For each client that is being turned away with a word.
    turned_away: Arc<Semaphore>,
    /// Requests of all doors that were for no service.
    pub(super) strays: Strays,
    log: AccessLog,
}

/// A connection's place among the open ones.
#[derive(Debug)]
pub(super) struct Place([Arc<AtomicUsize>; 2]);

/// An open door. Dropped, it closes.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) address: SocketAddr,
    stop: DropGuard,
    listening: JoinHandle<()>,
}

impl Doors {
    pub(super) fn new(log: AccessLog) -> Self {
        Self {
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
            leaving: Arc::new(watch::Sender::new(false)),
            open: Arc::default(),
            most: most_connections(),
            turned_away: Arc::new(Semaphore::new(TURNED_AWAY)),
            strays: Strays::new(log.clone()),
            log,
        }
    }

    /// A place for one more connection of a door, which may have so many.
    pub(super) fn place(&self, of_door: &Arc<AtomicUsize>, limit: usize) -> Option<Place> {
        let place = Place([Arc::clone(of_door), Arc::clone(&self.open)]);
        let before = place.0.each_ref().map(|count| count.fetch_add(1, Relaxed));
        (before[0] < limit && before[1] < self.most).then_some(place)
    }

    /// Sends a service's requests on their way: those of its preview's socket, or all others.
    pub(super) fn forwarder(&self, traffic: &Arc<Traffic>, preview: bool) -> Forwarder {
        let tunnels = Tunnels { tracker: self.tracker.clone(), cut: self.cut.clone() };
        Forwarder { traffic: Arc::clone(traffic), tunnels, preview, log: self.log.clone() }
    }

    /// Serves a listening socket.
    pub(super) fn open(&self, listener: TcpListener, address: SocketAddr, table: Arc<Table>) -> Door {
        let stop = self.stop.child_token();
        let accept = accept(listener, table, self.clone(), stop.clone());
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
        self.log.flush().await;
    }

    /// Asks each client to connect anew: of HTTP/1.1 along with its next answer, for an idle connection that is
    /// closed while its client writes would cost a request; of HTTP/2 at once, which has a word for it.
    pub(super) fn leave(&self) {
        self.leaving.send_replace(true);
    }

    /// Keeps connections again.
    pub(super) fn stay(&self) {
        self.leaving.send_replace(false);
        self.tracker.reopen();
    }

    /// Waits until there is no connection any more.
    pub(super) async fn all_gone(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// How many requests the access log of this process had to leave out.
    pub(super) fn unlogged(&self) -> u64 {
        self.log.dropped()
    }

    /// How many connections are open.
    pub(super) fn connections(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// A guard that closes all at once when dropped.
    pub(super) fn guard(&self) -> (DropGuard, DropGuard) {
        (self.stop.clone().drop_guard(), self.cut.clone().drop_guard())
    }
}

impl Door {
    /// Stops accepting, and leaves the connections as they are.
    pub(super) async fn shut(self) {
        self.listening.abort();
        let _ = self.listening.await;
        self.stop.disarm();
    }

    /// Stops listening; returns when the port is free. Requests in flight go on.
    pub(super) async fn close(self) {
        drop(self.stop);
        let _ = self.listening.await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for count in &self.0 {
            count.fetch_sub(1, Relaxed);
        }
    }
}

/// How many connections this process can serve at a time.
fn most_connections() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit / DESCRIPTORS).unwrap_or(usize::MAX))
}

/// Tells a client that there is no place for it, and closes.
fn turn_away(mut stream: TcpStream, doors: &Doors, wishes: &Wishes) {
    // A handshake is more than it is worth.
    if wishes.options.tls.is_some() {
        return;
    }
    let Ok(turn) = Arc::clone(&doors.turned_away).try_acquire_owned() else { return };
    doors.tracker.spawn(async move {
        let _turn = turn;
        let farewell = async {
            stream.write_all(FULL).await?;
            stream.shutdown().await?;
            // Closing before the client's request is read would take the answer back from it.
            let mut scrap = [0; 1024];
            while stream.read(&mut scrap).await? > 0 {}
            Ok::<_, std::io::Error>(())
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    });
}

async fn accept(listener: TcpListener, table: Arc<Table>, doors: Doors, stop: CancellationToken) {
    let places = Arc::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, client)) => {
                let wishes = table.wishes();
                let Some(place) = doors.place(&places, wishes.options.limits.connections) else {
                    turn_away(stream, &doors, &wishes);
                    continue;
                };
                let ends = Ends {
                    stop: stop.child_token(),
                    cut: doors.cut.clone(),
                    leaving: Arc::clone(&doors.leaving),
                    tracker: doors.tracker.clone(),
                    _place: place,
                };
                // Not inside of another future, which would hold it twice.
                doors.tracker.spawn(connection::serve(stream, client, Arc::clone(&table), wishes, ends));
            }
            Err(error) => {
                // A client that went away again is no trouble; running out of file descriptors is, and
                // accepting again at once would spin.
                let at = listener.local_addr().ok();
                tracing::warn!(%error, ?at, "accept a connection");
                tokio::time::sleep(SHORTAGE).await;
            }
        }
    }
}

//! The load: clients of the public port of every kind, and an honest count of what they saw.

mod clients;
mod connection;
mod streams;
mod tally;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

pub use tally::{Failed, Kind, Tally};

/// A request that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(10);

/// How many clients, and for how long at most.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Keep-alive connections, each with one request at a time: GET, and POST with a body.
    pub connections: u32,
    /// How many of them speak HTTP/2; the others speak HTTP/1.1.
    pub http2: u32,
    /// From one answer to the next request on a connection.
    pub pause: Duration,
    /// WebSocket clients, each with one message at a time that must come back.
    pub websockets: u32,
    /// Clients that listen to server-sent events.
    pub listeners: u32,
    /// Clients that send a body piece by piece.
    pub uploads: u32,
    /// The load ends by itself after so long.
    pub longest: Duration,
    /// The load ends by itself after so many requests.
    pub most: u64,
}

/// The load on one port of this machine.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

/// A look at the load from elsewhere.
#[derive(Debug, Clone)]
pub struct Watch {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    size: Size,
    began: Instant,
    tally: Mutex<Tally>,
    /// Which release alone may answer, one after the other; nothing where any may.
    wanted: Mutex<Vec<Option<String>>>,
    /// Whether there may be requests that nobody can repeat.
    unrepeatable: AtomicBool,
    unrepeatable_in_flight: AtomicU32,
    /// Whether clients repeat a GET whose connection was lost.
    repeats: AtomicBool,
    ended: AtomicBool,
}

impl Load {
    /// Starts it.
    pub fn start(port: u16, size: Size) -> Self {
        let shared = Arc::new(Shared {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            size,
            began: Instant::now(),
            tally: Mutex::default(),
            wanted: Mutex::new(vec![None]),
            unrepeatable: AtomicBool::new(true),
            unrepeatable_in_flight: AtomicU32::new(0),
            repeats: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let mut clients = JoinSet::new();
        for number in 0..size.connections {
            clients.spawn(clients::keep_alive(Arc::clone(&shared), number));
        }
        for number in 0..size.uploads {
            clients.spawn(streams::upload(Arc::clone(&shared), number));
        }
        for number in 0..size.websockets {
            clients.spawn(streams::echo(Arc::clone(&shared), number));
        }
        for _ in 0..size.listeners {
            clients.spawn(streams::listen(Arc::clone(&shared)));
        }
        Self { shared, clients }
    }

    /// What was seen until now.
    pub fn tally(&self) -> Tally {
        self.shared.tally().clone()
    }

    /// For whoever shows how it goes.
    pub fn watch(&self) -> Watch {
        Watch { shared: Arc::clone(&self.shared) }
    }

    /// Whether all its clients are still at work.
    pub fn is_running(&self) -> bool {
        !self.shared.ended()
    }

    /// From now on only this release may answer a new request; nothing: any may.
    pub fn want(&self, release: Option<&str>) {
        let release = release.map(str::to_owned);
        self.shared.wanted.lock().unwrap_or_else(PoisonError::into_inner).push(release);
    }

    /// Leaves out what cannot be sent again when a server dies: POST, uploads, WebSockets and event streams.
    /// When this is done, none of it is in flight.
    pub async fn only_repeatable(&self) {
        self.shared.unrepeatable.store(false, Ordering::SeqCst);
        while self.shared.unrepeatable_in_flight.load(Ordering::SeqCst) > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Takes it up again.
    pub fn everything(&self) {
        self.shared.unrepeatable.store(true, Ordering::SeqCst);
    }

    /// Whether clients repeat a GET whose connection was lost, as browsers do. What was repeated is counted.
    pub fn repeat(&self, repeats: bool) {
        self.shared.repeats.store(repeats, Ordering::SeqCst);
    }

    /// Ends it: requests in flight are finished and counted.
    pub async fn stop(mut self) -> Tally {
        self.shared.ended.store(true, Ordering::SeqCst);
        while self.clients.join_next().await.is_some() {}
        self.shared.tally().clone()
    }
}

impl Watch {
    /// What was seen until now.
    pub fn tally(&self) -> Tally {
        self.shared.tally().clone()
    }

    /// Whether the load has not ended.
    pub fn is_running(&self) -> bool {
        !self.shared.ended()
    }

    /// How long it has been going on.
    pub fn elapsed(&self) -> Duration {
        self.shared.began.elapsed()
    }
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Whether to go on; where the load has become too long or too large, it ends here.
    fn goes_on(&self) -> bool {
        if self.began.elapsed() >= self.size.longest || self.tally().sent >= self.size.most {
            self.ended.store(true, Ordering::SeqCst);
        }
        !self.ended()
    }

    /// Permission for something that cannot be repeated, for as long as the guard lives.
    fn unrepeatable(&self) -> Option<Unrepeatable<'_>> {
        // Counted before it is looked: whoever forbids it then waits for us.
        self.unrepeatable_in_flight.fetch_add(1, Ordering::SeqCst);
        let guard = Unrepeatable(self);
        self.may_be_unrepeatable().then_some(guard)
    }

    fn may_be_unrepeatable(&self) -> bool {
        self.unrepeatable.load(Ordering::SeqCst)
    }

    fn may_repeat(&self) -> bool {
        self.repeats.load(Ordering::SeqCst)
    }

    /// A mark of this moment, for [`answered`](Self::answered).
    fn begin(&self) -> usize {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).len() - 1
    }

    /// Counts who answered a request that began at a mark.
    fn answered(&self, since: usize, version: String, release: &str) -> Result<(), String> {
        let allowed = self.wanted.lock().unwrap_or_else(PoisonError::into_inner)[since..].to_vec();
        self.tally().answered(version);
        let may = |wanted: &Option<String>| wanted.as_deref().is_none_or(|wanted| wanted == release);
        if allowed.iter().any(may) {
            Ok(())
        } else {
            Err(format!("answered by {release}, not by {allowed:?}"))
        }
    }

    fn failed(&self, what: Kind, why: String) {
        let after = self.began.elapsed();
        self.tally().fail(Failed { after, what, why });
    }
}

/// Something that cannot be repeated is in flight.
#[derive(Debug)]
struct Unrepeatable<'a>(&'a Shared);

impl Drop for Unrepeatable<'_> {
    fn drop(&mut self) {
        self.0.unrepeatable_in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

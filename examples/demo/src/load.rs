//! The load: keep-alive connections to the public port, and an honest count of what they saw.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::screen::{Screen, thousands};

/// So many connections, each with one request at a time.
pub(crate) const CONNECTIONS: u32 = 32;

/// From one answer to the next request on a connection.
const PAUSE: Duration = Duration::from_millis(25);

/// A request that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(10);

/// The load ends by itself after so long, and after so many requests.
const LONGEST: Duration = Duration::from_secs(150);
const MOST: u64 = 300_000;

/// How often the count is drawn.
const BEAT: Duration = Duration::from_millis(200);
const BEATS_PER_SECOND: u32 = 5;

/// How many failures are told in full.
const TOLD: usize = 10;

/// What was sent and what came of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    pub(crate) posts: u64,
    pub(crate) failed: u64,
    /// How often `GET /version` was answered by which version.
    pub(crate) versions: BTreeMap<String, u64>,
    /// The version that answered last.
    latest: Option<String>,
    /// The first failures in full.
    pub(crate) failures: Vec<Failed>,
}

impl Tally {
    fn answered(&mut self, version: String) {
        self.latest = Some(version.clone());
        *self.versions.entry(version).or_default() += 1;
    }

    /// What was counted since an earlier moment.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let fresh = |(version, count): (&String, &u64)| {
            let count = count - before.versions.get(version).copied().unwrap_or(0);
            (count > 0).then(|| (version.clone(), count))
        };
        Self {
            sent: self.sent - before.sent,
            posts: self.posts - before.posts,
            failed: self.failed - before.failed,
            versions: self.versions.iter().filter_map(fresh).collect(),
            latest: self.latest.clone(),
            failures: self.failures.iter().skip(before.failures.len()).cloned().collect(),
        }
    }
}

/// A request that got no complete 2xx answer, or the wrong one.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    after: Duration,
    what: Kind,
    why: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after {:.1} s of load: {}", self.what, self.after.as_secs_f64(), self.why)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Home,
    Version,
    Echo,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Home => "GET /",
            Self::Version => "GET /version",
            Self::Echo => "POST /echo",
        })
    }
}

/// The load on one port of this machine.
#[derive(Debug)]
pub(crate) struct Load {
    shared: Arc<Shared>,
    workers: JoinSet<()>,
    watch: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    tally: Mutex<Tally>,
    /// Whether POST is among the requests.
    posts: AtomicBool,
    posts_in_flight: AtomicU32,
    ended: AtomicBool,
}

impl Load {
    /// Starts it, with its count at the bottom of the screen.
    pub(crate) fn start(port: u16, screen: Arc<Screen>) -> Self {
        let shared = Arc::new(Shared {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            tally: Mutex::default(),
            posts: AtomicBool::new(true),
            posts_in_flight: AtomicU32::new(0),
            ended: AtomicBool::new(false),
        });
        let mut workers = JoinSet::new();
        let began = Instant::now();
        for number in 0..CONNECTIONS {
            workers.spawn(work(Arc::clone(&shared), number, began));
        }
        let watch = tokio::spawn(watch(Arc::clone(&shared), screen, began));
        Self { shared, workers, watch }
    }

    /// What was seen until now.
    pub(crate) fn tally(&self) -> Tally {
        self.shared.tally().clone()
    }

    /// Whether all its connections are still at work.
    pub(crate) fn is_running(&self) -> bool {
        !self.shared.ended.load(Ordering::Relaxed)
    }

    /// Leaves POST out, from when this is done; none is in flight then.
    pub(crate) async fn without_posts(&self) {
        self.shared.posts.store(false, Ordering::Relaxed);
        while self.shared.posts_in_flight.load(Ordering::Relaxed) > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Takes POST up again.
    pub(crate) fn with_posts(&self) {
        self.shared.posts.store(true, Ordering::Relaxed);
    }

    /// Ends it: requests in flight are finished and counted.
    pub(crate) async fn stop(mut self) -> Tally {
        self.shared.ended.store(true, Ordering::Relaxed);
        while self.workers.join_next().await.is_some() {}
        let _ = self.watch.await;
        self.shared.tally().clone()
    }
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows the count, and how it grows.
async fn watch(shared: Arc<Shared>, screen: Arc<Screen>, began: Instant) {
    let (mut last, mut rate) = (0, 0);
    for beat in 1_u32.. {
        if shared.ended.load(Ordering::Relaxed) {
            break;
        }
        sleep(BEAT).await;
        let tally = shared.tally().clone();
        if beat.is_multiple_of(BEATS_PER_SECOND) {
            rate = tally.sent - last;
            last = tally.sent;
        }
        let seconds = began.elapsed().as_secs();
        let now = tally.latest.as_deref().unwrap_or("-");
        screen.pin(&format!(
            " load  {CONNECTIONS} connections  {:>7} sent  {:>3} failed  {rate:>5}/s  version {now:<6} {seconds:>3} s",
            thousands(tally.sent),
            thousands(tally.failed),
        ));
    }
    screen.unpin();
}

/// One connection, from the first request to the last.
async fn work(shared: Arc<Shared>, number: u32, began: Instant) {
    let mut connection = None;
    // They do not march in step.
    sleep(PAUSE * number / CONNECTIONS).await;
    for turn in number.. {
        if began.elapsed() >= LONGEST || shared.tally().sent >= MOST {
            shared.ended.store(true, Ordering::Relaxed);
        }
        if shared.ended.load(Ordering::Relaxed) {
            return;
        }
        let kind = match turn % 5 {
            4 if shared.posts.load(Ordering::Relaxed) => Kind::Echo,
            0 | 2 => Kind::Version,
            _ => Kind::Home,
        };
        shared.tally().sent += 1;
        if kind == Kind::Echo {
            shared.tally().posts += 1;
            shared.posts_in_flight.fetch_add(1, Ordering::Relaxed);
        }
        let answer = timeout(LIMIT, request(&mut connection, shared.address, kind, turn)).await;
        if kind == Kind::Echo {
            shared.posts_in_flight.fetch_sub(1, Ordering::Relaxed);
        }
        match answer.unwrap_or_else(|_| Err(format!("no answer within {} s", LIMIT.as_secs()))) {
            Ok(None) => {}
            Ok(Some(version)) => shared.tally().answered(version),
            Err(why) => {
                connection = None;
                let mut tally = shared.tally();
                tally.failed += 1;
                if tally.failures.len() < TOLD {
                    tally.failures.push(Failed { after: began.elapsed(), what: kind, why });
                }
            }
        }
        sleep(PAUSE).await;
    }
}

/// One request; answers the version that served it, where the answer says so. Nothing is sent twice.
async fn request(
    connection: &mut Option<SendRequest<Full<Bytes>>>,
    address: SocketAddr,
    kind: Kind,
    turn: u32,
) -> Result<Option<String>, String> {
    // A server may close a connection on which nothing is under way.
    let mut kept = connection.take();
    if let Some(sender) = &mut kept
        && sender.ready().await.is_err()
    {
        kept = None;
    }
    let mut sender = match kept {
        Some(sender) => sender,
        None => connect(address).await?,
    };
    let (method, path, body) = match kind {
        Kind::Home => (Method::GET, "/", String::new()),
        Kind::Version => (Method::GET, "/version", String::new()),
        Kind::Echo => (Method::POST, "/echo", format!("order {turn}")),
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(hyper::header::HOST, address.to_string())
        .body(Full::from(body.clone()))
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| chain(&error))?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await;
    let bytes = bytes.map_err(|error| format!("{status}, then {}", chain(&error)))?.to_bytes();
    if !status.is_success() {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&bytes).trim()));
    }
    *connection = Some(sender);
    match kind {
        Kind::Home => Ok(None),
        Kind::Echo if bytes == body => Ok(None),
        Kind::Echo => Err("came back changed".to_owned()),
        Kind::Version => {
            let answer: serde_json::Value =
                serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
            let version = answer["version"].as_str().ok_or("no version in the answer")?;
            Ok(Some(version.to_owned()))
        }
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| format!("connect: {error}"))?;
    let _ = stream.set_nodelay(true);
    let (sender, driver) = handshake(TokioIo::new(stream)).await.map_err(|error| chain(&error))?;
    tokio::spawn(async move {
        // What goes wrong is told to the request.
        let _ = driver.await;
    });
    Ok(sender)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

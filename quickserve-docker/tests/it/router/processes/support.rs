//! A router whose processes this test program starts, and load on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use http::Method;
use quickserve_core::traffic::{Route, TrafficRouter as _};
use quickserve_docker::router::{
    Launch, ListenSpec, Listening, Options, RouterControl, RouterSettings, Supervisor, ensure_running,
    supervise, work,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::super::support::{Client, empty, eventually, fence, full, key, request, split};

pub(super) const LINGER: Duration = Duration::from_mins(1);

/// Where the arguments of this very test program lead that runs a parent. Its folder is its working folder.
const PARENT: [&str; 3] = ["--ignored", "--exact", "router::processes::support::the_parent_process"];

const WORKER: [&str; 3] = ["--ignored", "--exact", "router::processes::support::the_worker_process"];

#[tokio::test]
#[ignore = "not a test: a process that others start"]
async fn the_parent_process() {
    if Path::new("router.log").exists() {
        let mut settings = RouterSettings::new(std::env::current_dir().expect("a folder"));
        settings.grace = Duration::from_secs(5);
        let supervisor = Supervisor::new(settings, this_program(), WORKER);
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("a handler");
        let ended = supervise(supervisor, async {
            terminate.recv().await;
        });
        ended.await.expect("a graceful end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "not a test: a process that others start"]
async fn the_worker_process() {
    use std::os::fd::AsFd as _;
    if Path::new("router.log").exists() {
        let link = std::io::stdin().as_fd().try_clone_to_owned().expect("a link");
        work(link).await.expect("a graceful end");
    }
}

fn this_program() -> PathBuf {
    std::env::current_exe().expect("this program")
}

/// A router of several processes. Whatever of it is left at the end is killed.
pub(super) struct Processes {
    pub(super) control: RouterControl,
    pub(super) folder: TempDir,
}

impl Processes {
    pub(super) async fn start() -> Self {
        let this = Self::none();
        this.ensure().await;
        this
    }

    /// A folder where none runs yet.
    pub(super) fn none() -> Self {
        let folder = TempDir::new().expect("a folder");
        Self { control: RouterControl::new(folder.path().join("router")), folder }
    }

    /// Starts a parent, where none runs.
    pub(super) async fn ensure(&self) {
        let mut launch = Launch::new(self.control.dir(), this_program(), PARENT);
        launch.patience = Duration::from_secs(30);
        ensure_running(&launch).await.expect("it runs");
    }

    pub(super) async fn listen(&self) -> Listening {
        self.listen_with(|_| {}).await
    }

    /// Makes it listen with what a service may ask for beside.
    pub(super) async fn listen_with(&self, ask: impl FnOnce(&mut Options)) -> Listening {
        let mut spec = ListenSpec::new("127.0.0.1:0".parse().expect("an address"));
        ask(&mut spec.options);
        self.control.service(key()).configure(&fence(1), &spec).await.expect("it listens")
    }

    pub(super) async fn route(&self, routes: impl Into<Vec<Route>>) {
        let client = self.control.service(key());
        let (_, version) = client.split().await.expect("the split");
        client.set(&fence(1), version, &split(routes)).await.expect("the split is set");
    }

    pub(super) async fn upgrade(&self, linger: Duration) -> quickserve_core::Result<()> {
        self.control.upgrade(&this_program(), &WORKER.map(str::to_owned), linger).await
    }

    pub(super) async fn worker(&self) -> Pid {
        pid(self.control.status().await.expect("the status").pid)
    }

    pub(super) async fn parent(&self) -> Pid {
        let status = self.control.status().await.expect("the status");
        pid(status.supervision.expect("a parent").pid)
    }

    pub(super) async fn followers(&self) -> usize {
        self.control.status().await.expect("the status").followers.len()
    }

    /// All processes whose working folder is the router's.
    pub(super) fn alive(&self) -> Vec<Pid> {
        let folder = self.folder.path().join("router").canonicalize().unwrap_or_default();
        let processes = std::fs::read_dir("/proc").expect("processes").flatten();
        let ours = processes
            .filter(|process| std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == folder));
        ours.filter_map(|process| Pid::from_raw(process.file_name().to_str()?.parse().ok()?)).collect()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        // The parent first, or it would start more of them.
        while let Some(process) = self.alive().into_iter().min_by_key(|pid| pid.as_raw_nonzero()) {
            let _ = kill_process(process, Signal::KILL);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

pub(super) fn pid(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid")
}

/// What clients that keep their connections have seen.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) answers: AtomicU64,
    pub(super) failures: AtomicU64,
    /// Connections that were given up because the router asked for it.
    pub(super) closed: AtomicU64,
    pub(super) over: AtomicBool,
}

/// A client that reconnects when it is asked to, and after a failure.
async fn keep_asking(public: std::net::SocketAddr, seen: Arc<Seen>, post: bool) {
    let mut client = Client::connect(public).await;
    let mut number = 0_u64;
    while !seen.over.load(SeqCst) {
        number += 1;
        let asked = if post {
            request(Method::POST, "/echo", full(number.to_string()))
        } else {
            request(Method::GET, "/", empty())
        };
        let answered = async {
            let answer = client.send(asked).await?;
            let close = answer.headers().get("connection").is_some_and(|value| value == "close");
            let status = answer.status();
            let body = http_body_util::BodyExt::collect(answer.into_body()).await?.to_bytes();
            Ok::<_, hyper::Error>((status, body, close))
        };
        if let Ok((status, body, close)) = answered.await {
            assert_eq!(status, 200, "{body:?}");
            if post {
                assert_eq!(body, number.to_string());
            }
            seen.answers.fetch_add(1, SeqCst);
            if close {
                seen.closed.fetch_add(1, SeqCst);
                client = Client::connect(public).await;
            }
        } else {
            seen.failures.fetch_add(1, SeqCst);
            client = Client::connect(public).await;
        }
    }
}

/// Clients that ask on and on: half of them GET, half of them POST.
pub(super) struct Load {
    pub(super) seen: Arc<Seen>,
    pub(super) clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    pub(super) fn start(public: std::net::SocketAddr, clients: usize) -> Self {
        let seen = Arc::new(Seen::default());
        let clients = (0..clients)
            .map(|index| tokio::spawn(keep_asking(public, Arc::clone(&seen), index % 2 == 1)))
            .collect();
        Self { seen, clients }
    }

    /// Waits for so many more answers.
    pub(super) async fn flows(&self, answers: u64) {
        let until = self.seen.answers.load(SeqCst) + answers;
        eventually("requests are answered", || async { self.seen.answers.load(SeqCst) >= until }).await;
    }

    pub(super) async fn end(self) -> Arc<Seen> {
        self.seen.over.store(true, SeqCst);
        for client in self.clients {
            client.await.expect("no client is refused and no answer is wrong");
        }
        self.seen
    }
}

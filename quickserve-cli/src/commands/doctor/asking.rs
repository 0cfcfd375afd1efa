//! Asking the service as its clients do, and each of its tasks as a deployment would.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use quickserve_core::clock::{Clock as _, SystemClock};
use quickserve_core::health::{HealthProber, ProbeReport, ProbeRequest};
use quickserve_core::orchestrator::{TaskId, TaskPhase};
use quickserve_core::workload::{HealthGate, Probe};
use quickserve_docker::prober::HttpProber;

use crate::commands::status::Seen;

/// Before an answer that was not good is asked for again: one alone may be an accident.
const AGAIN: Duration = Duration::from_millis(300);

/// What was answered otherwise than it should be.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// By the public address, in a sentence.
    pub(super) public: Option<String>,
    /// By tasks that run.
    pub(super) tasks: BTreeMap<TaskId, String>,
    /// The tasks that answered as they should, whatever the engine says of them.
    pub(super) answering: BTreeSet<TaskId>,
}

impl Asked {
    /// Asks what should serve; nobody where nothing should, or where it takes no requests.
    pub(super) async fn ask(seen: &Seen) -> Self {
        let promoted = seen.promoted().and_then(|release| seen.release(release));
        let Some(workload) = promoted.map(|release| &release.workload) else { return Self::default() };
        if workload.endpoint.is_none() || seen.decided_tasks() == 0 {
            return Self::default();
        }
        let (public, asked) = tokio::join!(public(seen, &workload.gate), tasks(seen, &workload.gate));
        let (mut tasks, mut answering) = (BTreeMap::new(), BTreeSet::new());
        for (task, answer) in asked {
            match answer {
                Answer::Bad(why) => drop(tasks.insert(task, why)),
                Answer::Good => drop(answering.insert(task)),
                Answer::Unasked => {}
            }
        }
        Self { public, tasks, answering }
    }
}

async fn public(seen: &Seen, gate: &HealthGate) -> Option<String> {
    let (address, secure) = seen.public().filter(|_| seen.is_listening())?;
    let rule = seen.rule();
    let (path, any_answer) = match &gate.probe {
        Probe::Http { path } => (path.clone(), false),
        // Which paths it has is not known: whatever a task answers is an answer.
        Probe::Tcp | Probe::Stays { .. } => ("/".to_owned(), true),
    };
    // Other requests than its own are not its to answer.
    rule.takes(rule.name(), &path)?;
    let prober = HttpProber::for_public(address, rule.name(), secure);
    let report = ask_twice(&prober, address, Some(&path), gate.timeout, |report| match report {
        ProbeReport::Answered { status, .. } if any_answer => !matches!(status, 502..=504),
        report => report.is_healthy(),
    });
    match report.await {
        Answer::Bad(why) => Some(format!("GET {path} on {address}: {why}")),
        Answer::Good | Answer::Unasked => None,
    }
}

/// What each task that runs has answered.
async fn tasks(seen: &Seen, gate: &HealthGate) -> Vec<(TaskId, Answer)> {
    let path = match &gate.probe {
        Probe::Http { path } => Some(path.as_str()),
        Probe::Tcp => None,
        Probe::Stays { .. } => return Vec::new(),
    };
    let prober = HttpProber::default();
    let tasks = seen.promoted_tasks();
    let running = tasks.iter().filter(|task| task.phase == TaskPhase::Running);
    let asks = running.filter_map(|task| Some((&task.id, task.address?))).map(|(task, address)| {
        let asked = ask_twice(&prober, address, path, gate.timeout, ProbeReport::is_healthy);
        async move { (task.clone(), asked.await) }
    });
    join_all(asks).await
}

/// What was answered.
enum Answer {
    Good,
    /// Not as it should be, in a sentence.
    Bad(String),
    /// It could not be asked, which says nothing.
    Unasked,
}

/// Asks, and where the answer is not good a second time.
async fn ask_twice(
    prober: &HttpProber,
    address: SocketAddr,
    path: Option<&str>,
    timeout: Duration,
    is_good: impl Fn(&ProbeReport) -> bool,
) -> Answer {
    let request = ProbeRequest { address, path: path.map(str::to_owned), headers: Vec::new(), timeout };
    for pause in [AGAIN, Duration::ZERO] {
        let Ok(report) = prober.probe(&request).await else { return Answer::Unasked };
        if is_good(&report) {
            return Answer::Good;
        }
        if pause.is_zero() {
            return Answer::Bad(report.to_string());
        }
        SystemClock.sleep(pause).await;
    }
    Answer::Unasked
}

//! Deployments under load, one after the other, good and failing: not one request may fail.

mod drills;
mod service;

use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::load::{Load, Size, Tally};
use drills::{Drill, Router, mixed};
use service::Service;

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct Length {
    /// Good deployments.
    pub good: usize,
    /// Failing ones.
    pub failing: usize,
    /// None begins after so long.
    pub longest: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Summary {
    /// Deployments that were made.
    pub deployments: usize,
    /// Deployments that were asked for.
    pub wanted: usize,
    /// How often the command was killed.
    pub kills: usize,
    /// How often the router was upgraded.
    pub upgrades: usize,
    /// How often its worker was killed.
    pub worker_deaths: usize,
    /// How long it took.
    pub took: Duration,
    /// What the load saw.
    pub tally: Tally,
}

/// The clients. They leave a machine of two cores something for the rest.
pub const SIZE: Size = Size {
    connections: 32,
    http2: 16,
    pause: Duration::from_millis(100),
    websockets: 4,
    listeners: 4,
    uploads: 3,
    longest: Duration::from_hours(6),
    most: u64::MAX,
};

/// The strategies that promise no gap, and the one that has none where requests are held.
const STRATEGIES: [&str; 3] = ["blue-green", "rolling", "recreate"];

/// The load goes on so long after each deployment, so that its end is seen.
const AFTERWARDS: Duration = Duration::from_millis(300);

/// Deploys under load. Every deployment must end as it should; the requests are counted.
pub async fn soak(length: Length, tell: impl Fn(&str)) -> Summary {
    let began = Instant::now();
    let mut service = Service::open().await;
    let load = Load::start(service.port(), SIZE);
    let drills = mixed(length.good, length.failing);
    let wanted = drills.len();
    let mut deployments = 0;
    let mut deaf = false;
    for (number, drill) in drills.into_iter().enumerate() {
        if began.elapsed() >= length.longest {
            break;
        }
        let strategy = match number % 3 {
            _ if drill.dies => STRATEGIES[0],
            // Its gap ends with a release that serves: what fails, and what is killed, would prolong it.
            2 if !drill.may_be_held() => STRATEGIES[1],
            turn => STRATEGIES[turn],
        };
        let before = load.tally();
        let started = Instant::now();
        let dies = drill.router == Router::WorkerKilled;
        if drill.dies || deaf || dies {
            load.only_repeatable().await;
        }
        load.repeat(dies);
        service.deploy(&drill, strategy, &load).await;
        load.repeat(false);
        if drill.end == drills::End::Good {
            deaf = drill.deaf;
        }
        load.everything();
        sleep(AFTERWARDS).await;
        deployments += 1;
        tell(&line(number, &drill, strategy, started.elapsed(), &load.tally().since(&before)));
    }
    assert!(load.is_running(), "the load ended before the deployments did");
    let tally = load.stop().await;
    let (kills, upgrades, worker_deaths) = (service.kills, service.upgrades, service.worker_deaths);
    Summary { deployments, wanted, kills, upgrades, worker_deaths, took: began.elapsed(), tally }
}

fn line(number: usize, drill: &Drill, strategy: &str, took: Duration, seen: &Tally) -> String {
    let failures: Vec<String> = seen.failures.iter().map(|failed| format!("\n      {failed}")).collect();
    format!(
        "{:>4}  {:<22} {strategy:<10} {:>5.1} s  {:>5} requests, {} failed{}",
        number + 1,
        drill.name,
        took.as_secs_f64(),
        seen.sent,
        seen.failed,
        failures.concat()
    )
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { sent, posts, failed, repeated, messages, events, ended, .. } = &self.tally;
        let Self { deployments, wanted, kills, upgrades, worker_deaths, took, .. } = self;
        write!(
            f,
            "{deployments} of {wanted} deployments, {kills} kills of the command, {upgrades} upgrades of the router \
             and {worker_deaths} deaths of its worker in {:.0} s: {sent} requests ({posts} of them POST; \
             {repeated} GET repeated by their clients when a worker died), {messages} messages over WebSockets, \
             {events} events, {ended} streams ended properly; {failed} failed",
            took.as_secs_f64()
        )
    }
}

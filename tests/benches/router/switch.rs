//! The switch itself, under load: what fails, what waits, and what becomes of the WebSockets.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::clients::{Clients, Request};
use crate::machine::{Machine, busy, median, now};
use crate::peers::{self, Peer, Quickserve};
use crate::upstream::{Echo, Upstream};
use crate::{Result, say};

const CONNECTIONS: usize = 16;
const WEBSOCKETS: usize = 25;

/// The load before the switch, and after it.
const BEFORE: Duration = Duration::from_secs(1);
const AFTER: Duration = Duration::from_millis(1500);

/// Requests in flight from the switch to so long after it are those that it may have hurt.
const DURING: Duration = Duration::from_millis(500);

/// One switch.
struct Turn {
    requests: usize,
    failed: Vec<String>,
    usual: f64,
    during: f64,
    slowest: f64,
    told: f64,
    websockets: usize,
}

pub(crate) fn measure(machine: &Machine, quickserve: &Path, turns: usize) -> Result<()> {
    let echo = Echo::start()?;
    let upstreams =
        [Upstream::start(machine, "a", Some(&echo))?, Upstream::start(machine, "b", Some(&echo))?];
    let mut peers = peers::start(machine, quickserve, upstreams[0].address)?;
    let upgraded = Quickserve::start(machine, quickserve, upstreams[0].address)?;
    say(&format!(
        "the switch: {turns} of each under {CONNECTIONS} connections and {WEBSOCKETS} WebSockets; {}",
        busy()
    ));
    let names: Vec<String> = peers.iter().map(|peer| peer.name().to_owned()).collect();
    let mut all: Vec<(String, Vec<Turn>)> = names.into_iter().map(|name| (name, Vec::new())).collect();
    all.push(("its upgrade".to_owned(), Vec::new()));
    for turn in 1..=turns {
        let next = upstreams[turn % 2].address;
        for (peer, (_, turns)) in peers.iter_mut().zip(&mut all) {
            let address = peer.address();
            turns.push(observe(address, || peer.switch(next))?);
        }
        if let Some((_, turns)) = all.last_mut() {
            turns.push(observe(upgraded.address(), || upgraded.upgrade())?);
        }
    }
    show(&all);
    Ok(())
}

fn observe(address: std::net::SocketAddr, switch: impl FnOnce() -> Result<()>) -> Result<Turn> {
    let clients = Clients::start(address, CONNECTIONS, WEBSOCKETS)?;
    sleep(BEFORE);
    let began = now();
    switch()?;
    let told = began.elapsed().as_secs_f64() * 1e3;
    sleep(AFTER);
    let (requests, websockets) = clients.stop()?;
    let until = began + DURING;
    let is_during = |request: &&Request| request.began <= until && request.began + request.took >= began;
    let during = sorted(requests.iter().filter(is_during));
    let first = began.checked_sub(DURING).unwrap_or(began);
    let is_before = |request: &&Request| ended_before(request, began) && request.began >= first;
    let usual = sorted(requests.iter().filter(is_before));
    let failed = requests.iter().filter_map(|request| request.outcome.as_ref().err().cloned());
    Ok(Turn {
        requests: requests.len(),
        failed: failed.collect(),
        usual: percentile(&usual, 99),
        during: percentile(&during, 99),
        slowest: during.last().copied().unwrap_or(f64::NAN),
        told,
        websockets,
    })
}

fn ended_before(request: &Request, moment: Instant) -> bool {
    request.began + request.took < moment
}

/// Milliseconds, the shortest first.
fn sorted<'a>(requests: impl Iterator<Item = &'a Request>) -> Vec<f64> {
    let mut times: Vec<f64> = requests.map(|request| request.took.as_secs_f64() * 1e3).collect();
    times.sort_by(f64::total_cmp);
    times
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

fn show(all: &[(String, Vec<Turn>)]) {
    say(&format!(
        "{:<12}{:>10}{:>8}{:>14}{:>14}{:>12}{:>12}{:>18}",
        "",
        "requests",
        "failed",
        "p99 before ms",
        "p99 during ms",
        "slowest ms",
        "took ms",
        "WebSockets kept"
    ));
    for (name, turns) in all {
        let of = |figure: &dyn Fn(&Turn) -> f64| median(turns.iter().map(figure));
        let slowest = turns.iter().map(|turn| turn.slowest).fold(0.0, f64::max);
        let sum = |figure: &dyn Fn(&Turn) -> usize| turns.iter().map(figure).sum::<usize>();
        say(&format!(
            "{name:<12}{:>10}{:>8}{:>14.2}{:>14.2}{slowest:>12.1}{:>12.1}{:>18}",
            sum(&|turn| turn.requests),
            sum(&|turn| turn.failed.len()),
            of(&|turn| turn.usual),
            of(&|turn| turn.during),
            of(&|turn| turn.told),
            format!("{} of {}", sum(&|turn| turn.websockets), turns.len() * WEBSOCKETS),
        ));
        let mut reasons: Vec<&String> = turns.iter().flat_map(|turn| &turn.failed).collect();
        reasons.sort_unstable();
        reasons.dedup();
        for reason in reasons.into_iter().take(5) {
            say(&format!("            failed: {reason}"));
        }
    }
    say(&busy());
}

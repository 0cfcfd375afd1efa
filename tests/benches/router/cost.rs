//! What a request costs: CPU time, latency and throughput, in interleaved rounds.

use std::path::Path;
use std::time::Duration;

use crate::machine::{Machine, busy, median};
use crate::peers::{self, FLOOR, OURS};
use crate::upstream::Upstream;
use crate::verdict::Verdict;
use crate::wrk::{Seen, count, wrk};
use crate::{Result, say};

/// Enough to keep a proxy's core busy.
const CONNECTIONS: u32 = 32;
const DURATION: Duration = Duration::from_secs(2);

/// With one request at a time nobody waits for anybody: what is left is the way through.
const ALONE: u32 = 1;
const ALONE_DURATION: Duration = Duration::from_secs(1);

/// Until every part of a proxy has run.
const WARM_UP: Duration = Duration::from_secs(1);

/// CPU time of a request beside nginx and HAProxy.
const MOST_CPU: f64 = 1.2;
/// The way through beside nginx.
const MOST_LATENCY: f64 = 1.15;

/// What one way to the upstream was seen to cost in one round.
#[derive(Debug, Clone, Copy)]
struct Round {
    cpu: f64,
    loaded: Seen,
    alone: Seen,
}

/// All rounds of one way.
struct Way {
    name: &'static str,
    rounds: Vec<Round>,
    rss: u64,
}

impl Way {
    fn median(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(figure))
    }
}

pub(crate) fn measure(
    machine: &Machine,
    quickserve: &Path,
    rounds: usize,
    verdict: &mut Verdict,
) -> Result<()> {
    let upstream = Upstream::start(machine, "a", None)?;
    let peers = peers::start(machine, quickserve, upstream.address)?;
    let folder = tempfile::Builder::new().prefix("quickserve-bench-").tempdir()?;
    let direct = Way { name: "direct", rounds: Vec::new(), rss: 0 };
    let ways = peers.iter().map(|peer| Way { name: peer.name(), rounds: Vec::new(), rss: 0 });
    let mut ways: Vec<Way> = std::iter::once(direct).chain(ways).collect();
    for peer in &peers {
        wrk(machine, folder.path(), peer.address(), CONNECTIONS, WARM_UP)?;
    }
    let (load, alone) = (DURATION.as_secs(), ALONE_DURATION.as_secs());
    say(&format!(
        "a request: {rounds} rounds of {load} s with {CONNECTIONS} connections and {alone} s with {ALONE}; {}",
        busy()
    ));
    for _ in 0..rounds {
        for (index, way) in ways.iter_mut().enumerate() {
            let peer = index.checked_sub(1).map(|index| &peers[index]);
            let address = peer.map_or(upstream.address, |peer| peer.address());
            let cpu = || peer.map_or(Duration::ZERO, |peer| peer.server().cpu());
            let before = cpu();
            let loaded = wrk(machine, folder.path(), address, CONNECTIONS, DURATION)?;
            let cpu = cpu().saturating_sub(before).as_secs_f64() * 1e6 / count(loaded.requests);
            let alone = wrk(machine, folder.path(), address, ALONE, ALONE_DURATION)?;
            way.rounds.push(Round { cpu, loaded, alone });
            way.rss = peer.map_or(0, |peer| peer.server().memory().rss);
        }
    }
    show(&ways);
    judge(&ways, verdict);
    Ok(())
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn show(ways: &[Way]) {
    say(&format!(
        "{:<12}{:>10}{:>14}{:>12}{:>10}{:>10}{:>12}{:>8}",
        "", "requests/s", "CPU µs/request", "p50, alone", "p50 µs", "p99 µs", "RSS MB", "failed"
    ));
    for way in ways {
        let failed: u64 = way.rounds.iter().map(|round| round.loaded.failed + round.alone.failed).sum();
        say(&format!(
            "{:<12}{:>10.0}{:>14.1}{:>12.0}{:>10.0}{:>10.0}{:>12.1}{failed:>8}",
            way.name,
            way.median(|round| round.loaded.rate()),
            way.median(|round| round.cpu),
            way.median(|round| micros(round.alone.p50)),
            way.median(|round| micros(round.loaded.p50)),
            way.median(|round| micros(round.loaded.p99)),
            count(way.rss / 1024) / 1024.0,
        ));
    }
}

/// The median of what each round has of one beside the other: rounds see the same machine.
fn ratio(ways: &[Way], name: &str, to: &str, figure: impl Fn(&Round) -> f64) -> f64 {
    let way = |name: &str| ways.iter().find(|way| way.name == name).map_or(&[][..], |way| &way.rounds);
    median(way(name).iter().zip(way(to)).map(|(one, other)| figure(one) / figure(other)))
}

fn judge(ways: &[Way], verdict: &mut Verdict) {
    say(&format!("beside {FLOOR}, in the same round"));
    for way in ways {
        let beside = |figure: &dyn Fn(&Round) -> f64| ratio(ways, way.name, FLOOR, figure);
        say(&format!(
            "{:<12}{:>10.2}{:>14.2}{:>12.2}{:>10.2}{:>10.2}",
            way.name,
            beside(&|round| round.loaded.rate()),
            beside(&|round| round.cpu),
            beside(&|round| micros(round.alone.p50)),
            beside(&|round| micros(round.loaded.p50)),
            beside(&|round| micros(round.loaded.p99)),
        ));
    }
    say(&busy());
    for other in [FLOOR, "haproxy"] {
        let cpu = ratio(ways, OURS, other, |round| round.cpu);
        verdict.at_most(&format!("CPU of a request beside {other}"), cpu, MOST_CPU, "times");
    }
    let latency = ratio(ways, OURS, FLOOR, |round| micros(round.alone.p50));
    verdict.at_most(&format!("p50 with one connection beside {FLOOR}"), latency, MOST_LATENCY, "times");
}

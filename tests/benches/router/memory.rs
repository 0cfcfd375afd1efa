//! What memory each takes: idle, with many idle connections, and with as many that are all at work.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::machine::{Machine, Memory, busy};
use crate::peers::{self, OURS, Peer};
use crate::upstream::Upstream;
use crate::verdict::Verdict;
use crate::wrk::{count, wrk};
use crate::{Result, say};

const CONNECTIONS: u16 = 5_000;
const DURATION: Duration = Duration::from_secs(3);
const SAMPLE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(10);

const MOST_IDLE_MB: f64 = 20.0;
const MOST_MB: f64 = 60.0;

/// The states that are looked at, one after the other.
#[derive(Debug)]
struct Seen {
    idle: Memory,
    /// Connections that have each had one answer.
    kept: Memory,
    /// The most while all of them ask.
    working: Memory,
    /// After all of them have gone.
    after: Memory,
}

pub(crate) fn measure(machine: &Machine, quickserve: &Path, verdict: &mut Verdict) -> Result<()> {
    let upstream = Upstream::start(machine, "a", None)?;
    let peers = peers::start(machine, quickserve, upstream.address)?;
    say(&format!(
        "memory of all processes, RSS / PSS in MB: idle, with {CONNECTIONS} kept connections, with {CONNECTIONS} at \
         work, and after; {}",
        busy()
    ));
    say(&format!("{:<12}{:>16}{:>16}{:>16}{:>16}", "", "idle", "kept", "at work", "after"));
    for peer in &peers {
        let seen = look(machine, peer.as_ref())?;
        let Seen { idle, kept, working, after } = &seen;
        let [idle, kept, working, after] = [idle, kept, working, after].map(both);
        say(&format!("{:<12}{idle:>16}{kept:>16}{working:>16}{after:>16}", peer.name()));
        if peer.name() == OURS {
            let mut judge = |what: &str, bytes: u64, most: f64| verdict.at_most(what, mb(bytes), most, "MB");
            judge("memory of the router, idle, RSS", seen.idle.rss, MOST_IDLE_MB);
            judge("the same, PSS", seen.idle.pss, MOST_IDLE_MB);
            judge("memory with 5,000 kept connections, RSS", seen.kept.rss, MOST_MB);
            judge("the same, PSS", seen.kept.pss, MOST_MB);
            judge("memory with 5,000 connections at work, PSS", seen.working.pss, MOST_MB);
        }
    }
    Ok(())
}

fn look(machine: &Machine, peer: &dyn Peer) -> Result<Seen> {
    let folder = tempfile::Builder::new().prefix("quickserve-bench-").tempdir()?;
    ask(&mut connect(peer.address())?)?;
    let idle = peer.server().memory();
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = connect(peer.address())?;
        ask(&mut connection)?;
        connections.push(connection);
    }
    let kept = peer.server().memory();
    drop(connections);
    let folder = &folder;
    let working = thread::scope(|scope| {
        let address = peer.address();
        let load = scope.spawn(move || {
            let seen = wrk(machine, folder.path(), address, CONNECTIONS.into(), DURATION);
            seen.map_err(|error| error.to_string())
        });
        let mut most = Memory::default();
        while !load.is_finished() {
            let now = peer.server().memory();
            most = Memory { rss: most.rss.max(now.rss), pss: most.pss.max(now.pss) };
            thread::sleep(SAMPLE);
        }
        load.join().map_err(|_| "a panic".to_owned())?.map(|_| most)
    })?;
    thread::sleep(SAMPLE);
    Ok(Seen { idle, kept, working, after: peer.server().memory() })
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_nodelay(true)?;
    Ok(connection)
}

/// One request; a short answer comes in one piece.
fn ask(connection: &mut TcpStream) -> Result<()> {
    connection.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n")?;
    let mut answer = [0; 4096];
    let count = connection.read(&mut answer)?;
    if answer[..count].starts_with(b"HTTP/1.1 200") { Ok(()) } else { Err("a request was refused".into()) }
}

fn mb(bytes: u64) -> f64 {
    count(bytes / 1024) * 1.024 / 1000.0
}

fn both(memory: &Memory) -> String {
    format!("{:.1} / {:.1}", mb(memory.rss), mb(memory.pss))
}

//! How long a blue/green deployment takes until the new version serves, beside `docker run` of the same
//! container (on a network with names, with rotated logs) and of a bare one (on the default bridge); and what
//! the same change costs under load, beside `docker-compose up -d`.
//!
//! `make bench`, or `cargo bench -p quickserve-tests --bench deploy -- QUICKSERVE STOREFRONT [PAIRS]`: the two
//! executables. Both ways are measured in turns, in one run, from the start of the command's process to the
//! first answer of the new container, asked for every 5 ms over a new connection: on the public port all the
//! time, of the bare container from when `docker run` has returned.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use quickserve_tests::load::{Load, Size, Tally};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const POLL: Duration = Duration::from_millis(5);
/// Nothing that is measured takes nearly as long.
const LIMIT: Duration = Duration::from_mins(1);
const PAIRS: usize = 15;
/// What the ratio to the same container should stay below. Beside a bare one on the default bridge the network with names
/// alone costs Docker more than that.
const TARGET: f64 = 1.25;

/// The comparison under load: so many changes by each, and the load goes on so long before and after.
const TURNS: usize = 5;
const AROUND: Duration = Duration::from_millis(500);
const LOAD: Size = Size {
    connections: 8,
    http2: 0,
    pause: Duration::from_millis(20),
    websockets: 0,
    listeners: 0,
    uploads: 0,
    longest: LIMIT,
    most: u64::MAX,
};
const COMPOSE_PROJECT: &str = "quickserve-bench-compose";

const REPOSITORY: &str = "quickserve-bench";
const CONTAINER: &str = "quickserve-bench-plain";
const DOCKERFILE: &str = include_str!("../../examples/storefront/Dockerfile");
const VARIABLES: [&str; 2] = ["DATABASE_URL=postgresql://shop@db/shop", "STRIPE_API_KEY=sk-bench"];

fn main() -> ExitCode {
    // cargo adds a flag of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| !one.starts_with("--")).collect();
    let [quickserve, storefront, pairs @ ..] = arguments.as_slice() else {
        say("usage: cargo bench -p quickserve-tests --bench deploy -- QUICKSERVE STOREFRONT [PAIRS]");
        return ExitCode::from(2);
    };
    let pairs = pairs.first().and_then(|pairs| pairs.parse().ok()).unwrap_or(PAIRS).max(2);
    match Bench::open(quickserve.as_ref()).and_then(|bench| bench.run(storefront.as_ref(), pairs)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// A service in a folder of its own, removed in the end.
struct Bench {
    quickserve: PathBuf,
    folder: tempfile::TempDir,
    public: SocketAddr,
}

/// One measured pair, and what the command did after the new version served.
struct Pair {
    quickserve: Duration,
    same: Duration,
    bare: Duration,
    rest: Duration,
}

impl Bench {
    fn open(quickserve: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("quickserve-bench-").tempdir()?;
        let found = quickserve.canonicalize();
        let quickserve = found.map_err(|error| format!("{}: {error}", quickserve.display()))?;
        Ok(Self { quickserve, folder, public: free_address()? })
    }

    fn run(&self, storefront: &Path, pairs: usize) -> Result<()> {
        self.write(storefront)?;
        say("building two versions of examples/storefront");
        for version in ["1", "2"] {
            let tag = format!("{REPOSITORY}:{version}");
            let label = format!("dev.quickserve.bench={version}");
            let image = self.folder.path().join("image");
            docker(&["build", "-q", "-t", &tag, "--label", &label, &image.to_string_lossy()])?;
        }
        // The first of each is not counted: the router is started once, and the engine reads images.
        self.pair("1")?;
        let mut measured = Vec::new();
        say("pair   quickserve  docker run, same  docker run, bare   (ms)");
        for number in 1..=pairs {
            let pair = self.pair(if number % 2 == 0 { "1" } else { "2" })?;
            let (quickserve, same, bare) = (ms(pair.quickserve), ms(pair.same), ms(pair.bare));
            say(&format!("{number:>4} {quickserve:>12.0} {same:>17.0} {bare:>17.0}"));
            measured.push(pair);
        }
        let quickserve = median(measured.iter().map(|pair| pair.quickserve));
        let same = median(measured.iter().map(|pair| pair.same));
        let bare = median(measured.iter().map(|pair| pair.bare));
        let rest = median(measured.iter().map(|pair| pair.rest));
        say(&format!("median {quickserve:>10.0} {same:>17.0} {bare:>17.0}"));
        let (to_same, to_bare) = (quickserve / same, quickserve / bare);
        say(&format!(
            "ratio  {to_same:.2} to the same container (target: at most {TARGET}), {to_bare:.2} to the bare one"
        ));
        say(&format!(
            "after it served, quickserve retired the old version and ended in {rest:.0} ms (median)"
        ));
        self.compare_with_compose()
    }

    /// The same change of version by both, each under the same load, in turns.
    fn compare_with_compose(&self) -> Result<()> {
        let compose = Compose::open(self.folder.path())?;
        compose.up("1")?;
        say(&format!("the same change under {} connections, until the new version serves", LOAD.connections));
        say("turn     quickserve      requests failed  docker-compose      requests failed   (ms)");
        let mut totals = [Tally::default(), Tally::default()];
        for turn in 1..=TURNS {
            let version = if turn % 2 == 0 { "1" } else { "2" };
            let (ours, our_tally) = loaded(self.public, || self.deploy(version).map(|(served, _)| served))?;
            let (theirs, their_tally) = loaded(compose.public, || compose.up(version))?;
            say(&format!(
                "{turn:>4} {:>14.0} {:>13} {:>6} {:>15.0} {:>13} {:>6}",
                ms(ours),
                our_tally.sent,
                our_tally.failed,
                ms(theirs),
                their_tally.sent,
                their_tally.failed
            ));
            for (total, tally) in totals.iter_mut().zip([our_tally, their_tally]) {
                total.sent += tally.sent;
                total.failed += tally.failed;
            }
        }
        let [ours, theirs] = totals;
        say(&format!(
            "failed   quickserve {} of {} requests, {} {} of {}",
            ours.failed, ours.sent, compose.name, theirs.failed, theirs.sent
        ));
        Ok(())
    }

    fn pair(&self, version: &str) -> Result<Pair> {
        let (quickserve, rest) = self.deploy(version)?;
        let like_ours = ["--network", "quickserve-bench", "--network-alias", "plain"];
        let logs = ["--log-opt", "max-size=10m", "--log-opt", "max-file=3"];
        let same = Self::docker_run(version, &[like_ours.as_slice(), logs.as_slice()].concat())?;
        Ok(Pair { quickserve, rest, same, bare: Self::docker_run(version, &[])? })
    }

    fn write(&self, storefront: &Path) -> Result<()> {
        let folder = self.folder.path();
        let settings = format!(
            "service = \"shop\"\nport = 3000\nhealth_check = \"/health\"\n\
             [deploy]\nbake_time = \"0s\"\n\
             [environments.bench]\nplatform = \"docker\"\npublic_port = {}\nenv_file = \".env\"\n",
            self.public.port()
        );
        fs::write(folder.join("quickserve.toml"), settings)?;
        fs::write(folder.join(".env"), VARIABLES.join("\n"))?;
        fs::create_dir(folder.join("image"))?;
        fs::write(folder.join("image/Dockerfile"), DOCKERFILE)?;
        fs::copy(storefront, folder.join("image/storefront"))?;
        Ok(())
    }

    fn quickserve(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.quickserve);
        command.current_dir(self.folder.path()).args(arguments);
        command.env("QUICKSERVE_STATE_DIR", self.folder.path().join("state"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Until the new version serves, and from then to the command's end.
    fn deploy(&self, version: &str) -> Result<(Duration, Duration)> {
        let began = now();
        let child = self.quickserve(&["deploy", "--image", &format!("{REPOSITORY}:{version}")]).spawn()?;
        // Every release says its version.
        let serves = format!("\"version\":\"{version}\"");
        let served =
            until(began, || get(self.public, "/version").is_ok_and(|answer| answer.contains(&serves)));
        let output = child.wait_with_output()?;
        let ended = began.elapsed();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("quickserve deploy ended with {}:\n{said}", output.status).into());
        }
        let served = served?;
        Ok((served, ended.saturating_sub(served)))
    }

    fn docker_run(version: &str, more: &[&str]) -> Result<Duration> {
        let address = free_address()?;
        let publish = format!("{address}:3000");
        let began = now();
        let mut command = Command::new("docker");
        command.args(["run", "-d", "--name", CONTAINER, "-p", &publish]).args(more);
        for variable in VARIABLES {
            command.args(["-e", variable]);
        }
        command.arg(format!("{REPOSITORY}:{version}"));
        let output = command.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        // Not asked before: docker's proxy takes connections while the container has no network yet, and its own
        // attempt to reach it is then repeated only after a second. Asking early makes docker seem slow.
        let served =
            until(began, || get(address, "/health").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")));
        docker(&["rm", "-f", "-v", CONTAINER])?;
        served
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let clean = |outcome: io::Result<std::process::Output>| match outcome {
            Ok(output) if output.status.success() => {}
            Ok(output) => say(&String::from_utf8_lossy(&output.stderr)),
            Err(error) => say(&format!("cleaning up: {error}")),
        };
        clean(self.quickserve(&["down"]).output());
        clean(self.quickserve(&["router", "stop", "--force"]).output());
        let tags = [format!("{REPOSITORY}:1"), format!("{REPOSITORY}:2")];
        clean(Command::new("docker").args(["image", "rm", "-f"]).args(tags).output());
    }
}

/// The same service as a user of Docker Compose has it.
struct Compose {
    /// `docker-compose` or `docker compose`, whichever is there.
    name: &'static str,
    file: PathBuf,
    public: SocketAddr,
}

impl Compose {
    fn open(folder: &Path) -> Result<Self> {
        let answers = |name: &str| {
            let mut words = name.split(' ').chain(["version"]);
            let mut command = Command::new(words.next().unwrap_or_default());
            command.args(words).stdin(Stdio::null());
            command.output().is_ok_and(|output| output.status.success())
        };
        let name = ["docker compose", "docker-compose"].into_iter().find(|name| answers(name));
        let name = name.ok_or("Docker Compose is not installed")?;
        let (file, public) = (folder.join("docker-compose.yml"), free_address()?);
        let environment = VARIABLES.map(|variable| format!("      - {variable}\n")).concat();
        let text = format!(
            "version: \"3\"\n\
             services:\n  \
               shop:\n    \
                 image: {REPOSITORY}:${{VERSION}}\n    \
                 ports: [\"{public}:3000\"]\n    \
                 environment:\n      - IMAGE_TAG=${{VERSION}}\n{environment}"
        );
        fs::write(&file, text)?;
        Ok(Self { name, file, public })
    }

    fn command(&self, version: &str, arguments: &[&str]) -> Command {
        let mut words = self.name.split(' ');
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).args(["--project-name", COMPOSE_PROJECT, "--file"]).arg(&self.file);
        command.args(arguments).env("VERSION", version).stdin(Stdio::null());
        command
    }

    /// Until the version serves.
    fn up(&self, version: &str) -> Result<Duration> {
        let serves = format!("\"version\":\"{version}\"");
        let began = now();
        let child =
            self.command(version, &["up", "-d"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let served =
            until(began, || get(self.public, "/version").is_ok_and(|answer| answer.contains(&serves)));
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{} ended with {}:\n{said}", self.name, output.status).into());
        }
        served
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        match self.command("1", &["down", "--volumes"]).output() {
            Ok(output) if output.status.success() => {}
            Ok(output) => say(&String::from_utf8_lossy(&output.stderr)),
            Err(error) => say(&format!("cleaning up: {error}")),
        }
    }
}

/// Does something under load, and answers what the load saw from a moment before to a moment after.
fn loaded(public: SocketAddr, act: impl FnOnce() -> Result<Duration>) -> Result<(Duration, Tally)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let load = runtime.block_on(async { Load::start(public.port(), LOAD) });
    sleep(AROUND);
    let done = act();
    sleep(AROUND);
    let tally = runtime.block_on(load.stop());
    Ok((done?, tally))
}

fn docker(arguments: &[&str]) -> Result<()> {
    // The builder that keeps no cache beside images.
    let output = Command::new("docker").args(arguments).env("DOCKER_BUILDKIT", "0").output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("docker {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)).into())
}

/// Asks again and again; answers how long it took since `began`.
fn until(began: Instant, done: impl Fn() -> bool) -> Result<Duration> {
    while !done() {
        if began.elapsed() > LIMIT {
            return Err(format!("nothing served within {} s", LIMIT.as_secs()).into());
        }
        sleep(POLL);
    }
    Ok(began.elapsed())
}

fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn median(durations: impl Iterator<Item = Duration>) -> f64 {
    let mut sorted: Vec<f64> = durations.map(ms).collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[expect(clippy::disallowed_methods, reason = "measuring is what this is for")]
fn now() -> Instant {
    Instant::now()
}

fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

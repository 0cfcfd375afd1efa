//! How long a blue/green deployment takes until the new version serves, beside `docker run` of the same
//! container (on a network with names, with rotated logs) and of a bare one (on the default bridge).
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

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const POLL: Duration = Duration::from_millis(5);
/// Nothing that is measured takes nearly as long.
const LIMIT: Duration = Duration::from_mins(1);
const PAIRS: usize = 15;
/// What the ratio should stay below.
const TARGET: f64 = 1.25;

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
            "ratio  {to_same:.2} to the same container, {to_bare:.2} to the bare one (target: at most {TARGET})"
        ));
        say(&format!(
            "after it served, quickserve retired the old version and ended in {rest:.0} ms (median)"
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

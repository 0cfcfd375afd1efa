//! This machine: who runs on which core, and what the kernel knows of a process and its children.

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal};

use crate::Result;

/// For a server to take its first connection, and to end.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// Clock ticks a second, in which the kernel tells CPU time (`USER_HZ`, which is the same everywhere).
const TICKS: u32 = 100;

/// Enough for 5,000 connections through a proxy.
const DESCRIPTORS: u64 = 20_000;

/// The cores: the proxies' own, and those of upstream and load.
#[derive(Debug)]
pub(crate) struct Machine {
    proxy: String,
    load: String,
}

/// What processes use.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Resident, in bytes: pages that several processes share are counted in each.
    pub(crate) rss: u64,
    /// The same with shared pages divided among those that share them.
    pub(crate) pss: u64,
}

/// A server that this benchmark started. Dropped, it and its children end.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    name: String,
}

impl Machine {
    /// Takes the cores that this process may use, and moves it to those of the load.
    pub(crate) fn take() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let cores = cores(allowed.unwrap_or_default().trim());
        let [load @ .., proxy] = cores.as_slice() else { return Err("no core to run on".into()) };
        if load.is_empty() {
            return Err("this takes two cores: one for the proxy, one for the load".into());
        }
        let machine = Self { proxy: proxy.to_string(), load: list(load) };
        let own = std::process::id().to_string();
        let moved =
            Command::new("taskset").args(["-acp", &machine.load, &own]).stdout(Stdio::null()).status()?;
        if !moved.success() {
            return Err("taskset could not move this process".into());
        }
        let limit = rustix::process::getrlimit(Resource::Nofile);
        let wanted = limit.maximum.map_or(DESCRIPTORS, |most| most.min(DESCRIPTORS));
        if limit.current.is_some_and(|current| current < wanted) {
            rustix::process::setrlimit(
                Resource::Nofile,
                Rlimit { current: Some(wanted), maximum: limit.maximum },
            )?;
        }
        Ok(machine)
    }

    /// A command that runs on the proxies' core.
    pub(crate) fn on_proxy_core(&self, program: &Path) -> Command {
        pinned(&self.proxy, program)
    }

    /// A command that runs on the load's cores.
    pub(crate) fn on_load_cores(&self, program: &Path) -> Command {
        pinned(&self.load, program)
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proxy, load } = self;
        write!(f, "proxies on core {proxy}, load and upstream on core {load}; {}", busy())
    }
}

/// How busy the machine is.
pub(crate) fn busy() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<&str> = load.split(' ').take(3).collect();
    format!("load average {}", averages.join(" "))
}

fn pinned(cores: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", cores]).arg(program).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Such as `0-2,5`.
fn cores(list: &str) -> Vec<u32> {
    let ranges = list.split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

fn list(cores: &[u32]) -> String {
    cores.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Where a program is; servers are often where an ordinary user's PATH does not look.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let folders = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"];
    let found = folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
    found.ok_or_else(|| format!("{name} is not installed; .ci/setup peers installs it").into())
}

impl Server {
    /// Starts one, and waits until it serves. What it complains of is in `folder`.
    pub(crate) fn start(command: &mut Command, folder: &Path, serves: impl Fn() -> bool) -> Result<Self> {
        let name = command.get_args().nth(2).map(Path::new).and_then(Path::file_name).unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let log = folder.join("stderr.log");
        let child = command.stderr(fs::File::create(&log)?).spawn()?;
        let mut server = Self { child, name };
        let began = now();
        while !serves() {
            let ended = server.child.try_wait()?;
            if ended.is_some() || began.elapsed() > PATIENCE {
                let said = fs::read_to_string(&log).unwrap_or_default();
                return Err(format!("{} does not serve: {said}", server.name).into());
            }
            sleep(POLL);
        }
        Ok(server)
    }

    /// Sends the first process a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        Ok(rustix::process::kill_process(pid(self.child.id())?, signal)?)
    }

    /// CPU time that its processes have used.
    pub(crate) fn cpu(&self) -> Duration {
        family(self.child.id()).into_iter().filter_map(cpu).sum()
    }

    pub(crate) fn memory(&self) -> Memory {
        let mut sum = Memory::default();
        for pid in family(self.child.id()) {
            let one = memory(pid);
            sum.rss += one.rss;
            sum.pss += one.pss;
        }
        sum
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let processes = family(self.child.id());
        let _ = self.signal(Signal::TERM);
        let began = now();
        while processes.iter().any(|process| is_running(*process)) && began.elapsed() < PATIENCE {
            let _ = self.child.try_wait();
            sleep(POLL);
        }
        for process in processes.into_iter().filter(|process| is_running(*process)) {
            let _ = pid(process).map(|pid| rustix::process::kill_process(pid, Signal::KILL));
        }
        let _ = self.child.wait();
    }
}

fn pid(number: u32) -> Result<Pid> {
    Ok(Pid::from_raw(i32::try_from(number)?).ok_or("no such process")?)
}

/// A process and all its children.
fn family(first: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let parents: Vec<(u32, u32)> =
        processes.filter_map(|process| Some((process, fields(process)?.get(1)?.parse().ok()?))).collect();
    let mut family = vec![first];
    let mut at = 0;
    while at < family.len() {
        let parent = family[at];
        family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(process, _)| *process));
        at += 1;
    }
    family
}

/// The fields of /proc/PID/stat after the name: state, parent, and so on (proc(5), from field 3).
fn fields(process: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    Some(rest.split(' ').map(str::to_owned).collect())
}

fn is_running(process: u32) -> bool {
    fields(process).is_some_and(|fields| fields.first().is_some_and(|state| state != "Z"))
}

fn cpu(process: u32) -> Option<Duration> {
    let fields = fields(process)?;
    let ticks = |index: usize| fields.get(index)?.parse::<u32>().ok();
    Some(Duration::from_secs(1) * (ticks(11)? + ticks(12)?) / TICKS)
}

fn memory(process: u32) -> Memory {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap_or_default();
        kib * 1024
    };
    Memory { rss: field("status", "VmRSS:"), pss: field("smaps_rollup", "Pss:") }
}

pub(crate) fn listens(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

/// An address of this machine that nobody listens on.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

#[expect(clippy::disallowed_methods, reason = "measuring is what this is for")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The one in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        len if len.is_multiple_of(2) => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}

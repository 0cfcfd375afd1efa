//! What the tests stand on: an image with one small program, a service of its own for each test, and a
//! guard that removes both, after a panic too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use quickserve_core::clock::{Clock, SystemClock};
use quickserve_core::fence::{Epoch, Fence};
use quickserve_core::orchestrator::{
    Drive, Orchestrator as _, SetSpec, SetState, Standing, TaskId, TaskPhase, TaskSets, TaskState,
};
use quickserve_core::release::{Image, Release, ReleaseId, SecretBinding, SecretVersion};
use quickserve_core::secrets::{BoundSecret, SecretPresence, SecretStore};
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::{Counters, Split, SplitVersion, TrafficRouter};
use quickserve_core::workload::{Container, EndpointPort, Workload};
use quickserve_core::{Error, ErrorKind, Result};
use quickserve_docker::{DockerPlatform, Engine};
use secrecy::SecretString;
use tempfile::TempDir;

/// Of everything the tests make, beside QuickServe's own labels.
pub(super) const SECRET_VALUE: &str = "s3cret-value-of-the-test";

/// A service of its own, and what it needs; dropped, nothing of it is left.
pub(super) struct Stage {
    pub(super) key: ServiceKey,
    pub(super) platform: DockerPlatform,
    pub(super) engine: Engine,
    pub(super) clock: Arc<TestClock>,
    pub(super) image: String,
    pub(super) folder: TempDir,
}

impl Stage {
    /// A new service on the engine, and an image in its store.
    pub(super) async fn new(name: &str) -> Self {
        let engine = match Engine::connect(None).await {
            Ok(engine) => engine,
            Err(error) => panic!(
                "these tests need a Docker engine that answers: {} (hint: {})",
                error.causes().join(": "),
                error.hint().unwrap_or("none"),
            ),
        };
        let folder = TempDir::new().expect("a folder");
        let unique = folder.path().file_name().and_then(|name| name.to_str()).expect("a name");
        let unique: String = unique.chars().filter(char::is_ascii_alphanumeric).collect();
        let unique = unique.to_lowercase();
        let key = ServiceKey::new(format!("it-{name}-{unique}"), format!("it-{unique}")).expect("a key");
        let image = format!("quickserve-it-{name}-{unique}:1");
        let clock = Arc::new(TestClock::default());
        let platform = DockerPlatform::new(
            engine.clone(),
            key.clone(),
            Arc::new(NoRouter::default()),
            Arc::new(OneSecret),
            Arc::clone(&clock) as _,
        );
        let stage = Self { key, platform, engine, clock, image, folder };
        import(&stage.image, stage.folder.path());
        stage
    }

    /// Another process's view of the same service.
    pub(super) fn another_process(&self) -> DockerPlatform {
        DockerPlatform::new(
            self.engine.clone(),
            self.key.clone(),
            Arc::new(NoRouter::default()),
            Arc::new(OneSecret),
            Arc::clone(&self.clock) as _,
        )
    }

    /// A release of these containers; each runs the test image with its command.
    pub(super) fn release(&self, workload: Workload) -> Arc<Release> {
        let id = docker(&["image", "inspect", "--format", "{{.Id}}", &self.image]);
        let image = Image {
            reference: self.image.clone(),
            digest: id.trim().parse().expect("an id"),
            manifest: None,
        };
        let images: BTreeMap<String, Image> =
            workload.containers.iter().map(|one| (one.name.clone(), image.clone())).collect();
        let secrets = workload.containers.iter().flat_map(|one| {
            one.secrets.iter().map(|(variable, source)| SecretBinding {
                container: one.name.clone(),
                variable: variable.clone(),
                source: source.clone(),
                version: SecretVersion::Pinned("v1".into()),
            })
        });
        let secrets = secrets.collect();
        Arc::new(Release::new("1.2.3", images, secrets, workload, None).expect("a release"))
    }

    pub(super) fn sets(&self) -> Arc<dyn TaskSets> {
        sets(&self.platform)
    }

    /// Advances until every task has the phase.
    pub(super) async fn advance_until(&self, spec: &SetSpec, phase: TaskPhase) -> SetState {
        let mut last = SetState::default();
        for _ in 0..200 {
            last = self.sets().advance(&fence(1), spec).await.expect("an advance");
            if last.tasks.len() == spec.tasks as usize && last.tasks.iter().all(|task| task.phase == phase) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never {phase:?}: {last:#?}");
    }

    /// Advances until a task has ended, and no further: the next advance would replace it.
    pub(super) async fn advance_until_ended(&self, spec: &SetSpec) -> SetState {
        for _ in 0..200 {
            let now = self.platform.observe().await.expect("an observation").set(&spec.release.id);
            if now.tasks.iter().any(|task| task.phase == TaskPhase::Ended) {
                return now;
            }
            self.sets().advance(&fence(1), spec).await.expect("an advance");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no task ever ends");
    }

    /// The set as it is, until it is as told.
    pub(super) async fn observe_until(
        &self,
        release: &ReleaseId,
        what: &str,
        is_so: impl Fn(&[TaskState]) -> bool,
    ) -> Vec<TaskState> {
        let mut last = Vec::new();
        for _ in 0..200 {
            last = self.platform.observe().await.expect("an observation").set(release).tasks;
            if is_so(&last) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never {what}: {last:#?}");
    }

    /// Dooms until nothing is left, and tells how many calls it took.
    pub(super) async fn doom(&self, tasks: &[TaskId]) -> usize {
        for call in 1..300 {
            if self.sets().doom(&fence(1), tasks).await.expect("a doom").is_empty() {
                return call;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{tasks:?} never end");
    }

    /// Ids of the service's containers, running or not.
    pub(super) fn containers(&self) -> Vec<String> {
        let label = format!("label=dev.quickserve.service={}", self.key.service());
        docker(&["ps", "-aq", "--no-trunc", "--filter", &label]).lines().map(str::to_owned).collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let label = format!("label=dev.quickserve.service={}", self.key.service());
        let network = format!("quickserve-{}", self.key.environment());
        let pins = format!("quickserve/{}.{}", self.key.service(), self.key.environment());
        let run = |args: &[&str]| {
            let output = Command::new("docker").args(args).stderr(Stdio::null()).output();
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
        };
        for id in run(&["ps", "-aq", "--filter", &label]).lines() {
            run(&["rm", "-fv", id]);
        }
        for id in run(&["volume", "ls", "-q", "--filter", &label]).lines() {
            run(&["volume", "rm", id]);
        }
        run(&["network", "rm", &network]);
        for tag in run(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", &pins]).lines() {
            run(&["rmi", tag]);
        }
        run(&["rmi", "-f", &self.image]);
    }
}

pub(super) fn sets(platform: &DockerPlatform) -> Arc<dyn TaskSets> {
    match platform.drive() {
        Drive::Stepwise { sets, .. } => sets,
        Drive::Managed(_) => panic!("local Docker is driven stepwise"),
    }
}

/// One container that does these things.
pub(super) fn single(command: &[&str]) -> Workload {
    let mut workload = Workload::single("app");
    workload.containers[0] = container("app", command);
    workload
}

/// One container that listens on its endpoint.
pub(super) fn serving(command: &[&str]) -> Workload {
    let mut workload = single(command);
    workload.containers[0].ports = vec![8080];
    workload.endpoint = Some(EndpointPort { container: "app".into(), port: 8080 });
    workload
}

pub(super) fn container(name: &str, command: &[&str]) -> Container {
    let mut container = Container::new(name);
    container.command = Some(command.iter().map(|&word| word.to_owned()).collect());
    container.stop_timeout = Duration::from_secs(2);
    container
}

pub(super) fn spec(release: &Arc<Release>, tasks: u32) -> SetSpec {
    SetSpec { release: Arc::clone(release), tasks, standing: Standing::Staged, doomed: BTreeSet::new() }
}

pub(super) fn fence(epoch: u64) -> Fence {
    Fence { epoch: Epoch(epoch), op: 1, not_after: Timestamp::MAX }
}

pub(super) fn ids(set: &SetState) -> Vec<TaskId> {
    set.tasks.iter().map(|task| task.id.clone()).collect()
}

/// Sends a request and answers with what came back; empty when nothing did.
pub(super) fn get(address: SocketAddr, path: &str) -> String {
    let mut body = String::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
        let _ = stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        let _ = stream.read_to_string(&mut body);
    }
    body
}

/// Asks again until there is an answer.
pub(super) async fn get_until_answered(address: SocketAddr) -> String {
    for _ in 0..100 {
        let answer = get(address, "/");
        if !answer.is_empty() {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{address} never answers");
}

/// Runs the docker client.
pub(super) fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output();
    let output = output.unwrap_or_else(|error| panic!("these tests need the docker client: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Makes the test image: one static program and nothing else.
fn import(tag: &str, folder: &Path) {
    let root = folder.join("root");
    std::fs::create_dir_all(root.join("tmp")).expect("a folder");
    std::fs::copy(program(), root.join("app")).expect("a copy");
    let tar = Command::new("tar").arg("-C").arg(&root).args(["-c", "."]).stdout(Stdio::piped()).spawn();
    let mut tar = tar.expect("tar");
    let import = Command::new("docker")
        .args(["import", "--change", "ENTRYPOINT [\"/app\"]", "--change", "EXPOSE 8080"])
        .args(["--change", "ENV FROM_IMAGE=1", "-", tag])
        .stdin(tar.stdout.take().expect("a pipe"))
        .output();
    let import = import.unwrap_or_else(|error| panic!("these tests need the docker client: {error}"));
    assert!(import.status.success(), "docker import: {}", String::from_utf8_lossy(&import.stderr));
    assert!(tar.wait().expect("tar").success());
}

/// The static program, built once for all test processes.
fn program() -> PathBuf {
    let source = include_str!("app.c");
    let hash = quickserve_core::release::Digest::of(source.as_bytes());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = folder.join(format!("docker-it-{}", &hash.hex()[..12]));
    if !program.exists() {
        let workshop = TempDir::new_in(folder).expect("a folder");
        let file = workshop.path().join("app.c");
        std::fs::write(&file, source).expect("a file");
        let output = workshop.path().join("app");
        let built = Command::new("cc").args(["-static", "-O1", "-s", "-o"]).arg(&output).arg(&file).output();
        let built = built.unwrap_or_else(|error| panic!("these tests need a C compiler (cc): {error}"));
        assert!(built.status.success(), "cc: {}", String::from_utf8_lossy(&built.stderr));
        std::fs::rename(&output, &program).expect("a rename");
    }
    program
}

/// The machine's clock, some way ahead.
#[derive(Debug, Default)]
pub(super) struct TestClock {
    ahead: Mutex<Duration>,
}

impl TestClock {
    pub(super) fn skip(&self, duration: Duration) {
        *self.ahead.lock().expect("the clock") += duration;
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        quickserve_core::clock::after(SystemClock.now(), *self.ahead.lock().expect("the clock"))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A secret store with one value.
#[derive(Debug)]
struct OneSecret;

impl fmt::Display for OneSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one secret")
    }
}

#[async_trait]
impl SecretStore for OneSecret {
    async fn check(&self, sources: &[String]) -> Result<Vec<SecretPresence>> {
        Ok(sources.iter().map(|_| SecretPresence::Present).collect())
    }

    async fn bind(&self, _: &str) -> Result<SecretVersion> {
        Ok(SecretVersion::Pinned("v1".into()))
    }

    async fn resolve(&self, _: &str, _: &SecretVersion) -> Result<BoundSecret> {
        Ok(BoundSecret::Value(SecretString::from(SECRET_VALUE)))
    }
}

/// A router that only remembers its split.
#[derive(Debug, Default)]
struct NoRouter {
    split: Mutex<Split>,
}

impl fmt::Display for NoRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no router")
    }
}

#[async_trait]
impl TrafficRouter for NoRouter {
    async fn split(&self) -> Result<(Split, SplitVersion)> {
        Ok((self.split.lock().expect("the split").clone(), SplitVersion(1)))
    }

    async fn raise(&self, _: &Fence) -> Result<()> {
        Ok(())
    }

    async fn set(&self, _: &Fence, expect: SplitVersion, split: &Split) -> Result<SplitVersion> {
        if expect != SplitVersion(1) {
            return Err(Error::new(ErrorKind::Conflict, "set the split"));
        }
        *self.split.lock().expect("the split") = split.clone();
        Ok(expect)
    }

    async fn is_as_asked(&self, _: &Split) -> Result<bool> {
        Ok(true)
    }

    async fn closed(&self) -> Result<Option<String>> {
        Ok(None)
    }

    async fn in_flight(&self) -> Result<BTreeMap<TaskId, u64>> {
        Ok(BTreeMap::new())
    }

    async fn counters(&self) -> Result<BTreeMap<ReleaseId, Counters>> {
        Ok(BTreeMap::new())
    }

    async fn remove(&self, _: &Fence) -> Result<()> {
        Ok(())
    }
}

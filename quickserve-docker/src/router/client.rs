//! The callers' side of the control socket.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use quickserve_core::fence::Fence;
use quickserve_core::orchestrator::TaskId;
use quickserve_core::release::ReleaseId;
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::{Counters, Split, SplitVersion, TrafficRouter};
use quickserve_core::{Error, ErrorKind, Result};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use super::folder::Folder;
use super::hung;
use super::listen::{ListenSpec, Listening};
use super::process::Upgrade;
use super::protocol::{Answer, Call, MAX_LINE, Request, ServiceStatus, Status, VERSION, line};
use super::state::State;

/// For one call, a slow disk included.
const LIMIT: Duration = Duration::from_secs(10);

/// For an upgrade: the next worker may take its time to start, and the one before to hand over.
const UPGRADE: Duration = Duration::from_mins(1);

/// Before a call whose answer was lost is made again.
const AGAIN: Duration = Duration::from_millis(10);

/// The router of a folder, whether it runs or not. Each call connects anew.
///
/// # Errors
/// Of every call: [`ErrorKind::Unavailable`], temporary, while no router runs in the folder or when its
/// answer was lost; [`ErrorKind::Unsupported`] when it is of a version that speaks otherwise.
#[derive(Debug, Clone)]
pub struct RouterControl {
    folder: Folder,
}

/// The router of a folder, bound to one service.
#[derive(Debug, Clone)]
pub struct RouterClient {
    control: RouterControl,
    service: ServiceKey,
}

impl RouterControl {
    /// The router whose folder this is.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { folder: Folder::new(dir) }
    }

    /// The router's folder.
    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// One of its services.
    pub fn service(&self, service: ServiceKey) -> RouterClient {
        RouterClient { control: self.clone(), service }
    }

    /// How it is.
    pub async fn status(&self) -> Result<Status> {
        match self.call(&Call::Status).await? {
            Answer::Status(status) => Ok(status),
            other => Err(unexpected(&other)),
        }
    }

    /// The services whose requests it sent somewhere when it ran last, as its state says.
    ///
    /// # Errors
    /// When there is a state and it cannot be read.
    pub fn remembered(&self) -> Result<Vec<ServiceKey>> {
        let state = State::read(&self.folder)?;
        let sent = state.services().filter(|service| !service.split.routes.is_empty());
        Ok(sent.map(|service| service.key.clone()).collect())
    }

    /// Asks it to end: requests in flight may finish, to a deadline.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] while it has services, unless it is told to by `force`. One that does not answer is ended
    /// by `force` all the same, by its parent.
    pub async fn shutdown(&self, force: bool) -> Result<()> {
        match self.call(&Call::Shutdown { force }).await {
            Err(error) if force && error.kind() == ErrorKind::TimedOut => hung::end(&self.folder).await,
            answer => done(&answer?),
        }
    }

    /// Replaces the worker by one of this executable, which is given these arguments and its link as stdin.
    /// The worker of before finishes its last connections for up to `linger`.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when the new worker does not come to serve: the one of before serves on, and
    /// nothing was lost. [`ErrorKind::Conflict`] when nobody supervises the router.
    pub async fn upgrade(&self, exe: &Path, args: &[String], linger: Duration) -> Result<()> {
        let upgrade = Upgrade { exe: exe.to_owned(), args: args.to_vec(), linger };
        done(&self.call_within(&Call::Upgrade(upgrade), UPGRADE).await?)
    }

    /// Ends the parent and leaves the worker serving, for the next `router run` to be its parent.
    pub async fn retire(&self) -> Result<()> {
        done(&self.call(&Call::Retire).await?)
    }

    /// The file that its processes write to, where a deployment or a service manager started them.
    pub fn log(&self) -> PathBuf {
        self.folder.log()
    }

    /// What the log held before it was begun anew.
    pub fn old_log(&self) -> PathBuf {
        self.folder.old_log()
    }

    /// The file with a line for each request to services that ask for that, as JSON.
    pub fn access_log(&self) -> PathBuf {
        self.folder.access_log()
    }

    /// What the access log held before it was begun anew.
    pub fn old_access_log(&self) -> PathBuf {
        self.folder.old_access_log()
    }

    async fn call(&self, call: &Call) -> Result<Answer> {
        self.call_within(call, LIMIT).await
    }

    async fn call_within(&self, call: &Call, limit: Duration) -> Result<Answer> {
        tokio::time::timeout(limit, self.insist(call)).await.unwrap_or_else(|_| {
            let message = format!("the router did not answer within {} s", limit.as_secs());
            Err(Error::new(ErrorKind::TimedOut, message).temporary())
        })
    }

    /// Calls until there is an answer. Every call may be repeated: what is so already is not done again. One
    /// whose answer was lost met a worker that died or handed over, and the next one answers.
    async fn insist(&self, call: &Call) -> Result<Answer> {
        let call = serde_json::to_value(call).map_err(not_understood)?;
        let asked = line(&Request { v: VERSION, call })?;
        loop {
            let stream = self.folder.connect().await?;
            if let Ok(answer) = converse(stream, &asked).await {
                return match serde_json::from_slice(&answer).map_err(not_understood)? {
                    Answer::Failed(failure) => Err(failure.into()),
                    answer => Ok(answer),
                };
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Asks once.
///
/// # Errors
/// When the connection ends before a whole answer.
async fn converse(mut stream: UnixStream, asked: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(asked).await?;
    let mut answer = Vec::new();
    // Twice the limit of what is asked: an answer may hold what several calls have set.
    let mut reader = BufReader::new(&mut stream).take(2 * MAX_LINE);
    reader.read_until(b'\n', &mut answer).await?;
    if answer.last() == Some(&b'\n') { Ok(answer) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn not_understood(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Unexpected, "understand the router").with_source(error)
}

impl RouterClient {
    /// The service.
    pub fn service(&self) -> &ServiceKey {
        &self.service
    }

    /// The router as a whole.
    pub fn control(&self) -> &RouterControl {
        &self.control
    }

    /// Makes the router listen for the service, and answers where it does. To ask for what is already so
    /// changes nothing. Listening elsewhere than before, the new socket is open before the old one closes.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when something else listens there, with its name where that can be told; then
    /// nothing has changed. [`ErrorKind::Fenced`] when a newer owner has been seen. [`ErrorKind::Unsupported`] when
    /// the router is too old for what is asked.
    pub async fn configure(&self, fence: &Fence, listen: &ListenSpec) -> Result<Listening> {
        if !listen.rule.is_any() {
            self.control.status().await?.understands(&listen.rule)?;
        }
        let (service, fence, listen) = (self.service.clone(), *fence, Box::new(listen.clone()));
        match self.control.call(&Call::Configure { service, fence, listen }).await? {
            Answer::Listening(listening) => Ok(listening),
            other => Err(unexpected(&other)),
        }
    }
}

#[async_trait]
impl TrafficRouter for RouterClient {
    async fn split(&self) -> Result<(Split, SplitVersion)> {
        match self.control.call(&Call::Split { service: self.service.clone() }).await? {
            Answer::Split(split, version) => Ok((split, version)),
            other => Err(unexpected(&other)),
        }
    }

    async fn raise(&self, fence: &Fence) -> Result<()> {
        done(&self.control.call(&Call::Raise { service: self.service.clone(), fence: *fence }).await?)
    }

    async fn set(&self, fence: &Fence, expect: SplitVersion, split: &Split) -> Result<SplitVersion> {
        let (service, fence, split) = (self.service.clone(), *fence, split.clone());
        match self.control.call(&Call::Set { service, fence, expect, split }).await? {
            Answer::Version(version) => Ok(version),
            other => Err(unexpected(&other)),
        }
    }

    /// Nothing is asked for but by [`configure`](Self::configure).
    async fn is_as_asked(&self, _: &Split) -> Result<bool> {
        Ok(true)
    }

    async fn closed(&self) -> Result<Option<String>> {
        let status = self.control.status().await?;
        let ours = status.services.iter().find(|service| service.service == self.service);
        Ok(ours.and_then(ServiceStatus::closed).map(str::to_owned))
    }

    async fn in_flight(&self) -> Result<BTreeMap<TaskId, u64>> {
        match self.control.call(&Call::InFlight { service: self.service.clone() }).await? {
            Answer::InFlight(in_flight) => Ok(in_flight),
            other => Err(unexpected(&other)),
        }
    }

    async fn counters(&self) -> Result<BTreeMap<ReleaseId, Counters>> {
        match self.control.call(&Call::Counters { service: self.service.clone() }).await? {
            Answer::Counters(counters) => Ok(counters),
            other => Err(unexpected(&other)),
        }
    }

    async fn remove(&self, fence: &Fence) -> Result<()> {
        done(&self.control.call(&Call::Remove { service: self.service.clone(), fence: *fence }).await?)
    }
}

impl fmt::Display for RouterClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the router in {} for {}", self.control.dir().display(), self.service)
    }
}

fn done(answer: &Answer) -> Result<()> {
    match answer {
        Answer::Done => Ok(()),
        other => Err(unexpected(other)),
    }
}

fn unexpected(answer: &Answer) -> Error {
    Error::new(ErrorKind::Unexpected, format!("the router answered something else: {answer:?}"))
}

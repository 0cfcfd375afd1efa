//! The router's services: what owners ask for, made durable, then put into effect.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quickserve_core::fence::Fence;
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::{Split, SplitVersion};
use quickserve_core::{Error, ErrorKind, Result};
use tokio::sync::{Mutex, MutexGuard, OwnedRwLockReadGuard, RwLock};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::checks::{check, check_shared, checked};
use super::door::Doors;
use super::entrance::{Bound, Entrances};
use super::folder::Folder;
use super::listen::{ListenSpec, Listening, loopback};
use super::live::Live;
use super::metrics::{Endpoint, Endpoints};
use super::process::{Followers, Listeners, Load, Supervised, add};
use super::protocol::{Answer, Call, LEVEL, ServiceStatus, Status};
use super::services::{Services, name_ours};
use super::state::{Configured, Record, State};
use super::tls::Secure;

/// When a port that is taken is tried again, and how long the pauses become: to name who holds it, all processes of the
/// machine are looked at.
const REOPEN: Duration = Duration::from_millis(250);
const REOPEN_LATE: Duration = Duration::from_secs(2);

/// All services of a router.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) folder: Folder,
    pub(super) doors: Doors,
    started: Instant,
    /// Cancelled when somebody asked the router to end.
    pub(super) asked_to_end: CancellationToken,
    listeners: Arc<Listeners>,
    followers: Arc<Followers>,
    /// The parent, of a worker.
    pub(super) parent: Option<Arc<Supervised>>,
    /// Whether calls are answered here. Held by each for as long as it takes.
    pub(super) open: Arc<RwLock<bool>>,
    /// Callers that wait for the end of an upgrade.
    pub(super) upgrades: TaskTracker,
    pub(super) services: Mutex<Services>,
}

impl Hub {
    /// Brings back all services as the state has them.
    pub(super) fn restore(
        folder: Folder,
        doors: Doors,
        listeners: Arc<Listeners>,
        followers: Arc<Followers>,
        parent: Option<Arc<Supervised>>,
    ) -> Result<Self> {
        let state = State::read(&folder)?;
        let mut live = BTreeMap::new();
        for record in state.services() {
            live.insert(record.key.clone(), Live::new(record));
        }
        Ok(Self {
            folder,
            doors,
            started: Instant::now(),
            asked_to_end: CancellationToken::new(),
            listeners,
            followers,
            parent,
            open: Arc::new(RwLock::new(true)),
            upgrades: TaskTracker::new(),
            services: Mutex::new(Services {
                state,
                live,
                entrances: Entrances::default(),
                endpoints: Endpoints::new(),
                handed_over: BTreeMap::new(),
            }),
        })
    }

    /// Opens the doors that should be open and are not. Answers whether all are.
    pub(super) async fn open_doors(self: &Arc<Self>) -> bool {
        let mut services = self.services.lock().await;
        let mut all = true;
        let mut moved = services.state.clone();
        for record in moved.services_mut() {
            let Some(configured) = &mut record.listen else { continue };
            let opened = self.open_public(&mut services, &record.key, configured).await;
            let is_public = opened.is_ok();
            let opened = match opened {
                Ok(()) => self.open_preview(&mut services, &record.key, configured).await,
                Err(error) => Err(error),
            };
            let ports = configured.spec.options.metrics_port.into_iter().collect();
            let shown = Endpoint::open_all(&mut services.endpoints, &ports, &self.listeners, self).await;
            let live = services.live(&record.key);
            all &= opened.is_ok() && shown.is_ok();
            live.note_shown(&shown);
            let trouble = opened.err().map(|error| error.causes().join(": "));
            if let Some(trouble) = &trouble
                && live.trouble.is_none()
            {
                tracing::error!(service = %record.key, trouble, "a service cannot be reached");
            }
            live.only_preview = is_public && trouble.is_some();
            live.trouble = trouble;
        }
        // A preview port may have had to change.
        if moved != services.state
            && let Err(error) = self.save(&mut services, moved).await
        {
            tracing::error!(%error, "a new preview port will be forgotten");
        }
        all
    }

    /// Opens a service's public address, unless it is.
    async fn open_public(
        &self,
        services: &mut Services,
        key: &ServiceKey,
        configured: &Configured,
    ) -> Result<()> {
        let live = services.live(key);
        let is_new = live.secure(&self.folder, &configured.spec)?;
        let (address, traffic) = (configured.bound.public, Arc::clone(&live.traffic));
        if !services.entrances.is_open(address) {
            let bound = Bound::new(&self.listeners, address).await?;
            services.open(&self.doors, &self.folder, bound);
        } else if is_new {
            services.entrances.enter(&self.doors, address, &traffic, &configured.spec.rule);
        }
        Ok(())
    }

    /// The same of its preview.
    async fn open_preview(
        &self,
        services: &mut Services,
        key: &ServiceKey,
        configured: &mut Configured,
    ) -> Result<()> {
        let live = services.live(key);
        if live.preview.is_none() {
            live.preview = live.open_preview(&self.doors, &self.listeners, configured).await?;
        }
        Ok(())
    }

    /// Goes on opening doors that could not be opened at first.
    pub(super) async fn keep_opening(self: &Arc<Self>, mut all_open: bool) {
        let mut pause = REOPEN;
        while !all_open {
            tokio::time::sleep(pause).await;
            all_open = self.open_doors().await;
            pause = (pause * 5 / 4).min(REOPEN_LATE);
        }
        std::future::pending::<()>().await;
    }

    /// Keeps this process answering calls until what is returned is dropped; nothing when it does not any more.
    pub(super) async fn enter(&self) -> Option<OwnedRwLockReadGuard<bool>> {
        let open = Arc::clone(&self.open).read_owned().await;
        open.then_some(open)
    }

    /// Does what is asked.
    pub(super) async fn call(self: &Arc<Self>, call: Call) -> Result<Answer> {
        match call {
            Call::Status => Ok(Answer::Status(self.status().await)),
            Call::Shutdown { force } => self.shutdown(force).await,
            Call::Configure { service, fence, listen } => {
                self.configure(&checked(&service)?, &fence, *listen).await.map(Answer::Listening)
            }
            Call::Split { service } => {
                let services = self.services.lock().await;
                let record = services.state.get(&service);
                let (split, version) =
                    record.map(|record| (record.split.clone(), record.version)).unwrap_or_default();
                Ok(Answer::Split(split, version))
            }
            Call::Raise { service, fence } => self.raise(&checked(&service)?, &fence).await,
            Call::Set { service, fence, expect, split } => {
                self.set(&checked(&service)?, &fence, expect, split).await.map(Answer::Version)
            }
            Call::InFlight { service } => {
                self.followers.ask().await?;
                let services = self.services.lock().await;
                Ok(Answer::InFlight(self.load(&services, &service).in_flight))
            }
            Call::Counters { service } => {
                self.followers.ask().await?;
                let services = self.services.lock().await;
                Ok(Answer::Counters(self.load(&services, &service).counters))
            }
            Call::Remove { service, fence } => self.remove(&service, &fence).await,
            Call::Retire => {
                if let Some(parent) = &self.parent {
                    parent.retire();
                }
                Ok(Answer::Done)
            }
            Call::Upgrade(_) | Call::Adopt => {
                Err(Error::new(ErrorKind::Unexpected, "do in a call what a connection is for"))
            }
        }
    }

    /// What this process and its followers work on and have worked on.
    fn load(&self, services: &Services, key: &ServiceKey) -> Load {
        let Some(live) = services.live.get(key) else { return Load::default() };
        let mut load = self.followers.load(key);
        for (task, count) in live.traffic.in_flight() {
            *load.in_flight.entry(task).or_default() += count;
        }
        add(&mut load.counters, &live.traffic.counters());
        load
    }

    pub(super) async fn status(&self) -> Status {
        // How it is as far as is known: a follower that does not answer is no reason to say nothing.
        let _ = self.followers.ask().await;
        let services = self.services.lock().await;
        let mut list: Vec<ServiceStatus> = services
            .state
            .services()
            .map(|record| {
                let live = services.live.get(&record.key);
                let load = self.load(&services, &record.key);
                ServiceStatus {
                    service: record.key.clone(),
                    listening: record.listen.as_ref().map(|configured| configured.bound),
                    asked: record.listen.as_ref().map(|configured| configured.spec.clone()),
                    metrics: record.metrics_port().map(loopback),
                    secure: record.listen.as_ref().is_some_and(|at| at.spec.options.tls.is_some()),
                    trouble: live.and_then(|live| live.trouble.clone()),
                    only_preview: live.is_some_and(|live| live.only_preview),
                    epoch: record.epoch,
                    split: record.split.clone(),
                    split_version: record.version,
                    in_flight: load.in_flight,
                    counters: load.counters,
                    ailing: live.map(|live| live.traffic.ailing()).unwrap_or_default(),
                }
            })
            .collect();
        list.sort_by(|a, b| a.service.cmp(&b.service));
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime: self.started.elapsed().as_secs(),
            worker: self.parent.is_some(),
            supervision: self.parent.as_ref().and_then(|parent| parent.supervision()),
            followers: self.followers.statuses(),
            services: list,
            unrouted: self.unrouted(),
            level: LEVEL,
        }
    }

    /// How many requests were for no service of their address: here, and in the workers of before.
    pub(super) fn unrouted(&self) -> u64 {
        self.doors.strays.count() + self.followers.unrouted()
    }

    async fn shutdown(&self, force: bool) -> Result<Answer> {
        let services = self.services.lock().await;
        let in_use = |record: &&Record| record.listen.is_some() || !record.split.routes.is_empty();
        let names: Vec<String> =
            services.state.services().filter(in_use).map(|record| record.key.to_string()).collect();
        if !force && !names.is_empty() {
            let message = format!("the router serves {}", names.join(", "));
            let hint = "take the services down first, or end it by force";
            return Err(Error::new(ErrorKind::Busy, message).with_hint(hint));
        }
        self.asked_to_end.cancel();
        Ok(Answer::Done)
    }

    async fn raise(&self, key: &ServiceKey, fence: &Fence) -> Result<Answer> {
        let mut services = self.services.lock().await;
        let mut state = services.state.clone();
        state.enter(key, fence)?;
        if state != services.state {
            self.save(&mut services, state).await?;
        }
        services.live(key);
        Ok(Answer::Done)
    }

    async fn set(
        &self,
        key: &ServiceKey,
        fence: &Fence,
        expect: SplitVersion,
        split: Split,
    ) -> Result<SplitVersion> {
        check(&split)?;
        let mut services = self.services.lock().await;
        let mut state = services.state.clone();
        let record = state.enter(key, fence)?;
        let changes = record.split != split;
        if changes && record.version != expect {
            let message = format!(
                "the split of {key} was changed by another call (it has version {}, expected was {})",
                record.version.0, expect.0
            );
            // The owner has been seen all the same: those before it are refused from now on.
            if state != services.state {
                self.save(&mut services, state).await?;
            }
            services.live(key);
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        if changes {
            record.split = split;
            record.version.0 += 1;
        }
        let (split, version) = (record.split.clone(), record.version);
        if state != services.state {
            self.save(&mut services, state).await?;
        }
        let live = services.live(key);
        if changes {
            live.traffic.switch(&split, version);
            let told = live.told(&split, version);
            self.followers.tell(vec![told]).await;
            tracing::info!(service = %key, version = version.0, epoch = fence.epoch.0, "switched");
        }
        Ok(version)
    }

    async fn configure(
        self: &Arc<Self>,
        key: &ServiceKey,
        fence: &Fence,
        spec: ListenSpec,
    ) -> Result<Listening> {
        let mut services = self.services.lock().await;
        let mut state = services.state.clone();
        let record = state.enter(key, fence)?;
        // What cannot be read is found out before anything changes.
        let secure = Secure::asked(&spec.options, &self.folder)?;
        let asked = spec.clone();
        let before = record.listen.take();
        let bound = match &before {
            // What was chosen for it stays, as long as the same is asked for.
            Some(before) => Listening {
                public: if before.spec.public == spec.public { before.bound.public } else { spec.public },
                preview: if before.spec.preview == spec.preview {
                    before.bound.preview
                } else {
                    spec.preview.map(loopback)
                },
            },
            None => Listening { public: spec.public, preview: spec.preview.map(loopback) },
        };
        check_shared(&services.state, key, bound.public, &spec)?;
        let mut configured = Configured { spec, bound };

        // What is new is opened before anything is written, and what was before is closed after.
        let rule = asked.rule.clone();
        let is_open = services.entrances.is_open(bound.public);
        let live = services.live(key);
        let traffic = Arc::clone(&live.traffic);
        let keep_preview = match bound.preview {
            Some(address) => live.preview.as_ref().is_some_and(|open| open.is_at(address)),
            None => live.preview.is_none(),
        };
        let old = live.public.filter(|old| *old != bound.public);
        let mut preview = None;
        if !keep_preview {
            let opened = live.open_preview(&self.doors, &self.listeners, &mut configured).await;
            let wanted = bound.preview.unwrap_or(bound.public);
            preview = opened.map_err(|error| name_ours(error, &services, wanted))?;
        }
        let mut door = None;
        if !is_open {
            let opened = Bound::new(&self.listeners, bound.public).await;
            let opened = opened.map_err(|error| name_ours(error, &services, bound.public))?;
            configured.bound.public = opened.address();
            door = Some(opened);
        }
        let bound = configured.bound;
        record.listen = Some(configured);
        // Only its own: another one's is no reason to refuse it, nor is one that it was promised before.
        let metrics = asked.options.metrics_port;
        let is_new = before.is_none_or(|before| before.spec.options.metrics_port != metrics);
        let ports = metrics.into_iter().collect();
        let shown = Endpoint::open_all(&mut services.endpoints, &ports, &self.listeners, self).await;
        let saved = match shown {
            Err(error) if is_new => Err(error),
            shown => {
                services.live(key).note_shown(&shown);
                if state == services.state { Ok(()) } else { self.save(&mut services, state).await }
            }
        };
        let ports = services.state.metrics_ports();
        Endpoint::close_others(&mut services.endpoints, &ports).await;
        if let Err(error) = saved {
            if let Some(door) = door {
                door.let_go().await;
            }
            return Err(error);
        }
        traffic.configure(&asked, secure);
        match door {
            Some(door) => services.open(&self.doors, &self.folder, door),
            None => services.entrances.enter(&self.doors, bound.public, &traffic, &rule),
        }
        let live = services.live(key);
        live.public = Some(bound.public);
        let mut old_preview = None;
        if !keep_preview {
            old_preview = std::mem::replace(&mut live.preview, preview);
        }
        (live.trouble, live.only_preview) = (None, false);
        let (split, version) = services.state.get(key).map(Record::split).unwrap_or_default();
        let told = services.live(key).told(&split, version);
        self.followers.tell(vec![told]).await;
        if let Some(old) = old {
            services.entrances.leave(old, key).await;
        }
        if let Some(old) = old_preview {
            old.close().await;
        }
        Ok(bound)
    }

    async fn remove(&self, key: &ServiceKey, fence: &Fence) -> Result<Answer> {
        let mut services = self.services.lock().await;
        if services.state.get(key).is_none() {
            return Ok(Answer::Done);
        }
        let mut state = services.state.clone();
        let was_removed = state.get(key).is_some_and(|record| record.removed);
        let record = state.enter(key, fence)?;
        if was_removed {
            record.removed = true;
        } else {
            record.remove();
        }
        if state != services.state {
            self.save(&mut services, state).await?;
        }
        if let Some(live) = services.live.remove(key) {
            let version = services.state.get(key).map(|record| record.version).unwrap_or_default();
            live.traffic.switch(&Split::default(), version);
            self.followers.tell(vec![live.told(&Split::default(), version)]).await;
            self.followers.forget(key);
            if let Some(public) = live.public {
                services.entrances.leave(public, key).await;
            }
            if let Some(preview) = live.preview {
                preview.close().await;
            }
        }
        let ports = services.state.metrics_ports();
        Endpoint::close_others(&mut services.endpoints, &ports).await;
        Ok(Answer::Done)
    }

    /// Writes the counters down, which is otherwise done only along with other changes.
    pub(super) async fn save_counters(&self) -> Result<()> {
        let mut services = self.services.lock().await;
        let state = services.state.clone();
        self.save(&mut services, state).await
    }

    /// Makes a state durable; it is the one that holds from then on.
    async fn save(&self, services: &mut MutexGuard<'_, Services>, mut state: State) -> Result<()> {
        for record in state.services_mut() {
            if let Some(live) = services.live.get(&record.key) {
                let handed_over = services.handed_over.get(&record.key);
                record.counters = handed_over.cloned().unwrap_or_else(|| live.traffic.counters());
                add(&mut record.counters, &self.followers.ended(&record.key));
            }
        }
        let bytes = state.to_bytes()?;
        let folder = self.folder.clone();
        let written = tokio::task::spawn_blocking(move || folder.write_state(&bytes)).await;
        written.map_err(|error| {
            Error::new(ErrorKind::Unexpected, "write the router's state").with_source(error)
        })??;
        services.state = state;
        Ok(())
    }
}

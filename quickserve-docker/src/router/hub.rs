//! The router's services: what owners ask for, made durable, then put into effect.

use std::collections::BTreeMap;
use std::sync::Arc;

use quickserve_core::fence::Fence;
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::{Role, Split, SplitVersion};
use quickserve_core::{Error, ErrorKind, Result};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::door::{Door, Doors};
use super::folder::Folder;
use super::listen::{ListenSpec, Listening, bind, loopback};
use super::protocol::{Answer, Call, ServiceStatus, Status};
use super::state::{Configured, Record, State};
use super::traffic::Traffic;

/// All services of a router.
#[derive(Debug)]
pub(super) struct Hub {
    folder: Folder,
    doors: Doors,
    started: Instant,
    /// Cancelled when somebody asked the router to end.
    pub(super) asked_to_end: CancellationToken,
    services: Mutex<Services>,
}

#[derive(Debug)]
struct Services {
    /// As it is on disk.
    state: State,
    live: BTreeMap<ServiceKey, Live>,
}

/// A service at work.
#[derive(Debug)]
struct Live {
    traffic: Arc<Traffic>,
    public: Option<Door>,
    preview: Option<Door>,
    /// Why a door is closed that should be open.
    trouble: Option<String>,
}

impl Hub {
    /// Brings back all services as the state has them.
    pub(super) fn restore(folder: Folder, doors: Doors) -> Result<Self> {
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
            services: Mutex::new(Services { state, live }),
        })
    }

    /// Opens the doors that should be open and are not. Answers whether all are.
    pub(super) async fn open_doors(&self) -> bool {
        let mut services = self.services.lock().await;
        let Services { state, live } = &mut *services;
        let mut all = true;
        let mut moved = state.clone();
        for record in moved.services_mut() {
            let (Some(configured), Some(live)) = (&mut record.listen, live.get_mut(&record.key)) else {
                continue;
            };
            let opened = live.open(&self.doors, configured);
            all &= opened.is_ok();
            let trouble = opened.err().map(|error| error.causes().join(": "));
            if let Some(trouble) = &trouble
                && live.trouble.is_none()
            {
                tracing::error!(service = %record.key, trouble, "a service cannot be reached");
            }
            live.trouble = trouble;
        }
        // A preview port may have had to change.
        if moved != *state
            && let Err(error) = self.save(&mut services, moved).await
        {
            tracing::error!(%error, "a new preview port will be forgotten");
        }
        all
    }

    /// Does what is asked.
    pub(super) async fn call(&self, call: Call) -> Result<Answer> {
        match call {
            Call::Status => Ok(Answer::Status(self.status().await)),
            Call::Shutdown { force } => self.shutdown(force).await,
            Call::Configure { service, fence, listen } => {
                self.configure(&checked(&service)?, &fence, listen).await.map(Answer::Listening)
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
                let services = self.services.lock().await;
                let live = services.live.get(&service);
                Ok(Answer::InFlight(live.map(|live| live.traffic.in_flight()).unwrap_or_default()))
            }
            Call::Counters { service } => {
                let services = self.services.lock().await;
                let live = services.live.get(&service);
                Ok(Answer::Counters(live.map(|live| live.traffic.counters()).unwrap_or_default()))
            }
            Call::Remove { service, fence } => self.remove(&service, &fence).await,
        }
    }

    async fn status(&self) -> Status {
        let services = self.services.lock().await;
        let mut list: Vec<ServiceStatus> = services
            .state
            .services()
            .map(|record| {
                let live = services.live.get(&record.key);
                ServiceStatus {
                    service: record.key.clone(),
                    listening: record.listen.as_ref().map(|configured| configured.bound),
                    trouble: live.and_then(|live| live.trouble.clone()),
                    epoch: record.epoch,
                    split: record.split.clone(),
                    split_version: record.version,
                    in_flight: live.map(|live| live.traffic.in_flight()).unwrap_or_default(),
                    counters: live.map(|live| live.traffic.counters()).unwrap_or_default(),
                }
            })
            .collect();
        list.sort_by(|a, b| a.service.cmp(&b.service));
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime: self.started.elapsed().as_secs(),
            services: list,
        }
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
            tracing::info!(service = %key, version = version.0, epoch = fence.epoch.0, "switched");
        }
        Ok(version)
    }

    async fn configure(&self, key: &ServiceKey, fence: &Fence, spec: ListenSpec) -> Result<Listening> {
        let mut services = self.services.lock().await;
        let mut state = services.state.clone();
        let record = state.enter(key, fence)?;
        let by_header = spec.by_header();
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
        let mut configured = Configured { spec, bound };

        // The new doors are opened before anything is written, and the old ones closed after.
        let live = services.live(key);
        let keep = |door: &Option<Door>, address| door.as_ref().is_some_and(|door| door.address == address);
        let keep_public = keep(&live.public, bound.public);
        let keep_preview = match bound.preview {
            Some(address) => keep(&live.preview, address),
            None => live.preview.is_none(),
        };
        let mut fresh = Live { public: None, preview: None, ..Live::empty(&live.traffic) };
        fresh
            .open_some(&self.doors, &mut configured, !keep_public, !keep_preview)
            .map_err(|error| name_ours(error, &services, bound))?;
        let bound = configured.bound;
        record.listen = Some(configured);
        if state != services.state {
            self.save(&mut services, state).await?;
        }
        let live = services.live(key);
        let mut old = Vec::new();
        if !keep_public {
            old.extend(std::mem::replace(&mut live.public, fresh.public));
        }
        if !keep_preview {
            old.extend(std::mem::replace(&mut live.preview, fresh.preview));
        }
        live.trouble = None;
        live.traffic.set_by_header(by_header);
        for door in old {
            door.close().await;
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
            for door in [live.public, live.preview].into_iter().flatten() {
                door.close().await;
            }
        }
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
                record.counters = live.traffic.counters();
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

impl Services {
    fn live(&mut self, key: &ServiceKey) -> &mut Live {
        let Self { state, live } = self;
        live.entry(key.clone()).or_insert_with(|| match state.get(key) {
            Some(record) => Live::new(record),
            None => Live::empty(&Arc::new(Traffic::new(key.clone(), &BTreeMap::new()))),
        })
    }
}

impl Live {
    fn new(record: &Record) -> Self {
        let traffic = Arc::new(Traffic::new(record.key.clone(), &record.counters));
        traffic.switch(&record.split, record.version);
        if let Some(configured) = &record.listen {
            traffic.set_by_header(configured.spec.by_header());
        }
        Self::empty(&traffic)
    }

    fn empty(traffic: &Arc<Traffic>) -> Self {
        Self { traffic: Arc::clone(traffic), public: None, preview: None, trouble: None }
    }

    /// Opens the doors that are not open yet.
    fn open(&mut self, doors: &Doors, configured: &mut Configured) -> Result<()> {
        let (public, preview) = (self.public.is_none(), self.preview.is_none());
        self.open_some(doors, configured, public, preview)
    }

    fn open_some(
        &mut self,
        doors: &Doors,
        configured: &mut Configured,
        public: bool,
        preview: bool,
    ) -> Result<()> {
        if public {
            let (listener, address) = listen(configured.bound.public)?;
            configured.bound.public = address;
            self.public = Some(doors.open(listener, address, &self.traffic, false));
        }
        if preview && let Some(address) = configured.bound.preview {
            // A port that we chose once may be taken when we come back; then we choose another.
            let any = configured.spec.preview == Some(0);
            let (listener, address) = match listen(address) {
                Err(error) if any && error.kind() == ErrorKind::Conflict => listen(loopback(0))?,
                opened => opened?,
            };
            configured.bound.preview = Some(address);
            self.preview = Some(doors.open(listener, address, &self.traffic, true));
        }
        Ok(())
    }
}

fn listen(address: std::net::SocketAddr) -> Result<(tokio::net::TcpListener, std::net::SocketAddr)> {
    let listener = bind(address)?;
    let address = listener.local_addr().map_err(|error| {
        Error::new(ErrorKind::Unavailable, "learn which port was chosen").temporary().with_source(error)
    })?;
    Ok((listener, address))
}

/// Says which service of ours it is that holds an address.
fn name_ours(error: Error, services: &Services, wanted: Listening) -> Error {
    if error.kind() != ErrorKind::Conflict {
        return error;
    }
    let ports = [Some(wanted.public.port()), wanted.preview.map(|preview| preview.port())];
    let holds = |live: &&Live| {
        [&live.public, &live.preview]
            .into_iter()
            .flatten()
            .any(|door| ports.contains(&Some(door.address.port())))
    };
    let Some(holder) = services.live.values().find(holds) else { return error };
    let message = format!("{} is already in use by the service {}", wanted.public, holder.traffic.key);
    Error::new(ErrorKind::Conflict, message)
        .with_hint("choose another port, or take that service down first")
        .with_source(error)
}

/// A service's name as it came through the socket.
fn checked(key: &ServiceKey) -> Result<ServiceKey> {
    ServiceKey::new(key.service(), key.environment())
}

/// Refuses a split that could not be served as it says.
fn check(split: &Split) -> Result<()> {
    let invalid = |message: String| Err(Error::new(ErrorKind::Invalid, message));
    for (index, route) in split.routes.iter().enumerate() {
        let release = &route.release;
        if split.routes[..index].iter().any(|other| other.release == *release) {
            return invalid(format!("{release} has two routes in one split"));
        }
        match route.role {
            Role::Serving(0) => return invalid(format!("{release} serves with a weight of 0")),
            Role::Serving(_) if route.upstreams.is_empty() => {
                return invalid(format!("{release} serves without a task"));
            }
            Role::Serving(_) | Role::Standby | Role::Preview => {}
        }
    }
    let mut tasks: Vec<_> = split.routes.iter().flat_map(|route| &route.upstreams).collect();
    tasks.sort_by(|a, b| a.task.cmp(&b.task));
    match tasks.windows(2).find(|pair| pair[0].task == pair[1].task) {
        Some(pair) => invalid(format!("task {} is named twice in one split", pair[0].task)),
        None => Ok(()),
    }
}

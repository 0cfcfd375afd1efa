//! The services at work, and the sockets that they are reached through.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use quickserve_core::release::ReleaseId;
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::Counters;
use quickserve_core::{Error, ErrorKind};

use super::door::Doors;
use super::entrance::{Bound, Entrances};
use super::folder::Folder;
use super::live::{Live, Open};
use super::metrics::Endpoints;
use super::state::State;
use super::traffic::Traffic;

/// All of them, changed together.
#[derive(Debug)]
pub(super) struct Services {
    /// As it is on disk.
    pub(super) state: State,
    pub(super) live: BTreeMap<ServiceKey, Live>,
    pub(super) entrances: Entrances,
    pub(super) endpoints: Endpoints,
    /// What each service had answered when this process handed over.
    pub(super) handed_over: BTreeMap<ServiceKey, BTreeMap<ReleaseId, Counters>>,
}

impl Services {
    /// Opens an address with all services of the state that belong there, before the first connection is accepted:
    /// what is of one must not be given to another for as long as that one is on its way, or cannot answer.
    pub(super) fn open(&mut self, doors: &Doors, folder: &Folder, bound: Bound) {
        let Self { state, live, entrances, .. } = self;
        let (address, mut services) = (bound.address(), Vec::new());
        for record in state.services() {
            let configured = record.listen.as_ref().filter(|configured| configured.bound.public == address);
            let (Some(configured), Some(live)) = (configured, live.get_mut(&record.key)) else { continue };
            // One without its certificate has its place all the same; that is told of when its turn comes.
            let _ = live.secure(folder, &configured.spec);
            services.push((configured.spec.rule.clone(), doors.forwarder(&live.traffic, false)));
            live.public = Some(address);
        }
        entrances.open(doors, bound, services);
    }

    pub(super) fn live(&mut self, key: &ServiceKey) -> &mut Live {
        let Self { state, live, .. } = self;
        live.entry(key.clone()).or_insert_with(|| match state.get(key) {
            Some(record) => Live::new(record),
            None => Live::of(&Arc::new(Traffic::new(key.clone(), &BTreeMap::new()))),
        })
    }
}

/// Says which service of ours it is that holds an address, where one does.
pub(super) fn name_ours(error: Error, services: &Services, wanted: SocketAddr) -> Error {
    if error.kind() != ErrorKind::Conflict {
        return error;
    }
    let holds = |live: &&Live| {
        let held = [live.public.map(|public| public.port()), live.preview.as_ref().map(Open::port)];
        held.contains(&Some(wanted.port()))
    };
    let Some(holder) = services.live.values().find(holds) else { return error };
    let message = format!("{wanted} is already in use by the service {}", holder.traffic.key);
    Error::new(ErrorKind::Conflict, message)
        .with_hint("choose another port, or take that service down first")
        .with_source(error)
}

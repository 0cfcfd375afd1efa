//! One service at work: its requests, and the sockets that they come through.

use std::net::SocketAddr;
use std::sync::Arc;

use quickserve_core::traffic::{Rule, Split, SplitVersion};
use quickserve_core::{ErrorKind, Result};
use tokio_util::task::AbortOnDropHandle;

use super::door::{Door, Doors};
use super::folder::Folder;
use super::listen::{ListenSpec, loopback};
use super::probing;
use super::process::{Hold, Listeners, Told};
use super::state::{Configured, Record};
use super::table::Table;
use super::tls::Secure;
use super::traffic::Traffic;

/// A service at work.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) traffic: Arc<Traffic>,
    /// The address behind which it is.
    pub(super) public: Option<SocketAddr>,
    pub(super) preview: Option<Open>,
    /// Why a door is closed that should be open.
    pub(super) trouble: Option<String>,
    /// Whether that one is the preview's.
    pub(super) only_preview: bool,
    /// Whether its metrics are not shown, although it asks for that.
    pub(super) unshown: bool,
    /// Asks its tasks whether they are well.
    _probing: Option<AbortOnDropHandle<()>>,
}

/// An open door and its address.
#[derive(Debug)]
pub(super) struct Open {
    door: Door,
    hold: Hold,
}

impl Live {
    pub(super) fn new(record: &Record) -> Self {
        let traffic = Arc::new(Traffic::new(record.key.clone(), &record.counters));
        traffic.switch(&record.split, record.version);
        if let Some(configured) = &record.listen {
            traffic.configure(&configured.spec, None);
        }
        Self::of(&traffic)
    }

    /// A service that does not listen yet.
    pub(super) fn of(traffic: &Arc<Traffic>) -> Self {
        Self { _probing: Some(probing::probe(traffic)), ..Self::empty(traffic) }
    }

    fn empty(traffic: &Arc<Traffic>) -> Self {
        Self {
            traffic: Arc::clone(traffic),
            public: None,
            preview: None,
            trouble: None,
            only_preview: false,
            unshown: false,
            _probing: None,
        }
    }

    /// Reads the certificate that is asked for, unless it has been. Answers whether that was done now.
    pub(super) fn secure(&self, folder: &Folder, spec: &ListenSpec) -> Result<bool> {
        let is_missing = spec.options.tls.is_some() && !self.is_secure();
        if is_missing {
            self.traffic.configure(spec, Secure::asked(&spec.options, folder)?);
        }
        Ok(is_missing)
    }

    /// Whether it has a certificate.
    pub(super) fn is_secure(&self) -> bool {
        self.traffic.wishes().secure.is_some()
    }

    /// Notes whether its metrics are shown. That they are not is no reason for the service not to be reached.
    pub(super) fn note_shown(&mut self, shown: &Result<()>) {
        if let Err(error) = shown
            && !self.unshown
        {
            tracing::error!(service = %self.traffic.key, %error, "a service's metrics cannot be shown");
        }
        self.unshown = shown.is_err();
    }

    /// What a follower has to know.
    pub(super) fn told(&self, split: &Split, version: SplitVersion) -> Told {
        let (service, by_header) = (self.traffic.key.clone(), self.traffic.by_header());
        Told { service, split: split.clone(), version, by_header }
    }

    /// Opens the preview's door, where there is to be one.
    pub(super) async fn open_preview(
        &self,
        doors: &Doors,
        listeners: &Arc<Listeners>,
        configured: &mut Configured,
    ) -> Result<Option<Open>> {
        if let Some(address) = configured.bound.preview {
            // A port that we chose once may be taken when we come back; then we choose another.
            let any = configured.spec.preview == Some(0);
            let (listener, hold) = match listeners.open(address).await {
                Err(error) if any && error.kind() == ErrorKind::Conflict => {
                    listeners.open(loopback(0)).await?
                }
                opened => opened?,
            };
            configured.bound.preview = Some(hold.address);
            let table = Table::new(doors.strays.clone());
            table.enter(Rule::default(), doors.forwarder(&self.traffic, true));
            let door = doors.open(listener, hold.address, Arc::new(table));
            return Ok(Some(Open { door, hold }));
        }
        Ok(None)
    }

    /// Stops accepting, for another process to do so. Connections go on.
    pub(super) async fn shut(&mut self) {
        self.public = None;
        if let Some(preview) = self.preview.take() {
            preview.shut().await;
        }
    }
}

impl Open {
    pub(super) fn new(door: Door, hold: Hold) -> Self {
        Self { door, hold }
    }

    /// Stops accepting, for another process to do so.
    pub(super) async fn shut(self) {
        self.door.shut().await;
        self.hold.leave();
    }

    pub(super) fn is_at(&self, address: SocketAddr) -> bool {
        self.door.address == address
    }

    pub(super) fn port(&self) -> u16 {
        self.door.address.port()
    }

    /// Stops listening; returns when the port is free.
    pub(super) async fn close(self) {
        self.door.close().await;
        self.hold.let_go().await;
    }
}

//! The public addresses, each with the services behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use quickserve_core::Result;
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::Rule;
use tokio::net::TcpListener;

use super::door::Doors;
use super::live::Open;
use super::process::{Hold, Listeners};
use super::table::Table;
use super::traffic::Traffic;

/// The public addresses that are open.
#[derive(Debug, Default)]
pub(super) struct Entrances(BTreeMap<SocketAddr, Entrance>);

#[derive(Debug)]
struct Entrance {
    open: Open,
    table: Arc<Table>,
}

/// An address that is bound: clients that connect wait until it is opened.
#[derive(Debug)]
pub(super) struct Bound {
    listener: TcpListener,
    hold: Hold,
}

impl Bound {
    pub(super) async fn new(listeners: &Arc<Listeners>, address: SocketAddr) -> Result<Self> {
        let (listener, hold) = listeners.open(address).await?;
        Ok(Self { listener, hold })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.hold.address
    }

    /// Lets go of the address, which is free when this returns.
    pub(super) async fn let_go(self) {
        drop(self.listener);
        self.hold.let_go().await;
    }
}

impl Entrances {
    pub(super) fn is_open(&self, address: SocketAddr) -> bool {
        self.0.contains_key(&address)
    }

    /// Opens an address, with the services that belong behind it.
    pub(super) fn open(&mut self, doors: &Doors, bound: Bound, table: Table) {
        let Bound { listener, hold } = bound;
        let (address, table) = (hold.address, Arc::new(table));
        let open = Open::new(doors.open(listener, address, Arc::clone(&table)), hold);
        self.0.insert(address, Entrance { open, table });
    }

    /// Puts a service behind an address that is open.
    pub(super) fn enter(&self, doors: &Doors, address: SocketAddr, traffic: &Arc<Traffic>, rule: &Rule) {
        if let Some(entrance) = self.0.get(&address) {
            entrance.table.enter(rule.clone(), doors.forwarder(traffic, false));
        }
    }

    /// Takes a service away from an address; with the last one the address is closed, and free when this returns.
    pub(super) async fn leave(&mut self, address: SocketAddr, key: &ServiceKey) {
        let is_left = self.0.get(&address).is_some_and(|entrance| entrance.table.leave(key));
        if !is_left && let Some(entrance) = self.0.remove(&address) {
            entrance.open.close().await;
        }
    }

    /// Stops accepting, for another process to do so. Connections go on.
    pub(super) async fn shut(&mut self) {
        for entrance in std::mem::take(&mut self.0).into_values() {
            entrance.open.shut().await;
        }
    }
}
